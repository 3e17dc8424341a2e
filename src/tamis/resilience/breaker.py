"""`CircuitBreaker`: stop calling what fails, try again later, and tell what happened."""

import inspect
import os
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial, wraps
from types import TracebackType
from typing import Any, ParamSpec, TypeVar, cast

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.errors import BreakerOpenError, CallTimeoutError
from tamis.resilience.known import KNOWN
from tamis.resilience.limited import awaited_within
from tamis.resilience.limits import BreakerLimits
from tamis.resilience.listeners import Listener, Listeners, tell_board
from tamis.resilience.machine import BreakerCounts, BreakerMachine, BreakerState, Ticket, Verdict
from tamis.telemetry.status import BOARD, StatusBoard

P = ParamSpec("P")
T = TypeVar("T")

Classify = Callable[[Exception], Verdict]
"""What an error says about what the breaker guards."""


def every_error_fails(error: Exception) -> Verdict:
    """The verdict on errors unless another is given: a failure, whatever it is. An open breaker further in is no
    verdict: it guards already, and nothing was tried.
    """
    return Verdict.NONE if isinstance(error, BreakerOpenError) else Verdict.FAILURE


@dataclass(frozen=True, slots=True)
class BreakerMetrics:
    """A breaker at one instant. `counts` sums up as BreakerCounts says; times are seconds."""

    name: str
    state: BreakerState
    retry_after_s: float | None
    counts: BreakerCounts
    under_way: int
    entered: dict[BreakerState, int]
    seconds: dict[BreakerState, float]
    last_failure: str
    """The kind of the last error counted as a failure; its text may hold what nobody should read here."""
    listener_errors: int


class CircuitBreaker:
    """Guards one thing that may fail: a server, an engine, a disk. Thread-safe, for threads and for asyncio.

    `call`, `acall`, a decorator (`@breaker`) and `with breaker.permit():` are the same: ask for a permit, do the
    work, say how it went. While the breaker is open there is none: BreakerOpenError, or None from `allow()`.
    While it is half open a call has `limits.half_open_call_s`: a coroutine is cancelled then (CallTimeoutError);
    a thread cannot be, so its caller gets the answer whenever it comes, but the breaker has counted a failure
    and ignores it (`Permit.limit_s` says what time-out to give to the work). The breaker has no thread: what
    time alone changes is seen at the next look at it.
    """

    def __init__(
        self,
        name: str,
        limits: BreakerLimits | None = None,
        *,
        clock: Clock = SYSTEM_CLOCK,
        classify: Classify = every_error_fails,
        board: StatusBoard | None = BOARD,
    ) -> None:
        self.name, self.limits = name, limits or BreakerLimits()
        self._now_s, self._classify = clock.monotonic_s, classify
        self._machine = BreakerMachine(self.limits, self._now_s())
        self._listeners = Listeners(name, self._machine.changes)
        if board is not None:
            self._listeners.add(partial(tell_board, board))
        self._last_failure = ""
        # Re-entrant, so that a signal's handler that calls the same breaker does not wait for itself.
        self._lock = threading.RLock()
        KNOWN.add(self)

    @property
    def state(self) -> BreakerState:
        """What it lets through now."""
        with self._lock:
            self._machine.advance(self._now_s())
        self._tell()
        return self._machine.state

    def call(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """What `function(*args, **kwargs)` returns or raises; BreakerOpenError when it is not let through."""
        with self._lock:  # here and not in a method: this is the way of every call while nothing is wrong
            ticket = self._machine.admit_closed()
        if ticket is None:
            ticket = self._admit()
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            self._settle(ticket, self.verdict_on(error), error)
            raise
        with self._lock:
            is_settled = self._machine.succeed_closed(ticket)
        if not is_settled:
            self._settle(ticket, Verdict.SUCCESS)
        return result

    async def acall(self, function: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """What the coroutine returns or raises; BreakerOpenError when it is not let through. Cancelled, it says
        nothing about what is guarded.
        """
        with self._lock:
            ticket = self._machine.admit_closed()
        if ticket is None:
            ticket = self._admit()
        try:
            if ticket.deadline_s is None:
                result = await function(*args, **kwargs)
            else:
                limit_s = self.limits.half_open_call_s
                result = await awaited_within(limit_s, self.name, function(*args, **kwargs))
        except BaseException as error:
            self._settle(ticket, self.verdict_on(error), error)
            raise
        with self._lock:
            is_settled = self._machine.succeed_closed(ticket)
        if not is_settled:
            self._settle(ticket, Verdict.SUCCESS)
        return result

    def __call__(self, function: Callable[P, T]) -> Callable[P, T]:
        """As a decorator of a function or of a coroutine function."""
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(
                f"{function!r} yields: a breaker guards what returns; take `with breaker.permit():` inside it"
            )
        if inspect.iscoroutinefunction(function):

            @wraps(function)
            async def guarded(*args: P.args, **kwargs: P.kwargs) -> Any:
                return await self.acall(function, *args, **kwargs)

            return cast("Callable[P, T]", guarded)

        @wraps(function)
        def guarded_call(*args: P.args, **kwargs: P.kwargs) -> T:
            return self.call(function, *args, **kwargs)

        return guarded_call

    def permit(self) -> "Permit":
        """The right to one call; BreakerOpenError when there is none now."""
        return Permit(self, self._admit())

    def allow(self) -> "Permit | None":
        """The right to one call, or None: for loops that then do something else."""
        with self._lock:
            ticket = self._machine.admit(self._now_s())
        self._tell()
        return None if ticket is None else Permit(self, ticket)

    def register_rejection(self) -> None:
        """What is guarded, or the queue before it, refused to take work that was not a permitted call."""
        with self._lock:
            self._machine.reject(self._now_s())
        self._tell()

    def reset(self) -> None:
        """Close it by hand, whatever it was."""
        with self._lock:
            self._machine.reset(self._now_s())
        self._tell()

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Have each change of state told to `listener`, in order, on the thread that saw it; what comes back
        ends that. A listener should be quick; what it raises is counted and goes no further.
        """
        return self._listeners.add(listener)

    def metrics(self) -> BreakerMetrics:
        """All counts and times, as they are now."""
        with self._lock:
            now_s = self._now_s()
            machine = self._machine
            machine.advance(now_s)
            found = BreakerMetrics(
                name=self.name,
                state=machine.state,
                retry_after_s=machine.retry_after_s(now_s),
                counts=machine.counts.copy(),
                under_way=machine.counts.under_way(),
                entered=dict(machine.entered),
                seconds=machine.seconds(now_s),
                last_failure=self._last_failure,
                listener_errors=self._listeners.errors,
            )
        self._tell()
        return found

    def _admit(self) -> Ticket:
        machine = self._machine
        with self._lock:
            ticket = machine.admit_closed()
            if ticket is not None:
                return ticket
            now_s = self._now_s()
            ticket = machine.admit(now_s)
            state, retry_after_s = machine.state, machine.retry_after_s(now_s)
        self._tell()
        if ticket is None:
            raise BreakerOpenError(self.name, state.value, retry_after_s)
        return ticket

    def _settle(self, ticket: Ticket, verdict: Verdict, error: BaseException | None = None) -> None:
        with self._lock:
            self._machine.settle(ticket, verdict, self._now_s())
            if verdict is Verdict.FAILURE:
                self._last_failure = type(error).__name__ if error is not None else "not told"
        self._tell()

    def verdict_on(self, error: BaseException) -> Verdict:
        """What an error of a call says about what is guarded."""
        if isinstance(error, CallTimeoutError) and error.name == self.name:
            return Verdict.FAILURE
        if not isinstance(error, Exception):
            return Verdict.NONE
        try:
            return self._classify(error)
        except Exception:  # the user's own judgement failed: the error it was about goes on to the caller
            return Verdict.FAILURE

    def _tell(self) -> None:
        if self._machine.changes:
            self._listeners.tell()

    def after_fork(self) -> None:
        """In the child: locks that other threads of the parent held would never be free."""
        self._lock = threading.RLock()
        self._listeners.after_fork()


class Permit:
    """The right to one call. The first of `success`, `failure`, `rejected` and `release` counts; after that, and
    when it comes too late, nothing does. As a context manager it tells by itself how its block ended.
    """

    __slots__ = ("_breaker", "_ticket", "limit_s")

    def __init__(self, breaker: CircuitBreaker, ticket: Ticket) -> None:
        self._breaker = breaker
        self._ticket: Ticket | None = ticket
        self.limit_s = breaker.limits.half_open_call_s if ticket.deadline_s is not None else None
        """Seconds that the call may take from when the permit was given; None where nothing is asked."""

    def success(self) -> None:
        """It worked."""
        self.settle(Verdict.SUCCESS)

    def failure(self, error: BaseException | None = None) -> None:
        """It did not work."""
        self.settle(Verdict.FAILURE, error)

    def rejected(self) -> None:
        """What is guarded refused to take the work."""
        self.settle(Verdict.REJECTION)

    def release(self) -> None:
        """Nothing was tried, or it was given up: no verdict."""
        self.settle(Verdict.NONE)

    def __enter__(self) -> "Permit":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        verdict = Verdict.SUCCESS if error is None else self._breaker.verdict_on(error)
        self.settle(verdict, error)

    def settle(self, verdict: Verdict, error: BaseException | None = None) -> None:
        """Any of the four."""
        with self._breaker._lock:
            ticket, self._ticket = self._ticket, None
        if ticket is not None:
            self._breaker._settle(ticket, verdict, error)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=KNOWN.after_fork)
