"""`RuntimeManager`: a primary engine while it works, a fallback engine while it does not, chosen for each call."""

import os
import weakref
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any, Generic, TypeVar, cast

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.errors import BreakerOpenError, OverloadedError, TaskRejectedError
from tamis.resilience.breaker import CircuitBreaker, Classify, Permit, every_error_fails
from tamis.resilience.limited import awaited_within, called_within
from tamis.resilience.limits import BreakerLimits
from tamis.resilience.machine import BreakerState, Verdict
from tamis.resilience.runtime_calls import Calls
from tamis.resilience.runtime_choice import Choice, Role, RuntimeCounts
from tamis.resilience.runtime_status import tell_board
from tamis.telemetry.status import BOARD, StatusBoard

E = TypeVar("E")
T = TypeVar("T")

TRIALS_MAX = 8
"""Trials of functions on threads of their own, hanging ones included; while there are so many, there is no other."""


def refusals_reject(error: Exception) -> Verdict:
    """The verdict on errors unless another is given: what a full queue refused is a rejection, the rest failures."""
    if isinstance(error, TaskRejectedError | OverloadedError):
        return Verdict.REJECTION
    return every_error_fails(error)


class RuntimeManager(Generic[E]):
    """Gives each call an engine: the primary (a GPU, another server), or the fallback (this machine's CPU) while a
    circuit breaker keeps calls from the primary. Thread-safe, for threads and for asyncio.

    `run(work)` and `await arun(work)` call `work(engine)` and see how it goes; where the primary fails or refuses, the
    same call is made on the fallback (unless `is_retrying` is False: then its error is the caller's). An open breaker
    of the engine's own (BreakerOpenError from within) is a refusal, and says nothing against the engine. While half
    open a call on the primary has `limits.half_open_call_s`: a coroutine is cancelled then, a function runs on a thread
    of its own, whose late answer nobody hears. Who calls an engine in other ways asks `get_engine_for(task)` and says
    `handle_success(task)`, `handle_failure(task, error)` or `register_rejection(task)`, or takes
    `with manager.choose() as choice:`.

    Without a fallback: BreakerOpenError while the primary is not to be called. An engine may be another
    RuntimeManager. `classify` judges errors: one that is no verdict on the engine (Verdict.NONE: the caller's own
    mistake, say) goes to the caller and is not tried again.
    """

    def __init__(
        self,
        primary: "E | RuntimeManager[E]",
        fallback: "E | RuntimeManager[E] | None" = None,
        *,
        name: str = "runtime",
        limits: BreakerLimits | None = None,
        classify: Classify = refusals_reject,
        is_retrying: bool = True,
        clock: Clock = SYSTEM_CLOCK,
        board: StatusBoard | None = BOARD,
    ) -> None:
        self.name, self.is_retrying = name, is_retrying
        self.breaker = CircuitBreaker(name, limits, clock=clock, classify=classify, board=board)
        self._engines: dict[Role, E | RuntimeManager[E] | None] = {
            Role.PRIMARY: primary,
            Role.FALLBACK: fallback,
        }
        self._counts, self._calls = RuntimeCounts(clock.monotonic_s), Calls[E]()
        if board is not None:
            tell_board(board, self, self.breaker, has_fallback=fallback is not None)
        _ALIVE.add(self)

    def choose(self) -> Choice[E]:
        """The engine for one call, as a context manager that sees how it goes."""
        choice = self._pick()
        while isinstance(choice.engine, RuntimeManager):
            try:
                choice.within(choice.engine.choose())
            except BreakerOpenError as error:
                choice.end(Verdict.NONE)
                again = self._fall_back(choice, error)
                if again is None:
                    raise
                choice = again
        return cast("Choice[E]", choice)

    def run(self, work: Callable[[E], T]) -> T:
        """What `work(engine)` returns or raises."""
        choice = self._pick()
        engine = choice.engine
        on_engine = engine.run if isinstance(engine, RuntimeManager) else lambda work: work(engine)
        try:
            if choice.limit_s is None:
                result = on_engine(work)
            else:
                ended = self._counts.trial_begins()
                result = called_within(choice.limit_s, self.name, lambda: on_engine(work), ended)
        except BaseException as error:  # judged, then raised or answered by the fallback
            again = self._fall_back(choice, error)
            if again is None:
                raise
        else:
            choice.end(Verdict.SUCCESS)
            return result
        with again:
            engine = again.engine
            return engine.run(work) if isinstance(engine, RuntimeManager) else work(engine)

    async def arun(self, work: Callable[[E], Awaitable[T]]) -> T:
        """What the coroutine `work(engine)` returns or raises. Cancelled, it says nothing about the engine."""
        choice = self._pick()
        engine = choice.engine
        try:
            awaitable = engine.arun(work) if isinstance(engine, RuntimeManager) else work(engine)
            if choice.limit_s is None:
                result = await awaitable
            else:
                result = await awaited_within(choice.limit_s, self.name, awaitable)
        except BaseException as error:  # judged, then raised or answered by the fallback
            again = self._fall_back(choice, error)
            if again is None:
                raise
        else:
            choice.end(Verdict.SUCCESS)
            return result
        with again:
            engine = again.engine
            return await (engine.arun(work) if isinstance(engine, RuntimeManager) else work(engine))

    def get_engine_for(self, task: object = None) -> E:
        """The engine for a call of this task (a name, a number, any object); say afterwards how it went."""
        choice = self.choose()
        self._calls.add(task, choice)
        return choice.engine

    def handle_success(self, task: object = None) -> None:
        """A call of this task worked. Of a call that this manager does not know, it speaks of the primary engine."""
        self._taken(task).end(Verdict.SUCCESS)

    def handle_failure(self, task: object = None, error: BaseException | None = None) -> None:
        """A call of this task failed, as `error` says where there is one; `classify` judges it."""
        if error is None and isinstance(task, BaseException):
            task, error = None, task
        choice = self._taken(task)
        if error is None:
            choice.end(Verdict.FAILURE)
        else:
            choice.judge(error)

    def register_rejection(self, task: object = None) -> None:
        """The engine, or the queue before it, refused this task. Of a call that this manager does not know, it speaks
        of the primary engine.
        """
        choice = self._calls.take(task)
        if choice is None:
            self.breaker.register_rejection()
        else:
            choice.end(Verdict.REJECTION)

    def is_in_fallback_mode(self) -> bool:
        """Whether calls go to the fallback engine now: all of them, or while half open all but the trials."""
        return self.breaker.state is not BreakerState.CLOSED

    def get_metrics(self) -> dict[str, Any]:
        """All states, counts and times, in JSON's types."""
        breaker = self.breaker.metrics()
        return {
            "name": self.name,
            "state": breaker.state.value,
            "is_in_fallback_mode": breaker.state is not BreakerState.CLOSED,
            "retry_after_s": breaker.retry_after_s,
            **self._counts.as_dict(),
            "entered": {state.value: count for state, count in breaker.entered.items()},
            "seconds": {state.value: seconds for state, seconds in breaker.seconds.items()},
            "counts": asdict(breaker.counts),
            "last_failure": breaker.last_failure,
        }

    def reset(self) -> None:
        """Call the primary engine again, whatever it did."""
        self.breaker.reset()

    def _pick(self) -> "Choice[E | RuntimeManager[E]]":
        """The engine for one call, which may be a manager with engines of its own."""
        permit = None if self._is_stuck() else self.breaker.allow()
        if permit is not None:
            return self._choice(Role.PRIMARY, permit)
        if self._engines[Role.FALLBACK] is not None:
            return self._choice(Role.FALLBACK, None)
        metrics = self.breaker.metrics()
        raise BreakerOpenError(self.name, metrics.state.value, metrics.retry_after_s)

    def _is_stuck(self) -> bool:
        """Whether so many trials hang that another would only be one more."""
        if self._counts.trying < max(TRIALS_MAX, self.breaker.limits.probes_max):
            return False
        return self.breaker.state is BreakerState.HALF_OPEN

    def _choice(self, role: Role, permit: Permit | None) -> "Choice[E | RuntimeManager[E]]":
        engine = cast("E | RuntimeManager[E]", self._engines[role])
        return Choice(engine, role, permit=permit, breaker=self.breaker, counts=self._counts)

    def _fall_back(
        self, choice: "Choice[E | RuntimeManager[E]]", error: BaseException
    ) -> "Choice[E | RuntimeManager[E]] | None":
        """The call has ended with this error; the choice for making it again, or None: the error is the caller's."""
        verdict = choice.judge(error)
        if choice.is_fallback or self._engines[Role.FALLBACK] is None:
            return None
        is_refused = isinstance(error, BreakerOpenError)
        nothing_was_tried = is_refused and isinstance(choice.engine, RuntimeManager)
        has_failed = is_refused or verdict in (Verdict.FAILURE, Verdict.REJECTION)
        if not (nothing_was_tried or (has_failed and self.is_retrying)):
            return None
        self._counts.repeat()
        return self._choice(Role.FALLBACK, None)

    def _taken(self, task: object) -> "Choice[Any]":
        """The call of this task that ends now; where none is known, one on the primary engine that begins and ends."""
        known = self._calls.take(task)
        if known is not None:
            return known
        is_open = self.breaker.state in (BreakerState.OPEN, BreakerState.HARD_OPEN)
        return self._choice(Role.PRIMARY, None if is_open else self.breaker.allow())

    def after_fork(self) -> None:
        """In the child: locks that other threads of the parent held would never be free."""
        self._counts.renew()
        self._calls.renew()


_ALIVE: "weakref.WeakSet[RuntimeManager[Any]]" = weakref.WeakSet()


def _renew_locks() -> None:
    for manager in list(_ALIVE):
        manager.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)
