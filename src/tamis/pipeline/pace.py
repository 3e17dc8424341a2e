"""Pace: how many records may wait for the worker, so that the oldest of them is not old."""

import sys

_SHARE = 0.4
"""What part of the time is for the queue; the rest is for the round under way, and for who shares the processor."""
_RECORDS_MIN, _FULL_ROUND = 16, 64
_FIRST_EACH_S = 1 / 50_000
_WEIGHT, _JUMP_MAX = 0.2, 4.0


class Pace:
    """Measures how long the worker takes for a record, and says how many it takes within a time. Not thread-safe:
    the worker notes, and everybody reads `records`.

    A bound on the number is one on the age, because whoever waits leaves the processor to the worker. Small rounds
    say nothing while large ones are allowed: most of their time is not the records'. Without a time all may wait.
    """

    def __init__(self, within_s: float) -> None:
        self._within_s, self._each_s = within_s * _SHARE, _FIRST_EACH_S
        self.records = self._fitting()
        """So many may wait."""

    def note(self, records: int, took_s: float) -> None:
        """The worker took so many in a round, and so long for them (by the clock: what kept it is part of it)."""
        if records < max(min(_FULL_ROUND, self.records // 2), 1):
            return
        each_s = min(took_s / records, self._each_s * _JUMP_MAX)
        self._each_s += _WEIGHT * (each_s - self._each_s)
        self.records = self._fitting()

    def _fitting(self) -> int:
        if not self._within_s:
            return sys.maxsize
        return max(int(self._within_s / max(self._each_s, 1e-9)), _RECORDS_MIN)
