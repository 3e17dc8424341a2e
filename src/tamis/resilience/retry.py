"""Trying again: how long to wait, and when to give up."""

import math
import random
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Literal, ParamSpec, TypeVar

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.errors import ConfigError, OverloadedError, RemoteError, UnreachableError

P = ParamSpec("P")
T = TypeVar("T")

PASSING_STATUS = frozenset({0, 429, 502, 503, 504})
"""Statuses of a server that may do better later; 0: there was no answer."""

Wait = Callable[[float], object]
"""Waits so many seconds; what it returns is true when it was interrupted: `threading.Event().wait`."""


@dataclass(frozen=True, slots=True)
class RetryLimits:
    """How often and how long to try.

    The waits are `first_s`, twice that, four times that … up to `wait_s_max`, between `attempts_max` attempts.
    With `jitter` "full" each is a random part of that (Brooker, "Exponential Backoff and Jitter", 2015), so that
    many clients do not come back all at once. A server that asks for a wait (Retry-After) is never asked sooner;
    one that asks for more than `retry_after_s_max` is given up. No wait ends later than `deadline_s` after the
    first attempt began.
    """

    attempts_max: int = 4
    first_s: float = 1.0
    factor: float = 2.0
    wait_s_max: float = 60.0
    retry_after_s_max: float = 60.0
    deadline_s: float = math.inf
    jitter: Literal["none", "full"] = "none"

    def __post_init__(self) -> None:
        self._require("attempts_max", "must be from 1 on", holds=self.attempts_max >= 1)
        self._require("factor", "must be from 1 on", holds=self.factor >= 1)
        for key in ("first_s", "wait_s_max", "retry_after_s_max", "deadline_s"):
            self._require(key, "must be seconds, not under 0", holds=getattr(self, key) >= 0)
        self._require("jitter", 'must be "none" or "full"', holds=self.jitter in ("none", "full"))

    def _require(self, key: str, reason: str, *, holds: bool) -> None:
        if not holds:
            raise ConfigError(key, getattr(self, key), "RetryLimits", reason)


def waits(limits: RetryLimits, draw: Callable[[], float] = random.random) -> Iterator[float]:
    """The seconds to wait after each failed attempt but the last. `draw` gives numbers from 0 to 1."""
    wait_s = min(limits.first_s, limits.wait_s_max)
    for _ in range(limits.attempts_max - 1):
        yield wait_s * draw() if limits.jitter == "full" else wait_s
        wait_s = min(wait_s * limits.factor, limits.wait_s_max)


class Backoff:
    """The waits of one run, for loops that do more between attempts than wait. Not thread-safe."""

    def __init__(
        self,
        limits: RetryLimits,
        *,
        clock: Clock = SYSTEM_CLOCK,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.limits = limits
        self.attempts = 1
        """Those made and the one under way."""
        self._now_s = clock.monotonic_s
        self._began_s = self._now_s()
        self._waits = waits(limits, draw)

    def next_wait_s(self, retry_after_s: float | None = None) -> float | None:
        """The attempt failed: seconds to wait before the next one, or None: give up. `retry_after_s` is what the
        server asked for.
        """
        wait_s = next(self._waits, None)
        if wait_s is None:
            return None
        if retry_after_s is not None:
            if retry_after_s > self.limits.retry_after_s_max:
                return None
            wait_s = retry_after_s + wait_s if self.limits.jitter == "full" else max(retry_after_s, wait_s)
        if self._now_s() + wait_s - self._began_s > self.limits.deadline_s:
            return None
        self.attempts += 1
        return wait_s


def is_passing(error: Exception) -> bool:
    """Whether the same thing may work later: no answer, no connection, pushed back, a gateway's trouble."""
    if isinstance(error, RemoteError):
        return isinstance(error, UnreachableError) or error.status in PASSING_STATUS
    return isinstance(error, ConnectionError | TimeoutError | OverloadedError)


def retry_after_s_of(error: Exception) -> float | None:
    """The wait that an error asks for in its `retry_after_s`; None when it asks for none."""
    asked_s = getattr(error, "retry_after_s", None)
    return float(asked_s) if isinstance(asked_s, int | float) else None


def retry(
    function: Callable[[], T],
    limits: RetryLimits | None = None,
    *,
    retryable: Callable[[Exception], bool] = is_passing,
    wait: Wait | None = None,
    clock: Clock = SYSTEM_CLOCK,
    draw: Callable[[], float] = random.random,
) -> T:
    """What `function()` returns, at the latest attempt; raises what that raised, with a note on how often it was
    tried. `wait=event.wait` of a `threading.Event` ends the waiting, and the trying, when the event is set.
    """
    backoff = Backoff(limits or RetryLimits(), clock=clock, draw=draw)
    pause = wait or clock.sleep
    while True:
        try:
            return function()
        except Exception as error:  # judged by `retryable`; what is not worth another attempt goes on
            wait_s = backoff.next_wait_s(retry_after_s_of(error)) if retryable(error) else None
            if wait_s is None or pause(wait_s):
                _note(error, backoff, is_interrupted=wait_s is not None)
                raise


async def aretry(
    function: Callable[[], Awaitable[T]],
    limits: RetryLimits | None = None,
    *,
    retryable: Callable[[Exception], bool] = is_passing,
    clock: Clock = SYSTEM_CLOCK,
    draw: Callable[[], float] = random.random,
    wait: Callable[[float], Awaitable[object]] | None = None,
) -> T:
    """`retry` for coroutines: cancelling it ends the waiting."""
    backoff = Backoff(limits or RetryLimits(), clock=clock, draw=draw)
    while True:
        try:
            return await function()
        except Exception as error:  # judged by `retryable`; what is not worth another attempt goes on
            wait_s = backoff.next_wait_s(retry_after_s_of(error)) if retryable(error) else None
            if wait_s is None:
                _note(error, backoff, is_interrupted=False)
                raise
        await (wait or _asleep)(wait_s)


async def _asleep(seconds: float) -> None:
    import asyncio

    await asyncio.sleep(seconds)


def _note(error: Exception, backoff: Backoff, *, is_interrupted: bool) -> None:
    attempts = backoff.attempts - is_interrupted
    if is_interrupted:
        error.add_note(f"Interrupted while waiting to try again; attempts made: {attempts}.")
    elif attempts > 1:
        error.add_note(f"Given up after {attempts} attempts.")
