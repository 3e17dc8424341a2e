"""Timing one function: where its call stands, when it begins and ends, what it holds."""

from contextlib import suppress
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any

from tamis.telemetry.profiler.book import Book
from tamis.telemetry.profiler.ledger import CANCELLED, FAILED, OK, Ledger
from tamis.telemetry.profiler.memory import PeakMeter
from tamis.telemetry.profiler.places import Place

PLACE, RUNNING, SINCE_S, WITHIN_S = range(4)
Opened = list[Any]
"""A call that runs. A list, which is made four times faster than an object: every call makes one.

PLACE: where it stands; None once it is over: contexts that were copied meanwhile still hold it. RUNNING: how many
measured calls run that it made. SINCE_S: since when some do. WITHIN_S: how long some did, those that overlap once.
"""
Current = ContextVar[Opened | None]


class Watch:
    """What all calls of a function share."""

    __slots__ = ("book", "current", "ledger", "with_memory")

    def __init__(self, ledger: Ledger, current: Current, book: Book, *, with_memory: bool) -> None:
        self.ledger, self.current, self.book, self.with_memory = ledger, current, book, with_memory

    def place(self, outer: Opened | None) -> Place:
        """Where a call stands that is made within this one."""
        place = (None if outer is None else outer[PLACE]) or self.ledger.tree.start
        return place.after.get(self.book) or self.ledger.tree.step(place, self.book)


class Measure:
    """One call, in one or several turns: a generator works only in its turns. Its time is that of all turns.

    As a context manager it is one turn.
    """

    __slots__ = (
        "_begun_s",
        "_meter",
        "_opened",
        "_outer",
        "_place",
        "_spent_s",
        "_token",
        "_watch",
        "_within_s",
        "outcome",
    )

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._place: Place | None = None
        self._meter: PeakMeter | None = None
        self._spent_s = self._within_s = self._begun_s = 0.0
        self._opened: Opened = []
        self._outer: Opened | None = None
        self._token: Token[Opened | None] | None = None
        self.outcome = CANCELLED

    def begin(self) -> None:
        """A turn begins."""
        watch = self._watch
        self._outer = outer = watch.current.get()
        if self._place is None:
            self._place = watch.place(outer)
            if watch.with_memory and not self._place.is_nested:
                self._meter = PeakMeter()
                self._meter.start()
        self._opened = [self._place, 0, 0.0, 0.0]
        self._token = watch.current.set(self._opened)
        self._begun_s = watch.ledger.now_s()
        if outer is not None:
            if not outer[RUNNING]:
                outer[SINCE_S] = self._begun_s
            outer[RUNNING] += 1

    def pause(self) -> None:
        """The turn is over."""
        ended_s, opened, outer = self._watch.ledger.now_s(), self._opened, self._outer
        self._spent_s += ended_s - self._begun_s
        self._within_s += opened[WITHIN_S] + (ended_s - opened[SINCE_S] if opened[RUNNING] else 0.0)
        opened[PLACE] = self._outer = None
        if outer is not None:
            outer[RUNNING] -= 1
            if not outer[RUNNING]:
                outer[WITHIN_S] += ended_s - outer[SINCE_S]
        if self._token is not None:
            with suppress(ValueError):  # closed in another context, by a collection: there nothing was set
                self._watch.current.reset(self._token)
            self._token = None

    def end(self) -> None:
        """No turn comes any more."""
        if self._place is None:
            return
        ledger = self._watch.ledger
        if self._meter is not None:
            ledger.peak(self._watch.book, self._meter.stop())
        ledger.note((self._place, ledger.now_s(), self._spent_s, self._within_s, self.outcome))

    def __enter__(self) -> "Measure":
        self.begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.outcome = outcome_of(kind)
        self.pause()
        self.end()


class Block:
    """`with` or `async with`: the block's time, under its name. One block may be entered once at a time."""

    __slots__ = ("_measure", "_watch")

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._measure: Measure | None = None

    def __enter__(self) -> "Block":
        if self._measure is not None:
            raise RuntimeError(
                f"the block {self._watch.book.name!r} runs already; call profile_block for each `with`"
            )
        self._measure = Measure(self._watch).__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        measure, self._measure = self._measure, None
        assert measure is not None
        measure.__exit__(kind, error, trace)

    async def __aenter__(self) -> "Block":
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)


def outcome_of(kind: type[BaseException] | None) -> int:
    """How something ended that let this through. What is no Exception comes from without."""
    if kind is None:
        return OK
    return FAILED if issubclass(kind, Exception) else CANCELLED
