"""How a value is found below memory, or computed by one of many processes: steps that threads and tasks take alike."""

import asyncio
from collections.abc import Callable, Generator, Mapping
from functools import partial
from secrets import token_hex
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeVar

from tamis.cache.base import Claim
from tamis.cache.kept import Entry
from tamis.cache.lower import Leased, LowerLevels
from tamis.clock import Clock

T = TypeVar("T")

Steps = Generator[Callable[[], Any] | float, Any, T]
"""Work that may wait for a level, answered with its result, and pauses in seconds."""

Promote = Callable[[Mapping[str, Claim] | None], Entry | None]
"""Bring an entry up from the slower levels, if there is one."""

PAUSE_S: Final = 0.005
PAUSE_S_MAX: Final = 0.1
NO_CLAIMS: Final[Mapping[str, Claim]] = MappingProxyType({})


class Outcome(NamedTuple):
    """What was found; else by which claims to keep what is computed. `is_elsewhere`: another process computes it."""

    entry: Entry | None = None
    claims: Mapping[str, Claim] = NO_CLAIMS
    is_elsewhere: bool = False


class Search(NamedTuple):
    """A look for a key below memory, and then for the right to compute it: for `lease_s`, waiting `wait_s` at most for
    another process that has it. With `is_refresh` nothing is looked for, and nobody is waited for.
    """

    key: str
    lower: LowerLevels
    promote: Promote
    clock: Clock
    lease_s: float
    wait_s: float
    is_refresh: bool = False

    def steps(self) -> Steps[Outcome]:
        """The steps to the outcome."""
        if not self.is_refresh:
            entry = yield partial(self.promote, None)
            if entry is not None:
                return Outcome(entry)
        if not self.lower.shared:
            return Outcome()
        token, pause_s = token_hex(8), PAUSE_S
        end_s = self.clock.monotonic_s() + self.wait_s
        while True:
            leased: Leased = yield partial(self.lower.lease, self.key, token, seconds=self.lease_s)
            if self.is_refresh:
                return Outcome(claims=leased.claims, is_elsewhere=leased.is_another)
            # Also with the lease: whoever had it may have written between our look and our asking.
            entry = yield partial(self.promote, leased.claims)
            if entry is not None:
                if not leased.is_another:
                    yield partial(self.lower.release, self.key, leased.claims)
                return Outcome(entry, is_elsewhere=leased.is_another)
            if not leased.is_another or self.clock.monotonic_s() >= end_s:
                return Outcome(claims=leased.claims)
            yield pause_s
            pause_s = min(pause_s * 2, PAUSE_S_MAX)


def taken(steps: Steps[T], clock: Clock) -> T:
    """Take the steps on this thread."""
    answer: Any = None
    try:
        while True:
            step = steps.send(answer)
            answer = None
            if callable(step):
                answer = step()
            else:
                clock.sleep(step)
    except StopIteration as end:
        found: T = end.value
        return found


async def ataken(steps: Steps[T]) -> T:
    """Take the steps beside an event loop."""
    answer: Any = None
    try:
        while True:
            step = steps.send(answer)
            answer = await (asyncio.to_thread(step) if callable(step) else asyncio.sleep(step))
    except StopIteration as end:
        found: T = end.value
        return found
