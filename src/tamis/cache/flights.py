"""Computations under way: who leads, who waits, and which of them came too late to be kept."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any


class Flight:
    """One computation, one look at slower levels, or one write to them, for a key. `spoilt` says that the key was
    written, deleted or invalidated meanwhile: who waits gets the result, nobody keeps it.
    """

    __slots__ = ("future", "is_alone", "is_write", "key", "loop_task", "spoilt", "tags", "thread")

    def __init__(
        self, key: str, tags: tuple[str, ...], *, is_alone: bool = False, is_write: bool = False
    ) -> None:
        self.key, self.tags, self.is_alone, self.spoilt = key, tags, is_alone, False
        self.is_write = is_write
        self.thread, self.loop_task = threading.get_ident(), running_task()
        self.future: Future[Any] = Future()

    def would_wait_for_itself(self) -> bool:
        """Whether to wait for it would be to wait for ever: it needs this thread, or this very task, to go on."""
        task = running_task()
        if task is not None and self.loop_task is not None:
            return self.loop_task is task
        return self.needs_this_thread()

    def needs_this_thread(self) -> bool:
        """Whether it cannot go on while this thread waits: also a task of the loop that runs on it cannot."""
        return self.thread == threading.get_ident()


class Flights:
    """All flights of a cache, those under way in `any`. `quiet` has one object for as long as there is none, another
    for the next such time, and None meanwhile: who finds the same twice was alone. `lock` also guards that no spoilt
    one is kept.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._led: dict[str, Flight] = {}
        self._written: dict[str, Flight] = {}
        self.any: set[Flight] = set()
        self.quiet: list[object] = [object()]

    def after_fork(self) -> None:
        """In the child, where none of them goes on, and a lock that another thread held would never be free."""
        self.lock = threading.RLock()
        self._led.clear()
        self._written.clear()
        self.any.clear()
        self.quiet[0] = object()

    def join(self, key: str, tags: tuple[str, ...]) -> tuple[Flight, bool]:
        """The flight for a key, and whether the caller leads it: then it calls `end` whatever happens."""
        with self.lock:
            flight = self._led.get(key)
            if flight is not None:
                return flight, False
            flight = self._led[key] = Flight(key, tags)
            self._begin(flight)
            return flight, True

    def alone(self, key: str, tags: tuple[str, ...] = ()) -> Flight:
        """A flight that nobody else joins."""
        flight = Flight(key, tags, is_alone=True)
        with self.lock:
            self._begin(flight)
        return flight

    def write(self, key: str, tags: tuple[str, ...]) -> Flight:
        """A write that begins: it spoils what is under way for the key, and what begins before it ends. It is spoilt
        itself by a change that it may have come before.
        """
        flight = Flight(key, tags, is_alone=True, is_write=True)
        with self.lock:
            self.spoil_key(key)
            self._begin(flight)
            self._written[key] = flight
        return flight

    def end(self, flight: Flight) -> None:
        """It is over; who waits and has no result leads another."""
        with self.lock:
            self.any.discard(flight)
            if not self.any and self.quiet[0] is None:
                self.quiet[0] = object()
            if self._led.get(flight.key) is flight:
                del self._led[flight.key]
            if self._written.get(flight.key) is flight:
                del self._written[flight.key]
        if not flight.future.done():
            flight.future.cancel()

    def spoil(self, is_meant: Callable[[Flight], bool]) -> None:
        """What these flights bring is old already; who comes from now on does not join them."""
        if not self.any:
            return
        with self.lock:
            for flight in self.any:
                if is_meant(flight):
                    flight.spoilt = True
                    if self._led.get(flight.key) is flight:
                        del self._led[flight.key]

    def spoil_key(self, key: str) -> None:
        """The same for one key."""
        self.spoil(lambda flight: flight.key == key)

    def _begin(self, flight: Flight) -> None:
        flight.spoilt = flight.key in self._written
        self.quiet[0] = None
        self.any.add(flight)


def running_task() -> "asyncio.Task[Any] | None":
    """The asyncio task that runs on this thread now."""
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None
