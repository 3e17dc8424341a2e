"""A clock that goes on when a test says so."""

from tamis.clock import NS_PER_S

START_S = 1_000.0


class HandClock:
    """Monotonic time starts at 1,000 s, the calendar's at 2026-11-21T12:00:00Z; both move together."""

    def __init__(self) -> None:
        self.now_s = START_S
        self.waited: list[float] = []

    def now_ns(self) -> int:
        return int((1_795_262_400 + self.now_s - START_S) * NS_PER_S)

    def monotonic_s(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.pass_s(seconds)

    def pass_s(self, seconds: float) -> None:
        """Let time go by."""
        self.now_s += seconds
