"""`FakeClock`: time that stands still until the test moves it."""

import threading


class FakeClock:
    """A `tamis.clock.Clock` that only moves by `advance` and `sleep`. Thread-safe.

    `slept` holds the seconds of each sleep, in order: a test of retries reads there how long was waited.
    """

    def __init__(self, now_ns: int = 1_700_000_000_000_000_000) -> None:
        self._start_ns, self._passed_ns = now_ns, 0
        self._lock = threading.Lock()
        self.slept: list[float] = []

    def now_ns(self) -> int:
        """The instant it shows: UTC nanoseconds since 1970."""
        return self._start_ns + self._passed_ns

    def monotonic_s(self) -> float:
        """Seconds that passed since it was made."""
        return self._passed_ns / 1e9

    def sleep(self, seconds: float) -> None:
        """Move on at once, and remember it."""
        self.slept.append(seconds)
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Move on; never back."""
        if seconds < 0:
            raise ValueError(f"time does not go back: {seconds:g} s")
        with self._lock:
            self._passed_ns += round(seconds * 1e9)
