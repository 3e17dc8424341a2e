"""What an executor tells the status board: refusals and lost workers, a burst of them as one event."""

import threading
from dataclasses import dataclass

from tamis.telemetry.status import StatusBoard
from tamis.telemetry.status_model import Severity

INTERVAL_S = 5.0
"""Of one kind the first is told at once, and then so often at most: with how many there were."""


@dataclass(slots=True)
class _Kind:
    severity: Severity
    told_s: float | None = None
    count: int = 0
    text: str = ""


class Reports:
    """Counts what happens, and tells it when it is time: `tell` is called whenever the executor did something.
    Thread-safe; the board's listeners are called with no lock held.
    """

    def __init__(self, executor: str, board: StatusBoard) -> None:
        self._executor, self._board = executor, board
        self._lock = threading.Lock()
        self._kinds = {"refused": _Kind("warning"), "crashed": _Kind("error")}
        self.is_news = False
        """Whether something is there that was not told."""

    def refused(self, task: str, reason: str) -> None:
        """A task was rejected, or made room for another."""
        self._note("refused", f"{task} was not run: {reason}")

    def crashed(self, task: str, reason: str) -> None:
        """A task took its worker with it."""
        self._note("crashed", f"{task} took its worker with it: {reason}")

    def tell(self) -> None:
        """Tell what is due."""
        if not self.is_news:
            return
        now_s = self._board.clock.monotonic_s()
        with self._lock:
            due = [(name, kind) for name, kind in self._kinds.items() if _is_due(kind, now_s)]
            found = [(name, kind.severity, kind.count, kind.text) for name, kind in due]
            for _, kind in due:
                kind.count, kind.told_s = 0, now_s
            self.is_news = any(kind.count for kind in self._kinds.values())
        for name, severity, count, text in found:
            told = text if count == 1 else f"{count} tasks; the last: {text}"
            self._board.tell(
                name, f"{self._executor}: {told}", severity=severity, executor=self._executor, count=count
            )

    def _note(self, name: str, text: str) -> None:
        with self._lock:
            kind = self._kinds[name]
            kind.count, kind.text = kind.count + 1, text
            self.is_news = True


def _is_due(kind: _Kind, now_s: float) -> bool:
    return kind.count > 0 and (kind.told_s is None or now_s - kind.told_s >= INTERVAL_S)
