"""A spool: records that wait for one sink, logged by one process, in journal files on disk."""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.disk.base import Disk
from tamis.disk.journal import Journal
from tamis.disk.lock import FolderLock
from tamis.errors import DiskError
from tamis.pipeline.limits import SpoolLimits
from tamis.pipeline.parcel import Parcel
from tamis.pipeline.spool import frames
from tamis.pipeline.spool.contents import Contents, Part, Stored, read_contents, read_stored
from tamis.pipeline.spool.place import part_name, part_names, remove_folder, size_of
from tamis.pipeline.spool.quarantine import Quarantine
from tamis.pipeline.spool.quota import Quota
from tamis.pipeline.spool.ranges import Ranges, runs_of


class Spool:
    """Appends records, remembers which are settled, and reads back those that are not. Not thread-safe.

    What `append` returned for survives the process. Files whose records are all settled are removed in order.
    DiskError from `append` means that the records are not in the spool; the next `append` begins another file.
    """

    def __init__(
        self,
        disk: Disk,
        lock: FolderLock,
        begin: frames.Begin,
        *,
        limits: SpoolLimits | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.begin, self.limits = begin, limits or SpoolLimits()
        self.next_ordinal = 0
        self.settled = Ranges()
        self.marks: list[frames.Mark] = []
        self.quota = Quota(disk, lock.path, self.limits)
        self.quarantine = Quarantine(disk, lock.path)
        self._disk, self._lock, self._clock = disk, lock, clock
        self._parts: list[Part] = []
        self._part_number = 0
        self._journal: Journal | None = None
        self._spare: Journal | None = None
        self._sealed_bytes = 0

    @property
    def folder(self) -> Path:
        """Where it is."""
        return self._lock.path

    @property
    def size(self) -> int:
        """Bytes of its files."""
        return self._sealed_bytes + (self._journal.size if self._journal is not None else 0)

    @property
    def unsettled(self) -> int:
        """How many ordinals are not settled, damaged ones included."""
        return self.next_ordinal - self.settled.count(0, self.next_ordinal)

    def append(self, parcel: Parcel, *, sync: bool = False) -> int:
        """Keep records; the ordinal of the first."""
        first, count = self.next_ordinal, len(parcel.records)
        head = frames.encode_place(first, count)
        self.quota.require(len(head) + parcel.bytes, used=self.size)
        self._write(parcel.form, [head, parcel.payload])
        self.next_ordinal = self._parts[-1].end = first + count
        if sync:
            self._sync(first)
        return first

    def _sync(self, first: int) -> None:
        """Make the records from ordinal `first` on safe. What the disk may not have is settled: whoever appended it
        has it still, and appends it again.
        """
        assert self._journal is not None
        try:
            self._journal.sync()
        except DiskError:
            self.seal()
            with suppress(DiskError):
                self.settle(range(first, self.next_ordinal))
            raise

    def mark(self, batch_id: str, ordinals: Sequence[int]) -> None:
        """A batch is about to be sent: should we die, it is sent again as it was, under its id."""
        self._write(frames.MARK, [frames.encode_mark(batch_id, runs_of(ordinals))])

    def settle(self, ordinals: Sequence[int]) -> None:
        """These need not be sent any more, also when the disk does not take the note of it."""
        runs = runs_of(ordinals)
        if not runs:
            return
        for start, end in runs:
            self.settled.add(start, end)
        if self._journal is None and self.unsettled == 0:
            self._remove_settled()
            return
        try:
            self._write(frames.SETTLED, [frames.encode_runs(runs)])
        finally:
            self._remove_settled()

    def seal(self) -> None:
        """End the present file, so that it can be read as a whole; the next `append` begins another."""
        if self._journal is not None:
            journal, self._journal = self._journal, None
            self._sealed_bytes += journal.size
            journal.abandon()

    def prepare(self) -> None:
        """Make the next file ready before it is needed: that takes some syncs, which no record should wait for."""
        journal = self._journal
        if self._spare is None and journal is not None and journal.size * 2 > self.limits.part_bytes:
            self._spare = self._create()

    def close(self) -> None:
        """Let go of it: removed when all is settled, else safe on disk for whoever comes next. Idempotent."""
        journal, self._journal = self._journal, None
        if self.unsettled == 0:
            if journal is not None:
                journal.abandon()
            self._remove_all()
            return
        with suppress(DiskError):  # what was written stays written; only a power cut could tell
            if journal is not None:
                journal.close()
        if self._spare is not None:
            self._spare.abandon()  # an empty file, which whoever comes next removes
        with suppress(DiskError, OSError):
            self._lock.release()

    def abandon(self) -> None:
        """In a forked child: it is the parent's."""
        for journal in (self._journal, self._spare):
            if journal is not None:
                journal.abandon()
        self._journal = self._spare = None
        self._lock.forget()

    def _write(self, kind: int, payload: Sequence[bytes]) -> None:
        journal = self._journal
        if journal is not None and journal.size >= self.limits.part_bytes:
            self.seal()
        if self._journal is None:
            self._open_part()
        journal = self._journal
        assert journal is not None
        try:
            journal.append(kind, payload)
        except DiskError:
            self.seal()
            raise

    def _open_part(self) -> None:
        journal, self._spare = self._spare or self._create(), None
        try:
            begin = msgspec.structs.replace(self.begin, first=self.next_ordinal)
            journal.append(frames.BEGIN, [frames.encode_begin(begin)])
        except DiskError:
            journal.abandon()
            raise
        self._journal = journal
        self._parts.append(Part(journal.path, self.next_ordinal, self.next_ordinal))

    def _create(self) -> Journal:
        self._part_number += 1
        return Journal.create_journal(self._disk, self._lock.path / part_name(self._part_number))

    def _remove_settled(self) -> None:
        while self._parts:
            part = self._parts[0]
            is_present = self._journal is not None and part.path == self._journal.path
            if is_present or not self.settled.covers(part.first, part.end):
                return
            self._remove(part.path)
            self._parts.pop(0)

    def _remove(self, path: Path) -> None:
        with suppress(
            DiskError
        ):  # what cannot be removed is found settled, and removed, by whoever comes next
            size = self._disk.size(path)
            self._disk.remove(path)
            self._sealed_bytes = max(self._sealed_bytes - size, 0)

    def _remove_all(self) -> None:
        spare, self._spare = self._spare, None
        if spare is not None:
            spare.abandon()
        with suppress(DiskError):
            for name in part_names(self._disk, self.folder):
                self._disk.remove(self.folder / name)
        self._parts.clear()
        remove_folder(self._disk, self._lock)

    def read(self, start: int) -> Iterator[Stored]:
        """The unsettled records from ordinal `start` on in all ended files, in order, a frame at a time. Ordinals
        that are left out are settled, or damaged.
        """
        for part in list(self._parts):
            is_present = self._journal is not None and part.path == self._journal.path
            if part.end > start and not is_present:
                yield from read_stored(
                    self._disk, part, self.settled, start=start, damaged=self.quarantine.keep
                )

    def take_over(self, contents: Contents) -> None:
        """Go on from what the files say that are there already."""
        self._parts, self.settled, self.marks = contents.parts, contents.settled, contents.marks
        self.next_ordinal = contents.next_ordinal
        self._part_number = max((int(part.path.stem) for part in contents.parts), default=0)
        self._sealed_bytes = size_of(self._disk, self.folder)


def open_spool(
    disk: Disk, lock: FolderLock, *, limits: SpoolLimits | None = None, clock: Clock = SYSTEM_CLOCK
) -> Spool:
    """A spool that another process left, which we hold. Reads all of it once."""
    quarantine = Quarantine(disk, lock.path)
    contents = read_contents(disk, lock.path, damaged=quarantine.keep)
    begin = contents.begin or frames.Begin(sink="", process="", process_id=0, began_ns=clock.now_ns())
    spool = Spool(disk, lock, begin, limits=limits, clock=clock)
    spool.quarantine = quarantine
    spool.take_over(contents)
    return spool


def new_begin(sink: str, process: str, clock: Clock) -> frames.Begin:
    """Of this process."""
    return frames.Begin(sink=sink, process=process, process_id=os.getpid(), began_ns=clock.now_ns())
