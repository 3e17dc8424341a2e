"""The status board for those who watch it over HTTP: each gets what changed, as often as is worth looking at."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.errors import OverloadedError
from tamis.settings import Settings
from tamis.telemetry.metrics import Metrics
from tamis.telemetry.status import BOARD, StatusBoard
from tamis.telemetry.status_model import Look

LOOK_S = 0.5
"""How often a viewer looks where no change was told: works tell of their progress only now and then."""
RETRY_AFTER_S = 5.0


class StatusFeed:
    """Who watches a board. For one event loop; the board is used by any thread."""

    def __init__(
        self,
        settings: Settings,
        *,
        metrics: Metrics,
        clock: Clock = SYSTEM_CLOCK,
        board: StatusBoard = BOARD,
    ) -> None:
        self.board, self.clock, self.limits = board, clock, settings.tail
        self._metrics = metrics
        self._viewers = 0

    @contextlib.contextmanager
    def watch(self) -> "Iterator[StatusViewer]":
        """One more who watches; OverloadedError when there are too many."""
        if self._viewers >= self.limits.status_viewers_max:
            self._metrics.add("tamis_limits_met_total", 1, "tail.status_viewers_max")
            reason = f"{self._viewers} status streams are open (tail.status_viewers_max)"
            raise OverloadedError(reason, RETRY_AFTER_S)
        viewer = StatusViewer(self)
        end = self.board.listen(lambda _: viewer.wake())
        self._change(1)
        try:
            yield viewer
        finally:
            self._change(-1)
            end()

    def _change(self, count: int) -> None:
        self._viewers += count
        self._metrics.set("tamis_status_viewers", self._viewers)


class StatusViewer:
    """One who watches the board."""

    def __init__(self, feed: StatusFeed) -> None:
        self._feed = feed
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._is_waking = self._is_gone = False

    def wake(self) -> None:
        """Something changed. From any thread."""
        if not self._is_waking:
            self._is_waking = True
            self._loop.call_soon_threadsafe(self._changed.set)

    def leave(self) -> None:
        """Nobody reads any more, or the server stops."""
        self._is_gone = True
        self._changed.set()

    async def looks(self, after: int) -> AsyncIterator[Look | None]:
        """What changed since the position `after`, then what changes. None: nothing did for a while."""
        feed = self._feed
        position, is_first, heard_s = after, True, feed.clock.monotonic_s()
        while not self._is_gone:
            self._changed.clear()
            self._is_waking = False
            look = feed.board.look(position)
            if is_first or look.position != position:
                position, is_first, heard_s = look.position, False, feed.clock.monotonic_s()
                yield look
                await asyncio.sleep(feed.limits.interval_s)
            elif feed.clock.monotonic_s() - heard_s >= feed.limits.heartbeat_s:
                heard_s = feed.clock.monotonic_s()
                yield None
            else:
                await self._wait()

    async def _wait(self) -> None:
        limit_s = min(LOOK_S, self._feed.limits.heartbeat_s)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), limit_s)
