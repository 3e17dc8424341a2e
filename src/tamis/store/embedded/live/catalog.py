"""What is live now: the manifest, its segments, the hot part; and snapshots of all three."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType

import msgspec

from tamis.clock import Clock
from tamis.disk.base import Disk
from tamis.errors import DamageError, DiskError
from tamis.store.base import Question
from tamis.store.embedded.format.filters import filter_from_json
from tamis.store.embedded.format.layout import Layout
from tamis.store.embedded.format.manifest import FORMAT, Manifest, SegmentEntry, TombstoneEntry, with_loss
from tamis.store.embedded.format.manifest_file import write_manifest
from tamis.store.embedded.format.part import Part, Snapshot, Tombstone
from tamis.store.embedded.format.segment import Segment, open_segment
from tamis.store.embedded.live.hot import Hot
from tamis.store.embedded.live.losses import loss_of_segment, tell_losses, warnings_for
from tamis.store.embedded.live.snapshot import Holds

Change = Callable[[Manifest], Manifest]


@dataclass(frozen=True, slots=True)
class _View:
    """A manifest with its segments opened."""

    manifest: Manifest
    segments: Mapping[str, Segment]
    deletions: tuple[Tombstone, ...]
    hidden_in: Mapping[str, tuple[Tombstone, ...]]


class Catalog:
    """The one place where the store changes. Thread-safe.

    `lock` guards the hot part and the view; it is held for short work in memory only. A snapshot sees each
    record exactly once at every moment, because hot part and view change together under it.
    """

    def __init__(self, disk: Disk, layout: Layout, manifest: Manifest, *, hot: Hot, clock: Clock) -> None:
        self.lock = threading.Lock()
        self.hot = hot
        self._disk, self._layout, self._clock = disk, layout, clock
        self._publishing = threading.Lock()
        self._generation = manifest.generation
        self._view = self._view_of(manifest, {})
        self._changes = 0
        self._holds = Holds(self._remove_files)
        tell_losses(manifest.store_id, manifest.losses)

    @property
    def manifest(self) -> Manifest:
        """The valid manifest."""
        return self._view.manifest

    @property
    def moment(self) -> tuple[int, int]:
        """What snapshots show: another pair of numbers whenever they would show something else. Takes no lock, so
        that of two changes at once it may tell the second before the first; never an old pair after a change."""
        return self._changes, self.hot.last_seq

    def publish(self, change: Change, *, also: Callable[[], None] = lambda: None) -> Manifest:
        """Make a changed manifest the valid one: on disk, then, in one step with `also`, for readers.

        Segments that are no longer named are removed when nobody reads them. After an error the store stands
        as before; on disk either manifest may be valid, and nothing that either names was removed.
        """
        with self._publishing:
            old = self._view
            self._generation += 1
            changed = change(old.manifest)
            manifest = msgspec.structs.replace(changed, generation=self._generation, format=FORMAT)
            write_manifest(self._disk, self._layout, manifest)
            view = self._view_of(manifest, old.segments)
            aside = {loss.segment.name for loss in manifest.losses if loss.segment is not None}
            gone = [old.segments[name] for name in old.segments if name not in view.segments]
            with self.lock:
                self._view, self._changes = view, self._changes + 1
                also()
                self._holds.retire([segment for segment in gone if segment.name not in aside])
            if manifest.losses != old.manifest.losses:
                tell_losses(manifest.store_id, manifest.losses)
            return manifest

    def _view_of(self, manifest: Manifest, opened: Mapping[str, Segment]) -> _View:
        segments = {entry.name: self._opened(entry, opened) for entry in manifest.segments}
        deletions = tuple(_tombstone(entry) for entry in manifest.tombstones)
        hidden_in: dict[str, tuple[Tombstone, ...]] = {}
        for entry in manifest.segments:
            hiding = tuple(
                tombstone
                for tombstone, written in zip(deletions, manifest.tombstones, strict=True)
                if may_hide(written, entry)
            )
            if hiding:
                hidden_in[entry.name] = hiding
        return _View(manifest, segments, deletions, MappingProxyType(hidden_in))

    def _opened(self, entry: SegmentEntry, opened: Mapping[str, Segment]) -> Segment:
        known = opened.get(entry.name)
        if known is not None and known.tally_sha256 == entry.tally_sha256:
            return known
        return open_segment(
            entry.name,
            self._layout.segment(entry.name),
            self._layout.tally(entry.name),
            entry.facts,
            tally_sha256=entry.tally_sha256,
        )

    @contextmanager
    def snapshot(self, question: Question | None = None) -> Iterator[Snapshot]:
        """The store at this moment, with warnings of losses that concern the question."""
        with self.lock:
            moment = self._holds.hold()
            view, last_seq = self._view, self.hot.last_seq
            runs = self.hot.runs()
        try:
            hidden_in = dict(view.hidden_in)
            for run in runs:
                hiding = tuple(one for one in view.deletions if one.upto_seq >= run.min_seq)
                if hiding:
                    hidden_in[run.part.name] = hiding
            parts: tuple[Part, ...] = (*view.segments.values(), *(run.part for run in runs))
            yield Snapshot(parts, last_seq, hidden_in, warnings_for(view.manifest.losses, question))
        finally:
            self._holds.release(moment)

    @contextmanager
    def segments(self) -> Iterator[tuple[Manifest, Mapping[str, Segment]]]:
        """The live segments; they stay readable meanwhile."""
        with self.lock:
            moment = self._holds.hold()
            view = self._view
        try:
            yield view.manifest, view.segments
        finally:
            self._holds.release(moment)

    def sweep(self) -> int:
        """Remove the files of segments that left and that nobody reads any more; return how many."""
        return self._holds.sweep()

    @property
    def retired(self) -> int:
        """How many segments left whose files are still there."""
        return self._holds.waiting

    def _remove_files(self, segment: Segment) -> None:
        segment.close()
        self._disk.remove(self._layout.segment(segment.name))
        self._disk.remove(self._layout.tally(segment.name))

    def set_aside_damaged(self, error: DamageError) -> bool:
        """Set aside the segment that an error speaks of; False when it is none that is live.

        Its files are left alone. Answers carry a warning from now on.
        """
        entry = self.segment_in(f"{error.path} {error.reason}")
        if entry is not None:
            self.set_aside(entry.name, error.reason)
        return entry is not None

    def segment_in(self, text: str) -> SegmentEntry | None:
        """The live segment one of whose files a text names."""
        return next((entry for entry in self.manifest.segments if f"/{entry.name}." in text), None)

    def set_aside(self, name: str, reason: str) -> None:
        """Set aside a segment; when even the manifest cannot be written, only until the next start."""

        def change(manifest: Manifest) -> Manifest:
            return without_damaged(manifest, {name: reason}, now_ns=self._clock.now_ns())

        try:
            self.publish(change)
        except DiskError:
            with self._publishing:
                view = self._view_of(change(self.manifest), self._view.segments)
                with self.lock:
                    self._view, self._changes = view, self._changes + 1
                tell_losses(view.manifest.store_id, view.manifest.losses)

    def close(self) -> None:
        """Let go of all segments."""
        tell_losses(self.manifest.store_id, ())
        with self.lock:
            for segment in self._view.segments.values():
                segment.close()


def without_damaged(manifest: Manifest, damaged: Mapping[str, str], *, now_ns: int) -> Manifest:
    """The manifest with some segments set aside, each for its reason."""
    for entry in manifest.segments:
        if entry.name in damaged:
            manifest = with_loss(manifest, loss_of_segment(entry, damaged[entry.name], found=now_ns))
    kept = tuple(entry for entry in manifest.segments if entry.name not in damaged)
    return msgspec.structs.replace(manifest, segments=kept)


def may_hide(tombstone: TombstoneEntry, entry: SegmentEntry) -> bool:
    """Whether a deletion may hide records of a segment."""
    facts = entry.facts
    if tombstone.number <= entry.cleared or facts.min_seq > tombstone.upto_seq:
        return False
    if tombstone.start_ns is not None and facts.max_ts < tombstone.start_ns:
        return False
    return tombstone.end_ns is None or facts.min_ts < tombstone.end_ns


def _tombstone(entry: TombstoneEntry) -> Tombstone:
    return Tombstone(entry.id, filter_from_json(entry.filter), entry.start_ns, entry.end_ns, entry.upto_seq)
