"""Entries computed anew before their time is over, while others get what is there."""

import asyncio
import threading
from collections.abc import Callable

from tamis.cache.computing import Computing, Wanted
from tamis.cache.flights import Flight, running_task

Refresher = Callable[[Callable[[], None]], object]
"""Runs a computation in the background, or raises: `executor.enqueue_task`, say."""


class Refreshing:
    """Computes entries anew, by `refresher` where there is one, else on the thread of who asks. Nothing is raised: what
    is there is good still. Thread-safe.
    """

    def __init__(self, computing: Computing, refresher: Refresher | None) -> None:
        self._computing, self._refresher = computing, refresher
        self._flights, self._counts = computing.flights, computing.counts
        self._background: set[asyncio.Task[None]] = set()

    def refresh(self, wanted: Wanted) -> None:
        """Compute it anew, here or in the background, unless somebody does already."""
        flight, leads = self._flights.join(wanted.key, wanted.tags)
        if not leads:
            return
        if self._refresher is None:
            self._refresh_now(flight, wanted)
            return
        try:
            handle = self._refresher(lambda: self._refresh_now(flight, wanted))
        except Exception:  # the edge: what is there is good still
            self._not_refreshed(flight)
            return
        on_done = getattr(handle, "add_done_callback", None)
        if on_done is not None:  # it may have been dropped, and never run
            on_done(lambda _: self._flights.end(flight))

    def arefresh(self, wanted: Wanted) -> None:
        """The same in a task of its own on this loop; `wanted.compute` is a coroutine function."""
        flight, leads = self._flights.join(wanted.key, wanted.tags)
        if leads:
            task = asyncio.get_running_loop().create_task(self._arefresh_now(flight, wanted))
            self._background.add(task)
            task.add_done_callback(self._background.discard)
            task.add_done_callback(lambda _: self._flights.end(flight))

    def _refresh_now(self, flight: Flight, wanted: Wanted) -> None:
        flight.thread, flight.loop_task = threading.get_ident(), running_task()
        try:
            self._computing.lead(flight, wanted, anew=True)
        except Exception:  # the edge: what is there is good still; whoever joined the computation hears of it
            self._not_refreshed(flight)
        else:
            self._counts.refreshes += 1

    async def _arefresh_now(self, flight: Flight, wanted: Wanted) -> None:
        flight.thread, flight.loop_task = threading.get_ident(), running_task()
        try:
            await self._computing.alead(flight, wanted, anew=True)
        except Exception:  # the edge: as in _refresh_now
            self._not_refreshed(flight)
        else:
            self._counts.refreshes += 1

    def _not_refreshed(self, flight: Flight) -> None:
        self._counts.refresh_errors += 1
        self._computing.memory.postpone(flight.key)
        self._flights.end(flight)
