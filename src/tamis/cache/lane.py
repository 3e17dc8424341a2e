"""A bound on how long a caller waits for a level, whatever the level does."""

import os
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Final, TypeVar

T = TypeVar("T")

WORKERS_MAX: Final = 8
IDLE_S: Final = 10.0


class _Call:
    __slots__ = ("answer", "done", "error", "work")

    def __init__(self, work: Callable[[], Any]) -> None:
        self.work = work
        self.done = threading.Lock()
        self.done.acquire()
        self.answer: Any = None
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.answer = self.work()
        except BaseException as error:  # the edge of a thread: whoever waits raises it
            self.error = error
        finally:
            self.done.release()


class Lane:
    """Runs calls on up to 8 threads of its own, made when they are needed and gone when they are idle. Thread-safe.

    A call that is given up before it began never begins; one that runs goes on, its result is dropped, and its thread
    is missing until it ends.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._begin()

    def run(self, work: Callable[[], T], limit_s: float) -> T:
        """What `work()` returns or raises; TimeoutError after `limit_s`, waiting for a thread included."""
        if self._pid != os.getpid():
            self._begin()
        call = _Call(work)
        with self._changed:
            self._calls.append(call)
            if self._idle >= len(self._calls):
                self._changed.notify()
            elif self._workers < WORKERS_MAX:
                self._workers += 1
                threading.Thread(target=self._serve, name=f"tamis cache {self._name}", daemon=True).start()
        if not call.done.acquire(timeout=limit_s):
            with self._changed:
                if call in self._calls:
                    self._calls.remove(call)
            raise TimeoutError(f"{self._name} gave no answer within {limit_s:g} s")
        if call.error is not None:
            raise call.error
        answer: T = call.answer
        return answer

    def _begin(self) -> None:
        """At the start, and in a forked child, where no thread of the parent's runs."""
        self._pid = os.getpid()
        self._changed = threading.Condition(threading.Lock())
        self._calls: deque[_Call] = deque()
        self._workers = self._idle = 0

    def _serve(self) -> None:
        while (call := self._next()) is not None:
            call.run()

    def _next(self) -> _Call | None:
        with self._changed:
            while not self._calls:
                self._idle += 1
                is_told = self._changed.wait(IDLE_S)
                self._idle -= 1
                if not is_told and not self._calls:
                    self._workers -= 1
                    return None
            return self._calls.popleft()
