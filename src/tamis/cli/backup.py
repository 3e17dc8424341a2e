"""``tamis backup``: copies of a server, made, looked at, brought back."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from cyclopts import App, Parameter

from tamis.cli.backup_restore import restore
from tamis.cli.backup_server import ask_server, server_of, state_of
from tamis.cli.failure import Exit, UsageError
from tamis.cli.options import Flag, Where
from tamis.cli.show.tables import print_table
from tamis.cli.terminal import print_json, say, visible
from tamis.query.times import print_instant
from tamis.settings import Settings, load_settings

if TYPE_CHECKING:
    from tamis.backup.repository import Repository
    from tamis.backup.retention import Keep
    from tamis.backup.verify import Report

backup = App(
    name="backup",
    help="Make, check and bring back backups.",
    help_format="plaintext",
    version_flags=[],
)
backup.command(restore, name="restore")

Repo = Annotated[Path | None, Parameter(name="--repository")]
NAME_CHARS = 16


@backup.command
def create(
    *,
    repository: Repo = None,
    accept_older: Flag = False,
    config: Path | None = None,
    json: Flag = False,
    where: Where = Where(),
) -> int:
    """Make a backup now: by the server that runs, else (with --data) of the folder itself.

    Exits with 1 when something was damaged where it was read, so that it is not in the backup.

    Parameters
    ----------
    repository
        The folder of the repository, for a folder without a server; else backup.repository of the settings.
    accept_older
        Go on also where the repository lacks the newest snapshot that this machine knows.
    config
        The TOML file; else the one that TAMIS_CONFIG names.
    json
        What was made as JSON.
    """
    client = server_of(where)
    if client is not None:
        if repository is not None or accept_older:
            raise UsageError("a server runs, and backs up into its own repository; leave those options out")
        made = ask_server(client, "")
    else:
        assert where.data is not None
        made = _create_here(
            where.data, repository, load_settings(toml_path=config), is_older_taken=accept_older
        )
    if json:
        print_json(made)
    else:
        _print_made(made)
    return int(Exit.FOUND if made["problems"] else Exit.DONE)


def _create_here(
    data: Path, repository: Path | None, settings: Settings, *, is_older_taken: object
) -> dict[str, Any]:
    from tamis.backup.contents import places_of
    from tamis.backup.create import CreateOptions
    from tamis.backup.create import create as make
    from tamis.backup.memory import read_memory, remember, require_not_older, seen_of
    from tamis.backup.moment import moment_of_folder
    from tamis.backup.resolved import repository_from
    from tamis.backup.work import shown
    from tamis.disk.real import RealDisk

    if not data.is_dir():
        raise UsageError(f"{data}: there is no such folder")
    disk, options = RealDisk(), settings.backup
    opened = repository_from(options, disk, folder=repository, create=True)
    before = read_memory(disk, data).get(opened.config.id)
    if not is_older_taken:
        require_not_older(opened, opened.snapshots({}), before)
    how = CreateOptions(wait_s=options.wait_s, timeout_s=options.timeout_s, bytes_per_s=options.bytes_per_s)
    with moment_of_folder(disk, data) as moment:
        made = make(opened, moment, places_of(settings, data.resolve()), disk, how)
    remember(disk, data, opened.config.id, seen_of(opened, made.name, made.snapshot, before))
    created = print_instant(made.snapshot.created_ns)
    return {**shown(made.name, made.snapshot), "notes": list(made.notes), "created": created}


def _print_made(made: dict[str, Any]) -> None:
    for problem in made["problems"]:
        print(visible(f"damaged  {problem}"))
    for note in made["notes"]:
        say(f"note: {note}")
    print(
        f"{made['name'][:NAME_CHARS]}: {made['records']:,} records, {made['size_bytes']:,} bytes in "
        f"{made['files_count']:,} files; {made['added_bytes']:,} bytes were new"
    )


@backup.command(name="list")
def list_snapshots(*, repository: Repo = None, config: Path | None = None, json: Flag = False) -> int:
    """Show every snapshot of a repository. Exits with 1 when one cannot be read.

    Parameters
    ----------
    repository
        The folder of the repository; else backup.repository of the settings.
    config
        The TOML file; else the one that TAMIS_CONFIG names.
    json
        As JSON.
    """
    from tamis.backup.work import shown

    problems: dict[str, str] = {}
    found = _opened(repository, config).snapshots(problems)
    if json:
        print_json({"snapshots": [shown(name, one) for name, one in found.items()], "damaged": problems})
    else:
        rows = [
            (
                name[:NAME_CHARS],
                print_instant(one.created_ns),
                one.host,
                one.store_id,
                f"{one.records:,}",
                f"{one.size_bytes:,}",
                f"{one.added_bytes:,}",
                one.why,
            )
            for name, one in found.items()
        ]
        heads = ("snapshot", "made", "host", "store", "records", "bytes", "new", "why")
        print_table(heads, rows, bars=False)
        for name, problem in problems.items():
            print(visible(f"damaged  {name[:NAME_CHARS]}: {problem}"))
    return int(Exit.FOUND if problems else Exit.DONE)


@backup.command
def verify(
    *snapshots: str,
    repository: Repo = None,
    quick: Flag = False,
    config: Path | None = None,
    json: Flag = False,
) -> int:
    """Check that a repository is whole; backups may be made meanwhile. What is damaged is noted in it, so that the next
    backup writes it anew as far as it can; nothing else is changed.

    Exits with 1 when anything is not as it was written, and says which snapshots and files that hits.

    Parameters
    ----------
    snapshots
        Whose files to name when something is wrong; all by default.
    repository
        The folder of the repository; else backup.repository of the settings.
    quick
        Look at lists and sizes only; without it every byte is read and every chunk opened.
    config
        The TOML file; else the one that TAMIS_CONFIG names.
    json
        The report as JSON.
    """
    from tamis.backup.bring_back import Asked, choose
    from tamis.backup.verify import verify as look

    opened = _opened(repository, config)
    known = opened.snapshots({})
    names = [choose(known, Asked(snapshot=name), opened.name) for name in snapshots]
    report = look(opened, names, full=not quick)
    if json:
        print_json({"whole": report.is_whole, **msgspec.to_builtins(report)})
    else:
        _print_report(opened, report)
    return int(Exit.DONE if report.is_whole else Exit.FOUND)


def _print_report(opened: "Repository", report: "Report") -> None:
    for note in report.notes:
        print(visible(f"note     {note}"))
    for one in report.findings:
        print(visible(f"damaged  {one.object}: {one.problem}"))
        for file in one.files:
            name, _, path = file.partition(":")
            print(visible(f"         hits {name[:NAME_CHARS]} {path}"))
        if one.files_count > len(one.files):
            print(f"         and {one.files_count - len(one.files):,} more files")
    state = "whole" if report.is_whole else f"{len(report.findings):,} things are damaged"
    print(
        f"{opened.name}: {state}; {report.snapshots:,} snapshots, {report.packs:,} packs, {report.chunks:,} chunks, "
        f"{report.read_bytes:,} bytes read"
    )


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """How many snapshots are kept."""

    keep_last: int | None = None
    """So many of the newest; else backup.keep_last."""
    keep_daily: int | None = None
    """The newest of so many days; else backup.keep_daily."""
    keep_weekly: int | None = None
    """The newest of so many weeks; else backup.keep_weekly."""
    keep_monthly: int | None = None
    """The newest of so many months; else backup.keep_monthly."""

    def or_usual(self, usual: "Keep") -> "Keep":
        """What was given, and the settings' where nothing was."""
        given = {
            name.removeprefix("keep_"): value
            for name in ("keep_last", "keep_daily", "keep_weekly", "keep_monthly")
            if (value := getattr(self, name)) is not None
        }
        return replace(usual, **given)


@backup.command
def prune(
    *,
    repository: Repo = None,
    kept: Kept = Kept(),
    store: tuple[str, ...] = (),
    dry_run: Flag = False,
    drop_damaged: Flag = False,
    config: Path | None = None,
    json: Flag = False,
) -> None:
    """Forget snapshots that need not be kept, and remove what only they needed. The newest of each store stays.

    Parameters
    ----------
    repository
        The folder of the repository; else backup.repository of the settings.
    store
        Only snapshots of this store. May be given again.
    dry_run
        Say what would be removed, and remove nothing.
    drop_damaged
        Go on though something is damaged, and forget snapshots that cannot be read.
    config
        The TOML file; else the one that TAMIS_CONFIG names.
    json
        The outcome as JSON.
    """
    from tamis.backup.prune import prune as remove
    from tamis.backup.resolved import keep_from

    settings = load_settings(toml_path=config).backup
    done = remove(
        _opened(repository, config),
        kept.or_usual(keep_from(settings)),
        stores=store or None,
        is_trial=bool(dry_run),
        drop_damaged=bool(drop_damaged),
        wait_s=settings.wait_s,
    )
    if json:
        print_json(msgspec.to_builtins(done))
        return
    would = "would be " if dry_run else ""
    print(
        f"{len(done.snapshots):,} snapshots {would}forgotten, {done.kept:,} stay; {done.packs:,} packs {would}removed "
        f"({done.repacked:,} written anew, smaller), {done.freed_bytes:,} bytes freed"
    )


@backup.command
def schedule(*, json: Flag = False, where: Where = Where()) -> int:
    """Show when the server makes its next backup, how the last ones went, and what is wrong.

    Exits with 1 when something is: the newest is too old, the last one failed, the repository is damaged.

    Parameters
    ----------
    json
        As JSON.
    """
    client = server_of(where)
    if client is None:
        raise UsageError(
            f"{where.data}: no server has it open, so nothing keeps a schedule; `tamis serve` starts one"
        )
    state = state_of(client)
    if json:
        print_json(state)
        return int(Exit.FOUND if state["problems"] else Exit.DONE)
    print(visible(f"repository   {state['repository'] or 'none; set backup.repository'}"))
    for label, name in (
        ("newest", "newest_at"),
        ("next", "next"),
        ("verified", "verified"),
        ("next check", "next_verify"),
    ):
        print(f"{label:12} {state[name] or 'never'}")
    for job in state["jobs"][:10]:
        told = f": {job['error']}" if job["error"] else ""
        print(visible(f"{job['asked']}  {job['kind']} {job['why']}: {job['state']}{told}"))
    for problem in state["problems"]:
        print(visible(f"wrong        {problem}"))
    return int(Exit.FOUND if state["problems"] else Exit.DONE)


def _opened(repository: Path | None, config: Path | None) -> "Repository":
    from tamis.backup.resolved import repository_from
    from tamis.disk.real import RealDisk

    return repository_from(load_settings(toml_path=config).backup, RealDisk(), folder=repository)
