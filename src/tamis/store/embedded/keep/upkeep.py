"""The work that keeps a store in shape: sealing, merging, expiry, erasing; when each is due, and by hand."""

import math
import threading

import pyarrow as pa

from tamis.clock import NS_PER_S
from tamis.resilience.executor import Priority
from tamis.resilience.executor.background import BACKGROUND
from tamis.store.embedded.format.layout import day_of
from tamis.store.embedded.keep.erase import Eraser
from tamis.store.embedded.keep.expire import Expirer
from tamis.store.embedded.keep.keeper import Job, Lane
from tamis.store.embedded.keep.merge import Merger, groups_to_merge, is_small
from tamis.store.embedded.keep.pools import spawn_threads
from tamis.store.embedded.keep.scrub import Damaged, Scrubber
from tamis.store.embedded.keep.seal import Sealer
from tamis.store.embedded.keep.workshop import Workshop
from tamis.store.embedded.write.commit import Committer
from tamis.store.embedded.write.journals import Journals

_HOUSE_TICK_S = 1.0
_WAITING_MAX = 64
"""While segments are filled one after the other, so many small ones wait for a quieter time to be merged."""

_SEALED_BYTES_PER_S = 16 << 20
"""Until the first seal has shown how fast it is here."""
_ROOM_S_MAX = 10


class Upkeep:
    """Runs it in the background when asked to; each kind can be called by hand as well. Thread-safe.

    Sealing has its own thread, so that a long merge never makes appends wait. The rest takes turns with all that this
    process does in the background.
    """

    def __init__(self, shop: Workshop, committer: Committer, journals: Journals, damaged: Damaged) -> None:
        self._shop, self._committer, self._journals = shop, committer, journals
        self.sealer = Sealer(shop, committer, journals)
        self._merger, self._expirer = Merger(shop), Expirer(shop, journals)
        self._eraser = Eraser(shop, self.sealer.seal)
        self.scrubber = Scrubber(shop, damaged)
        self._house, self._scrubbing = threading.RLock(), threading.Lock()
        self._filled: float | None = None
        self._needs_room = False
        self._sealed_bytes_per_s: float = _SEALED_BYTES_PER_S
        self._synced = shop.clock.monotonic_s()
        sealing = [Job("sealing", self.seal_due, self.seal)]
        if shop.options.durability == "memory":
            sealing.insert(0, Job("syncing the journal", self._sync_due, self._sync))
        house = [
            Job("expiry", self._expirer.due, self.expire, Priority.CRITICAL),
            Job("erasing", self.erase_due, self._erase, Priority.HIGH),
            Job("merging", self._merge_due, self.merge, Priority.NORMAL),
            Job("shrinking", self._shrink_due, self.shrink, Priority.LOW),
            Job("removing old files", lambda: bool(shop.catalog.retired), shop.catalog.sweep),
        ]
        scrubbing = [Job("scrubbing", self.scrubber.due, self._scrub_step, Priority.LOW)]
        self._lanes = (
            Lane("seal", sealing, clock=shop.clock),
            Lane("house", house, clock=shop.clock, tick_s=_HOUSE_TICK_S, turns=BACKGROUND),
            Lane("scrub", scrubbing, clock=shop.clock, turns=BACKGROUND),
        )

    @property
    def problems(self) -> tuple[str, ...]:
        """What failed when it was tried last."""
        return tuple(job.problem for lane in self._lanes for job in lane.jobs if job.problem)

    @property
    def expired_records(self) -> int:
        """Records that expiry dropped since the store was opened."""
        return self._expirer.dropped_records

    def start(self) -> None:
        """Do it in the background from now on."""
        spawn_threads()
        for lane in self._lanes:
            lane.start()

    def stop(self) -> None:
        """No longer; waits for what runs."""
        for lane in self._lanes:
            lane.stop()
        with self._scrubbing:
            self.scrubber.stop()

    def batch_taken(self) -> None:
        """A batch came: wake the sealer when it has something to do."""
        if self._hot_is_full():
            self._lanes[0].wake()

    def make_room(self) -> float:
        """A batch found no room: have what is hot sealed, however little that is. Return how many seconds that takes,
        about."""
        self._needs_room = True
        self._lanes[0].wake()
        needed_s = self._shop.catalog.hot.memory_bytes / self._sealed_bytes_per_s
        return float(max(1, min(_ROOM_S_MAX, math.ceil(needed_s))))

    def seal(self) -> int:
        """Seal what is hot; return how many segments that made."""
        began_s, size = self._shop.clock.monotonic_s(), self._shop.catalog.hot.open_bytes
        if self._hot_is_full():
            self._filled = began_s
        self._needs_room = False  # who finds no room from here on asks for another seal
        try:
            made = self.sealer.seal()
        finally:
            pa.default_memory_pool().release_unused()
        took_s = self._shop.clock.monotonic_s() - began_s
        if size and took_s > 0:
            self._sealed_bytes_per_s = size / took_s
        return made

    def merge(self) -> int:
        """Merge what should be merged; return how many segments went into others."""
        with self._house:
            merged = self._merger.merge()
            self._shop.catalog.sweep()
            return merged

    def shrink(self) -> int:
        """Write segments anew, smaller; return how many went into others."""
        with self._house:
            shrunk = self._merger.shrink()
            self._shop.catalog.sweep()
            return shrunk

    def expire(self) -> int:
        """Drop what is over; return how many segments."""
        with self._house:
            dropped = self._expirer.expire()
            self._shop.catalog.sweep()
            self._expirer.remove_empty_days()
            return dropped

    def erase(self) -> int:
        """Erase all deletions now, however young; return how many segments were written anew or dropped."""
        with self._house:
            erased = self._eraser.erase(list(self._shop.catalog.manifest.tombstones))
            self._shop.catalog.sweep()
            return erased

    def scrub(self) -> None:
        """Compare every byte with its digest now."""
        with self._scrubbing:
            self.scrubber.all()

    def _scrub_step(self) -> None:
        if not self._scrubbing.acquire(blocking=False):
            return  # somebody scrubs by hand: a turn is not for waiting
        try:
            self.scrubber.step()
        finally:
            self._scrubbing.release()

    def erase_due(self) -> bool:
        """Whether a deletion is old enough to be erased."""
        return bool(self._eraser.due())

    def _erase(self) -> int:
        with self._house:
            return self._eraser.erase(self._eraser.due())

    def _hot_is_full(self) -> bool:
        hot, options = self._shop.catalog.hot, self._shop.options
        return (
            hot.open_records >= options.segment_records
            or hot.open_bytes >= options.segment_bytes
            or hot.open_entries >= options.segment_batches
        )

    def seal_due(self) -> bool:
        """Whether the hot part has reached a limit."""
        if self._hot_is_full() or (self._needs_room and self._shop.catalog.hot.open_records):
            return True
        first = self._shop.catalog.hot.first_received
        age_ns = int(self._shop.options.segment_age_s * NS_PER_S)
        return first is not None and first + age_ns <= self._shop.clock.now_ns()

    def _sync_due(self) -> bool:
        return self._shop.clock.monotonic_s() - self._synced >= self._shop.options.sync_interval_s

    def _sync(self) -> None:
        self._synced = self._shop.clock.monotonic_s()
        self._committer.sync()

    def _shrink_due(self) -> bool:
        return any(True for _ in self._merger.groups_to_shrink())

    def _merge_due(self) -> bool:
        shop = self._shop
        segments = shop.catalog.manifest.segments
        if self._is_filling() and sum(is_small(one, shop.options) for one in segments) < _WAITING_MAX:
            return False
        return any(groups_to_merge(segments, shop.options, today=day_of(shop.clock.now_ns())))

    def _is_filling(self) -> bool:
        """Whether a segment was full a short time ago: memory and processors have enough to do."""
        if self._filled is None:
            return False
        return self._shop.clock.monotonic_s() - self._filled < self._shop.options.shrink_after_s
