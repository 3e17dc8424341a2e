"""Which work is the pipeline's own: what is logged from within it must not come back into the queue.

A sink's HTTP client logs while it delivers; taken in, each delivery would make the next. Only records logged in
our own threads, or while our own work runs in another's (draining at exit), are kept out: whatever else
nests is the application's.
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class _Here(threading.local):
    depth = 0
    thread: threading.Thread | None = None


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
    here, thread = HERE, HERE.thread
    here.depth += 1
    here.thread = None
    try:
        yield
    finally:
        here.depth -= 1
        here.thread = thread


def this_thread() -> threading.Thread | None:
    """The thread we are in; None within our own work."""
    here = HERE
    if here.depth:
        return None
    if here.thread is None:
        here.thread = threading.current_thread()
    return here.thread


def in_finalizer() -> bool:
    """Whether this is the application's after all: garbage may be collected in the middle of our own work, and then
    its `__del__` runs, and logs, there. Walks the stack: ask within own work only.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_name != "__del__":
        frame = frame.f_back
    return frame is not None
