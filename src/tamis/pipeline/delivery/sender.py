"""`Sender`: one attempt after the other at a sink, and what follows from each answer."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.errors import BatchTooLargeError, DiskError, SinkUnavailableError
from tamis.pipeline.base import BatchLimits, Outcome, Rejected, Sink
from tamis.pipeline.delivery.backlog import Backlog
from tamis.pipeline.delivery.dead import DeadLetters
from tamis.pipeline.delivery.load import Load
from tamis.pipeline.limits import DeliveryLimits
from tamis.pipeline.metrics import SinkMeter
from tamis.pipeline.processors.redact import redact_from
from tamis.pipeline.unbroken import unbroken
from tamis.resilience.breaker import CircuitBreaker, Permit
from tamis.resilience.retry import Backoff
from tamis.settings.processors import RedactSettings

DEAD_LETTERS_FULL = "dead_letters_full"
"""The reason for refused records that could not be kept either."""
REFUSED = "refused"
"""The reason for refused records where nothing is kept on disk, by the user's wish."""
_AWAY = (SinkUnavailableError, OSError, MemoryError, ImportError)
"""No record is to blame for these: the batch is sent again, however often."""
_RETRY_AFTER_S_MAX = 300.0
_CLOSED_POLL_S = 0.5
_ERROR_CHARS_MAX = 200
_IN_REASONS = RedactSettings(kinds=("private_key", "jwt", "cloud_key", "credential"))
"""What is masked where a sink says why: receivers repeat headers, libraries whole URLs. What records hold was looked
at before, and addresses are what the reader needs.
"""

Tell = Callable[[str, str], object]


@dataclass(slots=True)
class Lane:
    """Records of one process on their way to the sink: what waits, and the loads that were begun, in order.
    `tries` counts the attempts of the first load; `isolating` says that it fails by itself, not by the sink.
    """

    backlog: Backlog
    begun: deque[Load] = field(default_factory=deque)
    tries: int = 0
    isolating: bool = False

    def next_load(self, limits: BatchLimits, *, now_s: float, hurry: bool) -> Load | None:
        """The load to be sent first; begun when there was none and one is due."""
        if not self.begun:
            load = self.backlog.next_load(limits, now_s=now_s, hurry=hurry)
            if load is not None:
                self.begun.append(load)
                self.tries, self.isolating = 0, False
        return self.begun[0] if self.begun else None


class Sender:
    """Hands loads to a sink and does with each record what the answer says. Used by one thread at a time.

    `finished` is told how many records of a lane need not be sent any more.
    """

    def __init__(
        self,
        sink: Sink,
        meter: SinkMeter,
        limits: DeliveryLimits,
        *,
        dead: DeadLetters | None,
        finished: Callable[[Lane, int], object],
        tell: Tell,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.sink, self.meter, self.limits = sink, meter, limits
        self.breaker = meter.breaker = CircuitBreaker(sink.name, limits.breaker, clock=clock)
        self.timeout_s = limits.timeout_s
        """How long an attempt may take."""
        self.not_before_s = 0.0
        """When the next attempt may be made (monotonic seconds)."""
        self.delivered_s: float | None = None
        self.last_error = ""
        self.failures = 0
        """Attempts in a row that brought nothing."""
        self._dead, self._finished, self._tell, self._clock = dead, finished, tell, clock
        self._backoff: Backoff | None = None
        self._discreet = redact_from(_IN_REASONS).text

    @property
    def is_failing(self) -> bool:
        """Whether the last attempt failed."""
        return self.failures > 0

    def pause(self, pause_s: float) -> None:
        """Make no attempt for so long."""
        self.not_before_s = max(self.not_before_s, self._clock.monotonic_s() + pause_s)

    def try_first(self, lane: Lane) -> float:
        """Send the first load of a lane if the breaker lets it through; seconds to wait before the next."""
        permit = self.breaker.allow()
        if permit is None:
            retry_after_s = self.breaker.metrics().retry_after_s
            return max(_CLOSED_POLL_S if retry_after_s is None else retry_after_s, 0.001)
        self._attempt(lane, lane.begun[0], permit)
        return max(self.not_before_s - self._clock.monotonic_s(), 0.0)

    def _attempt(self, lane: Lane, load: Load, permit: Permit) -> None:
        if lane.tries == 0:
            lane.backlog.mark(load)
        lane.tries += 1
        timeout_s = min(self.timeout_s, permit.limit_s or self.timeout_s)
        try:
            outcome = _outcome_of(self.sink.send(load.batch, timeout_s=timeout_s))
        except BatchTooLargeError as error:
            permit.success()
            self._halve(lane, load, error.reason)
        except _AWAY as error:
            permit.failure(error)
            self._unavailable(error)
        except Exception as error:  # the edge to a sink: a fault of its own, or of what is in the batch
            self._broken(lane, load, permit, error)
        except BaseException:
            permit.release()
            raise
        else:
            self._answered(lane, load, outcome, permit)

    @unbroken()
    def _answered(self, lane: Lane, load: Load, outcome: Outcome, permit: Permit) -> None:
        """The other side has told of each record."""
        now_s = self._clock.monotonic_s()
        again = load.places_of(outcome.retry) if outcome.retry else []
        refused = load.places_of([item.record for item in outcome.rejected]) if outcome.rejected else []
        if len(again) < len(load.records):
            self._backoff, self.failures, self.delivered_s = None, 0, now_s
            permit.success()
        else:
            permit.failure()
        self.meter.attempt(sent_bytes=outcome.sent_bytes)
        if not again and not refused:
            self._delivered(load)
        else:
            gone = {*again, *refused}
            self._delivered(load.part([n for n in range(len(load.records)) if n not in gone]))
            self._bury(load.part(refused), outcome.rejected)
        done = load if not again else load.part(sorted(set(range(len(load.records))) - {*again}))
        self._finish(lane, done)
        lane.begun.popleft()
        lane.tries = 0
        if again:
            lane.begun.appendleft(load.part(again, lane.backlog.prefix))
            self._wait_before_retry(outcome.retry_after_s, "some records are to be sent again")

    def _delivered(self, load: Load) -> None:
        if load.records:
            spooled = load.spooled
            self.meter.deliver(
                load.records,
                queued=len(load.records) - spooled,
                spooled=spooled,
                now_ns=self._clock.now_ns(),
            )

    def _bury(self, load: Load, rejected: Sequence[Rejected]) -> None:
        """To the dead letters."""
        spooled, count = load.spooled, len(load.records)
        if not count:
            return
        rejected = [Rejected(item.record, self._discreet(item.reason)) for item in rejected]
        reason = rejected[0].reason if rejected else ""
        fate = "are dead letters now" if self._dead is not None else "are dropped, for there is no spool"
        self._tell(
            f"dead {self.sink.name}", f"{self.sink.name} refused {count:,} records, which {fate}: {reason}"
        )
        if self._dead is None:
            self.meter.drop(REFUSED, queued=count - spooled, spooled=spooled)
            return
        try:
            self._dead.add(rejected, load.id)
            self.meter.bury(queued=count - spooled, spooled=spooled)
        except DiskError as error:
            self.meter.drop(DEAD_LETTERS_FULL, queued=count - spooled, spooled=spooled)
            self._tell("dead letters", f"a dead letter could not be kept: {error}")

    def _finish(self, lane: Lane, load: Load) -> None:
        """It need not be sent any more."""
        lane.backlog.settle(load)
        self._finished(lane, len(load.records))

    @unbroken()
    def _halve(self, lane: Lane, load: Load, reason: str) -> None:
        """Send it in two; a single record is refused."""
        lane.begun.popleft()
        lane.tries = 0
        if len(load.records) == 1:
            self._bury(load, [Rejected(load.records[0], reason)])
            self._finish(lane, load)
            return
        middle = len(load.records) // 2
        places = range(len(load.records))
        for half in (places[middle:], places[:middle]):
            lane.begun.appendleft(load.part(half, lane.backlog.prefix))

    def _unavailable(self, error: Exception) -> None:
        retry_after_s = getattr(error, "retry_after_s", None)
        self._failed(f"{type(error).__name__}: {error}")
        reason = error.reason if isinstance(error, SinkUnavailableError) else str(error)
        self._wait_before_retry(retry_after_s, self._discreet(reason))

    def _wait_before_retry(self, retry_after_s: float | None, reason: str) -> None:
        """1, 2, 4 s, or what the other side asks for; after that the breaker says when."""
        self.failures += 1
        if self._backoff is None:
            self._backoff = Backoff(self.limits.retry, clock=self._clock)
        asked_s = min(retry_after_s, _RETRY_AFTER_S_MAX) if retry_after_s is not None else 0.0
        wait_s = self._backoff.next_wait_s()
        if wait_s is None:
            wait_s = self.limits.retry.first_s
        self.not_before_s = self._clock.monotonic_s() + max(wait_s, asked_s)
        self.meter.attempt(failed=True, again=True)
        self._tell(f"delivery {self.sink.name}", f"{self.sink.name} is away, records wait: {reason}")

    def _broken(self, lane: Lane, load: Load, permit: Permit, error: Exception) -> None:
        """The sink raised what it should not: after the usual attempts the batch is to blame, and is halved until
        the record that does it is alone.
        """
        if not lane.isolating and lane.tries < self.limits.retry.attempts_max:
            permit.failure(error)
            self._unavailable(error)
            return
        permit.release()
        lane.isolating = True
        self._failed(f"{type(error).__name__}: {error}")
        self._halve(lane, load, f"the sink failed with {type(error).__name__}")

    def _failed(self, text: str) -> None:
        self.last_error = self._discreet(text)[:_ERROR_CHARS_MAX]


def _outcome_of(answer: object) -> Outcome:
    """What a sink returned, which may be anybody's."""
    if not isinstance(answer, Outcome):
        raise TypeError(f"send must return an Outcome (DELIVERED when all is well), not {answer!r:.50}")
    return answer
