"""Which snapshot is meant, and what of it comes back where: all, one day, up to an instant; beside what is there."""

import contextlib
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tamis.backup.rejoin import Rejoined, Wanted, rejoin
from tamis.backup.remade import Lost, opened_unfinished
from tamis.backup.repository import Repository
from tamis.backup.restore import Restored, Span, finish, lay_out, restore_folder
from tamis.backup.restored import RestoredLog
from tamis.backup.snapshot import Snapshot
from tamis.clock import Clock
from tamis.disk.base import Disk
from tamis.errors import BackupError
from tamis.query.ast import All
from tamis.query.times import print_instant
from tamis.store.base import Budget, Question
from tamis.store.embedded.face import EmbeddedStore

_PATIENCE_S: Final = 86_400.0
_COPY: Final = "restoring"
RECORDS: Final = ("data",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is to come back. `snapshot`: a name or its beginning, "" is the newest; `at_ns`: the state at an instant;
    `span`: records of a time only; `renew`: see `rejoin.Wanted`."""

    snapshot: str = ""
    at_ns: int | None = None
    span: Span | None = None
    renew: bool = False
    store_id: str | None = None
    """Of which store, where the repository has several."""


def choose(snapshots: Mapping[str, Snapshot], asked: Asked, where: str) -> str:
    """The name of the snapshot that is meant. BackupError says what there is otherwise."""
    if asked.snapshot and asked.snapshot != "latest":
        found = [name for name in snapshots if name.startswith(asked.snapshot.lower())]
        if len(found) == 1:
            return found[0]
        many = "is the beginning of several snapshots" if found else "is no snapshot"
        raise BackupError(f"{asked.snapshot} {many} in {where}; `tamis backup list` shows them")
    ours = {
        name: one
        for name, one in snapshots.items()
        if (asked.store_id is None or one.store_id == asked.store_id)
        and (asked.at_ns is None or one.created_ns <= asked.at_ns)
    }
    stores = {one.store_id for one in ours.values()}
    if len(stores) > 1:
        raise BackupError(
            f"{where} has snapshots of the stores {', '.join(sorted(stores))}; say which with --store"
        )
    if not ours:
        when = "" if asked.at_ns is None else f" from before {print_instant(asked.at_ns)}"
        raise BackupError(f"{where} has no snapshot{when}; `tamis backup list` shows what there is")
    return max(ours.items(), key=lambda one: (one[1].created_ns, one[1].number))[0]


def restore_to(repository: Repository, asked: Asked, folder: Path, disk: Disk, clock: Clock) -> Restored:
    """Bring a backup back into a folder of its own.

    With `at_ns` the newest snapshot of before, and then what the next one has that was received until then. With a
    span the folder holds the records of that time only. Until all of that is done no server takes the folder, and the
    same again goes on.
    """
    snapshots = repository.snapshots({})
    name = choose(snapshots, asked, repository.name)
    restored = lay_out(repository, name, folder, disk, span=asked.span)
    following = None if asked.at_ns is None else _following(snapshots, name, asked.at_ns)
    if following is not None:
        _go_on(repository, snapshots[name], following, asked, restored, disk=disk, clock=clock)
    if asked.span is not None:
        _narrow(folder, asked.span, disk, clock)
    finish(folder, disk)
    return restored


def _following(snapshots: Mapping[str, Snapshot], name: str, at_ns: int) -> str | None:
    """The snapshot of the same store that comes after an instant."""
    store_id = snapshots[name].store_id
    later = [
        one for one in snapshots if snapshots[one].store_id == store_id and snapshots[one].created_ns > at_ns
    ]
    return min(later, key=lambda one: snapshots[one].created_ns, default=None)


def _go_on(
    repository: Repository,
    base: Snapshot,
    following: str,
    asked: Asked,
    restored: Restored,
    *,
    disk: Disk,
    clock: Clock,
) -> None:
    span = asked.span or Span()
    wanted = Wanted(
        start_ns=span.start_ns,
        end_ns=span.end_ns,
        until_ns=asked.at_ns,
        after_seq=base.last_seq,
        advance=True,
    )
    with (
        _copy(repository, following, restored.folder, asked.span, disk=disk, clock=clock) as (origin, lost),
        opened_unfinished(restored.folder, disk, clock) as store,
    ):
        store.seal_now()
        done = rejoin(store, origin, wanted)
    restored.lost.extend(lost)
    restored.notes.append(
        f"{done.adopted:,} records came from the snapshot after, {following[:16]}; what was deleted between is gone"
    )


def restore_into(
    repository: Repository,
    asked: Asked,
    store: EmbeddedStore,
    data: Path,
    disk: Disk,
    *,
    clock: Clock,
) -> tuple[str, Rejoined]:
    """Bring records of a backup back into a store that is open, beside what it has; the snapshot's name, and what
    became of them. What stands around the store (users, keys, audit) stays as it is."""
    snapshots = repository.snapshots({})
    own = Asked(snapshot=asked.snapshot, at_ns=asked.at_ns, store_id=asked.store_id or _own(snapshots, store))
    name = choose(snapshots, own, repository.name)
    span = asked.span or Span()
    wanted = Wanted(start_ns=span.start_ns, end_ns=span.end_ns, until_ns=asked.at_ns, renew=asked.renew)
    with _copy(repository, name, data, asked.span, disk=disk, clock=clock) as (origin, lost):
        done = rejoin(store, origin, wanted, log=RestoredLog(disk, data), going_on=repository.going_on)
    done.lost.extend(lost)
    return name, done


def _own(snapshots: Mapping[str, Snapshot], store: EmbeddedStore) -> str | None:
    return store.store_id if any(one.store_id == store.store_id for one in snapshots.values()) else None


@contextmanager
def _copy(
    repository: Repository, name: str, data: Path, span: Span | None, *, disk: Disk, clock: Clock
) -> Iterator[tuple[EmbeddedStore, list[Lost]]]:
    """A snapshot's records as a store of their own, beside the folder's, for as long as the context lasts; and what of
    them is damaged in the repository."""
    folder = data / _COPY
    _remove(folder)
    try:
        copied = restore_folder(repository, name, folder, disk, sections=RECORDS, span=span)
        with opened_unfinished(folder, disk, clock) as origin:
            yield origin, copied.lost
    finally:
        _remove(folder)


def forget_copy(data: Path) -> None:
    """Remove what a restore that was killed left in a data folder."""
    _remove(data / _COPY)


def _remove(folder: Path) -> None:
    """Of a copy nothing has to be safe, nor stay."""
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder)


def _narrow(folder: Path, span: Span, disk: Disk, clock: Clock) -> None:
    """Erase what lies outside of a time."""
    with opened_unfinished(folder, disk, clock) as store:
        for question in _outside(span):
            store.delete(question, Budget(_PATIENCE_S))
        store.erase_now()


def _outside(span: Span) -> Iterator[Question]:
    if span.start_ns is not None:
        yield Question(All(), end_ns=span.start_ns)
    if span.end_ns is not None:
        yield Question(All(), start_ns=span.end_ns)
