"""What one server takes on at a time: bytes of bodies, and questions."""

import asyncio
import threading
from dataclasses import dataclass

from tamis.errors import OverloadedError
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


@dataclass(frozen=True, slots=True)
class Turns:
    """How many questions of a kind may run at a time, by which setting; how many more may wait, and how long."""

    kind: str
    running_max: int
    setting: str
    waiting_max: int
    waiting_timeout_s: float


class Slots:
    """Questions of one kind take turns, in the order in which they came. Those that find the queue full, or wait
    too long in it, are refused (OverloadedError) instead of being late. For one event loop."""

    def __init__(self, turns: Turns, *, metrics: Metrics) -> None:
        self._turns, self._metrics = turns, metrics
        self._slots = asyncio.Semaphore(turns.running_max)
        self._waiting = 0

    async def enter(self) -> None:
        """Take a slot. `leave` gives it back."""
        if self._slots.locked():
            await self._wait()
        else:
            await self._slots.acquire()
        self._metrics.add("tamis_queries_running", 1, self._turns.kind)

    def leave(self) -> None:
        """Give the slot back."""
        self._metrics.add("tamis_queries_running", -1, self._turns.kind)
        self._slots.release()

    async def _wait(self) -> None:
        turns = self._turns
        if self._waiting >= turns.waiting_max:
            raise self._refusal("query.waiting_max", f"{self._waiting} wait already")
        self._count_waiting(1)
        try:
            async with asyncio.timeout(turns.waiting_timeout_s):
                await self._slots.acquire()
        except TimeoutError:
            waited = f"none ended within {turns.waiting_timeout_s:g} s"
            raise self._refusal("query.waiting_timeout_s", waited) from None
        finally:
            self._count_waiting(-1)

    def _count_waiting(self, change: int) -> None:
        self._waiting += change
        self._metrics.set("tamis_queries_waiting", self._waiting, self._turns.kind)

    def _refusal(self, limit: str, reason: str) -> OverloadedError:
        turns = self._turns
        self._metrics.add("tamis_limits_met_total", 1, limit)
        running = f"{turns.running_max} {turns.kind} queries run ({turns.setting})"
        return OverloadedError(f"{running}, and {reason} ({limit})", RETRY_AFTER_S)
