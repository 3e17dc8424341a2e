"""The journal: an append-only file of checksummed frames (write-ahead log, spool, audit).

What `sync` returned for is read again after a kill and after a power cut, in order. `tamis.disk.frame` has
the bytes.
"""

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from tamis.disk.base import AppendFile, Buffers, Disk
from tamis.disk.frame import HEADER_KIND, KIND_MAX, PAYLOAD_BYTES_MAX, SALT_BYTES, encode_first, encode_header
from tamis.disk.real import as_views
from tamis.disk.scan import TORN_TAIL, UNREADABLE, Frame, Gap, Scan
from tamis.errors import DiskError, JournalClosedError

__all__ = ["TORN_TAIL", "UNREADABLE", "Frame", "Gap", "Journal", "read_journal"]


class Journal:
    """A journal open for appending. One a file; thread-safe: appends go on while a sync runs.

    The first failed write or sync closes it for good: that call and every later one raise JournalClosedError,
    because after a failed fsync nobody knows what is on the disk, and a second fsync that succeeds says
    nothing of what the first one lost. Open it anew (best after a look at the disk) to go on.

    `torn` is what `open_journal` cut off its end; `gaps` is the damage it left in place before.
    """

    def __init__(
        self, file: AppendFile, *, salt: bytes, next_number: int, gaps: tuple[Gap, ...] = ()
    ) -> None:
        self.path = file.path
        self.torn = gaps[-1] if gaps and gaps[-1].reason == TORN_TAIL else None
        self.gaps = gaps[:-1] if self.torn else gaps
        self._file, self._salt, self._next_number = file, salt, next_number
        self._append_lock, self._sync_lock = threading.Lock(), threading.Lock()
        self._closed_because: str | None = None

    @classmethod
    def create_journal(cls, disk: Disk, path: Path) -> "Journal":
        """A new, empty journal; its name and first frame are safe on return. DiskError when the name is
        taken.
        """
        if disk.exists(path):
            raise DiskError(f"{path} is there already; open it, or choose another name")
        salt = os.urandom(SALT_BYTES)
        disk.write_whole(path, [encode_first(salt)])
        return cls(disk.open_append(path), salt=salt, next_number=1)

    @classmethod
    def open_journal(
        cls, disk: Disk, path: Path, *, visit: Callable[[Frame | Gap], None] | None = None
    ) -> "Journal":
        """Open an existing journal at its end, after reading it through.

        `visit` is called with all that `read_journal` would yield, so that one reading serves both. A torn
        tail is cut off (`torn` keeps the report); damage before it stays in place (`gaps`). On return all
        frames read are safe, also those that a killed process had not synced. An empty file, or one with
        nothing but a torn first frame, becomes an empty journal. FormatError as `read_journal`; DiskError
        also when the end of the file cannot be read, and nothing was changed.
        """
        if not disk.exists(path):
            raise DiskError(f"{path} is not there; check that the path is right, or create it")
        file = disk.open_append(path)
        try:
            # Opened first: from here on all that is read is safe.
            gaps, scan = _read_through(disk, path, visit)
            salt, next_number = _prepare(file, scan)
        except BaseException:
            file.close()
            raise
        return cls(file, salt=salt, next_number=next_number, gaps=gaps)

    @property
    def size(self) -> int:
        """Bytes in the file, safe or not."""
        return self._file.size

    def append(self, kind: int, payload: Buffers) -> int:
        """Write a frame (kind 1–255, payload up to 1 GiB); return its position. Not safe before `sync`.

        ValueError for a kind or payload that no frame can have: nothing was written, and the journal goes on.
        """
        if not HEADER_KIND < kind <= KIND_MAX:
            raise ValueError(f"kind {kind} is not within 1–{KIND_MAX}")
        views = as_views(payload)
        if sum(map(len, views)) > PAYLOAD_BYTES_MAX:
            raise ValueError(f"a payload has at most {PAYLOAD_BYTES_MAX:,} bytes")
        with self._append_lock, self._closing_on_failure():
            header = encode_header(self._salt, self._next_number, kind=kind, payload=views)
            position = self._file.append([header, *views])
            self._next_number += 1
            return position

    def sync(self) -> None:
        """Make every frame whose `append` returned before this call safe."""
        # One at a time: the kernel tells of a failed write to only one of two that ask at once.
        with self._sync_lock, self._closing_on_failure():
            self._file.sync()

    def close(self) -> None:
        """Make all frames safe and let go of the file. Idempotent; after a failure it only lets go."""
        try:
            if self._closed_because is None:
                self.sync()
        finally:
            with self._append_lock, self._sync_lock:
                self._closed_because = self._closed_because or "it was closed"
                self._file.close()

    def abandon(self) -> None:
        """Let go of the file and make nothing safe: in a forked child the journal is its parent's."""
        self._closed_because = self._closed_because or "its writer is another process"
        self._file.close()

    @contextlib.contextmanager
    def _closing_on_failure(self) -> Iterator[None]:
        if self._closed_because is not None:
            raise JournalClosedError(f"{self.path} takes nothing more: {self._closed_because}; open it again")
        try:
            yield
        except DiskError as error:
            self._closed_because = str(error)
            raise JournalClosedError(f"{self.path} takes nothing more: {error}") from error
        except BaseException:  # Ctrl-C, say: half a frame may be in the file
            self._closed_because = "a write was interrupted"
            raise


def read_journal(disk: Disk, path: Path) -> Iterator[Frame | Gap]:
    """Every whole frame in order of the file, and a Gap for everything else; never an error for damage.

    After damage reading goes on at the next whole frame. What follows the last whole frame is a Gap with
    reason ``torn tail``, which comes last. Frames cut off cleanly at the end leave no trace. A frame
    that stands there twice is yielded once; one out of its place is yielded where it stands, after a Gap of
    length 0. FormatError for a file of a newer format and for one that is no journal; DiskError when it is
    not there or cannot be opened.
    """
    with contextlib.closing(disk.open_read(path)) as source:
        yield from Scan(source, path)


def _read_through(
    disk: Disk, path: Path, visit: Callable[[Frame | Gap], None] | None
) -> tuple[tuple[Gap, ...], Scan]:
    gaps: list[Gap] = []
    with contextlib.closing(disk.open_read(path)) as source:
        scan = Scan(source, path)
        for item in scan:
            if isinstance(item, Gap):
                gaps.append(item)
            if visit is not None:
                visit(item)
    if scan.tail is not None and scan.tail.reason == UNREADABLE:
        # Frames may be there that show again tomorrow: neither cut them off nor give their numbers away.
        raise DiskError(f"the end of {path} cannot be read; keep it for repair and begin a new journal")
    return tuple(gaps), scan


def _prepare(file: AppendFile, scan: Scan) -> tuple[bytes, int]:
    """Make the file end with a whole frame, all of it safe; return the salt and the next frame's number."""
    if scan.tail is not None:
        file.truncate(scan.tail.position)
    salt, next_number = scan.salt, scan.next_number
    if salt is None:
        salt, next_number = os.urandom(SALT_BYTES), 1
        file.append([encode_first(salt)])
    file.sync()
    return salt, next_number
