"""What one server takes on at a time: bytes of bodies."""

import threading

from tamis.errors import OverloadedError
from tamis.server.problems import stopping_problem
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
            self._metrics.add("tamis_limits_met_total", 1, "ingest.open_bytes_max")
            raise OverloadedError(
                "bodies under way hold all the memory there is for them (ingest.open_bytes_max)",
                RETRY_AFTER_S,
            )
        self._metrics.set("tamis_ingest_open_bytes", self._bytes)

    def leave(self, held: int) -> None:
        """A body is done."""
        with self._lock:
            self._requests -= 1
            self._bytes -= held
        self._metrics.set("tamis_ingest_open_bytes", self._bytes)


class BodyClaim:
    """What one body holds of the budget; a context manager that gives it back.

    Until its records go to the store it can be called off, and nothing of it is stored then; afterwards it cannot.
    """

    def __init__(self, budget: BodyBudget) -> None:
        self._budget = budget
        self.held = 0
        self._lock = threading.Lock()
        self._is_off = self._is_storing = False

    def call_off(self) -> bool:
        """Store nothing of this body. False when its records are on their way into the store, or there."""
        with self._lock:
            self._is_off = not self._is_storing
            return self._is_off

    def go_on(self) -> None:
        """Raise when the body was called off."""
        if self._is_off:
            raise stopping_problem()

    def begin_storing(self) -> None:
        """The records go to the store now, unless the body was called off: then raise."""
        with self._lock:
            self.go_on()
            self._is_storing = True

    def grow(self, count: int) -> None:
        """`count` more bytes, or OverloadedError."""
        self._budget.take(count, self.held)
        self.held += count

    def __enter__(self) -> "BodyClaim":
        return self

    def __exit__(self, *_: object) -> None:
        self._budget.leave(self.held)
        self.held = 0
