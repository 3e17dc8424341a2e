"""The journal's files: one is written, the older ones wait until their records are in segments."""

import contextlib
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tamis.disk.base import Buffers, Disk
from tamis.disk.journal import Journal
from tamis.errors import DiskError
from tamis.store.embedded.format.frames import KIND_BATCH
from tamis.store.embedded.format.layout import Layout


@dataclass(frozen=True, slots=True)
class JournalFile:
    """A file of the journal that is no longer written."""

    number: int
    bytes: int


class Journals:
    """The journal of a store. One writer at a time (`commit` sees to that); `drop` from any thread.

    A file is made when there is something to write, so an idle store has none. `name` is told of each new file
    once it is there and before anything is in it: the manifest names the files, so that one that vanishes is
    missed.
    """

    def __init__(
        self,
        disk: Disk,
        layout: Layout,
        *,
        bytes_max: int,
        next_number: int,
        name: Callable[[int], object],
        files: Iterable[JournalFile] = (),
    ) -> None:
        self._disk, self._layout, self._bytes_max = disk, layout, bytes_max
        self._next_number, self._name = next_number, name
        self._lock = threading.Lock()
        self._files = list(files)
        self._current: Journal | None = None
        self._dirty = self._failed = self._is_named = False

    @property
    def bytes(self) -> int:
        """Bytes of all files."""
        current = self._current
        return sum(file.bytes for file in list(self._files)) + (current.size if current else 0)

    @property
    def file_count(self) -> int:
        """How many files there are."""
        return len(self._files) + (self._current is not None)

    def ready(self) -> int:
        """Have a file for the next batches: another when the current one is full. Return where they will begin."""
        if self._current is not None and self._current.size >= self._bytes_max:
            self.end()
        if self._current is None:
            number, self._next_number = self._next_number, self._next_number + 1
            self._current = Journal.create_journal(self._disk, self._layout.journal(number))
            self._is_named = False
        if not self._is_named:
            self._name(self._next_number - 1)
            self._is_named = True
        return self._current.size

    def append(self, payload: Buffers) -> None:
        """Write one batch, after `ready`; safe after `sync`."""
        assert self._current is not None
        self._dirty = True
        self._current.append(KIND_BATCH, payload)

    def roll_back(self, size: int) -> bool:
        """A write met a full disk: take back what follows this size of the current file, and end the file. False when
        that cannot be made safe; then nothing may be written any more."""
        current, number = self._current, self._next_number - 1
        if current is None:
            return True
        try:
            current.close()
            with contextlib.closing(self._disk.open_append(current.path)) as file:
                file.truncate(size)
                file.sync()
        except DiskError:
            return False
        with self._lock:
            self._files.append(JournalFile(number, size))
            self._current = None
        self._dirty = False
        return True

    def sync(self) -> None:
        """Make everything appended so far safe."""
        if self._current is not None and self._dirty:
            self._current.sync()
            self._dirty = False

    def end(self) -> int:
        """End the current file, all of it safe; the next batch begins another. Return the last ended
        number."""
        if self._current is not None and not self._failed:
            self._current.close()
            self._dirty = False
            with self._lock:
                self._files.append(JournalFile(self._next_number - 1, self._current.size))
                self._current = None
        return max((file.number for file in self._files), default=0)

    def fail(self) -> None:
        """A write or sync failed: the current file stays as it is, for ever the last."""
        self._failed = True

    def drop(self, through: int) -> None:
        """Remove the ended files up to a number: every record in them is in a segment."""
        with self._lock:
            gone = [file for file in self._files if file.number <= through]
        for file in gone:
            self._disk.remove(self._layout.journal(file.number))
            with self._lock:
                self._files.remove(file)

    def close(self) -> None:
        """Let go of the current file, all of it safe unless something failed before."""
        if self._current is not None:
            with contextlib.suppress(DiskError):  # what failed was told when it failed
                self._current.close()
