"""What one server takes on at a time: bytes of bodies, and heavy questions."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tamis.errors import OverloadedError, QueryTimeoutError
from tamis.store.base import Budget
from tamis.telemetry.metrics import Metrics

RETRY_AFTER_S = 1.0


class BodyBudget:
    """Memory for bodies that are being taken in, and their number. Thread-safe."""

    def __init__(self, bytes_max: int, requests_max: int, *, metrics: Metrics) -> None:
        self.bytes_max, self.requests_max = bytes_max, requests_max
        self._metrics = metrics
        self._lock = threading.Lock()
        self._bytes = 0
        self._requests = 0

    def enter(self) -> "BodyClaim":
        """A place for one more body; OverloadedError when all are taken."""
        with self._lock:
            if self._requests < self.requests_max:
                self._requests += 1
                return BodyClaim(self)
        self._metrics.add("tamis_limits_met_total", 1, "server.ingest_waiting_max")
        raise OverloadedError(
            f"{self.requests_max} ingest requests are under way already (server.ingest_waiting_max)",
            RETRY_AFTER_S,
        )

    def take(self, count: int, held: int) -> None:
        """`count` more bytes for a body that holds `held`; one body alone always fits."""
        with self._lock:
            fits = held == self._bytes or self._bytes + count <= self.bytes_max
            if fits:
                self._bytes += count
        if not fits:
            self._metrics.add("tamis_limits_met_total", 1, "ingest memory")
            raise OverloadedError("bodies under way hold all the memory there is for them", RETRY_AFTER_S)
        self._metrics.set("tamis_ingest_open_bytes", self._bytes)

    def leave(self, held: int) -> None:
        """A body is done."""
        with self._lock:
            self._requests -= 1
            self._bytes -= held
        self._metrics.set("tamis_ingest_open_bytes", self._bytes)


class BodyClaim:
    """What one body holds of the budget; a context manager that gives it back."""

    def __init__(self, budget: BodyBudget) -> None:
        self._budget = budget
        self.held = 0

    def grow(self, count: int) -> None:
        """`count` more bytes, or OverloadedError."""
        self._budget.take(count, self.held)
        self.held += count

    def __enter__(self) -> "BodyClaim":
        return self

    def __exit__(self, *_: object) -> None:
        self._budget.leave(self.held)
        self.held = 0


class HeavySlots:
    """At most `running_max` heavy questions at a time; `waiting_max` wait in order, further ones are refused."""

    def __init__(self, running_max: int, waiting_max: int, *, metrics: Metrics) -> None:
        self._slots = asyncio.Semaphore(running_max)
        self._waiting_max = waiting_max
        self._waiting = 0
        self._metrics = metrics

    async def enter(self, budget: Budget) -> None:
        """Take a slot, waiting for as long as the question's time lasts. `leave` gives it back."""
        if self._slots.locked() and self._waiting >= self._waiting_max:
            self._metrics.add("tamis_limits_met_total", 1, "query.waiting_max")
            raise OverloadedError(
                f"{self._waiting} heavy queries wait already (query.waiting_max)", RETRY_AFTER_S
            )
        await self._wait(budget)

    def leave(self) -> None:
        """Give the slot back."""
        self._slots.release()

    @asynccontextmanager
    async def slot(self, budget: Budget) -> AsyncIterator[None]:
        """A slot for the time of a block."""
        await self.enter(budget)
        try:
            yield
        finally:
            self.leave()

    async def _wait(self, budget: Budget) -> None:
        self._waiting += 1
        self._metrics.set("tamis_queries_waiting", self._waiting)
        try:
            async with asyncio.timeout(budget.remaining_s()):
                await self._slots.acquire()
        except TimeoutError:
            raise QueryTimeoutError(
                f"the query waited {budget.timeout_s:g} s for others to end; ask again later"
            ) from None
        finally:
            self._waiting -= 1
            self._metrics.set("tamis_queries_waiting", self._waiting)
