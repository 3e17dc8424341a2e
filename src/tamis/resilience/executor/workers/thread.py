"""The worker that works in place, on the executor's own thread."""

import os
import sys
import threading
from collections.abc import Callable
from typing import Any

from tamis.resilience.executor.workers.base import Worker


class ThreadWorker(Worker):
    """Works in place. Lost by what is no `Exception` (SystemExit, KeyboardInterrupt): such ends a thread.

    `nice`: where the system can (Linux), it gives its processor to threads that have less of it.
    """

    def __init__(self, *, nice: int = 0) -> None:
        self.is_lost = False
        if nice:
            give_way(nice)

    def run(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What `function(*args, **kwargs)` returns or raises."""
        try:
            return function(*args, **kwargs)
        except Exception:
            raise
        except BaseException:
            self.is_lost = True
            raise

    def close(self) -> None:
        """It holds nothing."""


def give_way(nice: int) -> bool:
    """Have this thread give its processor to those that are less nice; False where the system cannot, or refuses."""
    if sys.platform != "linux":
        return False
    try:
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, max(nice, os.getpriority(os.PRIO_PROCESS, thread)))
    except OSError:
        return False
    return True
