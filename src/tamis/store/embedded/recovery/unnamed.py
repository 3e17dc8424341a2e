"""Segment files that the manifest does not name: what a crash left of work that is safe elsewhere goes; what nothing
else holds is taken in, as after a manifest of yesterday was put in the place of today's."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from tamis.disk.base import Disk
from tamis.errors import DamageError, DiskError
from tamis.store.embedded.format.found import FoundSegment, read_found, seqs_in, span_of
from tamis.store.embedded.format.layout import SEGMENT_SUFFIX, TALLY_SUFFIX, Layout, day_of_segment, is_day
from tamis.store.embedded.format.manifest import Manifest, SegmentEntry
from tamis.store.embedded.recovery.quarantine import set_apart
from tamis.store.embedded.recovery.replay import Replay, journal_numbers


@dataclass(slots=True)
class Settled:
    """What became of the files that were not named. `manifest` names those that were taken in."""

    manifest: Manifest
    removed: int = 0
    taken: int = 0
    notes: list[str] = field(default_factory=list)


def settle_unnamed(disk: Disk, layout: Layout, manifest: Manifest, replayed: Replay) -> Settled:
    """Remove, take in or set apart every segment file that the manifest does not name.

    A number below the manifest's next one was given out before it was written: its records went into another
    segment, or expired. One from there on is either work that a crash cut short, whose records are still where they
    came from, or it was in a manifest that is gone. Only what is all there elsewhere is removed.
    """
    settled = Settled(manifest)
    unknown: list[str] = []
    for name in _unnamed(disk, layout, manifest):
        known = _number(name) < manifest.segment_next or not disk.exists(layout.segment(name))
        if known or _is_elsewhere(layout.segment(name), manifest, replayed):
            settled.removed += _remove(disk, layout, name)
        else:
            unknown.append(name)
    for name in sorted(unknown, key=_number, reverse=True):  # of two that hold the same the newer counts
        _take_in(disk, layout, name, settled, replayed)
    if unknown:  # their numbers are not given again, whatever became of them
        following = max(settled.manifest.segment_next, *(_number(name) + 1 for name in unknown))
        settled.manifest = msgspec.structs.replace(settled.manifest, segment_next=following)
    if settled.taken:
        settled.manifest = msgspec.structs.replace(
            settled.manifest, journals=tuple(journal_numbers(disk, layout))
        )
    return settled


def _unnamed(disk: Disk, layout: Layout, manifest: Manifest) -> list[str]:
    aside = {loss.segment.name for loss in manifest.losses if loss.segment is not None}
    found = set(_segment_names(disk, layout))
    return sorted(found - manifest.segment_names() - aside)


def _segment_names(disk: Disk, layout: Layout) -> Iterator[str]:
    for day in (name for name in disk.names(layout.segments) if is_day(name)):
        for name in disk.names(layout.segments / day):
            path = Path(name)
            if path.suffix in (SEGMENT_SUFFIX, TALLY_SUFFIX) and path.stem.isdecimal():
                yield f"{day}/{path.stem}"


def _number(name: str) -> int:
    return int(name.rpartition("/")[2])


def _remove(disk: Disk, layout: Layout, name: str) -> int:
    there = [path for path in (layout.segment(name), layout.tally(name)) if disk.exists(path)]
    for path in there:
        disk.remove(path)
    return len(there)


def _is_elsewhere(path: Path, manifest: Manifest, replayed: Replay) -> bool:
    """Whether all records of a file are in the journal, or in the segments that it was to take the place of."""
    span = span_of(path)
    if span is None:
        return False
    low, high = span
    if high <= manifest.sealed_through:
        aside = (loss.segment.facts for loss in manifest.losses if loss.segment is not None)
        return not any(low <= facts.max_seq and facts.min_seq <= high for facts in aside)
    if low <= manifest.sealed_through or high > replayed.last_seq:
        return False
    return not any(_touches(loss.min_seq, loss.max_seq, low, high) for loss in replayed.losses)


def _touches(first: int | None, last: int | None, low: int, high: int) -> bool:
    return (first is None or first <= high) and (last is None or low <= last)


def _take_in(disk: Disk, layout: Layout, name: str, settled: Settled, replayed: Replay) -> None:
    path = layout.segment(name)
    try:
        found = read_found(name, path)
        _require_new(layout, found, settled.manifest, replayed)
        if _tally_differs(disk, layout, found):
            disk.write_whole(layout.tally(name), [found.tally])
    except DamageError as error:
        settled.notes.append(_set_apart(disk, layout, name, error.reason))
        return
    except DiskError as error:
        settled.notes.append(
            f"segments/{name}{SEGMENT_SUFFIX} is named by no manifest and left alone: {error}"
        )
        return
    settled.manifest = _with_found(settled.manifest, found.entry)
    settled.taken += 1
    settled.notes.append(
        f"segments/{name}{SEGMENT_SUFFIX} was taken in: the manifest did not name it, and nothing else holds its "
        f"{found.entry.facts.records:,} records"
    )


def _set_apart(disk: Disk, layout: Layout, name: str, reason: str) -> str:
    what = f"segments/{name}{SEGMENT_SUFFIX}, which no manifest names"
    try:
        for one in (layout.segment(name), layout.tally(name)):
            set_apart(disk, layout, one)
    except DiskError as error:
        return f"{what}, is left alone ({reason}): {error}"
    return f"{what}, went into quarantine/: {reason}"


def _tally_differs(disk: Disk, layout: Layout, found: FoundSegment) -> bool:
    path = layout.tally(found.entry.name)
    try:
        return not disk.exists(path) or disk.read(path) != found.tally.to_pybytes()
    except DiskError:
        return True


def _require_new(layout: Layout, found: FoundSegment, manifest: Manifest, replayed: Replay) -> None:
    """Raise DamageError unless a segment is this store's and none of its records is anywhere else."""
    entry = found.entry
    path = f"segments/{entry.name}{SEGMENT_SUFFIX}"
    if found.store_id and found.store_id != manifest.store_id:
        raise DamageError(path, f"it is of another store ({found.store_id})")
    hot = [batch.last_seq - batch.table.num_rows + 1 for batch in replayed.batches if batch.table is not None]
    if hot and entry.facts.max_seq >= min(hot):
        raise DamageError(path, "the journal holds records that came before some of it")
    near = [one for one in manifest.segments if _near(one, entry)]
    if near and any(seqs_in(layout.segment(entry.name)) & seqs_in(layout.segment(one.name)) for one in near):
        raise DamageError(path, "some of its records are in another segment")


def _near(one: SegmentEntry, other: SegmentEntry) -> bool:
    return one.facts.min_seq <= other.facts.max_seq and other.facts.min_seq <= one.facts.max_seq


def _with_found(manifest: Manifest, entry: SegmentEntry) -> Manifest:
    """The manifest with a segment, which takes the place of the lost ones that were written anew in it."""
    kept = tuple(loss for loss in manifest.losses if loss.segment is None or not _holds(entry, loss.segment))
    return msgspec.structs.replace(
        manifest,
        segments=(*manifest.segments, entry),
        losses=kept,
        sealed_through=max(manifest.sealed_through, entry.facts.max_seq),
    )


def _holds(entry: SegmentEntry, older: SegmentEntry) -> bool:
    return (
        _number(older.name) < _number(entry.name)
        and day_of_segment(older.name) == day_of_segment(entry.name)
        and older.retention == entry.retention
        and entry.facts.min_seq <= older.facts.min_seq
        and older.facts.max_seq <= entry.facts.max_seq
    )
