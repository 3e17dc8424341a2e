"""The ends of a process: interpreter exit, the end of a multiprocessing child, SIGTERM."""

import atexit
import os
import signal
import sys
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Protocol


class Unfinished(Protocol):
    """Something that has work left when the process ends."""

    def deliver_at_exit(self) -> object:
        """Deliver what waits, within a time limit of its own, starting no thread. May be called more than once."""
        ...


@dataclass(frozen=True, slots=True)
class _AtExit:
    """What `atexit` calls; equal for one owner, so that it is found again."""

    reference: "weakref.ref[Unfinished]"

    def __call__(self) -> None:
        _deliver(self.reference)


def at_exit(owner: Unfinished) -> None:
    """Deliver when the interpreter ends, and in multiprocessing children. Before `logging` closes handlers, which it
    does in an order of its own: one that another hands records to may be closed first. Keeps nobody alive.
    """
    atexit.register(_AtExit(weakref.ref(owner)))
    at_child_exit(owner)


def not_at_exit(owner: Unfinished) -> None:
    """It has nothing more to deliver: let it be forgotten."""
    atexit.unregister(_AtExit(weakref.ref(owner)))


def at_child_exit(owner: Unfinished) -> None:
    """Deliver when a multiprocessing child ends, which runs no `atexit`; called again after each fork.

    Such a child forgets its finalizers right after the fork, and then calls what was registered for after it:
    there they are registered again.
    """
    processes = sys.modules.get("multiprocessing.util")
    if processes is not None:
        _finalize(owner)
        processes.register_after_fork(owner, _finalize)


def _finalize(owner: Unfinished) -> None:
    finalize = sys.modules["multiprocessing.util"].Finalize
    finalize(None, _deliver, args=(weakref.ref(owner),), exitpriority=-100)


def _deliver(reference: "weakref.ref[Unfinished]") -> None:
    owner = reference()
    if owner is not None:
        _NOW.deliveries += 1
        try:
            owner.deliver_at_exit()
        finally:
            _NOW.deliveries -= 1
            if _NOW.signal is not None and not _NOW.deliveries:
                end, _NOW.signal = _NOW.signal, None
                end()


class _Now:
    """What the ending process does: deliveries under way, and what the signal wants that came meanwhile."""

    deliveries = 0
    signal: Callable[[], object] | None = None


_NOW = _Now()


def _end_by(number: int, reference: "weakref.ref[Unfinished]") -> None:
    if _NOW.deliveries:  # this very thread delivers already: it goes on, and ends then
        _NOW.signal = lambda: _end_by(number, reference)
        return
    _deliver(reference)
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def at_sigterm(owner: Unfinished) -> bool:
    """Deliver at SIGTERM, and then end by it as if nobody had looked; whether that could be arranged.

    Only over the default action: a program with a handler of its own decides itself what SIGTERM means. Only from
    the main thread, for Python allows no other.
    """
    if threading.current_thread() is not threading.main_thread():
        return False
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        return False
    reference = weakref.ref(owner)

    def end(number: int, _frame: FrameType | None) -> None:
        _end_by(number, reference)

    signal.signal(signal.SIGTERM, end)
    return True
