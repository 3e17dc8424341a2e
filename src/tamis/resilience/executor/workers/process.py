"""The worker that works in a process of its own: what hangs there can be ended, what crashes there takes nothing
with it."""

import multiprocessing
import os
import signal
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Literal

from tamis.errors import TaskCancelledError
from tamis.resilience.executor.task import TaskControl, current_task
from tamis.resilience.executor.workers.base import Worker
from tamis.resilience.executor.workers.child import Ask, serve
from tamis.resilience.executor.workers.failed import Failed, loaded

GRACE_S = 5.0
STARTS_MAX = 3
"""Processes that are begun for one task, as long as they end before it begins."""


class ProcessWorker(Worker):
    """Does tasks in another process: `TaskExecutor(worker=ProcessWorker)`, or `partial(ProcessWorker, prepare=...)`.

    Functions, arguments and results travel by pickle: functions of modules, not lambdas; the context variables of who
    enqueued stay behind, `current_task()` is there. `prepare` is called in each process first; `nice` is added to its
    niceness. A task that is told to stop and does not within `grace_s` loses its process. A process that dies in a
    task (killed, out of memory, a crash in C) is a crash of that task: it is not tried again. One that died between
    tasks is replaced, and nobody notices. It ends when this process does, however that ends. As with all of
    multiprocessing, the main module is imported there: it must not start work unless it is `__main__`.
    """

    def __init__(
        self,
        *,
        prepare: Callable[[], object] | None = None,
        grace_s: float = GRACE_S,
        nice: int = 0,
        method: Literal["spawn", "forkserver"] = "spawn",
    ) -> None:
        self.is_lost = False
        self._grace_s = grace_s
        self._begin = partial(_begin, method, prepare=prepare, nice=nice)
        self._child: _Child | None = self._begin()

    def run(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What `function(*args, **kwargs)` returns or raises there."""
        control = current_task() or TaskControl("process", "task", now_s=float)
        ask = Ask(function, args, kwargs, control.executor, control.name, control.remaining_s())
        for _ in range(STARTS_MAX):
            child = self._child = self._child or self._begin()
            with _Stop(child, control, self._grace_s):
                if child.begins(ask):
                    return _opened(loaded(self._answer(child, control)))
            self._child, told = None, child.end()
            if control.stopping:
                break
        self.is_lost = True
        raise ChildProcessError(f"{told}, before it began with the task")

    def _answer(self, child: "_Child", control: TaskControl) -> bytes:
        try:
            return child.receive()
        except (EOFError, OSError) as error:
            self.is_lost = True
            told = child.end()
            if control.stopping:
                raise TaskCancelledError(control.executor, control.name) from None
            raise ChildProcessError(told) from error

    def close(self) -> None:
        """End the process: by itself, or killed when it takes too long."""
        if self._child is not None:
            self._child.close(self._grace_s)
            self._child = None


class _Child:
    """A process that serves, and the ends of its pipes. Used by one thread, but for `stop` and `kill`."""

    def __init__(
        self, process: BaseProcess, pipe: Connection, stops: Connection, *, pidfd: int | None
    ) -> None:
        self.process, self._pipe, self._stops = process, pipe, stops
        self._end = process.sentinel if pidfd is None else pidfd
        self._pidfd = None if pidfd is None else weakref.finalize(self, os.close, pidfd)
        if self._pidfd is not None:
            self._pidfd.atexit = False  # threads may wait for it still
        _CHILDREN.add(self)

    def begins(self, ask: Ask) -> bool:
        """Whether it begins with a task; False when it is gone, and nothing was done."""
        if wait([self._end], 0):
            return False
        try:
            self._pipe.send(ask)
        except (BrokenPipeError, ConnectionResetError):
            return False
        except OSError:
            raise
        except Exception as error:  # pickle raises what it likes
            why = f"the task cannot be sent to a process ({error}); give it a function of a module, and plain values"
            raise TypeError(why) from error
        try:
            return bool(self.receive())
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return False

    def receive(self) -> bytes:
        """What it sends next; EOFError or OSError when it is gone, also where another holds its end of the pipe."""
        if self._pipe not in wait([self._pipe, self._end]) and not self._pipe.poll():
            raise EOFError
        return self._pipe.recv_bytes()

    def stop(self) -> None:
        """Tell what runs there that nobody waits for it any more."""
        with suppress(OSError):
            self._stops.send_bytes(b"stop")

    def kill(self) -> None:
        """End it now."""
        with suppress(OSError, ValueError):  # it is gone already
            self.process.kill()

    def end(self) -> str:
        """How it ended, in words; where its pipe has and it has not, it is made to."""
        self.close(GRACE_S)
        code = self.process.exitcode or 0
        told = f"its process {self.process.pid} ended with exit code {code}"
        if code < 0:
            told = f"its process {self.process.pid} was ended by {_signal_name(-code)}"
        return f"{told} (short of memory?)" if code == -signal.SIGKILL else told

    def leave(self) -> None:
        """Close this side's ends: a forked process must not keep them open."""
        self._pipe.close()
        self._stops.close()
        if self._pidfd is not None:
            self._pidfd()

    def close(self, grace_s: float) -> None:
        """Have it end by itself, which it does at the end of its pipe; kill it after `grace_s`."""
        self._pipe.close()
        self._stops.close()
        is_ended = self._pidfd is not None and not self._pidfd.alive
        if not is_ended and not wait([self._end], grace_s):
            self.kill()
        self.process.join()
        self.leave()


class _Stop:
    """While it lasts, a task that is told to stop is told there, and has so long until its process is killed."""

    def __init__(self, child: _Child, control: TaskControl, grace_s: float) -> None:
        self._child, self._control, self._grace_s = child, control, grace_s
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()
        self._is_over = False

    def __enter__(self) -> None:
        self._control.on_stop(self._stop)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._is_over = True
            if self._timer is not None:
                self._timer.cancel()

    def _stop(self) -> None:
        with self._lock:
            if self._is_over or self._timer is not None:
                return
            self._timer = threading.Timer(self._grace_s, self._kill)
            self._timer.daemon = True
            self._timer.start()
        self._child.stop()

    def _kill(self) -> None:
        with self._lock:
            if not self._is_over:
                self._child.kill()


def _begin(method: str, *, prepare: Callable[[], object] | None, nice: int) -> _Child:
    context = multiprocessing.get_context(method)
    ours, theirs = context.Pipe()
    listens, tells = context.Pipe(duplex=False)
    process = context.Process(  # type: ignore[attr-defined]  # the stub of BaseContext lacks it
        target=serve, args=(theirs, listens, prepare, nice), name="tamis-worker", daemon=True
    )
    try:
        process.start()
    except BaseException:
        ours.close()
        tells.close()
        raise
    finally:
        theirs.close()
        listens.close()
    child = _Child(process, ours, tells, pidfd=_pidfd_of(process, method))
    try:
        _opened(loaded(child.receive()))
    except EOFError as error:
        why = "does the main module start work although it is not __main__?"
        raise ChildProcessError(f"{child.end()} before it was ready; {why}") from error
    except BaseException:
        child.close(0.0)
        raise
    return child


def _pidfd_of(process: BaseProcess, method: str) -> int | None:
    """What is readable when it has ended, where the system has that. The sentinel of a spawned process is so only when
    those that it forked have ended too: they hold its other end.
    """
    if method == "spawn" and process.pid is not None:
        with suppress(AttributeError, OSError):  # not on this system, or not allowed here
            return os.pidfd_open(process.pid)
    return None


def _opened(answer: Any) -> Any:
    if isinstance(answer, Failed):
        raise answer.error()
    return answer[0]


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


_CHILDREN: "weakref.WeakSet[_Child]" = weakref.WeakSet()


def _leave_children() -> None:
    for child in list(_CHILDREN):
        child.leave()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_children)
