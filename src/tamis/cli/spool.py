"""``tamis spool``: what applications could not deliver yet, and what was refused."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cyclopts import App

from tamis.cli.failure import CommandError, Exit, UsageError
from tamis.cli.options import Flag
from tamis.cli.show.tables import print_table
from tamis.cli.terminal import print_json, say, visible
from tamis.disk.lock import lock_folder
from tamis.disk.real import RealDisk
from tamis.errors import DiskError, FormatError, LockedError
from tamis.pipeline.base import Sink
from tamis.pipeline.build import create_sinks, spool_limits
from tamis.pipeline.delivery.dead import read_letters
from tamis.pipeline.delivery.replay import replay as send_again
from tamis.pipeline.metrics import SinkCounts
from tamis.pipeline.spool.contents import read_contents, read_stored
from tamis.pipeline.spool.place import DEAD_LETTERS, SPOOL, folders, part_names, remove_folder, size_of
from tamis.pipeline.spool.store import SpoolStore
from tamis.query.times import print_instant
from tamis.record.model import Record
from tamis.settings import Settings, load_settings

spool = App(
    name="spool",
    help="Show, send and drop what applications could not deliver.",
    help_format="plaintext",
    version_flags=[],
)
_DISK = RealDisk()


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """One process's records for one sink: waiting, or dead letters."""

    name: str
    kind: str
    sink: str
    records: int
    bytes: int
    holder: str
    folder: Path


@spool.command(name="list")
def show_all(*, config: Path | None = None, json: Flag = False) -> None:
    """Show what waits, and what sinks refused: for each process that logged, and each sink.

    Parameters
    ----------
    config
        The TOML file; else the one that TAMIS_CONFIG names.
    json
        As JSON.
    """
    rows = list(_left(load_settings(toml_path=config)))
    if json:
        print_json({"spools": [_as_json(row) for row in rows]})
        return
    columns = ("name", "kind", "sink", "records", "bytes", "in use by")
    print_table(
        columns,
        [(row.name, row.kind, row.sink, row.records, row.bytes, row.holder) for row in rows],
        bars=False,
    )


@spool.command
def show(name: str, /, *, limit: int = 100, config: Path | None = None, json: Flag = False) -> None:
    """Show the records of a spool, or the dead letters with the reasons, oldest first.

    Parameters
    ----------
    name
        As `list` shows it.
    limit
        At most so many.
    config
        The TOML file; else the one that TAMIS_CONFIG names.
    json
        Each as a line of JSON.
    """
    settings = load_settings(toml_path=config)
    for place, row in zip(range(limit), _rows(_find(settings, name)), strict=False):
        if json:
            print_json(row)
        else:
            reason = f"  refused: {row['reason']}" if "reason" in row else ""
            line = f"{place + 1:>6}  {row['timestamp']}  {row['level'] or '':8}  {row['message']}{reason}"
            print(visible(line.replace("\n", " ")))


@spool.command
def replay(*, url: tuple[str, ...] = (), config: Path | None = None, json: Flag = False) -> int:
    """Send what processes that are gone have left; a process that lives sends its own. Dead letters stay.

    Exits with 3 when something could not be sent: it stays where it is.

    Parameters
    ----------
    url
        The sink it waits for, with its token; else those that `log.sinks` names.
    config
        The TOML file; else the one that TAMIS_CONFIG names.
    json
        What was sent as JSON.
    """
    settings = load_settings(toml_path=config)
    sinks = [sink for sink in create_sinks(settings, url or settings.log.sinks) if sink.spooled]
    if not sinks:
        raise UsageError("no sink that has a spool: name one with --url, or in log.sinks")
    done = [_replay(settings, sink) for sink in sinks]
    if json:
        print_json({"sinks": [_sent(counts) for counts in done]})
    else:
        for counts in done:
            print(
                f"{counts.name}: {counts.delivered:,} records sent, {counts.dead_lettered:,} refused, "
                f"{counts.spooled:,} still wait, {sum(counts.dropped.values()):,} were damaged"
            )
    return int(Exit.FAILED if any(counts.spooled for counts in done) else Exit.DONE)


@spool.command
def drop(*name: str, config: Path | None = None, json: Flag = False) -> None:
    """Remove spools, or dead letters, with all that is in them.

    Parameters
    ----------
    name
        As `list` shows them.
    config
        The TOML file; else the one that TAMIS_CONFIG names.
    json
        What was removed as JSON.
    """
    if not name:
        raise UsageError("name what to drop; `tamis spool list` shows the names")
    settings = load_settings(toml_path=config)
    found = [_find(settings, one) for one in name]
    for left in found:
        _drop(left)
        say(f"{left.name}: {left.records:,} records dropped")
    if json:
        print_json({"dropped": [_as_json(left) for left in found]})


def _left(settings: Settings) -> Iterator[Left]:
    """All there is, by kind and sink."""
    state = Path(settings.spool.folder)
    for kind in (SPOOL, DEAD_LETTERS):
        place = state / kind
        for sink in _DISK.names(place) if _DISK.exists(place) else ():
            for folder in folders(_DISK, place / sink):
                try:
                    left = _look(kind, folder)
                except FormatError as error:
                    say(f"tamis: {error}")
                except DiskError:  # it went while we looked
                    continue
                else:
                    yield left


def _look(kind: str, folder: Path) -> Left:
    if kind == SPOOL:
        contents = read_contents(_DISK, folder)
        begin, records = contents.begin, contents.unsettled
    else:
        begin, records = None, sum(1 for _ in read_letters(_DISK, folder))
    return Left(
        name=folder.name,
        kind="waiting" if kind == SPOOL else "refused",
        sink=begin.sink if begin is not None else folder.parent.name,
        records=records,
        bytes=size_of(_DISK, folder),
        holder=_holder(folder),
        folder=folder,
    )


def _holder(folder: Path) -> str:
    """Which process has it; empty when none has."""
    try:
        lock_folder(folder, "tamis spool").release()
    except LockedError as error:
        return error.holder
    return ""


def _find(settings: Settings, name: str) -> Left:
    found = next((left for left in _left(settings) if left.name == name), None)
    if found is None:
        raise UsageError(f"{name}: there is no such spool; `tamis spool list` shows their names")
    return found


def _rows(left: Left) -> Iterator[dict[str, Any]]:
    if left.kind == "refused":
        for letter in read_letters(_DISK, left.folder):
            with suppress(ValueError):  # a letter that nobody can read any more
                refused = {
                    "reason": letter.reason,
                    "refused": print_instant(letter.at_ns),
                    "batch": letter.batch,
                }
                yield {**refused, **_row(letter.record)}
        return
    contents = read_contents(_DISK, left.folder)
    for part in contents.parts:
        for stored in read_stored(_DISK, part, contents.settled):
            for record in stored.records:
                yield _row(record)


def _row(record: Record) -> dict[str, Any]:
    row = {name: getattr(record, name) for name in record.__struct_fields__}
    return {**row, "timestamp": print_instant(record.timestamp)}


def _replay(settings: Settings, sink: Sink) -> SinkCounts:
    store = SpoolStore(
        Path(settings.spool.folder), sink.name, limits=spool_limits(settings.spool), disk=_DISK
    )
    try:
        return send_again(sink, store, tell=lambda _topic, sentence: say(f"tamis: {sentence}"))
    finally:
        sink.close()


def _sent(counts: SinkCounts) -> dict[str, Any]:
    return {
        "sink": counts.name,
        "sent": counts.delivered,
        "refused": counts.dead_lettered,
        "waiting": counts.spooled,
        "damaged": sum(counts.dropped.values()),
    }


def _drop(left: Left) -> None:
    try:
        lock = lock_folder(left.folder, "tamis spool drop")
    except LockedError as error:
        raise CommandError(f"{left.name} is in use by {error.holder}; stop it first") from None
    for name in part_names(_DISK, left.folder):
        _DISK.remove(left.folder / name)
    remove_folder(_DISK, lock)


def _as_json(left: Left) -> dict[str, Any]:
    row = {name: getattr(left, name) for name in ("name", "kind", "sink", "records", "bytes")}
    return {**row, "in_use_by": left.holder or None, "folder": str(left.folder)}
