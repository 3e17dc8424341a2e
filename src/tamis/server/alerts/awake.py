"""`Awake`: how long the server could have taken records in, stops, suspended machines and turned clocks left out."""

from tamis.clock import NS_PER_S, Clock

SLEPT_S_MIN = 30.0
"""A shorter gap between two looks is a busy machine."""
PAUSES_MAX = 100


class Awake:
    """Pauses: when nothing could come in, or nobody looked. `grace_s` follows each: time in which senders deliver what
    they kept meanwhile. For one thread.
    """

    def __init__(
        self, clock: Clock, *, grace_s: float, last_ns: int | None = None, gap_s: float = SLEPT_S_MIN
    ) -> None:
        self._clock, self._grace_ns = clock, round(grace_s * NS_PER_S)
        self._gap_s = gap_s
        now_ns = clock.now_ns()
        self._pauses: list[tuple[int, int]] = []
        if last_ns is not None and last_ns < now_ns:
            self._pauses.append((last_ns, now_ns))
        self._looked_ns, self._looked_s = now_ns, clock.monotonic_s()
        self._quiet_until_ns = now_ns + self._grace_ns

    def look(self) -> int:
        """The instant now, after what passed since the last look was judged."""
        now_ns, now_s = self._clock.now_ns(), self._clock.monotonic_s()
        by_calendar_s, by_watch_s = (now_ns - self._looked_ns) / NS_PER_S, now_s - self._looked_s
        is_turned = (
            abs(by_calendar_s - by_watch_s) > SLEPT_S_MIN
        )  # or the machine slept: its watch stood still
        if is_turned or by_watch_s > self._gap_s:
            self._pause(now_ns)
        self._looked_ns, self._looked_s = now_ns, now_s
        return now_ns

    def _pause(self, now_ns: int) -> None:
        if now_ns > self._looked_ns:
            self._pauses = [*self._pauses[1 - PAUSES_MAX :], (self._looked_ns, now_ns)]
        else:
            self._pauses = [(start, end) for start, end in self._pauses if end <= now_ns]
        self._quiet_until_ns = now_ns + self._grace_ns

    def is_quiet(self, now_ns: int) -> bool:
        """Whether it is too early to say that something is missing."""
        return now_ns < self._quiet_until_ns

    def between_ns(self, start_ns: int, end_ns: int) -> int:
        """How much of the time between two instants the server was there."""
        away = sum(max(min(end, end_ns) - max(start, start_ns), 0) for start, end in self._pauses)
        return max(end_ns - start_ns - away, 0)
