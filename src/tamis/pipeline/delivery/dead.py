"""Dead letters: what a sink will never take stands in a journal of its own, with the reason."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.disk.base import Disk
from tamis.disk.journal import Frame, Journal, read_journal
from tamis.disk.lock import FolderLock
from tamis.disk.space import require_space
from tamis.errors import DiskError, NoSpaceError
from tamis.pipeline.base import Rejected
from tamis.pipeline.limits import SpoolLimits
from tamis.pipeline.parcel import encode_records
from tamis.pipeline.spool import frames
from tamis.pipeline.spool.place import create_own, folders, part_name, part_names, size_of

REASON_CHARS_MAX = 2_000


class DeadLetters:
    """The dead letters of one sink that this process writes; the file is made at the first. Thread-safe."""

    def __init__(
        self,
        disk: Disk,
        place: Path,
        begin: frames.Begin,
        *,
        limits: SpoolLimits | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.place, self.begin, self.limits = place, begin, limits or SpoolLimits()
        self._disk, self._clock = disk, clock
        self._start()

    def _start(self) -> None:
        self._lock = threading.RLock()
        self._journal: Journal | None = None
        self._held: FolderLock | None = None
        self._others_bytes = 0

    def add(self, rejected: Sequence[Rejected], batch: str) -> None:
        """Keep them; DiskError when they cannot be kept. After a crash one may stand there twice."""
        with self._lock:
            journal = self._open()
            for item in rejected:
                form, payload = encode_records([item.record])
                if journal.size + self._others_bytes + len(payload) > self.limits.dead_bytes_max:
                    raise NoSpaceError(str(journal.path), len(payload), 0)
                reason, now_ns = item.reason[:REASON_CHARS_MAX], self._clock.now_ns()
                letter = frames.DeadLetter(
                    reason=reason, at_ns=now_ns, batch=batch, form=form, payload=payload
                )
                self._append(journal, frames.encode_dead(letter))

    def close(self) -> None:
        """Let the file go, safe on disk. Idempotent; `add` opens another one."""
        with self._lock:
            journal, self._journal = self._journal, None
            with suppress(DiskError):  # what was written stays written; only a power cut could tell
                if journal is not None:
                    journal.close()
            if self._held is not None:
                self._held.release()
                self._held = None

    def after_fork(self, begin: frames.Begin) -> None:
        """In the child: the file is the parent's."""
        if self._journal is not None:
            self._journal.abandon()
        if self._held is not None:
            self._held.forget()
        self.begin = begin
        self._start()

    def _append(self, journal: Journal, letter: bytes) -> None:
        try:
            journal.append(frames.DEAD, [letter])
        except DiskError:
            self.close()  # the next one begins another file
            raise

    def _open(self) -> Journal:
        if self._journal is None:
            require_space(self._disk, self.place, 0, self.limits.reserve_bytes)
            self._others_bytes = sum(
                size_of(self._disk, folder) for folder in folders(self._disk, self.place)
            )
            self._held = create_own(self._disk, self.place, f"dead letters of {self.begin.sink}")
            self._journal = Journal.create_journal(self._disk, self._held.path / part_name(1))
            self._journal.append(frames.BEGIN, [frames.encode_begin(self.begin)])
        return self._journal


def read_letters(disk: Disk, folder: Path) -> Iterator[frames.DeadLetter]:
    """The dead letters that stand in one process's folder, whole ones only."""
    for name in part_names(disk, folder):
        for item in read_journal(disk, folder / name):
            if isinstance(item, Frame) and item.kind == frames.DEAD:
                with suppress(ValueError):  # a letter that nobody can read any more
                    yield frames.decode_dead(item.payload)
