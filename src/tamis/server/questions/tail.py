"""Records while they come: each distinct query is asked once for all who watch it, in order of ingest sequence."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tamis.cache.limits import CacheLimits, MemoryLimits
from tamis.cache.multilevel import MultiLevelCache
from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.errors import OverloadedError, TamisError
from tamis.query import ast
from tamis.query.parser import parse
from tamis.query.printer import print_query
from tamis.record.model import StoredRecord
from tamis.resilience.executor import Priority
from tamis.server.problems import problem_of
from tamis.server.questions.answers import encode_json, public_records, record_id
from tamis.server.questions.lanes import Lane
from tamis.server.questions.moving import Now, resolved
from tamis.server.questions.stages import project, take_stages
from tamis.settings import Settings
from tamis.store.base import Budget, Question, Store
from tamis.telemetry.metrics import Metrics
from tamis.wire.sse import encode_event

EVENTS_MAX = 1_000
"""So many records of a query are looked at, and held, at a time; the next ones when a viewer has taken these."""
BEHIND_MAX_S = 10.0
"""A stream whose viewers, or looks, are slower than what comes goes on with the newest after so long."""
_PAUSE_S_MIN = 0.001
WINDOW_FIRST, WINDOW_MAX = 4_000, 4_000_000
"""Sequences looked through at a time for who comes back."""
SEND_BYTES = 1 << 18
WINDOWS = MemoryLimits(entries_max=1_000, bytes_max=16 << 20, ttl_s=10.0)
"""What those are told who come back together."""
RETRY_AFTER_S = 5.0


@dataclass(frozen=True, slots=True)
class Watched:
    """A query that is watched, without what its times mean now. Equal ones are asked once."""

    text: str
    query: ast.Query = field(compare=False)
    fields: tuple[str, ...] | None = field(compare=False, default=None)


def watched(text: str) -> Watched:
    """A query of a live tail: a filter, and perhaps `| fields`. QueryError or ProblemError when it is none."""
    query = parse(text)
    stages = take_stages(query.stages, (ast.Fields,), "/api/v1/tail")
    return Watched(print_query(query), query, stages.fields.names if stages.fields else None)


@dataclass(frozen=True, slots=True)
class Piece:
    """Events that go out together: `records` of them are shown, `before` counts all of the stream before them."""

    number: int
    before: int
    records: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Place:
    """Where a viewer is in a stream: the next piece, and how many records of it were before."""

    number: int
    seen: int


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at (after, upto] found: the newest, in order of sequence, and how many older ones it left out."""

    records: Sequence[StoredRecord]
    left_out: int = 0


class Reader:
    """Asks a store for what came. Blocks."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store, self._clock = store, clock

    def question(self, asked: Watched, after: int, upto: int) -> Question:
        """The records of a query with a sequence in (after, upto]."""
        query = resolved(asked.query, Now(self._clock.now_ns()))
        return Question(query.filter, as_of=upto, after_seq=after)

    def look(self, asked: Watched, after: int, upto: int, budget: Budget) -> Look:
        """The newest of what came, at most EVENTS_MAX."""
        question = self.question(asked, after, upto)
        page = self.store.search(question, budget, limit=EVENTS_MAX)
        if page.next_cursor is None:
            return Look(_in_order(page.records))
        total = self.store.count(question, budget).count
        newest = replace(question, after_seq=max(after, upto - EVENTS_MAX))
        records = _in_order(self.store.search(newest, budget, limit=EVENTS_MAX).records)
        return Look(records, total - len(records))

    def window(self, asked: Watched, after: int, upto: int, budget: Budget) -> tuple[Look, int]:
        """The first records in (after, upto], nothing left out; and the sequence that was looked up to."""
        width = WINDOW_FIRST
        while True:
            end = min(after + width, upto)
            page = self.store.search(self.question(asked, after, end), budget, limit=EVENTS_MAX)
            if page.next_cursor is not None:
                width = EVENTS_MAX
            elif page.records or end == upto:
                return Look(_in_order(page.records)), end
            else:
                after, width = end, min(width * 4, WINDOW_MAX)

    def events(self, asked: Watched, look: Look) -> bytes:
        """Server-sent events: each record's id is where to resume after it."""
        store_id = self.store.store_id
        shown = (
            public_records(look.records, store_id)
            if asked.fields is None
            else project(look.records, asked.fields, store_id)
        )
        parts = [missed_event(look.left_out)] if look.left_out else []
        for stored, one in zip(look.records, shown, strict=True):
            parts.append(encode_event(encode_json(one), id=record_id(store_id, stored.seq)))
        return b"".join(parts)


def _in_order(records: Sequence[StoredRecord]) -> list[StoredRecord]:
    return sorted(records, key=lambda stored: stored.seq)


def missed_event(count: int) -> bytes:
    """Tells a viewer of records that it does not get."""
    return encode_event(b'{"count":%d}' % count, name="missed")


class Stream:
    """One query's newest events for all who watch it, `bytes_max` of them. For one event loop."""

    def __init__(self, asked: Watched, position: int, bytes_max: int) -> None:
        self.asked, self.position = asked, position
        """`position`: the sequence that everything was looked at up to."""
        self.viewers = 0
        self.failure: BaseException | None = None
        self._bytes_max, self._bytes = bytes_max, 0
        self._pieces: deque[Piece] = deque()
        self.next_number = self.total = self.beats = self._taken = 0
        self._behind_since_s: float | None = None
        self._wake = asyncio.Event()

    @property
    def end(self) -> Place:
        """Behind everything that is there."""
        return Place(self.next_number, self.total)

    @property
    def has_room(self) -> bool:
        """Whether some viewer has taken all there is: it misses nothing when more is added now."""
        return self._taken == self.next_number

    def join(self) -> Place:
        """Where a viewer begins."""
        self._taken = self.next_number
        return self.end

    def is_late(self, now_s: float) -> bool:
        """Whether it has been behind for too long; asked of one that is behind."""
        if self._behind_since_s is None:
            self._behind_since_s = now_s
        return now_s - self._behind_since_s >= BEHIND_MAX_S

    def reached(self, position: int, *, is_all: bool) -> None:
        """Everything up to there was looked at, and perhaps that is all there was."""
        self.position = position
        if is_all:
            self._behind_since_s = None

    def add(self, data: bytes, look: Look) -> None:
        """More events; the oldest make room."""
        self._pieces.append(Piece(self.next_number, self.total, len(look.records), data))
        self.next_number, self.total = self.next_number + 1, self.total + len(look.records) + look.left_out
        self._bytes += len(data)
        while self._bytes > self._bytes_max and len(self._pieces) > 1:
            self._bytes -= len(self._pieces.popleft().data)
        self.wake()

    def wake(self) -> None:
        """Whoever waits looks again."""
        self._wake.set()
        self._wake = asyncio.Event()

    def beat(self) -> None:
        """A while is over: who got nothing in it says so to its reader."""
        self.beats += 1
        self.wake()

    def fail(self, error: BaseException) -> None:
        """It cannot be asked any more: viewers are told why."""
        self.failure = error
        self.wake()

    async def changed(self) -> None:
        """Return at the next `wake`."""
        await self._wake.wait()

    def since(self, place: Place) -> tuple[bytes, int, Place]:
        """Events from a place on, about SEND_BYTES; how many records they show, and the place behind them."""
        pieces, number, parts, size, shown = self._pieces, place.number, [], 0, 0
        first = pieces[0].number if pieces else self.next_number
        if number < first:
            parts.append(missed_event(pieces[0].before - place.seen))
            number = first
        while number < self.next_number and size < SEND_BYTES:
            piece = pieces[number - first]
            parts.append(piece.data)
            size, shown, number = size + len(piece.data), shown + piece.records, number + 1
        after = pieces[number - first].before if number < self.next_number else self.total
        self._taken = max(self._taken, number)
        return b"".join(parts), shown, Place(number, after)


class Tails:
    """All live tails of a server: who watches what, and the one task that looks for what came. For one event loop.

    Ingestion never waits for a viewer: events are made of what is stored already, kept in bounded memory, and who is
    slow misses some of them and is told how many.
    """

    def __init__(
        self, settings: Settings, *, lane: Lane, metrics: Metrics, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._limits, self._lane, self._metrics = settings.tail, lane, metrics
        self._timeout_s, self._clock = settings.query.timeout_s, clock
        self._streams: dict[Watched, Stream] = {}
        self._pump: asyncio.Task[None] | None = None
        self._viewers = 0
        self._stopping = False
        self._windows = MultiLevelCache(WINDOWS, CacheLimits(refresh_share=0.0), clock=clock)

    @contextlib.contextmanager
    def watch(self, asked: Watched, store: Store) -> Iterator["Viewer"]:
        """A viewer of a query; OverloadedError when there are too many."""
        self._admit(asked)
        reader = Reader(store, self._clock)
        stream = self._streams.get(asked)
        if stream is None:
            stream = self._streams[asked] = Stream(asked, store.moment()[-1], self._limits.buffer_bytes)
        if self._pump is None or self._pump.done():
            self._pump = asyncio.get_running_loop().create_task(self._look_for_ever(reader))
        self._change(1)
        stream.viewers += 1
        try:
            yield Viewer(self, stream, reader)
        finally:
            self._change(-1)
            stream.viewers -= 1
            if not stream.viewers and self._streams.get(asked) is stream:
                del self._streams[asked]

    def stop(self) -> None:
        """End all streams, as soon as their viewers have what was made for them."""
        self._stopping = True
        for stream in self._streams.values():
            stream.wake()

    @property
    def is_stopping(self) -> bool:
        """Whether streams end now."""
        return self._stopping

    async def window(
        self, reader: Reader, asked: Watched, after: int, *, upto: int
    ) -> tuple[bytes, int, int]:
        """The first events in (after, upto] for who comes back; how many, and the sequence behind them. Many who lost
        their connections at once come back to the same."""
        key = f"{reader.store.moment()[:-1]}:{after}:{upto}:{asked.text}"

        async def compute() -> tuple[bytes, int, int]:
            budget = Budget(self._timeout_s)

            def work() -> tuple[bytes, int, int]:
                look, end = reader.window(asked, after, upto, budget)
                return reader.events(asked, look), len(look.records), end

            return await self._lane.run(work, budget, priority=Priority.LOW, name="tail")

        return await self._windows.aget_or_compute(key, compute)

    @property
    def interval_s(self) -> float:
        """How often the store is looked at."""
        return self._limits.interval_s

    def told(self, count: int) -> None:
        """Count what was sent to a viewer."""
        self._metrics.add("tamis_tail_events_total", count)

    def _admit(self, asked: Watched) -> None:
        limits = self._limits
        if self._viewers >= limits.viewers_max:
            self._refuse("tail.viewers_max", f"{self._viewers} live tails are open")
        if asked not in self._streams and len(self._streams) >= limits.queries_max:
            self._refuse("tail.queries_max", f"live tails ask {len(self._streams)} different queries")

    def _refuse(self, limit: str, reason: str) -> None:
        self._metrics.add("tamis_limits_met_total", 1, limit)
        raise OverloadedError(f"{reason} ({limit})", RETRY_AFTER_S)

    def _change(self, count: int) -> None:
        self._viewers += count
        self._metrics.set("tamis_tail_viewers", self._viewers)

    async def _look_for_ever(self, reader: Reader) -> None:
        """While anybody watches: look for what came, at short intervals."""
        beat_s = self._clock.monotonic_s()
        try:
            while self._streams and not self._stopping:
                began_s = self._clock.monotonic_s()
                goes_on = await self._look(reader)
                pause_s = (
                    max(_PAUSE_S_MIN, self._clock.monotonic_s() - began_s) if goes_on else self.interval_s
                )
                if self._clock.monotonic_s() - beat_s >= self._limits.heartbeat_s:
                    beat_s = self._clock.monotonic_s()
                    for stream in self._streams.values():
                        stream.beat()
                await asyncio.sleep(min(pause_s, self.interval_s))
        except Exception as error:  # the edge: nobody waits for this task, and viewers must not wait for ever
            for stream in self._streams.values():
                stream.fail(error)
            self._streams.clear()

    async def _look(self, reader: Reader) -> bool:
        """Whether there is more to be looked at already."""
        upto, now_s = reader.store.moment()[-1], self._clock.monotonic_s()
        behind = [stream for stream in self._streams.values() if stream.position < upto]
        late = {stream: stream.is_late(now_s) for stream in behind}
        asked = {stream: is_late for stream, is_late in late.items() if is_late or stream.has_room}
        if asked:
            await self._advance(asked, reader, upto)
        return any(stream.position < upto for stream in asked)

    async def _advance(self, asked: Mapping[Stream, bool], reader: Reader, upto: int) -> None:
        """Ask each query once for what came since, all in one turn of the lane: for the first of it, or of a stream
        that is late for the newest."""
        budget = Budget(self._timeout_s)

        def work() -> list[tuple[Look, bytes, int] | BaseException]:
            return [
                _tried(reader, stream, upto, budget, is_late=is_late) for stream, is_late in asked.items()
            ]

        try:
            found = await self._lane.run(work, budget, priority=Priority.HIGH, name="tail")
        except (
            TamisError
        ):  # the lane is full or the store is closing: the next look sees what this one would have
            return
        for stream, one in zip(asked, found, strict=True):
            if isinstance(one, BaseException):
                stream.fail(one)
                self._streams.pop(stream.asked, None)
                continue
            look, data, end = one
            stream.reached(end, is_all=end == upto)
            if data:
                stream.add(data, look)


def _tried(
    reader: Reader, stream: Stream, upto: int, budget: Budget, *, is_late: bool
) -> tuple[Look, bytes, int] | BaseException:
    try:
        if is_late:
            look, end = reader.look(stream.asked, stream.position, upto, budget), upto
        else:
            look, end = reader.window(stream.asked, stream.position, upto, budget)
        return look, reader.events(stream.asked, look), end
    except Exception as error:  # the edge: one query's failure is its viewers' to hear, the others go on
        return error


class Viewer:
    """One who watches a stream. `position`: the sequence that everything was sent up to."""

    def __init__(self, tails: Tails, stream: Stream, reader: Reader) -> None:
        self._tails, self._stream, self._reader = tails, stream, reader
        self.position = stream.position
        self._gone = False

    def leave(self) -> None:
        """Nobody reads any more."""
        self._gone = True
        self._stream.wake()

    @property
    def _goes_on(self) -> bool:
        return not (self._gone or self._tails.is_stopping)

    async def events(self, after: int | None) -> AsyncIterator[bytes]:
        """What to send, as it comes: first all since the sequence `after`, then what comes from now on. An empty
        piece: nothing came for a while. Ends when the server stops or nobody reads any more."""
        stream, tails = self._stream, self._tails
        try:
            if after is not None:
                async for data in self._since(min(after, self._reader.store.moment()[-1])):
                    yield data
        except TamisError as error:
            yield _failed(error)
            return
        place, beats = stream.join(), stream.beats
        while self._goes_on:
            if place.number < stream.next_number:
                data, shown, place = stream.since(place)
                tails.told(shown)
                yield data
            elif stream.failure is not None:
                yield _failed(stream.failure)
                return
            elif beats != stream.beats:
                beats, self.position = stream.beats, stream.position
                yield b""
            else:
                await stream.changed()

    async def _since(self, after: int) -> AsyncIterator[bytes]:
        """Catch up with the stream, which goes on meanwhile."""
        stream, self.position = self._stream, after
        while self._goes_on and self.position != stream.position:
            if self.position > stream.position:  # it has not looked that far yet, and will at once
                await asyncio.sleep(self._tails.interval_s)
                continue
            upto = stream.position
            data, shown, end = await self._tails.window(self._reader, stream.asked, self.position, upto=upto)
            self.position = end
            if data:
                self._tails.told(shown)
                yield data


def _failed(error: BaseException) -> bytes:
    problem = problem_of(error if isinstance(error, Exception) else RuntimeError(str(error)))
    body = {"status": problem.status, "detail": problem.detail}
    return encode_event(encode_json(body), name="error")
