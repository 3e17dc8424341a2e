"""Answers that are given again: kept under what was asked and what the store held then, so that none is ever old.

A key says the question in its normal form, the store's `moment`, and, for times that move with the clock, the second.
Whoever asks the same while the store has not changed gets the same bytes; many who ask at once wait for one
computation. Times that move count from whole seconds (`server.search`): within one, the question is the same.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

from tamis.cache.limits import CacheLimits, MemoryLimits
from tamis.cache.meter import CacheMeter
from tamis.cache.multilevel import MultiLevelCache
from tamis.clock import NS_PER_S, SYSTEM_CLOCK, Clock
from tamis.store.base import Store
from tamis.telemetry.metrics import Metrics

ANSWERS_MAX = 20_000
ANSWER_SHARE = 16
"""An answer that takes more than this part of the memory is not kept."""
ANSWER_TTL_S = 300.0
KNOWN_MAX = 10_000
KNOWN_BYTES_MAX = 1_024
"""Longer requests are read anew each time."""
_TOOK = b'"took_ms":'
_HEADERS = [(b"content-type", b"application/json")]


@dataclass(frozen=True, slots=True)
class Body:
    """An answer's bytes around the time that it took."""

    head: bytes
    tail: bytes

    @classmethod
    def of(cls, encoded: bytes) -> "Body":
        """Of an encoded answer: `took_ms` comes before anything that a record may say."""
        head, took, rest = encoded.partition(_TOOK)
        return cls(head + took, rest[rest.index(b",") :])

    def timed(self, began_s: float) -> bytes:
        """The answer with the milliseconds since `began_s` (`time.perf_counter`)."""
        return b"%b%.3f%b" % (self.head, (time.perf_counter() - began_s) * 1_000, self.tail)

    @property
    def size(self) -> int:
        """Bytes that it takes."""
        return len(self.head) + len(self.tail) + 200


@dataclass(frozen=True, slots=True)
class Asking:
    """A question in its normal form; whether its times move with the clock; and the kind it is counted as."""

    text: str
    moves: bool
    kind: str


class Repeats:
    """Keeps answers, `bytes_max` of them together; 0 keeps none. For one event loop."""

    def __init__(self, bytes_max: int, *, metrics: Metrics, clock: Clock = SYSTEM_CLOCK) -> None:
        self._metrics, self._clock = metrics, clock
        self.store: Store | None = None
        self._known: OrderedDict[tuple[str, bytes], Asking] = OrderedDict()
        self._coming: dict[str, asyncio.Future[Body | None]] = {}
        self._is_on = bytes_max > 0
        answer_max = max(bytes_max // ANSWER_SHARE, 1)
        self._cache = MultiLevelCache(
            MemoryLimits(entries_max=ANSWERS_MAX, bytes_max=max(bytes_max, 1), ttl_s=ANSWER_TTL_S),
            CacheLimits(refresh_share=0.0),
            size=lambda body: body.size if body.size <= answer_max else bytes_max + 1,
            clock=clock,
        )

        self._meter = CacheMeter("answers", self._cache, metrics)

    def measure(self) -> None:
        """Bring the metrics of what is kept up to date."""
        self._meter.refresh()

    def knows(self, scope: Scope) -> Asking | None:
        """What a request asks, if one with the same words was read before."""
        if scope["method"] != "GET":  # the question is in the body
            return None
        return self._known.get((scope["path"], scope["query_string"]))

    def learn(self, scope: Scope, asking: Asking) -> None:
        """What a request asks, for the next with the same words."""
        words = (scope["path"], scope["query_string"])
        if scope["method"] == "GET" and len(words[0]) + len(words[1]) <= KNOWN_BYTES_MAX:
            self._known[words] = asking
            if len(self._known) > KNOWN_MAX:
                self._known.popitem(last=False)

    def found(self, asking: Asking) -> Body | None:
        """The answer, when it is there and as good as a new one."""
        body: Body | None = self._cache.get(key) if (key := self._key(asking)) is not None else None
        if body is not None:
            self._metrics.add("tamis_answers_total", 1, "kept")
        return body

    def coming(self, asking: Asking) -> "asyncio.Future[Body | None] | None":
        """The answer that somebody's computation will bring; None instead of one when it fails."""
        key = self._key(asking)
        return None if key is None else self._coming.get(key)

    async def joined(self, coming: "asyncio.Future[Body | None]") -> Body | None:
        """That answer. Who goes away does not call it off for the others."""
        body = await asyncio.shield(coming)
        if body is not None:
            self._metrics.add("tamis_answers_total", 1, "kept")
        return body

    async def answer(self, asking: Asking | None, compute: Callable[[], Awaitable[Body]]) -> Body:
        """The answer, kept or computed; of many who ask at once one computes."""
        key = None if asking is None else self._key(asking)
        if key is None:
            self._metrics.add("tamis_answers_total", 1, "computed")
            return await compute()
        source = "kept"

        async def counted() -> Body:
            nonlocal source
            source = "computed"
            return await self._announced(key, compute)

        try:
            return await self._cache.aget_or_compute(key, counted)
        finally:
            self._metrics.add("tamis_answers_total", 1, source)

    async def _announced(self, key: str, compute: Callable[[], Awaitable[Body]]) -> Body:
        """What is computed, for those, too, who take the short way meanwhile."""
        coming: asyncio.Future[Body | None] = asyncio.get_running_loop().create_future()
        self._coming[key] = coming
        body = None
        try:
            body = await compute()
            return body
        finally:
            if self._coming.get(key) is coming:
                del self._coming[key]
            if not coming.done():
                coming.set_result(body)

    def forget(self) -> None:
        """Keep nothing of what was."""
        self._cache.clear()

    def _key(self, asking: Asking) -> str | None:
        if self.store is None or not self._is_on:
            return None
        second = self._clock.now_ns() // NS_PER_S if asking.moves else 0
        return f"{self.store.moment()}:{second}:{asking.text}"


class RepeatedAnswers:
    """The short way: a request with the words of an earlier one, whose answer is kept or under way, goes through no
    route.

    Stands behind the gate: who asks is known, and may.
    """

    def __init__(self, app: ASGIApp, repeats: Repeats, metrics: Metrics) -> None:
        self._app, self._repeats, self._metrics = app, repeats, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        asking = self._repeats.knows(scope) if scope["type"] == "http" else None
        began = time.perf_counter()
        body = None if asking is None else self._repeats.found(asking)
        if asking is not None and body is None and (coming := self._repeats.coming(asking)) is not None:
            body = await self._repeats.joined(coming)
        if asking is None or body is None:
            await self._app(scope, receive, send)
            return
        data = body.timed(began)
        headers = [*_HEADERS, (b"content-length", b"%d" % len(data))]
        self._metrics.add("tamis_queries_total", 1, asking.kind, "ok")
        self._metrics.observe("tamis_query_seconds", time.perf_counter() - began, asking.kind)
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": data})
