"""One call's engine: which it is, and what became of the call."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from types import TracebackType
from typing import Any, Generic, TypeVar

from tamis.resilience.breaker import CircuitBreaker, Permit
from tamis.resilience.machine import Verdict

E = TypeVar("E")


class Role(StrEnum):
    """Which of the two engines."""

    PRIMARY = "primary"
    FALLBACK = "fallback"


@dataclass(slots=True)
class EngineCounts:
    """What one engine was given, and what came of it: calls = the verdicts + those still under way."""

    calls: int = 0
    verdicts: dict[Verdict, int] = field(default_factory=lambda: dict.fromkeys(Verdict, 0))
    seconds: float = 0.0
    """Of the calls that ended, together."""

    def as_dict(self) -> dict[str, Any]:
        """In JSON's types."""
        return {
            "calls": self.calls,
            "successes": self.verdicts[Verdict.SUCCESS],
            "failures": self.verdicts[Verdict.FAILURE],
            "rejections": self.verdicts[Verdict.REJECTION],
            "abandoned": self.verdicts[Verdict.NONE],
            "under_way": self.calls - sum(self.verdicts.values()),
            "seconds": self.seconds,
        }


class RuntimeCounts:
    """What the calls of both engines came to. Thread-safe."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._engines = {role: EngineCounts() for role in Role}
        self._repeated = self._forks = 0
        self.renew()

    def renew(self) -> None:
        """A lock of its own, and no trial: in the child of a fork, another thread of the parent may hold this one, and
        the threads that tried stayed with the parent.
        """
        self._lock = threading.RLock()
        self._forks += 1
        self.trying = 0
        """Trials on threads of their own that have not ended, in time or not."""

    def begin(self, role: Role) -> float:
        """A call begins: when."""
        with self._lock:
            self._engines[role].calls += 1
        return self._now_s()

    def end(self, role: Role, verdict: Verdict, began_s: float) -> None:
        """A call has ended."""
        seconds = max(self._now_s() - began_s, 0.0)
        with self._lock:
            engine = self._engines[role]
            engine.verdicts[verdict] += 1
            engine.seconds += seconds

    def repeat(self) -> None:
        """A call is made again on the fallback engine."""
        with self._lock:
            self._repeated += 1

    def trial_begins(self) -> Callable[[], None]:
        """A call runs on a thread of its own; what comes back is called at its end."""
        with self._lock:
            self.trying += 1
            return partial(self._trial_ends, self._forks)

    def _trial_ends(self, forks: int) -> None:
        with self._lock:
            if forks == self._forks:  # a trial that forked ends in its child too, where none was counted
                self.trying -= 1

    def as_dict(self) -> dict[str, Any]:
        """In JSON's types."""
        with self._lock:
            return {
                "engines": {role.value: counts.as_dict() for role, counts in self._engines.items()},
                "repeated": self._repeated,
                "trying": self.trying,
            }


class Choice(Generic[E]):
    """The engine for one call: take it, then say how it went by `end`, or let a `with` block say it. The first end
    counts.
    """

    __slots__ = ("_began_s", "_breaker", "_counts", "_inner", "_permit", "engine", "role")

    def __init__(
        self, engine: E, role: Role, *, permit: Permit | None, breaker: CircuitBreaker, counts: RuntimeCounts
    ) -> None:
        self.engine, self.role = engine, role
        self._permit, self._breaker = permit, breaker
        self._counts: RuntimeCounts | None = counts
        self._inner: Choice[Any] | None = None
        self._began_s = counts.begin(role)

    @property
    def is_fallback(self) -> bool:
        """Whether it is not the primary engine."""
        return self.role is Role.FALLBACK

    @property
    def limit_s(self) -> float | None:
        """Seconds that the call may take while the primary engine is only tried; None: nobody asks."""
        own = None if self._permit is None else self._permit.limit_s
        nested = None if self._inner is None else self._inner.limit_s
        limits = [limit for limit in (own, nested) if limit is not None]
        return min(limits, default=None)

    def within(self, inner: "Choice[Any]") -> None:
        """The engine is another manager: it chose this one of its own, and hears how the call went too."""
        self._inner, self.engine = inner, inner.engine

    def judge(self, error: BaseException) -> Verdict:
        """End the call with what its error says about the engine."""
        verdict = self._breaker.verdict_on(error)
        self.end(verdict, error)
        return verdict

    def end(self, verdict: Verdict, error: BaseException | None = None) -> None:
        """How the call went."""
        counts, self._counts = self._counts, None
        if counts is None:
            return
        counts.end(self.role, verdict, self._began_s)
        if self._permit is not None:
            self._permit.settle(verdict, error)
        if self._inner is not None:
            self._inner.end(verdict, error)

    def __enter__(self) -> "Choice[E]":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.end(Verdict.SUCCESS)
        elif self._counts is not None:
            self.judge(error)
