"""The levels below memory, each behind a breaker: one that fails is skipped, and counted."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from tamis.cache.base import CacheLevel, Found
from tamis.clock import Clock
from tamis.resilience.breaker import CircuitBreaker
from tamis.resilience.limits import BreakerLimits

T = TypeVar("T")


class LowerLevels:
    """Levels from the fastest to the slowest. No call raises what a level raised; `errors` counts by level.

    A level that missed a change (it failed, or its breaker was open) is cleared before it is asked again: it never
    gives what was removed while it was away.
    """

    def __init__(self, levels: Sequence[CacheLevel], clock: Clock) -> None:
        self.levels = tuple(levels)
        limits = BreakerLimits(hard_open_s=300.0)
        self.breakers = {
            level.name: CircuitBreaker(f"cache level {level.name}", limits, clock=clock) for level in levels
        }
        self.errors = dict.fromkeys(self.breakers, 0)
        self._missed: set[str] = set()
        if len(self.breakers) != len(self.levels):
            raise ValueError("two levels have the same name; give each its own")

    def read(self, key: str) -> Found | None:
        """The first entry found, written to the faster levels that lacked it."""
        lacking: list[CacheLevel] = []
        for level in self.levels:
            found = self._ask(level, partial(level.read, key))
            if found is None:
                lacking.append(level)
                continue
            for faster in lacking:
                ttl_s = min(found.ttl_left_s, faster.ttl_s)
                self._write(faster, key, (found.value, ttl_s, found.tags))
            return found
        return None

    def write(self, key: str, value: Any, *, ttl_s: float | None, tags: tuple[str, ...]) -> None:
        """Keep it in each level, for its own time where none is given."""
        for level in self.levels:
            self._write(level, key, (value, level.ttl_s if ttl_s is None else ttl_s, tags))

    def remove(self, key: str) -> bool:
        """Whether any level had it."""
        return max(self._change(lambda level: level.remove(key)), default=False)

    def remove_prefix(self, prefix: str) -> int:
        """The most that any level had."""
        return max(self._change(lambda level: level.remove_prefix(prefix)), default=0)

    def remove_tag(self, tag: str) -> int:
        """The most that any level had."""
        return max(self._change(lambda level: level.remove_tag(tag)), default=0)

    def clear(self) -> int:
        """The most that any level had."""
        return max(self._change(lambda level: level.clear()), default=0)

    def close(self) -> None:
        """Let go of everything."""
        for level in self.levels:
            level.close()

    def _change(self, ask: Callable[[CacheLevel], T]) -> list[T]:
        answers = [self._ask(level, partial(ask, level), is_change=True) for level in self.levels]
        return [answer for answer in answers if answer is not None]

    def _write(self, level: CacheLevel, key: str, entry: tuple[Any, float, tuple[str, ...]]) -> None:
        value, ttl_s, tags = entry
        self._ask(level, partial(level.write, key, value, ttl_s=ttl_s, tags=tags), is_change=True)

    def _ask(self, level: CacheLevel, call: Callable[[], T], *, is_change: bool = False) -> T | None:
        permit = self.breakers[level.name].allow()
        if permit is None:
            if is_change:
                self._missed.add(level.name)
            return None
        try:
            if level.name in self._missed:
                level.clear()
                self._missed.discard(level.name)
            answer = call()
        except Exception as error:  # the edge: a cache that fails is a cache that has nothing
            self.errors[level.name] += 1
            if is_change:
                self._missed.add(level.name)
            permit.failure(error)
            return None
        except BaseException:
            permit.release()
            raise
        permit.success()
        return answer
