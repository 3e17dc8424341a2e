"""``tamis audit``: whether the audit is what was written, and what stands in it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
from cyclopts import App, Parameter

from tamis.cli.failure import Exit, UsageError
from tamis.cli.options import Flag, When, ask_of
from tamis.cli.terminal import print_json, visible
from tamis.clock import SYSTEM_CLOCK
from tamis.query.times import parse_instant
from tamis.settings import Settings, load_settings

if TYPE_CHECKING:
    from tamis.integrity.ledger import Finding, Layout, Report

audit = App(name="audit", help="Check and export the audit.", help_format="plaintext", version_flags=[])

Heads = Annotated[Path | None, Parameter(name="--heads")]


@audit.command
def verify(
    folder: Path | None = None,
    /,
    *,
    heads: Heads = None,
    public_key: tuple[str, ...] = (),
    config: Path | None = None,
    json: Flag = False,
) -> int:
    """Follow the audit entry by entry. It looks and changes nothing; writers may be at work.

    Exits with 1 when anything was changed, removed, put in, moved or cut off; with 3 when that could not be told,
    for want of a key: whoever writes all of it anew lacks nothing but that.

    Parameters
    ----------
    folder
        The audit's folder; else audit.ledger of the settings.
    heads
        The folder of its heads; else audit.heads of the settings.
    public_key
        A key whose signatures count, 64 hex digits; else that of audit.signing_key. May be given again.
    config
        The TOML file; else the one that TAMIS_CONFIG names.
    json
        The report as JSON.
    """
    from tamis.disk.real import RealDisk
    from tamis.integrity.ledger import parse_public, verify_ledger

    settings = load_settings(toml_path=config)
    layout = _layout(settings, folder, heads)
    trusted = tuple(parse_public(text) for text in public_key) or _own_key(settings)
    report = verify_ledger(RealDisk(), layout, trusted=trusted)
    if json:
        keys = [public.hex() for public in trusted]
        print_json({"whole": report.is_whole, **msgspec.to_builtins(report), "public_keys": keys})
        return int(_exit(report, trusted))
    for note in report.notes:
        print(visible(f"note     {note}"))
    for finding in report.findings:
        print(visible(f"damaged  {_place(finding)}: {finding.problem}"))
    count = len(report.findings) + report.more
    state = f"{count:,} things are not as they were written"
    if report.is_whole:
        state = "whole" if trusted else "whole, as far as can be told without a key (--public-key)"
    print(f"{layout.folder}: {state}; {report.entries:,} entries in {report.chains:,} chains")
    return int(_exit(report, trusted))


def _exit(report: "Report", trusted: tuple[bytes, ...]) -> Exit:
    if not report.is_whole:
        return Exit.FOUND
    return Exit.DONE if trusted else Exit.FAILED


@audit.command
def export(
    folder: Path | None = None,
    /,
    *,
    heads: Heads = None,
    config: Path | None = None,
    when: When = When(),
) -> None:
    """Print the audit's entries as NDJSON, oldest first: chain, number, at, entry, link.

    Parameters
    ----------
    folder
        The audit's folder; else audit.ledger of the settings.
    heads
        The folder of its heads; else audit.heads of the settings.
    config
        The TOML file; else the one that TAMIS_CONFIG names.
    """
    from tamis.disk.real import RealDisk
    from tamis.integrity.ledger import export_ledger

    layout = _layout(load_settings(toml_path=config), folder, heads)
    ask = ask_of((), when)
    lines = export_ledger(RealDisk(), layout, start_ns=_instant(ask.start), end_ns=_instant(ask.end))
    for line in lines:
        sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()


def _layout(settings: Settings, folder: Path | None, heads: Path | None) -> "Layout":
    from tamis.integrity.ledger import Layout, layout_from

    known = layout_from(settings.audit)
    layout = Layout(folder or known.folder, heads or known.heads)
    if not layout.folder.is_dir() and not layout.heads.is_dir():
        raise UsageError(
            f"{layout.folder}: there is no audit; name its folder, and with --heads that of its heads"
        )
    return layout


def _own_key(settings: Settings) -> tuple[bytes, ...]:
    from tamis.disk.real import RealDisk
    from tamis.integrity.ledger import Signer
    from tamis.keys import FileProvider

    if not settings.audit.signing_key.exists():
        return ()
    return (Signer(FileProvider(RealDisk(), settings.audit.signing_key).load()).public,)


def _place(finding: "Finding") -> str:
    part = f" part {finding.part}" if finding.part else ""
    byte = f" byte {finding.position:,}" if finding.position else ""
    return f"chain {finding.chain}{part}{byte}"


def _instant(text: str | None) -> int | None:
    return None if text is None else parse_instant(text, SYSTEM_CLOCK.now_ns())
