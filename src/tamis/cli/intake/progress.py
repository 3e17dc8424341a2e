"""What a running intake shows on a terminal: a bar, records, records/s."""

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

from tamis.cli.intake.sending import Tally

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID


class Progress:
    """A context that shows how far a tally is; shows nothing where standard error is no terminal."""

    def __init__(self, tally: Tally, total_bytes: int | None) -> None:
        self._tally, self._total = tally, total_bytes
        self._bars: Bars | None = None
        self._task: TaskID | None = None
        self._began_s = time.monotonic()

    def __enter__(self) -> "Progress":
        if sys.stderr.isatty():
            self._bars = self._build()
            self._bars.start()
            self._task = self._bars.add_task("", total=self._total, rate="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def update(self, description: str = "") -> None:
        """Show what the tally is now."""
        if self._bars is None or self._task is None:
            return
        passed_s = max(time.monotonic() - self._began_s, 1e-3)
        rate = f"{self._tally.received:,} records  {self._tally.received / passed_s:,.0f}/s"
        self._bars.update(self._task, completed=self._tally.bytes_read, rate=rate)
        if description:
            self._bars.update(self._task, description=description)

    def _build(self) -> "Bars":
        from rich.progress import BarColumn, DownloadColumn, TextColumn
        from rich.progress import Progress as Bars

        from tamis.cli.terminal import err

        columns = (
            BarColumn(),
            DownloadColumn(),
            TextColumn("{task.fields[rate]}"),
            TextColumn("{task.description}"),
        )
        return Bars(*columns, console=err(), transient=True)
