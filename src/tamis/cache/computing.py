"""One computation for many who wait: threads, tasks of asyncio, or both."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import CancelledError
from dataclasses import dataclass
from functools import partial
from typing import Any

from tamis.cache.base import Claim
from tamis.cache.flights import Flight, Flights, running_task
from tamis.cache.following import Follower
from tamis.cache.kept import NOT_IN_PLACE, Entry
from tamis.cache.limits import CacheLimits
from tamis.cache.lower import LowerLevels
from tamis.cache.memory import MemoryLevel
from tamis.cache.sharing import Outcome, Search, Steps, ataken, taken
from tamis.clock import Clock


@dataclass(slots=True)
class ComputingCounts:
    """What was computed since the start."""

    computations: int = 0
    errors: int = 0
    """Those of the computations that raised."""
    shared: int = 0
    """Callers who got the result of another's computation."""
    alone: int = 0
    """Computations beside one that was under way: it took too long, or would have waited for itself."""
    refreshes: int = 0
    """Entries computed anew before their time was over."""
    refresh_errors: int = 0
    promotions: int = 0
    """Entries that came up from a slower level."""
    elsewhere: int = 0
    """Those of them that another process computed meanwhile, so that this one did not."""
    told: int = 0
    """Changes by other processes."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to compute, and how to keep it."""

    key: str
    compute: Callable[[], Any]
    ttl_s: float | None
    tags: tuple[str, ...]


@dataclass(slots=True)
class Computing:
    """Computes what no level has, once for all who wait, and keeps it."""

    memory: MemoryLevel
    lower: LowerLevels
    limits: CacheLimits
    follower: Follower
    clock: Clock
    flights: Flights
    counts: ComputingCounts

    def memory_ttl_s(self, value: object, ttl_s: float | None) -> float:
        """How long the memory level keeps a value for which somebody says so, or nobody (None)."""
        wanted_s = self.memory.ttl_s if ttl_s is None else ttl_s
        return min(wanted_s, self.limits.negative_ttl_s) if value is None else wanted_s

    def promote(self, flight: Flight, claims: Mapping[str, Claim] | None = None) -> Entry | None:
        """Bring an entry up from the slower levels, if there is one."""
        found = self.lower.read(flight.key, claims)
        if found is None or found.ttl_left_s <= 0:
            return None
        ttl_s = min(found.ttl_left_s, self.memory_ttl_s(found.value, None))
        self.counts.promotions += 1
        with self.flights.lock:
            is_spoilt = flight.spoilt
            if not is_spoilt:
                self.memory.write(flight.key, found.value, ttl_s=ttl_s, tags=found.tags)
        if is_spoilt:
            self.lower.remove_unshared(flight.key)
        return [found.value, 0.0, 0, found.tags, ttl_s, NOT_IN_PLACE]

    def compute(self, wanted: Wanted) -> Any:
        """The result of a computation, this one's or another's, by threads."""
        while True:
            flight, leads = self.flights.join(wanted.key, wanted.tags)
            if leads:
                return self.lead(flight, wanted)
            if flight.needs_this_thread():
                return self._lead_alone(wanted)
            try:
                value = flight.future.result(self.limits.wait_s)
            except CancelledError:
                if flight.future.cancelled():
                    continue
                raise
            except TimeoutError:
                if flight.future.done():
                    raise
                return self._lead_alone(wanted)
            self.counts.shared += 1
            return value

    async def acompute(self, wanted: Wanted) -> Any:
        """The same by tasks of asyncio; `wanted.compute` is a coroutine function."""
        while True:
            flight, leads = self.flights.join(wanted.key, wanted.tags)
            if leads:
                return await self.alead(flight, wanted)
            if flight.would_wait_for_itself():
                return await self._alead_alone(wanted)
            try:
                waiter = asyncio.shield(asyncio.wrap_future(flight.future))
                value = await asyncio.wait_for(waiter, self.limits.wait_s)
            except asyncio.CancelledError:
                task = running_task()
                if flight.future.cancelled() and (task is None or not task.cancelling()):
                    continue
                raise
            except TimeoutError:
                if flight.future.done():
                    raise
                return await self._alead_alone(wanted)
            self.counts.shared += 1
            return value

    def lead(self, flight: Flight, wanted: Wanted, *, anew: bool = False) -> Any:
        """The result, for all who joined the flight; with `anew` also where there is one already."""
        with self._told(flight):
            outcome = self._at_once(wanted, anew=anew)
            if outcome is None:
                outcome = taken(self._search(flight, wanted, anew=anew), self.clock)
            if outcome.entry is not None or (anew and outcome.is_elsewhere):
                return self._found(flight, outcome)
            self.follower.hold(wanted.key, outcome.claims)
            try:
                value = self._counted(wanted.compute)
                self._keep(flight, wanted, value, outcome.claims)
            except BaseException:
                self.lower.release(wanted.key, outcome.claims)
                raise
            finally:
                self.follower.drop(outcome.claims)
            flight.future.set_result(value)
        return value

    async def alead(self, flight: Flight, wanted: Wanted, *, anew: bool = False) -> Any:
        """The same on a loop."""
        with self._told(flight):
            outcome = self._at_once(wanted, anew=anew)
            if outcome is None:
                outcome = await ataken(self._search(flight, wanted, anew=anew))
            if outcome.entry is not None or (anew and outcome.is_elsewhere):
                return self._found(flight, outcome)
            self.follower.hold(wanted.key, outcome.claims)
            try:
                value = await self._acounted(wanted.compute)
                if self.lower.levels:
                    await asyncio.to_thread(self._keep, flight, wanted, value, outcome.claims)
                else:
                    self._keep(flight, wanted, value, outcome.claims)
            except BaseException:
                if outcome.claims:
                    give_back = partial(self.lower.release, wanted.key, outcome.claims)
                    asyncio.get_running_loop().run_in_executor(None, give_back)
                raise
            finally:
                self.follower.drop(outcome.claims)
            flight.future.set_result(value)
        return value

    def _lead_alone(self, wanted: Wanted) -> Any:
        self.counts.alone += 1
        return self.lead(self.flights.alone(wanted.key, wanted.tags), wanted)

    async def _alead_alone(self, wanted: Wanted) -> Any:
        self.counts.alone += 1
        return await self.alead(self.flights.alone(wanted.key, wanted.tags), wanted)

    def _at_once(self, wanted: Wanted, *, anew: bool) -> Outcome | None:
        """What is known without a look at slower levels; None where there is such a look to take."""
        entry = None if anew else self.memory.peek(wanted.key)
        return Outcome(entry) if entry is not None or not self.lower.levels else None

    def _search(self, flight: Flight, wanted: Wanted, *, anew: bool) -> Steps[Outcome]:
        limits = self.limits
        wait_s = 0.0 if flight.is_alone else limits.wait_s
        promote = partial(self.promote, flight)
        found = Search(
            wanted.key,
            self.lower,
            promote,
            self.clock,
            lease_s=limits.lease_s,
            wait_s=wait_s,
            is_refresh=anew,
        )
        return found.steps()

    def _found(self, flight: Flight, outcome: Outcome) -> Any:
        """What need not be computed here; who waits has it, too."""
        if outcome.entry is None:
            self.memory.postpone(flight.key)
            return None
        self.counts.elsewhere += outcome.is_elsewhere
        flight.future.set_result(outcome.entry[0])
        return outcome.entry[0]

    @contextlib.contextmanager
    def _told(self, flight: Flight) -> Any:
        """Whatever happens in the block, who waits hears of it: an error, or (cancelled) that another may lead."""
        try:
            yield
        except Exception as error:
            flight.future.set_exception(error)
            raise
        finally:
            self.flights.end(flight)

    def _counted(self, compute: Callable[[], Any]) -> Any:
        self.counts.computations += 1
        try:
            return compute()
        except Exception:
            self.counts.errors += 1
            raise

    async def _acounted(self, compute: Callable[[], Awaitable[Any]]) -> Any:
        self.counts.computations += 1
        try:
            return await compute()
        except Exception:
            self.counts.errors += 1
            raise

    def _keep(self, flight: Flight, wanted: Wanted, value: Any, claims: Mapping[str, Claim]) -> None:
        ttl_s = self.memory_ttl_s(value, wanted.ttl_s)
        if flight.spoilt:
            self.lower.release(wanted.key, claims)
        elif self.lower.levels:
            lower_s = ttl_s if value is None else wanted.ttl_s
            self.lower.write_computed(wanted.key, value, ttl_s=lower_s, tags=wanted.tags, claims=claims)
        with self.flights.lock:
            if not flight.spoilt:
                self.memory.write(wanted.key, value, ttl_s=ttl_s, tags=wanted.tags)
                return
        self.lower.remove_unshared(wanted.key)
