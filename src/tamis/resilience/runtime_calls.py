"""Which engine the calls have that are under way, for callers who say how a call went by naming its task."""

import sys
import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any, Generic, TypeVar

from tamis.resilience.machine import Verdict
from tamis.resilience.runtime_choice import Choice

E = TypeVar("E")

CALLS_MAX = 10_000
"""Calls remembered; of more, the oldest count as given up."""


class Calls(Generic[E]):
    """Choices by task. A task may have several calls under way: the one of the same thread (or asyncio task) ends
    first, else the oldest. None is no task that another could mean: only calls of the same thread. Thread-safe.
    """

    def __init__(self, calls_max: int = CALLS_MAX) -> None:
        self._max = calls_max
        self._number = 0
        self._all: OrderedDict[int, tuple[Hashable, Hashable, Any, Choice[E]]] = OrderedDict()
        self._by_task: dict[Hashable, OrderedDict[int, None]] = {}
        self.renew()

    def renew(self) -> None:
        """A lock of its own: in the child of a fork, another thread of the parent may hold this one."""
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._all)

    def add(self, task: object, choice: Choice[E]) -> None:
        """A call of this task begins."""
        key, gone = _key(task), None
        with self._lock:
            self._number += 1
            self._all[self._number] = (key, _here(), task, choice)
            self._by_task.setdefault(key, OrderedDict())[self._number] = None
            if len(self._all) > self._max:
                gone = self._pop(next(iter(self._all)))
        if gone is not None:
            gone.end(Verdict.NONE)

    def take(self, task: object) -> Choice[E] | None:
        """The call of this task that ends now; None when none is known."""
        here = _here()
        with self._lock:
            numbers = self._by_task.get(_key(task))
            if not numbers:
                return None
            own = (number for number in reversed(numbers) if self._all[number][1] == here)
            number = next(own, None if task is None else next(iter(numbers)))
            return None if number is None else self._pop(number)

    def _pop(self, number: int) -> Choice[E]:
        key, _, _, choice = self._all.pop(number)
        numbers = self._by_task[key]
        del numbers[number]
        if not numbers:
            del self._by_task[key]
        return choice


def _key(task: object) -> Hashable:
    """A task by its value, or by itself where it has none."""
    try:
        hash(task)
    except TypeError:
        return (
            "by identity",
            id(task),
        )  # the object is kept until the call ends, so the number stays its own
    return ("by value", task)


def _here() -> Hashable:
    """Who calls: this thread, and the asyncio task that runs on it."""
    asyncio = sys.modules.get("asyncio")
    current = None
    if asyncio is not None:
        try:
            current = id(asyncio.current_task())
        except RuntimeError:  # no loop runs here
            current = None
    return (threading.get_ident(), current)
