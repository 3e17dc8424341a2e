"""A file of lines that grows, is rotated by size and time, and may be written by several processes at once."""

import contextlib
import errno
import fcntl
import os
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.disk.failure import as_disk_error, disk_errors
from tamis.disk.rotated import rotated_path
from tamis.errors import DiskError

_OPEN = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | getattr(os, "O_NOCTTY", 0)
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL)
"""What file systems say that know no locks."""
_POLL_S = (0.0001, 0.005)
_ROTATION_PAUSE_S = 60.0
"""After a rotation that failed, lines go on into the file for so long before the next try."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationLimits:
    """When a file is rotated: before it would be larger than `bytes_max`, and at each full `period_s` since 1970
    (a day: at midnight UTC) when it has lines of an earlier one. 0 is never.
    """

    bytes_max: int = 0
    period_s: float = 0.0


class RotatingFile:
    """Appends whole lines to the file that has the name `path` at that moment, also when somebody moved, removed
    or cut the file that had it before.

    `shared`: any number of processes may write and rotate, each through a RotatingFile; a lock on the file itself
    is held for each write, so that lines are whole, none is written to a file that was rotated away, and what a
    failed write left is cut off again. Without it this process must be the only one. A line that somebody else left
    torn is ended before the next. Thread-safe. A forked child starts anew (`after_fork`).
    """

    def __init__(
        self,
        path: Path,
        limits: RotationLimits = RotationLimits(),  # frozen
        *,
        shared: bool = True,
        mode: int = 0o640,
        rotated: Callable[[], object] = lambda: None,
        failed: Callable[[DiskError], object] = lambda _error: None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.path, self.limits = path, limits
        self._shared, self._mode, self._clock = shared, mode, clock
        self._rotated, self._failed = rotated, failed
        self._no_rotation_until_s = -1.0
        self._handle = -1
        self._alone = threading.Lock()

    def write(self, data: bytes, *, timeout_s: float = 5.0) -> int:
        """Append lines; how many bytes were: all of them, or those before the line at which something failed.

        Raises DiskError (NoSpaceError) when none were; then none of them is in the file.
        """
        deadline_s = self._clock.monotonic_s() + timeout_s
        done, rotations = 0, 0
        with self._alone:
            while done < len(data):
                try:
                    taken = self._write_some(data, done, deadline_s)
                except DiskError:
                    if done:
                        break
                    raise
                done += taken
                rotations += taken == 0
        if rotations:
            self._rotated()
        return done

    def rotate(self, *, timeout_s: float = 5.0) -> None:
        """Rotate now, if anything is in the file."""
        deadline_s = self._clock.monotonic_s() + timeout_s
        with self._alone, self._held(deadline_s) as handle:
            moved = os.fstat(handle).st_size > 0 and self._move_away()
        if moved:
            self._rotated()

    def close(self) -> None:
        """Let go of the file. Idempotent; `write` opens it again."""
        with self._alone:
            self._drop()

    def after_fork(self) -> None:
        """In the child: the handle, and with it the lock, is the parent's."""
        self._alone = threading.Lock()
        self._drop()

    def _write_some(self, data: bytes, start: int, deadline_s: float) -> int:
        """Write what fits before the next rotation; 0 when it has rotated instead."""
        with self._held(deadline_s) as handle, disk_errors("write to", self.path, needed=len(data) - start):
            facts = os.fstat(handle)
            if not stat.S_ISREG(facts.st_mode):
                return _write_stream(handle, data, start)
            end = self._end(data, start, facts)
            if end == start:
                if self._move_away():
                    return 0
                end = len(data)
            guard = b"" if facts.st_size == 0 or os.pread(handle, 1, facts.st_size - 1) == b"\n" else b"\n"
            self._append(handle, [guard, memoryview(data)[start:end]], facts.st_size)
            return end - start

    def _end(self, data: bytes, start: int, facts: os.stat_result) -> int:
        """Up to where the file takes lines; `start` when it is to be rotated first."""
        limits, size = self.limits, facts.st_size
        if self._clock.monotonic_s() < self._no_rotation_until_s:
            return len(data)
        if limits.period_s > 0 and size > 0:
            period_ns = int(limits.period_s * 1e9)
            if facts.st_mtime_ns // period_ns != self._clock.now_ns() // period_ns:
                return start
        if limits.bytes_max <= 0 or size + len(data) - start <= limits.bytes_max:
            return len(data)
        end = data.rfind(b"\n", start, max(start + limits.bytes_max - size, start)) + 1
        if end <= start and size == 0:  # a line longer than a file may be is a file of its own
            end = data.find(b"\n", start) + 1 or len(data)
        return max(end, start)

    def _append(self, handle: int, pieces: list[bytes | memoryview], size: int) -> None:
        """All of it or none."""
        wanted = sum(map(len, pieces))
        written = 0
        try:
            written = os.writev(handle, pieces)
            rest = b"".join(pieces)[written:] if written < wanted else b""
            while rest:  # mostly to learn what is wrong
                count = os.write(handle, rest)
                rest, written = rest[count:], written + count
        except BaseException:
            if written:
                self._take_back(handle, size, written)
            raise

    def _take_back(self, handle: int, size: int, written: int) -> None:
        """Cut off what a failed write left, unless somebody who knows of no lock has written behind it: then the
        next write ends the torn line."""
        with contextlib.suppress(OSError):
            if os.fstat(handle).st_size == size + written:
                os.ftruncate(handle, size)

    @contextlib.contextmanager
    def _held(self, deadline_s: float) -> Iterator[int]:
        """The handle of the file that has the name now, locked."""
        pause_s = _POLL_S[0]
        while True:
            handle = self._opened()
            if self._lock(handle):
                if self._is_current(handle):
                    break
                self._drop()
            elif self._clock.monotonic_s() >= deadline_s:
                raise DiskError(
                    f"cannot lock {self.path}: another process holds it; look for one that is stopped"
                )
            else:
                self._clock.sleep(pause_s)
                pause_s = min(pause_s * 2, _POLL_S[1])
        try:
            yield handle
        finally:
            if self._shared and self._handle == handle:
                with contextlib.suppress(OSError):
                    fcntl.flock(handle, fcntl.LOCK_UN)

    def _opened(self) -> int:
        if self._handle >= 0 and not self._is_current(self._handle):
            self._drop()
        if self._handle < 0:
            with disk_errors("open", self.path):
                try:
                    self._handle = os.open(self.path, _OPEN, self._mode)
                except FileNotFoundError:
                    self.path.parent.mkdir(parents=True, exist_ok=True)
                    self._handle = os.open(self.path, _OPEN, self._mode)
        return self._handle

    def _is_current(self, handle: int) -> bool:
        """Whether the name still means this file."""
        try:
            there, ours = self.path.stat(), os.fstat(handle)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise as_disk_error(error, "look for", self.path) from error
        return (there.st_ino, there.st_dev) == (ours.st_ino, ours.st_dev)

    def _lock(self, handle: int) -> bool:
        if not self._shared:
            return True
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise as_disk_error(error, "lock", self.path) from error
        return True

    def _move_away(self) -> bool:
        """Give the file its rotated name; False when that failed, and lines go on into it."""
        try:
            self.path.rename(rotated_path(self.path, self._clock.now_ns()))
        except OSError as error:
            self._no_rotation_until_s = self._clock.monotonic_s() + _ROTATION_PAUSE_S
            self._failed(as_disk_error(error, "rotate", self.path))
            return False
        self._drop()
        return True

    def _drop(self) -> None:
        if self._handle >= 0:
            handle, self._handle = self._handle, -1
            with contextlib.suppress(OSError):
                os.close(handle)


def _write_stream(handle: int, data: bytes, start: int) -> int:
    """To a pipe or a device: there is no size, and no taking back."""
    rest = memoryview(data)[start:]
    while rest:
        rest = rest[os.write(handle, rest) :]
    return len(data) - start
