"""Scrubbing: every byte of segments and tallies is compared with its digest, slowly, over and over."""

import contextlib
import hashlib
from collections.abc import Callable, Generator
from pathlib import Path

from tamis.errors import DamageError, DiskError
from tamis.store.embedded.format.manifest import SegmentEntry
from tamis.store.embedded.keep.workshop import Workshop
from tamis.telemetry import status
from tamis.telemetry.status_model import WorkState
from tamis.telemetry.status_work import Work

Damaged = Callable[[DamageError], object]
"""What is done about a file that is not what was written: it is counted anew, or set aside with a warning."""

_PIECE_BYTES = 1 << 18
_STEP_S = 1.0
"""At most what so much time allows is read in one step, however long the last one is ago."""


class Scrubber:
    """Reads a little at each `step`. Called by one thread at a time.

    A round goes over the segments that are live when it begins, from a place that differs from start to start: a
    store that is often started anew gets its end looked at as well. The next round begins `scrub_interval_s`
    after the last one began, or when it is done.
    """

    def __init__(self, shop: Workshop, damaged: Damaged) -> None:
        self._shop, self._damaged = shop, damaged
        self._round: Generator[int, None, None] | None = None
        self._begun: float | None = None
        self._stepped = shop.clock.monotonic_s()
        self._work: Work | None = None
        self.rounds = self.bytes = 0

    def due(self) -> bool:
        """Whether a round is under way or to be begun, and something may be read."""
        options = self._shop.options
        if not options.scrub_bytes_per_s:
            return False
        if self._round is not None or self._begun is None:
            return True
        return self._shop.clock.monotonic_s() - self._begun >= options.scrub_interval_s

    def step(self) -> None:
        """Read what the time since the last step allows."""
        now = self._shop.clock.monotonic_s()
        allowed = min(now - self._stepped, _STEP_S) * self._shop.options.scrub_bytes_per_s
        self._stepped = now
        if self._round is None:
            self._begun, self._round, self._work = now, self._read_all(), self._told()
        while allowed > 0 and self._round is not None:
            read = next(self._round, None)
            if read is None:
                self._end_round(WorkState.DONE)
            else:
                allowed -= read
                self._count(read)

    def all(self) -> None:
        """A whole round at once."""
        with self._told() as self._work:
            for read in self._read_all():
                self._count(read)
        self._work = None
        self.rounds += 1

    def stop(self) -> None:
        """No more is read: the round that is under way is given up."""
        if self._round is not None:
            self._end_round(WorkState.STOPPED)

    def _told(self) -> Work:
        """The work as others see it."""
        entries = self._shop.catalog.manifest.segments
        return status.doing("scrub", total=sum(one.bytes + one.tally_bytes for one in entries), unit="bytes")

    def _count(self, read: int) -> None:
        self.bytes += read
        if self._work is not None:
            self._work.advance(read)

    def _end_round(self, state: WorkState) -> None:
        self._round = None
        self.rounds += state is WorkState.DONE
        if self._work is not None:
            self._work.end(state)
            self._work = None

    def _read_all(self) -> Generator[int, None, None]:
        """The bytes of each piece that was read."""
        entries = self._shop.catalog.manifest.segments
        first = self._shop.clock.now_ns() % max(len(entries), 1)
        layout = self._shop.layout
        for entry in (*entries[first:], *entries[:first]):
            yield from self._read(entry, layout.segment(entry.name), entry.sha256)
            yield from self._read(entry, layout.tally(entry.name), entry.tally_sha256)

    def _read(self, entry: SegmentEntry, path: Path, digest: str) -> Generator[int, None, None]:
        if not digest or not self._is_live(entry):
            return
        problem = None
        try:
            found = yield from self._digest(path)
            if found != digest:
                problem = "is not what was written (its SHA-256 differs)"
        except DiskError as error:
            there = self._shop.disk.exists(path)
            problem = f"cannot be read: {error}" if there else "is missing"
        if problem is not None and self._is_live(entry):
            self._damaged(DamageError(str(path), f"{path.name} {problem}"))

    def _is_live(self, entry: SegmentEntry) -> bool:
        """Not merged, expired or counted anew meanwhile."""
        return entry in self._shop.catalog.manifest.segments

    def _digest(self, path: Path) -> Generator[int, None, str]:
        total = hashlib.sha256()
        with contextlib.closing(self._shop.disk.open_read(path)) as file:
            for position in range(0, file.size, _PIECE_BYTES):
                piece = file.read_at(position, _PIECE_BYTES)
                total.update(piece)
                yield len(piece)
        return total.hexdigest()
