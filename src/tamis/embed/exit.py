"""The ends of a process: interpreter exit, the end of a multiprocessing child, SIGTERM."""

import atexit
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType

Deliver = Callable[[], object]
"""Delivers what waits, within its own time limit; may be called more than once."""


def at_exit(deliver: Deliver) -> None:
    """Deliver when the interpreter ends; it starts no threads then."""
    atexit.register(deliver)
    at_child_exit(deliver)


def at_child_exit(deliver: Deliver) -> None:
    """Deliver when a multiprocessing child ends, which runs no `atexit`.

    Such a child forgets its finalizers right after the fork, so this one is registered again from there.
    """
    processes = sys.modules.get("multiprocessing.util")
    if processes is None:
        return
    processes.Finalize(None, deliver, exitpriority=-100)
    processes.register_after_fork(deliver, _register_again)


def _register_again(deliver: Deliver) -> None:
    sys.modules["multiprocessing.util"].Finalize(None, deliver, exitpriority=-100)


def at_sigterm(deliver: Deliver) -> bool:
    """Deliver at SIGTERM, and then end by it as if nobody had looked; whether that could be arranged.

    Only over the default action: a program with a handler of its own decides itself what SIGTERM means. Only from
    the main thread, for Python allows no other.
    """
    if threading.current_thread() is not threading.main_thread():
        return False
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        return False

    def end(number: int, _frame: FrameType | None) -> None:
        deliver()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    signal.signal(signal.SIGTERM, end)
    return True
