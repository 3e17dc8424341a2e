"""Which notice of a channel is next: rules take turns, one trouble's notices stay in order, and failures wait."""

from collections.abc import Iterable

from tamis.clock import NS_PER_S, Clock
from tamis.metadata.alert_rows import Waiting

PAUSE_FIRST_S, PAUSE_MAX_S = 1.0, 10.0
"""After a failed try the channel rests; longer with each further failure until something is told."""
RETRY_AFTER_S_MAX = 3_600.0
"""A receiver may ask for so long a rest at most."""


class Turns:
    """The order of one channel. For one thread at a time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._served: dict[str, int] = {}
        self._turn = 0
        self._failures = 0
        self._rests_until_s = 0.0

    @property
    def is_resting(self) -> bool:
        """Whether nothing is to be tried now."""
        return self._clock.monotonic_s() < self._rests_until_s

    def due(self, queue: Iterable[Waiting]) -> Waiting | None:
        """The next of what is due: of the rule that was served least lately its oldest. Behind a notice that is not
        told yet, later ones about the same trouble wait; others do not.
        """
        if self.is_resting:
            return None
        now_ns = self._clock.now_ns()
        troubles: set[str] = set()
        best: Waiting | None = None
        for one in queue:
            trouble = f"{one.rule}/{one.id.rpartition('-')[0]}"
            if trouble in troubles:
                continue
            troubles.add(trouble)
            if not _is_later(one, now_ns) and (best is None or self._rank(one) < self._rank(best)):
                best = one
        return best

    def _rank(self, waiting: Waiting) -> int:
        return self._served.get(waiting.rule, 0)

    def serve(self, waiting: Waiting) -> None:
        """It is the turn of this one's rule."""
        self._turn += 1
        self._served[waiting.rule] = self._turn

    def rest(self, rest_s: float) -> None:
        """Nothing is to be tried for so long."""
        self._rests_until_s = max(self._rests_until_s, self._clock.monotonic_s() + rest_s)

    def answered(self) -> None:
        """The receiver is there."""
        self._failures = 0

    def failed(self, retry_after_s: float | None) -> None:
        """The receiver is not, or asks for a rest."""
        self._failures += 1
        rest_s = min(PAUSE_FIRST_S * 2 ** min(self._failures - 1, 10), PAUSE_MAX_S)
        self.rest(max(rest_s, min(retry_after_s or 0.0, RETRY_AFTER_S_MAX)))


def _is_later(waiting: Waiting, now_ns: int) -> bool:
    """Whether its next try is still to come; not so when the calendar was turned back meanwhile."""
    return now_ns < waiting.next_ns and waiting.next_ns - now_ns <= 2 * 3_600 * NS_PER_S
