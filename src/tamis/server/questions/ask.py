"""Questions from the event loop: in worker threads, within limits, called off when nobody waits any more; repeats
are answered by what was computed before."""

import asyncio
import time
from collections.abc import Callable, Coroutine
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
from tamis.resilience.executor import Priority
from tamis.server.problems import ProblemError
from tamis.server.questions.answers import Read, encode_json
from tamis.server.questions.lanes import Lane
from tamis.server.questions.repeats import Asking, Body, Repeats
from tamis.store.base import Budget
from tamis.telemetry.metrics import Metrics
from tamis.telemetry.tracing import span

T = TypeVar("T")

PATIENCE_S = 0.05
"""Most answers are there by then; only later ones watch whether the caller is still there."""


class Asker:
    """Runs questions. `heavy` ones and the others have lanes of their own, so that a page of records does not wait
    for statistics; each has `timeout_s`, its waiting included. What `repeats` holds is not computed again."""

    def __init__(
        self, *, heavy: Lane, light: Lane, repeats: Repeats, timeout_s: float, metrics: Metrics
    ) -> None:
        self._heavy, self._light, self._repeats = heavy, light, repeats
        self._timeout_s, self._metrics = timeout_s, metrics

    async def answer(
        self,
        request: Request,
        kind: str,
        ask: Callable[[Budget], Read],
        *,
        heavy: bool = True,
        warnings: tuple[str, ...] = (),
        asking: Asking | None = None,
        priority: Priority = Priority.NORMAL,
    ) -> Response:
        """The answer to one question as a response. `asking` is what it is kept under; None: it is not."""
        began = time.perf_counter()
        lane = self._heavy if heavy else self._light

        async def compute() -> Body:
            budget = Budget(self._timeout_s)

            def work() -> Body:
                made = ask(budget)
                made.warnings = [*warnings, *made.warnings]
                return Body.of(encode_json(made))

            return await lane.run(work, budget, priority=priority, name=kind)

        result = "failed"
        try:
            with span("tamis.query", kind=kind):
                body = await self._while_there(request, self._repeats.answer(asking, compute))
            result = "ok"
        except Exception as error:
            result = _result_of(error)
            raise
        finally:
            self._metrics.add("tamis_queries_total", 1, kind, result)
            self._metrics.observe("tamis_query_seconds", time.perf_counter() - began, kind)
        return Response(body.timed(began), media_type="application/json")

    def close(self) -> None:
        """Nothing new; what waits is dropped."""
        self._heavy.close()
        self._light.close()

    async def _while_there(self, request: Request, answering: Coroutine[Any, Any, T]) -> T:
        """The result; QueryCancelledError when the caller goes away before: then the answering is cancelled."""
        running = asyncio.ensure_future(answering)
        try:
            done, _ = await asyncio.wait({running}, timeout=PATIENCE_S)
            return running.result() if done else await self._watched(request, running)
        finally:
            running.cancel()

    async def _watched(self, request: Request, running: "asyncio.Future[T]") -> T:
        leaving = asyncio.ensure_future(gone(request))
        waited_for: set[asyncio.Future[Any]] = {running, leaving}
        try:
            await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
        if running.done():
            return running.result()
        raise QueryCancelledError("the caller did not wait for the answer")


async def gone(request: Request) -> None:
    """Return when the caller has closed the connection."""
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            return


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
