"""A supervised thread that takes a turn again and again."""

import queue
import threading
from collections.abc import Callable
from contextlib import suppress

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.pipeline.own import own_work

_PAUSE_AFTER_FAILURE_S = 0.05


class Worker:
    """Calls `turn`, which returns the seconds until it wants to be called again; `wake` ends that wait early.

    Whatever a turn raises ends that turn only: `failed` is told, and the thread goes on. A thread that ended all
    the same is replaced by the next `ensure`. What is logged in a turn is the pipeline's own.
    """

    def __init__(
        self,
        name: str,
        turn: Callable[[], float],
        *,
        failed: Callable[[BaseException], object],
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.name = name
        self._turn, self._failed, self._clock = turn, failed, clock
        self.renew()

    def renew(self) -> None:
        """As new: for the start, and for a forked child, where the thread is not."""
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._tokens: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._stopping = False
        self.last_turn_s: float | None = None
        """When a turn last ended well (monotonic seconds)."""

    @property
    def is_alive(self) -> bool:
        """Whether there is a thread that takes turns."""
        thread = self._thread
        return thread is not None and thread.is_alive()

    def ensure(self) -> bool:
        """See that the thread runs; never waits for a lock. False when it cannot be started: the interpreter
        is ending, or there are too many threads.
        """
        if self.is_alive:
            return True
        if not self._starting.acquire(blocking=False):
            return True  # somebody else is at it
        try:
            if self.is_alive or self._stopping:
                return self.is_alive
            was_there = self._thread is not None
            thread = threading.Thread(target=self._run, name=self.name, daemon=True)
            thread.start()
            self._thread = thread
        except RuntimeError:
            return False
        finally:
            self._starting.release()
        if was_there:
            self._failed(RuntimeError(f"the thread {self.name} had ended"))
        return True

    def wake(self) -> None:
        """Have the next turn now. Lock-free: safe in signal handlers and finalizers."""
        if self._tokens.empty():
            self._tokens.put(None)

    def stop(self) -> None:
        """No turn after the present one."""
        self._stopping = True
        self._tokens.put(None)

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread to end; whether it has."""
        thread = self._thread
        if thread is None or thread is threading.current_thread():
            return True
        thread.join(max(timeout_s, 0))
        return not thread.is_alive()

    def _run(self) -> None:
        tokens = self._tokens
        with own_work():
            while not self._stopping and self._tokens is tokens:
                try:
                    wait_s = self._turn()
                    self.last_turn_s = self._clock.monotonic_s()
                except BaseException as error:  # the supervisor: whatever it was, the next turn comes
                    self._failed(error)
                    wait_s = _PAUSE_AFTER_FAILURE_S
                if wait_s > 0 and not self._stopping:
                    self._wait(wait_s)
        # gevent's threads come along into a forked child, where `threading` has forgotten them and would say so at
        # their end; asked for, they are known again.
        threading.current_thread()

    def _wait(self, wait_s: float) -> None:
        with suppress(queue.Empty):
            self._tokens.get(timeout=wait_s)
            while not self._tokens.empty():
                self._tokens.get_nowait()
