"""The circuit breaker's states: no lock, no clock, no call in here.

::

                    3 failures                      60 s later
          CLOSED ───────────────▶ OPEN ──────────────────────────▶ HALF_OPEN
             ▲                     ▲   one failure, or no answer in 5 s  │ │
             │                     └─────────────────────────────────────┘ │
             └─────────────────────────────────────────────────────────────┘
                                    2 successes

    anything ── 5 rejections ──▶ HARD_OPEN ── reset(), or hard_open_s later: HALF_OPEN
"""

import math
from collections import deque
from dataclasses import dataclass, replace
from enum import Enum, StrEnum
from typing import NamedTuple

from tamis.resilience.limits import BreakerLimits


class BreakerState(StrEnum):
    """What a breaker lets through: everything, nothing, a few probes, nothing until further notice."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"
    HARD_OPEN = "hard_open"


class Verdict(Enum):
    """What a call that was let through says about what the breaker guards."""

    SUCCESS = "success"
    FAILURE = "failure"
    REJECTION = "rejection"
    """It refused to take the work: its queue is full."""
    NONE = "none"
    """Nothing: the call was cancelled, or never made."""


class Ticket(NamedTuple):
    """The right to one call. It is good for the period (the time between two changes of state) that gave it."""

    period: int
    probe: int = 0
    deadline_s: float | None = None


class Change(NamedTuple):
    """One change of state, at `at_s` on the machine's clock."""

    before: BreakerState
    after: BreakerState
    at_s: float
    reason: str


@dataclass(slots=True)
class BreakerCounts:
    """What happened since the start.

    permitted = successes + failures + rejected_calls + abandoned + stale + those still under way.
    """

    permitted: int = 0
    refused: int = 0
    """Calls that were not let through."""
    successes: int = 0
    failures: int = 0
    expired: int = 0
    """Those of the failures that gave no answer in time while half open."""
    rejections: int = 0
    """Work refused by what is guarded, whoever told so."""
    rejected_calls: int = 0
    """Those of the rejections that were permitted calls."""
    abandoned: int = 0
    """Calls that ended without a verdict: cancelled, or not made."""
    stale: int = 0
    """Calls still under way when their period ended: nobody waits for their answer any more."""
    late: int = 0
    """Answers that came from an ended period, and changed nothing."""

    def copy(self) -> "BreakerCounts":
        """The counts as they are now."""
        return replace(self)

    def under_way(self) -> int:
        """Permitted calls of the present period that have no answer yet."""
        settled = self.successes + self.failures + self.rejected_calls + self.abandoned + self.stale
        return self.permitted - settled


class BreakerMachine:
    """A circuit breaker as a pure state machine: every method is told what time it is, on a clock that never
    goes back. Not thread-safe. Changes of state are left in `changes`, oldest first, for whoever drives it.
    """

    __slots__ = (
        "_failures",
        "_period",
        "_probe",
        "_probes",
        "_rejections",
        "_seconds",
        "_since_s",
        "_successes",
        "_ticket",
        "_until_s",
        "changes",
        "counts",
        "entered",
        "limits",
        "state",
    )

    def __init__(self, limits: BreakerLimits, now_s: float) -> None:
        self.limits = limits
        self.state = BreakerState.CLOSED
        self.counts = BreakerCounts()
        self.changes: deque[Change] = deque()
        self.entered = dict.fromkeys(BreakerState, 0)
        self._seconds = dict.fromkeys(BreakerState, 0.0)
        self._since_s = now_s
        self._until_s = math.inf
        self._period = self._probe = 0
        self._probes: dict[int, float] = {}
        self._failures = self._rejections = self._successes = 0
        self._ticket: Ticket | None = Ticket(0)

    def admit_closed(self) -> Ticket | None:
        """The right to one call; None unless it is closed, which needs no look at the clock."""
        ticket = self._ticket
        if ticket is not None:
            self.counts.permitted += 1
        return ticket

    def succeed_closed(self, ticket: Ticket) -> bool:
        """Settle a success of the present closed period; False for any other, where nothing was done."""
        if ticket is not self._ticket:
            return False
        self.counts.successes += 1
        if self._failures:
            self._failures -= 1
        if self._rejections:
            self._rejections -= 1
        return True

    def admit(self, now_s: float) -> Ticket | None:
        """The right to one call, or None: nothing goes through now."""
        ticket = self.admit_closed()
        if ticket is not None:
            return ticket
        self.advance(now_s)
        if self.state is not BreakerState.HALF_OPEN or len(self._probes) >= self.limits.probes_max:
            self.counts.refused += 1
            return None
        self.counts.permitted += 1
        self._probe += 1
        deadline_s = now_s + self.limits.half_open_call_s
        self._probes[self._probe] = deadline_s
        return Ticket(self._period, self._probe, deadline_s)

    def settle(self, ticket: Ticket, verdict: Verdict, now_s: float) -> None:
        """The call of this ticket has ended. An answer from an ended period is counted, and changes nothing."""
        if verdict is Verdict.SUCCESS and self.succeed_closed(ticket):
            return
        if self.state is not BreakerState.CLOSED:
            self.advance(now_s)
        if ticket.period != self._period:
            self.counts.late += 1
            return
        if ticket.probe and self._probes.pop(ticket.probe, None) is None:
            return
        if verdict is Verdict.SUCCESS:
            self._succeed(now_s)
        elif verdict is Verdict.FAILURE:
            self._fail(now_s)
        elif verdict is Verdict.REJECTION:
            self.counts.rejected_calls += 1
            self.reject(now_s)
            if self.state is BreakerState.HALF_OPEN:
                self._enter(BreakerState.OPEN, now_s, "a rejection while half open")
        else:
            self.counts.abandoned += 1

    def reject(self, now_s: float) -> None:
        """What is guarded, or the queue before it, refused to take work: with or without a ticket."""
        self.advance(now_s)
        self.counts.rejections += 1
        if self.state is BreakerState.HARD_OPEN:
            return
        self._rejections += 1
        if self._rejections >= self.limits.rejections_to_hard_open:
            self._enter(BreakerState.HARD_OPEN, now_s, _counted(self._rejections, "rejection"))

    def reset(self, now_s: float) -> None:
        """By hand: closed, with nothing against it."""
        self.advance(now_s)
        self._failures = self._rejections = 0
        if self.state is not BreakerState.CLOSED:
            self._enter(BreakerState.CLOSED, now_s, "reset by hand")

    def advance(self, now_s: float) -> None:
        """Make the changes that time alone has made by now, each at the instant it was due."""
        while True:
            if self.state is BreakerState.HALF_OPEN:
                deadline_s = next(iter(self._probes.values()), math.inf)
                if now_s <= deadline_s:
                    return
                self.counts.failures += 1
                self.counts.expired += 1
                reason = f"no answer within {self.limits.half_open_call_s:g} s while half open"
                self._enter(BreakerState.OPEN, deadline_s, reason)
            elif now_s >= self._until_s:
                reason = f"{self._until_s - self._since_s:g} s are over"
                self._enter(BreakerState.HALF_OPEN, self._until_s, reason)
            else:
                return

    def retry_after_s(self, now_s: float) -> float | None:
        """When asking again may help: seconds, or None where only `reset` helps."""
        if self.state is BreakerState.CLOSED:
            return 0.0
        if self.state is BreakerState.HALF_OPEN:
            is_full = len(self._probes) >= self.limits.probes_max
            return max(next(iter(self._probes.values())) - now_s, 0.0) if is_full else 0.0
        return None if self._until_s == math.inf else max(self._until_s - now_s, 0.0)

    def seconds(self, now_s: float) -> dict[BreakerState, float]:
        """How long it has been in each state."""
        present = max(now_s - self._since_s, 0.0)
        return {**self._seconds, self.state: self._seconds[self.state] + present}

    def _succeed(self, now_s: float) -> None:
        self.counts.successes += 1
        self._successes += 1
        if self._successes >= self.limits.successes_to_close:
            self._enter(
                BreakerState.CLOSED, now_s, _counted(self._successes, "success", "es") + " while half open"
            )

    def _fail(self, now_s: float) -> None:
        self.counts.failures += 1
        if self.state is BreakerState.HALF_OPEN:
            self._enter(BreakerState.OPEN, now_s, "a failure while half open")
            return
        self._failures += 1
        if self._failures >= self.limits.failures_to_open:
            self._enter(BreakerState.OPEN, now_s, _counted(self._failures, "failure"))

    def _enter(self, state: BreakerState, at_s: float, reason: str) -> None:
        self.changes.append(Change(self.state, state, at_s, reason))
        self.counts.stale += self.counts.under_way()
        self._seconds[self.state] += max(at_s - self._since_s, 0.0)
        if state is BreakerState.CLOSED:
            self._failures = self._rejections = 0
        elif self.state is BreakerState.HARD_OPEN:
            self._rejections = 0
        self.state, self._since_s, self._until_s = state, at_s, at_s + self._lasts_s(state)
        self.entered[state] += 1
        self._successes = 0
        self._probes.clear()
        self._period += 1
        self._ticket = Ticket(self._period) if state is BreakerState.CLOSED else None

    def _lasts_s(self, state: BreakerState) -> float:
        if state is BreakerState.OPEN:
            return self.limits.open_s
        if state is BreakerState.HARD_OPEN and self.limits.hard_open_s is not None:
            return self.limits.hard_open_s
        return math.inf


def _counted(count: int, what: str, plural: str = "s") -> str:
    return f"{count} {what}{plural if count > 1 else ''}"
