"""The scrub: all bytes of a storage are compared with their digests, slowly, over and over."""

import threading
from collections.abc import Callable
from typing import Protocol

from tamis.clock import Clock
from tamis.errors import TamisError
from tamis.integrity.holdings import Held, Pace
from tamis.integrity.manifest import FileEntry
from tamis.telemetry.status import StatusBoard


class Scrubbed(Protocol):
    """What is scrubbed."""

    def entries(self) -> tuple[FileEntry, ...]:
        """The files to look at."""
        ...

    def compare(self, entry: FileEntry, pace: Pace) -> Held:
        """Look at every byte of one."""
        ...


class Scrub:
    """Rounds over all files, at `bytes_per_s`; each begins `interval_s` after the last began. `mend` is called after a
    round that found something. `wait` waits so many seconds; true: it is time to stop.
    """

    def __init__(
        self,
        kept: Scrubbed,
        *,
        mend: Callable[[], object],
        wait: Callable[[float], bool],
        bytes_per_s: int,
        interval_s: float,
        clock: Clock,
        board: StatusBoard,
    ) -> None:
        self._kept, self._mend, self._wait = kept, mend, wait
        self._bytes_per_s, self._interval_s = bytes_per_s, interval_s
        self._clock, self._board = clock, board
        self._thread: threading.Thread | None = None
        self.rounds = 0
        """Rounds that came to their end."""

    def start(self) -> None:
        """Go on with it in a thread. Idempotent."""
        if self._bytes_per_s and self._thread is None:
            self._thread = threading.Thread(target=self._run, name="tamis-scrub-assets", daemon=True)
            self._thread.start()

    def join(self) -> None:
        """Wait for the thread's end, once `wait` says that it is time."""
        if self._thread is not None:
            self._thread.join()

    def round(self) -> list[Held]:
        """Look at everything once; what is not whole."""
        entries = self._kept.entries()
        total = sum(entry.size for entry in entries)
        with self._board.doing("scrub assets", total=total, unit="bytes") as work:

            def pace(count: int) -> None:
                work.advance(count)
                if self._bytes_per_s and self._wait(count / self._bytes_per_s):
                    raise _StoppedError

            found: list[Held] = []
            for entry in entries:
                work.update(note=entry.path)
                held = self._kept.compare(entry, pace)
                if held.place is None:
                    found.append(held)
            if found:
                work.update(note=f"{len(found)} files are damaged")
        self.rounds += 1
        return found

    def _run(self) -> None:
        while True:
            began_s = self._clock.monotonic_s()
            try:
                if self.round():
                    self._mend()
            except _StoppedError:
                return
            except TamisError as error:
                self._board.tell("scrub", f"assets could not be scrubbed: {error}", severity="warning")
            if self._wait(max(began_s + self._interval_s - self._clock.monotonic_s(), 0.0)):
                return


class _StoppedError(BaseException):
    """The scrub is to end; no handler of an error may keep it."""
