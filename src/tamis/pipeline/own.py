"""Which work is the pipeline's own: what is logged from within it must not come back into the queue.

A sink's HTTP client logs while it delivers; taken in, each delivery would make the next. Only records logged in
our own threads, or while our own work runs in another's (draining at exit), are kept out: whatever else
nests is the application's.
"""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FrameType


class _Here(threading.local):
    depth = 0
    thread: threading.Thread | None = None
    began: FrameType | None = None


HERE = _Here()
"""Of this thread: how deep it is in our own work, and (outside of it) its Thread, once somebody asked.

`thread` is None within our own work, so that one look at it on the caller's path answers both questions.
"""


def is_own() -> bool:
    """Whether this thread does the pipeline's own work now."""
    return HERE.depth > 0


@contextmanager
def own_work() -> Iterator[None]:
    """Within the block, what is logged on this thread goes to diagnostics instead of the queue."""
    here, thread, began = HERE, HERE.thread, HERE.began
    here.depth += 1
    here.thread = None
    here.began = sys._getframe(2)  # whose block it is: above this generator and its `__enter__`
    try:
        yield
    finally:
        here.depth -= 1
        here.thread, here.began = thread, began


def this_thread() -> threading.Thread | None:
    """The thread we are in; None within our own work."""
    here = HERE
    if here.depth:
        return None
    if here.thread is None:
        here.thread = threading.current_thread()
    return here.thread


def is_interrupted() -> bool:
    """Whether this is the application's after all: in the middle of our own work garbage may be collected, or a
    signal arrive, and then its `__del__` or its handler runs, and logs, there. Walks the stack, up to where the
    work began.
    """
    handlers, began = _signal_handlers(), HERE.began
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame is not began:
        if frame.f_code.co_name == "__del__" or frame.f_code in handlers:
            return True
        frame = frame.f_back
    return False


def _signal_handlers() -> set[CodeType]:
    """The code of the handlers that this program has for signals; they run on the main thread alone."""
    if threading.current_thread() is not threading.main_thread():
        return set()
    handlers = map(signal.getsignal, signal.valid_signals())
    codes = (getattr(_function_of(handler), "__code__", None) for handler in handlers)
    return {code for code in codes if code is not None}


def _function_of(handler: object) -> object:
    """The function behind a method or a partial one."""
    handler = getattr(handler, "func", handler)
    return getattr(handler, "__func__", handler)
