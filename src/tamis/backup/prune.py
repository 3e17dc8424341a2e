"""Removing what no snapshot needs any more."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from tamis.backup.create import Writer
from tamis.backup.locks import Lock, hold
from tamis.backup.pack import Stored, open_all, pack_object
from tamis.backup.repository import Index, Repository, used_by
from tamis.backup.retention import Keep, kept
from tamis.backup.snapshot import Snapshot
from tamis.errors import BackupError, DamageError
from tamis.telemetry import status

REPACK_SHARE: Final = 0.5
"""A pack is written anew, smaller, when no more than this part of it is needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What was removed, or would be: snapshots by name, packs, and the bytes that gave back."""

    snapshots: tuple[str, ...]
    kept: int
    packs: int
    repacked: int
    freed_bytes: int
    swept: int = 0


@dataclass(frozen=True, slots=True)
class _Plan:
    forget: tuple[str, ...]
    stay: dict[str, Snapshot]
    idle: list[str]
    sparse: list[str]
    used: set[bytes]


def prune(
    repository: Repository,
    keep: Keep,
    *,
    stores: Collection[str] | None = None,
    is_trial: bool = False,
    drop_damaged: bool = False,
    wait_s: float = 600.0,
) -> Pruned:
    """Forget the snapshots that `keep` does not want (of these stores; None is all), and remove what only they needed.

    Nobody else may be at work: RepositoryBusyError. A kill at any time leaves every remaining snapshot whole: what is
    needed is written before what it replaces goes. Refused while something is damaged (BackupError), because nobody
    knows then what is needed, or what goes may hold the last good copy; `drop_damaged` goes on all the same, and
    forgets snapshots whose list cannot be read.
    """
    with (
        hold(
            repository.target,
            "alone",
            purpose="prune",
            clock=repository.clock,
            wait_s=wait_s,
            going_on=repository.going_on,
        ) as lock,
        status.doing("backup prune"),
    ):
        plan, index = _plan(repository, keep, stores=stores, drop_damaged=drop_damaged)
        if is_trial:
            return _pruned(plan, index, swept=0, grown=0)
        _require_good(repository, plan, index, drop_damaged=drop_damaged)
        lock.require()
        for name in plan.forget:
            repository.remove_snapshot(name)
        grown = _repack(repository, plan, index, lock)
        lock.require()
        for name in (*plan.idle, *plan.sparse):
            repository.remove_pack(name)
        return _pruned(plan, index, swept=repository.target.sweep(), grown=grown)


def _plan(
    repository: Repository, keep: Keep, *, stores: Collection[str] | None, drop_damaged: bool
) -> tuple[_Plan, Index]:
    problems: dict[str, str] = {}
    snapshots = repository.snapshots(problems)
    index = repository.load_index()
    ours = {name: one for name, one in snapshots.items() if stores is None or one.store_id in stores}
    staying = kept(ours, keep) | (snapshots.keys() - ours.keys())
    stay = {name: one for name, one in snapshots.items() if name in staying}
    files = {}
    for name, snapshot in list(stay.items()):
        try:
            files[name] = repository.files(snapshot, index)
        except DamageError as error:
            problems[name] = error.reason
            del stay[name]
    if problems and not drop_damaged:
        raise BackupError(
            f"{repository.name}: {len(problems):,} snapshots are damaged ({', '.join(sorted(problems))[:200]}), so "
            "nobody knows what they need: nothing was removed; mend them, or forget them with --drop-damaged"
        )
    used = used_by(files, stay)
    idle, sparse = _packs_by_use(index, used)
    forget = tuple(sorted((snapshots.keys() - stay.keys()) | (problems.keys() if drop_damaged else set())))
    return _Plan(forget, stay, idle, sparse, used), index


def _require_good(repository: Repository, plan: _Plan, index: Index, *, drop_damaged: bool) -> None:
    """Refuse to remove anything while what stays is known to be damaged, or found to be where only one copy stays."""
    lost = sum(name not in index.places for name in plan.used)
    if lost and not drop_damaged and (plan.forget or plan.idle or plan.sparse):
        raise BackupError(
            f"{repository.name}: {lost:,} chunks that are to stay are damaged or missing, and nothing was removed: "
            "make a backup, which writes anew what is there yet; --drop-damaged goes on without the rest"
        )
    going = {*plan.idle, *plan.sparse}
    doubles = {
        one.name
        for pack in going
        for one in index.listed[pack]
        if one.name in plan.used and one.name in index.places and index.places[one.name].pack != pack
    }
    try:
        for _ in repository.chunks(sorted(doubles), index):
            repository.going_on()
    except DamageError as error:
        raise BackupError(
            f"{repository.name}: {error.path} is damaged, and what would go has a good copy: nothing was removed; run "
            "`tamis backup verify`, then this again"
        ) from error


def _packs_by_use(index: Index, used: set[bytes]) -> tuple[list[str], list[str]]:
    """Packs of which nothing is needed, and those of which little is. A chunk that is in two counts in one."""
    idle, sparse = [], []
    for name in index.listed:
        needed = sum(one.length for one in _needed(index, name, used))
        if not needed:
            idle.append(name)
        elif needed <= REPACK_SHARE * index.packs[name] or name in index.damaged:
            sparse.append(name)
    return idle, sparse


def _needed(index: Index, pack: str, used: Collection[bytes]) -> tuple[Stored, ...]:
    """The chunks that a pack is kept for."""
    return tuple(
        one
        for one in index.listed[pack]
        if one.name in used and (place := index.place(one.name)) is not None and place.pack == pack
    )


def _repack(repository: Repository, plan: _Plan, index: Index, lock: Lock) -> int:
    """Write what is needed of sparse packs into new ones; how many bytes those have. One that is damaged stays."""
    fresh = Index()
    writer = Writer(repository, fresh)
    for name in list(plan.sparse):
        lock.require()
        data = repository.target.get(pack_object(name))
        opened = dict(open_all(repository.secrets, data, _needed(index, name, plan.used)))
        if any(raw is None for raw in opened.values()):
            plan.sparse.remove(name)
            continue
        for stored, raw in opened.items():
            writer.put(stored.name, raw or b"")
    writer.flush()
    return writer.added_bytes


def _pruned(plan: _Plan, index: Index, *, swept: int, grown: int) -> Pruned:
    gone = (*plan.idle, *plan.sparse)
    return Pruned(
        snapshots=plan.forget,
        kept=len(plan.stay),
        packs=len(gone),
        repacked=len(plan.sparse),
        freed_bytes=sum(index.packs[name] for name in gone) - grown,
        swept=swept,
    )
