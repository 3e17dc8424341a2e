"""Time, behind one door, so that tests can hold it still."""

import time
from typing import Protocol

NS_PER_S = 1_000_000_000


class Clock(Protocol):
    """Where time comes from."""

    def now_ns(self) -> int:
        """The instant now: UTC nanoseconds since 1970."""
        ...

    def monotonic_s(self) -> float:
        """Seconds on a clock that never goes back; only differences mean anything."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_ns(self) -> int:
        """The instant now: UTC nanoseconds since 1970."""
        return time.time_ns()

    def monotonic_s(self) -> float:
        """Seconds on a clock that never goes back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


SYSTEM_CLOCK = SystemClock()

now_ns = time.time_ns
"""The machine's clock without a step between, for the path of every record; what tests hold still takes a Clock."""

monotonic_s = time.monotonic
"""The same for the machine's monotonic clock: `SYSTEM_CLOCK.monotonic_s` with no step between."""
