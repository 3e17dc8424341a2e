"""What executors are given to do in tests: each does the same in a thread, in a process and as a coroutine."""

import asyncio
import importlib
import os
import signal
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from tamis.errors import ConfigError
from tamis.resilience.executor import current_task

LOOK_S = 0.002


async def twice(number: int) -> int:
    """Twice the number."""
    await asyncio.sleep(0)
    return 2 * number


async def fail() -> None:
    """An error that cannot be pickled as it is."""
    raise ConfigError("colour", "red", "a test", "must be blue")


async def leave() -> None:
    """End its worker as a program ends."""
    raise SystemExit(7)


async def note(path: Path, number: int) -> None:
    """Write the number behind those that are there."""
    with path.open("a", encoding="ascii") as file:
        file.write(f"{number} ")


async def hold(gate: Path) -> str:
    """Say that it runs (`gate.entered`), and run until the gate exists; listen to nobody."""
    gate.with_suffix(".entered").touch()
    while not gate.exists():
        try:
            await asyncio.sleep(LOOK_S)
        except asyncio.CancelledError:
            gate.with_suffix(".told").touch()
    return "through"


async def obey(gate: Path) -> None:
    """Say that it runs, and run until it is told to stop."""
    gate.with_suffix(".entered").touch()
    task = current_task()
    assert task is not None
    try:
        while True:
            task.check()
            await asyncio.sleep(LOOK_S)
    finally:
        assert task.stopping
        gate.with_suffix(".told").touch()


def run(function: Callable[..., Coroutine[Any, Any, Any]], *args: Any) -> Any:
    """The same, for a worker that does not know coroutines."""
    return asyncio.run(function(*args))


def own_pid() -> int:
    """The process that this runs in."""
    return os.getpid()


def kill_itself() -> None:
    """End this process as the system's memory killer would."""
    os.kill(os.getpid(), signal.SIGKILL)


def leave_a_child(pid: Path) -> None:
    """Fork a process that holds all that this one has, and end as the system's memory killer would."""
    child = os.fork()
    if child == 0:
        threading.Event().wait()
    pid.write_text(str(child), encoding="ascii")
    kill_itself()


class SlottedError(Exception):
    """An error with facts that are in no dictionary."""

    __slots__ = ("code",)

    def __init__(self, code: int, why: str) -> None:
        super().__init__(f"{code}: {why}")
        self.code = code


class FormedError(Exception):
    """An error that says itself how it travels."""

    def __init__(self, *, colour: str) -> None:
        super().__init__(colour)
        self.colour, self.lock = colour, threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return (_formed, (self.colour,))


class OddError(Exception):
    """An error that cannot say what it is."""

    def __str__(self) -> str:
        raise ValueError("no words")


def _formed(colour: str) -> FormedError:
    return FormedError(colour=colour)


def raise_one(kind: str, path: str) -> None:
    """An error of this kind, as it comes about."""
    match kind:
        case "file":
            open(path, "rb").close()  # noqa: PTH123  # its error is what is asked for
        case "text":
            b"ab\xff".decode("utf-8")
        case "module":
            importlib.import_module("no_such_module_here")
        case "stop":
            raise StopIteration(5)
        case "syntax":
            compile("a b", "f.py", "exec")
        case "slots":
            raise SlottedError(7, "why")
        case "attribute":
            getattr(threading.Lock(), "colour")  # noqa: B009  # as above
        case "form":
            raise FormedError(colour="red")
        case "odd":
            raise OddError("x")


class Unreadable:
    """A result that raises where it is read."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def __reduce__(self) -> tuple[Any, ...]:
        return (_unreadable, (self.pid,))


def _unreadable(pid: int) -> None:
    if os.getpid() != pid:
        raise EOFError("unreadable here")


def unreadable() -> Unreadable:
    """A result that can be read in the process where it was made alone."""
    return Unreadable(os.getpid())


def sleep_on(entered: Path) -> None:
    """Say so, and never come back: a hang in C, as far as anyone can see."""
    entered.write_text(str(os.getpid()), encoding="ascii")
    threading.Event().wait()


def unsendable() -> object:
    """A result that cannot travel."""
    return threading.Lock()


def refuse_to_begin() -> None:
    """A preparation that fails."""
    raise OSError("no model here")


PREPARED: list[str] = []


def prepare() -> None:
    """Done before the first task of a process."""
    PREPARED.append("prepared")


def prepared() -> list[str]:
    """What was prepared in this process."""
    return PREPARED
