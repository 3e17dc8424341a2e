"""``tamis assets``: Tamis' own files beside its program: listed, checked, mended, pulled, packed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from tamis.cli.failure import Exit, UsageError
from tamis.cli.options import Flag
from tamis.cli.show.tables import print_table
from tamis.cli.show.works import showing_works
from tamis.cli.terminal import print_json, say, visible
from tamis.settings import Settings, load_settings

if TYPE_CHECKING:
    from tamis.integrity.report import StorageReport
    from tamis.integrity.storage import StorageManager

assets = App(
    name="assets",
    help="Show, check, mend, pull and pack Tamis' own files.",
    help_format="plaintext",
    version_flags=[],
)

Places = Annotated[tuple[str, ...], Parameter(name="--from", negative="", show_default=False)]
Keys = Annotated[tuple[str, ...], Parameter(name="--key", negative="", show_default=False)]


@assets.command(name="list")
def list_assets(*, data: Path | None = None, config: Path | None = None, json: Flag = False) -> None:
    """Show every file, its version and whether it is whole.

    Parameters
    ----------
    data
        The data folder; else server.data of the settings.
    config
        The TOML file; else the one that TAMIS_CONFIG names.
    json
        All of it as JSON.
    """
    from tamis.server.assets import assets_object

    with _manager(load_settings(toml_path=config), data) as manager:
        report = manager.verify()
        found = assets_object(manager.manifest, report)
    if json:
        print_json(found)
        return
    rows = [
        (one["path"], one["version"], f"{one['size']:,}", one["problem"] or "whole") for one in found["files"]
    ]
    print_table(("file", "version", "bytes", "state"), rows)


@assets.command
def verify(
    *, data: Path | None = None, quick: Flag = False, config: Path | None = None, json: Flag = False
) -> int:
    """Check that every file is what its manifest says. It looks and changes nothing.

    Exits with 1 when anything is missing or damaged.

    Parameters
    ----------
    data
        The data folder; else server.data of the settings.
    quick
        Large files that were compared before are known by size and time; without it every byte is compared.
    config
        The TOML file; else the one that TAMIS_CONFIG names.
    json
        The report as JSON.
    """
    with _manager(load_settings(toml_path=config), data) as manager, showing_works():
        report = manager.verify(full=not quick)
        return _told(manager, report, as_data=bool(json))


@assets.command
def repair(
    *, places: Places = (), data: Path | None = None, config: Path | None = None, json: Flag = False
) -> int:
    """Mend what is missing or damaged, from what is there and from mirrors. A running server sees it at its next look.

    Exits with 1 when something could not be mended.

    Parameters
    ----------
    places
        A mirror: a folder, a .tar archive, https://host/folder, or tamis+https://TOKEN@host:4817; may be given several
        times. Else those of assets.mirrors.
    data
        The data folder; else server.data of the settings.
    config
        The TOML file; else the one that TAMIS_CONFIG names.
    json
        The report as JSON.
    """
    with _manager(load_settings(toml_path=config), data, places=places) as manager, showing_works():
        return _told(manager, manager.repair(), as_data=bool(json))


@assets.command
def pull(
    *,
    places: Places = (),
    keys: Keys = (),
    data: Path | None = None,
    config: Path | None = None,
    json: Flag = False,
) -> int:
    """Take the newest manifest that mirrors have, and the bytes that are new in it.

    Exits with 1 when a file that is not required could not be had; with 3, and nothing changed, when a required one or
    the manifest could not.

    Parameters
    ----------
    places
        A mirror, as for `repair`; may be given several times. Else those of assets.mirrors.
    keys
        A public key, 64 hex digits, that may have signed the manifest; may be given several times. Else assets.keys.
    data
        The data folder; else server.data of the settings.
    config
        The TOML file; else the one that TAMIS_CONFIG names.
    json
        The report as JSON.
    """
    settings = load_settings({"assets.keys": keys or None}, toml_path=config)
    with _manager(settings, data, places=places) as manager, showing_works():
        return _told(manager, manager.update(), as_data=bool(json))


@assets.command
def pack(
    target: Path,
    /,
    *,
    sign: Path | None = None,
    data: Path | None = None,
    config: Path | None = None,
    json: Flag = False,
) -> None:
    """Put every file with its manifest into a folder, or into an archive when its name ends in .tar.

    To be carried into a network without a way out, where `--from` or assets.mirrors names it.

    Parameters
    ----------
    target
        The folder or the archive.
    sign
        A file with a signing key, made where absent: the manifest is signed with it, and its public key is shown, to be
        named as assets.keys where the pack is taken.
    data
        The data folder; else server.data of the settings.
    config
        The TOML file; else the one that TAMIS_CONFIG names.
    json
        What was packed as JSON.
    """
    from tamis.disk.real import RealDisk
    from tamis.integrity.ledger import open_signer
    from tamis.integrity.pack import pack as pack_files
    from tamis.keys import FileProvider

    signer = None if sign is None else open_signer(FileProvider(RealDisk(), sign))
    with _manager(load_settings(toml_path=config), data) as manager, showing_works():
        manifest = pack_files(manager, target, signer=signer)
    key = None if signer is None else signer.public.hex()
    if json:
        made = {"target": str(target), "version": manifest.version, "files": len(manifest.files)}
        print_json({**made, "bytes": manifest.size, "public_key": key})
        return
    say(f"{target}: version {manifest.version}, {len(manifest.files):,} files, {manifest.size:,} bytes")
    if key is not None:
        print(key)


@contextmanager
def _manager(
    settings: Settings, data: Path | None, *, places: tuple[str, ...] = ()
) -> "Iterator[StorageManager]":
    from tamis.server.assets import asset_manager

    if data is not None and not data.is_dir():
        raise UsageError(f"{data}: there is no such folder")
    folder = (data or settings.server.data).expanduser()
    manager = asset_manager(settings, folder, mirrors=places or None)
    try:
        yield manager
    finally:
        manager.close()


def _told(manager: "StorageManager", report: "StorageReport", *, as_data: bool) -> int:
    """Show a report; the exit code."""
    if as_data:
        print_json({"whole": report.is_whole, **_plain(report)})
        return int(Exit.DONE if report.is_whole else Exit.FOUND)
    for note in report.notes:
        print(visible(f"note     {note}"))
    for path in report.mended:
        print(visible(f"mended   {path}"))
    for path in report.removed:
        print(visible(f"removed  {path}"))
    for finding in report.findings:
        print(visible(f"damaged  {finding.sentence}"))
    for mode in report.modes:
        print(visible(f"degraded {mode.name}: {mode.text}"))
    state = "whole" if report.is_whole else f"{len(report.findings):,} files are not"
    print(
        f"{manager.folder}: {state}; version {report.version}, {report.files:,} files, {report.bytes:,} bytes; "
        f"{report.bytes_fetched:,} fetched"
    )
    return int(Exit.DONE if report.is_whole else Exit.FOUND)


def _plain(report: "StorageReport") -> dict[str, Any]:
    import msgspec

    plain: dict[str, Any] = msgspec.to_builtins(report)
    return plain
