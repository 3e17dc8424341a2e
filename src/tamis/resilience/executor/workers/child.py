"""What runs in the process of a ProcessWorker: one task after the other, until the other end of the pipe is gone."""

import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from tamis.clock import SYSTEM_CLOCK
from tamis.resilience.executor.task import TaskControl, run_as
from tamis.resilience.executor.workers.failed import failed_of

BEGUN = b"begun"
PARENT_GONE = 3
"""The exit code of a process whose parent is gone while it works."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A task as it travels."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    executor: str
    name: str
    remaining_s: float


def serve(pipe: Connection, stops: Connection, prepare: Callable[[], object] | None, nice: int) -> None:
    """Prepare, then do tasks until the pipe's other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which says what becomes of this
    if nice and hasattr(os, "nice"):
        os.nice(nice)
    at_work = _AtWork()
    threading.Thread(target=at_work.listen, args=(stops,), name="tamis-stops", daemon=True).start()
    try:
        if prepare is not None:
            prepare()
    except Exception as error:  # the edge: whoever wanted the worker hears why there is none
        _send(pipe, error)
        return
    pipe.send((None,))
    while at_work.do(pipe):
        pass


class _AtWork:
    """The task that runs, for the thread that hears that it should stop."""

    def __init__(self) -> None:
        self._control: TaskControl | None = None

    def do(self, pipe: Connection) -> bool:
        """Do the next task and send what came of it; False when there is none any more."""
        try:
            pipe.poll(None)
            pipe.send_bytes(BEGUN)  # before it is read: that may import modules, and is a beginning
            task: Ask = pipe.recv()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return False
        except Exception as error:  # its module cannot be imported here, say
            _send(pipe, error)
            return True
        try:
            value = self._run(task)
        except Exception as error:  # the edge: it goes to who asked
            _send(pipe, error)
            return True
        _send_value(pipe, value)
        return True

    def _run(self, task: Ask) -> Any:
        now_s = SYSTEM_CLOCK.monotonic_s
        control = self._control = TaskControl(
            task.executor,
            task.name,
            deadline_s=now_s() + task.remaining_s,
            limit_s=task.remaining_s,
            now_s=now_s,
        )
        try:
            return run_as(control, lambda: task.function(*task.args, **task.kwargs))
        finally:
            self._control = None

    def listen(self, stops: Connection) -> None:
        """Tell the task that runs when it should stop; end with the parent, whatever runs."""
        while True:
            try:
                stops.recv_bytes()
            except (EOFError, OSError):
                os._exit(PARENT_GONE)
            if (control := self._control) is not None:
                control.stop()


def _send_value(pipe: Connection, value: Any) -> None:
    try:
        pipe.send((value,))
    except OSError:
        raise
    except Exception as error:  # pickle raises what it likes
        _send(pipe, TypeError(f"the task's result cannot be sent back ({error}); return plain values"))


def _send(pipe: Connection, error: BaseException) -> None:
    pipe.send(failed_of(error))
