"""``tamis backup restore``: a backup brought back, into a folder of its own or beside what is there."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from cyclopts import Parameter

from tamis.cli.backup_server import ask_server, server_of
from tamis.cli.failure import Exit, UsageError
from tamis.cli.options import Flag, When, Where, ask_of
from tamis.cli.target import Ask
from tamis.cli.terminal import print_json, say, visible
from tamis.clock import NS_PER_S, SYSTEM_CLOCK
from tamis.query.times import parse_instant, print_instant
from tamis.settings import Settings, load_settings

if TYPE_CHECKING:
    from tamis.backup.bring_back import Asked

Repo = Annotated[Path | None, Parameter(name="--repository")]
DAY_NS = 86_400 * NS_PER_S


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Which:
    """Which state, and which records of it."""

    day: str | None = None
    """Only records of this day (UTC), as 2026-11-21."""
    at: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None
    """As it was at an instant: the newest snapshot of before, and what the next one has from until then."""
    store: str | None = None
    """The store whose snapshots are meant, where there are several in the repository."""
    renew: Flag = False
    """Records that retention would take away at once count as received now."""

    def body(self) -> dict[str, Any]:
        """As the server takes it."""
        return {"at": self.at, "store": self.store, "renew": bool(self.renew)}


def restore(
    snapshot: str = "",
    /,
    *,
    to: Path | None = None,
    which: Which = Which(),
    repository: Repo = None,
    config: Path | None = None,
    json: Flag = False,
    when: When = When(),
    where: Where = Where(),
) -> int:
    """Bring a backup back: into an empty folder (--to), or its records beside what a server or folder has.

    Beside what is there each record comes back once, under its old id where that is free. Exits with 1 when something
    could not be brought back, because it is damaged in the repository.

    Parameters
    ----------
    snapshot
        Its name or the beginning of it; the newest by default.
    to
        A folder that is empty or not there: everything comes back, and `tamis serve --data` goes on with it.
    repository
        The folder of the repository; else backup.repository of the settings.
    config
        The TOML file; else the one that TAMIS_CONFIG names.
    json
        The outcome as JSON.
    """
    ask = _span(which.day, when)
    settings = load_settings(toml_path=config)
    _require_one(to, where)
    if to is not None:
        return _show(_to_folder(settings, repository, to, _asked(snapshot, ask, which)), json=bool(json))
    client = server_of(where)
    if client is not None:
        if repository is not None:
            raise UsageError("a server runs, and restores from its own repository; leave --repository out")
        body = {"snapshot": snapshot, "start": ask.start, "end": ask.end, **which.body()}
        return _show(ask_server(client, "/restore", body), json=bool(json))
    assert where.data is not None
    done = _into_folder(settings, repository, where.data, _asked(snapshot, ask, which))
    return _show(done, json=bool(json))


def _require_one(to: Path | None, where: Where) -> None:
    is_there = where.data is not None or where.url is not None
    if to is not None and is_there:
        raise UsageError("--to names a new folder, --data and --url one that is there; give one of them")
    if to is None and not is_there:
        raise UsageError("say where to: --to for a new folder, --data or --url for what has records already")


def _span(day: str | None, when: When) -> Ask:
    ask = ask_of((), when)
    if day is None:
        return ask
    if ask.start is not None or ask.end is not None:
        raise UsageError("--day is a whole day; leave --since and --until out")
    begin = parse_instant(day, SYSTEM_CLOCK.now_ns())
    if begin % DAY_NS:
        raise UsageError(f"--day {day} is no day; write it as 2026-11-21")
    return Ask(start=print_instant(begin), end=print_instant(begin + DAY_NS))


def _asked(snapshot: str, ask: Ask, which: Which) -> "Asked":
    from tamis.backup.bring_back import Asked
    from tamis.backup.restore import Span

    start, end, moment = (_instant(text) for text in (ask.start, ask.end, which.at))
    span = Span(start, end) if start is not None or end is not None else None
    return Asked(snapshot=snapshot, at_ns=moment, span=span, renew=bool(which.renew), store_id=which.store)


def _instant(text: str | None) -> int | None:
    return None if text is None else parse_instant(text, SYSTEM_CLOCK.now_ns())


def _to_folder(settings: Settings, repository: Path | None, folder: Path, asked: "Asked") -> dict[str, Any]:
    from tamis.backup.bring_back import restore_to
    from tamis.backup.resolved import repository_from
    from tamis.disk.real import RealDisk

    disk = RealDisk()
    opened = repository_from(settings.backup, disk, folder=repository)
    done = restore_to(opened, asked, folder.absolute(), disk, SYSTEM_CLOCK)
    made: dict[str, Any] = msgspec.to_builtins(
        {"folder": str(done.folder), "snapshot": done.snapshot, "files": done.files, "bytes": done.bytes}
    )
    return {**made, "lost": msgspec.to_builtins(done.lost), "notes": done.notes}


def _into_folder(settings: Settings, repository: Path | None, data: Path, asked: "Asked") -> dict[str, Any]:
    from tamis.backup.bring_back import restore_into
    from tamis.backup.resolved import repository_from
    from tamis.disk.real import RealDisk
    from tamis.store.embedded.store import open_store
    from tamis.store.open import store_options

    disk = RealDisk()
    opened = repository_from(settings.backup, disk, folder=repository)
    store = open_store(data, store_options(settings), disk=disk, create=False)
    try:
        name, done = restore_into(opened, asked, store, data.resolve(), disk, clock=SYSTEM_CLOCK)
    finally:
        store.close()
    return {"snapshot": name, **msgspec.to_builtins(done)}


def _show(done: dict[str, Any], *, json: bool) -> int:
    if json:
        print_json(done)
    else:
        for note in done["notes"]:
            say(f"note: {note}")
        for lost in done.get("lost", ()):
            records = "" if lost["records"] is None else f" ({lost['records']:,} records)"
            print(visible(f"lost     {lost['path']}: {lost['reason']}{records}"))
        print(visible(_sentence(done)))
    return int(Exit.FOUND if done.get("lost") else Exit.DONE)


def _sentence(done: dict[str, Any]) -> str:
    name = done["snapshot"][:16]
    if "folder" in done:
        return (
            f"{done['folder']}: {done['files']:,} files, {done['bytes']:,} bytes of {name} are back; "
            f"`tamis serve --data {done['folder']}` goes on with it"
        )
    return (
        f"{name}: {done['adopted']:,} records came back under their ids, {done['appended']:,} under new ones; "
        f"{done['known']:,} were there"
    )
