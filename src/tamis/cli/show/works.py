"""Bars for what this process is doing, as its status board tells it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

from tamis.telemetry.status import BOARD, StatusBoard
from tamis.telemetry.status_model import StatusEvent, WorkState, WorkView

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


@contextmanager
def showing_works(board: StatusBoard = BOARD) -> Iterator[None]:
    """A bar for each work while the block runs, on standard error where that is a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    bars = WorkBars(_progress())
    end = board.listen(bars.show)
    try:
        with bars.progress:
            yield
    finally:
        end()


class WorkBars:
    """A bar for each work that goes on."""

    def __init__(self, progress: "Progress") -> None:
        self.progress = progress
        self._bars: dict[int, TaskID] = {}
        self._lock = Lock()

    def show(self, change: WorkView | StatusEvent) -> None:
        """Draw what changed."""
        if not isinstance(change, WorkView):
            return
        with self._lock:
            bar = self._bars.get(change.id)
            if bar is None:
                bar = self._bars[change.id] = self.progress.add_task(change.name, total=change.total)
            text = f"{change.name}  {change.note}"
            self.progress.update(bar, completed=change.done, total=change.total, description=text)
            if change.state is not WorkState.RUNNING:
                self.progress.remove_task(self._bars.pop(change.id))


def _progress() -> "Progress":
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    from tamis.cli.terminal import err

    columns = (BarColumn(), DownloadColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    return Progress(*columns, console=err(), transient=True)
