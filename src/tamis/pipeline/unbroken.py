"""Work that a signal's handler must not break off in the middle: Ctrl-C raises wherever the main thread is."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from types import FrameType
from typing import Any

_HELD = (signal.SIGINT, signal.SIGTERM)
"""The signals whose handlers usually raise."""

Handler = Callable[[int, FrameType | None], Any]


@contextmanager
def unbroken() -> Iterator[None]:
    """On the main thread, handlers of these signals run when the block has ended, not in the middle of it: records
    that were taken somewhere are put somewhere, and counted. For blocks that take moments; on other threads, where
    handlers never run, it does nothing.
    """
    if threading.get_ident() != threading.main_thread().ident:
        yield
        return
    handlers: dict[int, Handler] = {}
    held: dict[int, FrameType | None] = {}
    is_over = False

    def hold(number: int, frame: FrameType | None) -> None:
        if is_over:  # another one raised before this one's handler was back in its place
            handlers[number](number, frame)
        else:
            held[number] = frame

    try:
        for number in _HELD:
            handler = signal.getsignal(number)
            if callable(handler):
                handlers[number] = handler
                with suppress(ValueError):  # an interpreter within another has no signals
                    signal.signal(number, hold)
        yield
    finally:
        is_over = True
        with ExitStack() as stack:
            for given, frame in held.items():
                stack.callback(handlers[given], given, frame)
            for given, handler in handlers.items():
                with suppress(ValueError):
                    signal.signal(given, handler)
