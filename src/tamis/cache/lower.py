"""The levels below memory, each behind a breaker and a time limit: one that fails is skipped, and counted."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple, TypeVar

from tamis.cache.base import CacheLevel, Changes, Claim, Found, Position, SharedLevel
from tamis.cache.lane import Lane
from tamis.clock import Clock
from tamis.resilience.breaker import CircuitBreaker
from tamis.resilience.limits import BreakerLimits

T = TypeVar("T")

Positions = Mapping[str, Position]
"""Where each shared level stood, by name."""


class Leased(NamedTuple):
    """What came of asking for the right to compute: whether another process has it, and what to keep the result by."""

    is_another: bool
    claims: Mapping[str, Claim]


class LowerLevels:
    """Levels from the fastest to the slowest. No call raises what a level raised, and none waits for a level longer
    than its `timeout_s`; `errors` counts by level.

    A level that missed a change (it failed, or its breaker was open) is cleared before it is asked again: it never
    gives what was removed while it was away.
    """

    def __init__(
        self, levels: Sequence[CacheLevel], clock: Clock, limits: BreakerLimits | None = None
    ) -> None:
        self.levels = tuple(levels)
        self.shared = tuple(level for level in levels if isinstance(level, SharedLevel))
        limits = limits or BreakerLimits(hard_open_s=300.0)
        self.breakers = {
            level.name: CircuitBreaker(f"cache level {level.name}", limits, clock=clock) for level in levels
        }
        self.errors = dict.fromkeys(self.breakers, 0)
        self.last_errors: dict[str, str] = {}
        self._lanes = {name: Lane(f"cache level {name}") for name in self.breakers}
        self._missed: set[str] = set()
        if len(self.breakers) != len(self.levels):
            raise ValueError("two levels have the same name; give each its own")

    def read(self, key: str, claims: Mapping[str, Claim] | None = None) -> Found | None:
        """The first entry found, written to the faster levels that lacked it: to shared ones unless it changed there
        since the claims, or since they were found to lack it.
        """
        lacking: list[tuple[CacheLevel, Claim | None]] = []
        for number, level in enumerate(self.levels, 1):
            found = self._ask(level, partial(level.read, key))
            if found is not None:
                for faster, claim in lacking:
                    self._write_up(faster, key, found, claim)
                return found
            if number < len(self.levels):
                lacking.append((level, self._claim(level, claims)))
        return None

    def write(self, key: str, value: Any, *, ttl_s: float | None, tags: tuple[str, ...]) -> None:
        """Keep it in each level, for its own time where none is given."""
        for level in self.levels:
            kept_s = level.ttl_s if ttl_s is None else ttl_s
            self._ask(level, partial(level.write, key, value, ttl_s=kept_s, tags=tags), is_change=True)

    def write_computed(
        self, key: str, value: Any, *, ttl_s: float | None, tags: tuple[str, ...], claims: Mapping[str, Claim]
    ) -> None:
        """The same for what was computed since the claims: shared levels keep it if nothing changed. One that was away
        then does not.
        """
        for level in self.levels:
            kept_s = level.ttl_s if ttl_s is None else ttl_s
            if not isinstance(level, SharedLevel):
                self._ask(level, partial(level.write, key, value, ttl_s=kept_s, tags=tags), is_change=True)
            elif (claim := claims.get(level.name)) is not None:
                keep = partial(level.write_computed, key, value, ttl_s=kept_s, tags=tags, claim=claim)
                self._ask(level, keep, is_change=True)

    def claims(self) -> dict[str, Claim]:
        """Where the shared levels stand: before a computation. One that is away is not among them."""
        found = ((level.name, self._ask(level, level.position)) for level in self.shared)
        return {name: Claim(position) for name, position in found if position is not None}

    def lease(self, key: str, token: str, *, seconds: float) -> Leased:
        """Take the right to compute a key in the first shared level that answers. Where none does nobody has it."""
        claims = self.claims()
        for level in self.shared:
            if level.name not in claims:
                continue
            is_ours = self._ask(level, partial(level.lease, key, token, seconds=seconds))
            if is_ours is not None:
                if is_ours:
                    claims[level.name] = Claim(claims[level.name].position, token)
                return Leased(not is_ours, claims)
        return Leased(is_another=False, claims=claims)

    def release(self, key: str, claims: Mapping[str, Claim]) -> None:
        """Give back the leases among the claims."""
        for level in self.shared:
            claim = claims.get(level.name)
            if claim is not None and claim.token:
                self._ask(level, partial(level.release, key, claim.token))

    def changes(self, level: SharedLevel, after: Position) -> Changes | None:
        """What others changed; None when the level is away."""
        return self._ask(level, partial(level.changes, after))

    def position(self, level: SharedLevel) -> Position | None:
        """Where a level stands; None when it is away."""
        return self._ask(level, level.position)

    def remove(self, key: str) -> bool:
        """Whether any level had it."""
        return max(self._change(lambda level: level.remove(key)), default=False)

    def remove_unshared(self, key: str) -> None:
        """Remove it from levels that do not know by themselves what came too late."""
        for level in self.levels:
            if level not in self.shared:
                self._ask(level, partial(level.remove, key), is_change=True)

    def remove_below_first(self, key: str) -> None:
        """Remove it from all but the fastest: there it is known which of two changes came last."""
        for level in self.levels[1:]:
            self._ask(level, partial(level.remove, key), is_change=True)

    def remove_prefix(self, prefix: str) -> int:
        """The most that any level had."""
        return max(self._change(lambda level: level.remove_prefix(prefix)), default=0)

    def remove_tag(self, tag: str) -> int:
        """The most that any level had."""
        return max(self._change(lambda level: level.remove_tag(tag)), default=0)

    def clear(self) -> int:
        """The most that any level had."""
        return max(self._change(lambda level: level.clear()), default=0)

    def look(self, level: CacheLevel, work: Callable[[], T]) -> T:
        """What `work` says of a level, within its time limit and past its breaker; raises whatever is wrong."""
        return self._lanes[level.name].run(work, level.timeout_s)

    def close(self) -> None:
        """Let go of everything."""
        for level in self.levels:
            level.close()

    def _claim(self, level: CacheLevel, claims: Mapping[str, Claim] | None) -> Claim | None:
        if not isinstance(level, SharedLevel):
            return None
        if claims is not None:
            return claims.get(level.name)
        position = self.position(level)
        return None if position is None else Claim(position)

    def _write_up(self, level: CacheLevel, key: str, found: Found, claim: Claim | None) -> None:
        value, ttl_s, tags = found.value, min(found.ttl_left_s, level.ttl_s), found.tags
        if not isinstance(level, SharedLevel):
            self._ask(level, partial(level.write, key, value, ttl_s=ttl_s, tags=tags), is_change=True)
        elif claim is not None:
            keep = partial(level.write_computed, key, value, ttl_s=ttl_s, tags=tags, claim=claim)
            self._ask(level, keep, is_change=True)

    def _change(self, ask: Callable[[CacheLevel], T]) -> list[T]:
        answers = [self._ask(level, partial(ask, level), is_change=True) for level in self.levels]
        return [answer for answer in answers if answer is not None]

    def _ask(self, level: CacheLevel, call: Callable[[], T], *, is_change: bool = False) -> T | None:
        name = level.name
        permit = self.breakers[name].allow()
        if permit is None:
            if is_change:
                self._missed.add(name)
            return None
        try:
            answer = self._lanes[name].run(partial(self._caught_up, level, call), level.timeout_s)
        except Exception as error:  # the edge: a cache that fails is a cache that has nothing
            self.errors[name] += 1
            self.last_errors[name] = f"{type(error).__name__}: {error}"
            if is_change:
                self._missed.add(name)
            if isinstance(error, TimeoutError):
                with suppress(Exception):  # the edge: what hangs goes on hanging
                    level.interrupt()
            permit.failure(error)
            return None
        except BaseException:
            permit.release()
            raise
        permit.success()
        return answer

    def _caught_up(self, level: CacheLevel, call: Callable[[], T]) -> T:
        if level.name in self._missed:
            level.clear()
            self._missed.discard(level.name)
        return call()
