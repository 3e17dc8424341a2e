"""Group commit: many appends share one write and one fsync.

Whoever comes first leads: it writes all batches that wait, syncs once, makes them visible in order, and wakes
the others. What comes meanwhile waits for the next leader. There is no thread of its own.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from tamis.errors import DiskError, JournalClosedError, NoSpaceError
from tamis.store.embedded.format.frames import FrameHeader, encode_frame
from tamis.store.embedded.write.journals import Journals


@dataclass(slots=True, eq=False)
class Pending:
    """A batch on its way into the journal. `table` has no `seq` yet; None when there are no records."""

    table: pa.Table | None
    records: Any
    count: int
    received: int
    memory_bytes: int
    batch_id: str | None = None
    receipt: bytes = b""
    first_seq: int = 0
    done: bool = False
    refused: NoSpaceError | None = None

    def header(self) -> FrameHeader:
        """What the journal says of it."""
        return FrameHeader(
            first_seq=self.first_seq,
            count=self.count,
            received=self.received,
            id=self.batch_id,
            receipt=self.receipt,
        )

    @property
    def last_seq(self) -> int:
        """The sequence of its last record."""
        return self.first_seq + self.count - 1


class Committer:
    """Gives batches their sequences and makes them safe. Thread-safe.

    `visible` is called with each group once it is safe, in order of sequence, never twice at a time. The
    first failure closes the committer: every batch that waits then, and every later one, gets
    JournalClosedError, and nothing that failed becomes visible.
    """

    def __init__(
        self,
        journals: Journals,
        visible: Callable[[Sequence[Pending]], None],
        *,
        next_seq: int,
        sync_each: bool,
    ) -> None:
        self._journals, self._visible, self._sync_each = journals, visible, sync_each
        self._next_seq = next_seq
        self._changed = threading.Condition(threading.Lock())
        self.waiting: list[Pending] = []
        """Batches that no leader has taken yet."""
        self._leading = False
        self._closed_because: str | None = None
        self.groups = 0

    @property
    def closed_because(self) -> str | None:
        """Why nothing more is taken; None while it is."""
        return self._closed_because

    def require_open(self) -> None:
        """Raise JournalClosedError when nothing more is taken."""
        if self._closed_because is not None:
            raise JournalClosedError(f"the store takes nothing more: {self._closed_because}")

    def submit(self, pending: Pending) -> None:
        """Return when the batch is in the journal (and safe, with `sync_each`) and visible."""
        with self._changed:
            self.require_open()
            pending.first_seq = self._next_seq
            self._next_seq += pending.count
            self.waiting.append(pending)
            while not pending.done:
                if pending.refused is not None:
                    raise pending.refused
                self.require_open()
                if self._leading:
                    self._changed.wait()
                else:
                    self._lead()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """No batch is written or made visible meanwhile; those that come wait."""
        with self._changed:
            while self._leading:
                self._changed.wait()
            self._leading = True
        try:
            yield
        finally:
            with self._changed:
                self._leading = False
                self._changed.notify_all()

    def sync(self) -> None:
        """Make safe what is visible, for a store that does not sync each batch."""
        with self.alone():
            if self._closed_because is None:
                try:
                    self._journals.sync()
                except BaseException as error:
                    self._fail(error)
                    raise

    def end_journal(self) -> int:
        """End the journal's file; only within `alone`. Return the number of the last file that is ended: what
        those hold is visible. A failure closes the committer."""
        try:
            return self._journals.end()
        except BaseException as error:
            self._fail(error)
            raise

    def stop(self, reason: str) -> None:
        """Take nothing more, when what waits is done."""
        with self.alone():
            self._closed_because = self._closed_because or reason

    def _lead(self) -> None:
        """Write what waits. Called, and returns, with the lock held."""
        group, self.waiting = self.waiting, []
        self._leading = True
        self._changed.release()
        try:
            refused = self._write(group)
            if refused is not None:
                self._refuse(group, refused)
        except BaseException as error:  # whatever it was: those who wait must not wait for ever
            self._fail(error)
            if not isinstance(error, Exception):
                raise
        finally:
            self._changed.acquire()
            self._leading = False
            self._changed.notify_all()

    def _write(self, group: Sequence[Pending]) -> NoSpaceError | None:
        """Write, make safe, show. What it returns is why nothing of the group was written: the disk is full, and
        whoever comes once there is room is taken."""
        refused = self._append(group)
        if refused is not None:
            return refused
        if self._sync_each:
            self._journals.sync()
        self._visible(group)
        self.groups += 1
        for pending in group:
            pending.done = True
        return None

    def _append(self, group: Sequence[Pending]) -> NoSpaceError | None:
        """Write all of a group, or nothing of it. A failure that cannot be taken back is raised."""
        start = None
        try:
            start = self._journals.ready()
            for pending in group:
                self._journals.append(encode_frame(pending.header(), pending.records))
        except DiskError as error:
            full = error if isinstance(error, NoSpaceError) else error.__cause__
            if not isinstance(full, NoSpaceError) or not (start is None or self._journals.roll_back(start)):
                raise
            return full
        return None

    def _refuse(self, group: Sequence[Pending], refused: NoSpaceError) -> None:
        """Nothing of a group was written: its sequences are given again, to those who wait."""
        with self._changed:
            for pending in group:
                pending.refused = refused
            self._next_seq = group[0].first_seq
            for pending in self.waiting:
                pending.first_seq = self._next_seq
                self._next_seq += pending.count

    def _fail(self, error: BaseException) -> None:
        self._closed_because = self._closed_because or str(error) or type(error).__name__
        self._journals.fail()
