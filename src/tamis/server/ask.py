"""Questions from the event loop: in worker threads, within limits, called off when nobody waits any more."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from tamis.errors import (
    OverloadedError,
    QueryCancelledError,
    QueryError,
    QueryTimeoutError,
    QueryTooLargeError,
)
from tamis.server.answers import Read, encode_json
from tamis.server.limits import Slots
from tamis.server.problems import ProblemError
from tamis.server.search import timed
from tamis.store.base import Budget
from tamis.telemetry.metrics import Metrics

T = TypeVar("T")

PATIENCE_S = 0.05
"""Most answers are there by then; only later ones watch whether the caller is still there."""
OVERDUE_S = 5.0
"""A store that does not notice the end of its time is not waited for longer than this."""


class Asker:
    """Runs questions. `heavy` ones and the others take turns among themselves (`Slots`), so that a page of records
    does not wait for statistics; each has `timeout_s`, its waiting included."""

    def __init__(
        self, pool: ThreadPoolExecutor, *, heavy: Slots, light: Slots, timeout_s: float, metrics: Metrics
    ) -> None:
        self._pool, self._heavy, self._light = pool, heavy, light
        self._timeout_s, self._metrics = timeout_s, metrics

    async def answer(
        self,
        request: Request,
        kind: str,
        ask: Callable[[Budget], Read],
        *,
        heavy: bool = True,
        warnings: tuple[str, ...] = (),
    ) -> Response:
        """The answer to one question as a response."""
        began = time.perf_counter()
        budget = Budget(self._timeout_s)

        def work() -> bytes:
            made = timed(ask(budget), began)
            made.warnings = [*warnings, *made.warnings]
            return encode_json(made)

        result = "failed"
        try:
            slots = self._heavy if heavy else self._light
            await self._while_there(request, asyncio.ensure_future(slots.enter()))
            body = await self._run(request, work, budget, slots=slots)
            result = "ok"
        except Exception as error:
            result = _result_of(error)
            raise
        finally:
            self._metrics.add("tamis_queries_total", 1, kind, result)
            self._metrics.observe("tamis_query_seconds", time.perf_counter() - began, kind)
        return Response(body, media_type="application/json")

    async def _run(self, request: Request, work: Callable[[], T], budget: Budget, *, slots: Slots) -> T:
        """`work` in a thread; it holds its slot until the thread is free again, also when nobody waits any more."""
        try:
            running = asyncio.get_running_loop().run_in_executor(self._pool, work)
        except BaseException:
            slots.leave()
            raise
        running.add_done_callback(lambda _: slots.leave())
        try:
            return await self._while_there(request, running)
        finally:
            if not running.done():
                budget.cancel()
                running.add_done_callback(_forget)

    async def _while_there(self, request: Request, running: "asyncio.Future[T]") -> T:
        """The result; QueryCancelledError when the caller goes away before, QueryTimeoutError when it is late."""
        try:
            done, _ = await asyncio.wait({running}, timeout=PATIENCE_S)
            return running.result() if done else await self._watched(request, running)
        finally:
            if isinstance(running, asyncio.Task):
                running.cancel()

    async def _watched(self, request: Request, running: "asyncio.Future[T]") -> T:
        gone = asyncio.ensure_future(_gone(request))
        waited_for: set[asyncio.Future[Any]] = {running, gone}
        try:
            await asyncio.wait(
                waited_for, timeout=self._timeout_s + OVERDUE_S, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            gone.cancel()
        if running.done():
            return running.result()
        if gone.done() and not gone.cancelled():
            raise QueryCancelledError("the caller did not wait for the answer")
        raise QueryTimeoutError(f"the query ran longer than {self._timeout_s:g} s")


async def _gone(request: Request) -> None:
    """Return when the caller has closed the connection."""
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            return


def _forget(running: "asyncio.Future[T]") -> None:
    if not running.cancelled():
        running.exception()


def _result_of(error: Exception) -> str:
    table: tuple[tuple[type[Exception], str], ...] = (
        (QueryTimeoutError, "timeout"),
        (QueryCancelledError, "cancelled"),
        (QueryTooLargeError, "too_large"),
        (OverloadedError, "refused"),
        (QueryError, "wrong"),
        (ProblemError, "wrong"),
    )
    return next((name for kind, name in table if isinstance(error, kind)), "failed")
