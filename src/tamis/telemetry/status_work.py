"""One work on the status board: how far it is, how fast it goes, how it ended."""

from types import TracebackType
from typing import TYPE_CHECKING

from tamis.telemetry.status_model import WorkState, WorkView

if TYPE_CHECKING:
    from tamis.telemetry.status import StatusBoard

WINDOW_S = 5.0
"""A rate is that of the last one to two windows."""


class Meter:
    """How fast a count grows of late, from two marks. Not thread-safe."""

    __slots__ = ("_new_done", "_new_s", "_old_done", "_old_s")

    def __init__(self, now_s: float) -> None:
        self._old_s = self._new_s = now_s
        self._old_done = self._new_done = 0.0

    def mark(self, now_s: float, done: float) -> None:
        """The count stands at `done` now."""
        if now_s - self._new_s >= WINDOW_S:
            self._old_s, self._old_done = self._new_s, self._new_done
            self._new_s, self._new_done = now_s, done

    def rate(self, now_s: float, done: float) -> float | None:
        """Units a second; None while no time has passed. It falls while the count stands still."""
        passed_s = now_s - self._old_s
        return max(done - self._old_done, 0.0) / passed_s if passed_s > 0 else None


class Work:
    """A work that somebody does, told to a board. Thread-safe; as a context manager it ends with its block: done,
    failed (the note names the kind of error, unless there was a word by `fail`), or stopped when it was cancelled.
    """

    __slots__ = (
        "_board",
        "_ended_s",
        "_meter",
        "_started_s",
        "done",
        "id",
        "name",
        "note",
        "seq",
        "started_ns",
        "state",
        "told_s",
        "total",
        "unit",
    )

    def __init__(
        self, board: "StatusBoard", number: int, *, name: str, total: float | None, unit: str, note: str
    ) -> None:
        self._board, self.id = board, number
        self.name, self.total, self.unit, self.note = name, total, unit, note
        self.done: float = 0
        self.state = WorkState.RUNNING
        self.seq = 0
        self.started_ns = board.clock.now_ns()
        self._started_s = self.told_s = board.clock.monotonic_s()
        self._ended_s: float | None = None
        self._meter = Meter(self._started_s)

    def advance(self, count: float = 1, note: str | None = None) -> None:
        """So many units more are done; `note` says what it is at."""
        board = self._board
        with board.lock:
            now_s = board.clock.monotonic_s()
            if self.state is WorkState.RUNNING:
                self.done += count
                self._meter.mark(now_s, self.done)
                if note is not None:
                    self.note = board.cut(note)
            is_telling = board.changed(self, now_s)
        if is_telling:
            board.tell_listeners(self.view())

    def update(
        self, *, done: float | None = None, total: float | None = None, note: str | None = None
    ) -> None:
        """Say how far it is altogether, that the total is another, or what it is at."""
        with self._board.lock:
            if total is not None:
                self.total = total
            count = 0 if done is None else done - self.done
        self.advance(count, note)

    def end(self, state: WorkState = WorkState.DONE, note: str | None = None) -> None:
        """It is over. The first end counts."""
        board = self._board
        with board.lock:
            if self.state is not WorkState.RUNNING:
                return
            self.state, self._ended_s = state, board.clock.monotonic_s()
            if note is not None:
                self.note = board.cut(note)
            is_telling = board.ended(self)
        if is_telling:
            board.tell_listeners(self.view())

    def fail(self, note: str) -> None:
        """It came to nothing, and why."""
        self.end(WorkState.FAILED, note)

    def view(self) -> WorkView:
        """How it stands now."""
        with self._board.lock:
            now_s = self._board.clock.monotonic_s() if self._ended_s is None else self._ended_s
            elapsed_s = max(now_s - self._started_s, 0.0)
            return WorkView(
                id=self.id,
                seq=self.seq,
                name=self.name,
                state=self.state,
                done=self.done,
                total=self.total,
                unit=self.unit,
                note=self.note,
                started_ns=self.started_ns,
                elapsed_s=round(elapsed_s, 3),
                rate=self._rate(now_s, elapsed_s),
                left_s=self._left_s(now_s),
            )

    def _rate(self, now_s: float, elapsed_s: float) -> float | None:
        if self._ended_s is None:
            return self._meter.rate(now_s, self.done)
        return self.done / elapsed_s if elapsed_s > 0 else None

    def _left_s(self, now_s: float) -> float | None:
        if self.total is None or self._ended_s is not None:
            return None
        rate = self._meter.rate(now_s, self.done)
        return round(max(self.total - self.done, 0) / rate, 3) if rate else None

    def __enter__(self) -> "Work":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.end()
        elif isinstance(error, Exception):
            self.fail(type(error).__name__ + (f", at: {self.note}" if self.note else ""))
        else:
            self.end(WorkState.STOPPED)
