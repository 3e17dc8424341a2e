"""What executors are given to do in tests: each does the same in a thread, in a process and as a coroutine."""

import asyncio
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
