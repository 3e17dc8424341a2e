"""The thread of an executor that looks at deadlines when they come."""

import math
import threading
from collections.abc import Callable


class DeadlineWatch:
    """Has `look` called when a deadline comes, and `tell` after it, on a thread that is there while there are any.

    `look` says how many seconds are left to the next deadline, infinitely many where there is none. It is called with
    `lock` held, as `call` and `wake` are to be; `tell` is called without, and may not raise.
    """

    def __init__(
        self, name: str, lock: threading.RLock, *, look: Callable[[], float], tell: Callable[[], None]
    ) -> None:
        self._name, self._lock = name, lock
        self._look, self._tell = look, tell
        self._is_news = threading.Condition(lock)
        self._is_there = False

    def call(self) -> None:
        """There is a new deadline; RuntimeError when no thread is to be had for it."""
        if self._is_there:
            self._is_news.notify()
            return
        threading.Thread(target=self._watch, name=f"tamis-{self._name}-deadlines", daemon=True).start()
        self._is_there = True

    def wake(self) -> None:
        """There may be nothing to wait for any more."""
        self._is_news.notify_all()

    def _watch(self) -> None:
        left_s = 0.0
        while left_s < math.inf:
            with self._lock:
                left_s = self._look()
                if left_s == math.inf:
                    self._is_there = False
                else:
                    self._is_news.wait(min(left_s, threading.TIMEOUT_MAX))
            self._tell()
