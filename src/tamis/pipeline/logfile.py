"""A log file with everything round it: rotation, and on a thread of its own compression and removal."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.disk.rotated import Compression, rotated_files, tidy_rotated, zstd_module
from tamis.disk.rotating import RotatingFile, RotationLimits
from tamis.errors import DiskError, MissingExtraError
from tamis.pipeline.fork import watch_forks
from tamis.pipeline.own import own_work
from tamis.telemetry.diagnostics import Diagnostics

_CLOSE_WAIT_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFileLimits:
    """When a log file is rotated (0: never), how many rotated files are kept (0: all), and how."""

    rotate_bytes: int = 0
    rotate_s: float = 0.0
    keep: int = 10
    compress: Compression = "none"

    def __post_init__(self) -> None:
        """ValueError says what cannot be."""
        if self.compress not in get_args(Compression):
            raise ValueError(f"compress={self.compress!r} must be one of {', '.join(get_args(Compression))}")
        for name in ("rotate_bytes", "rotate_s", "keep"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative")
        if self.compress == "zstd":
            try:
                zstd_module()
            except ImportError:
                raise MissingExtraError("zstd", "compress=zstd") from None


class LogFile:
    """Writes lines to `path`, as `RotatingFile`; a daemon thread, there only while there is something to do,
    compresses what was rotated and removes the oldest. What a killed process left uncompressed is done by the next.
    """

    def __init__(
        self,
        path: Path,
        limits: LogFileLimits = LogFileLimits(),  # frozen
        *,
        shared: bool = True,
        mode: int = 0o640,
        tell: Callable[[str, str], object] | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.path, self.limits = path, limits
        self._tell = tell or Diagnostics(clock=clock).tell
        rotation = RotationLimits(bytes_max=limits.rotate_bytes, period_s=limits.rotate_s)
        self._file = RotatingFile(
            path,
            rotation,
            shared=shared,
            mode=mode,
            rotated=self._start_tidying,
            failed=self._tell_failure,
            clock=clock,
        )
        self._begin()
        watch_forks(self)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_wanted = False
        self._was_opened = False

    def write(self, data: bytes, *, timeout_s: float = 5.0) -> int:
        """Append lines, as `RotatingFile.write`."""
        done = self._file.write(data, timeout_s=timeout_s)
        if not self._was_opened:
            self._was_opened = True
            self._look_for_leftovers()
        return done

    def rotate(self) -> None:
        """Rotate now, if anything is in the file."""
        self._file.rotate()

    def close(self) -> None:
        """Let go of the file; waits a little for what is being compressed. Idempotent; `write` opens it again."""
        self._file.close()
        self.join(_CLOSE_WAIT_S)

    def join(self, timeout_s: float) -> bool:
        """Wait until what was rotated is compressed; whether it is."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout_s)
        return thread is None or not thread.is_alive()

    def after_fork(self) -> None:
        """In the child: the thread and the open file are the parent's."""
        self._begin()
        self._file.after_fork()

    def _look_for_leftovers(self) -> None:
        if self.limits.compress != "none" and (self.limits.rotate_bytes or self.limits.rotate_s):
            try:
                if any(file.suffix not in (".gz", ".zst") for file in rotated_files(self.path)):
                    self._start_tidying()
            except DiskError as error:
                self._tell_failure(error)

    def _start_tidying(self) -> None:
        with self._lock:
            self._is_wanted = True
            if self._thread is not None and self._thread.is_alive():
                return
            thread = threading.Thread(target=self._tidy, name="tamis-log-files", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                return  # the interpreter is ending: whoever opens the file next does it
            self._thread = thread

    def _tidy(self) -> None:
        with own_work():
            while self._take_turn():
                try:
                    tidy_rotated(self.path, self.limits.compress, self.limits.keep)
                except DiskError as error:
                    self._tell_failure(error)

    def _take_turn(self) -> bool:
        with self._lock:
            wanted, self._is_wanted = self._is_wanted, False
            if not wanted:
                self._thread = None
            return wanted

    def _tell_failure(self, error: DiskError) -> None:
        self._tell(f"file {self.path}", f"log file {self.path}: {error}")
