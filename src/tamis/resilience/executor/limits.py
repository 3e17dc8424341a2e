"""What an executor may hold, who goes first in it, and who has to go when it is full."""

import math
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from tamis.errors import ConfigError


class Priority(IntEnum):
    """Who goes first: the smaller number."""

    CRITICAL = 0
    HIGH = 1
    NORMAL = 2
    LOW = 3


class DropPolicy(StrEnum):
    """Who makes room for a task that comes when the queue is full. What is more important than the newcomer never
    does; where nobody may be dropped, the newcomer is rejected. What counts is the priority that a task came with:
    one that has risen by its age goes earlier, but is dropped as what it was.
    """

    LOW = "low"
    """The youngest of the least important, if it is less important than the newcomer."""
    OLDEST = "oldest"
    """The oldest that is not more important than the newcomer."""
    ALL = "all"
    """All that are not more important than the newcomer."""


@dataclass(frozen=True, slots=True)
class ExecutorLimits:
    """How many tasks wait (`waiting_max`) and run at once (`workers_max`), and who makes room (`drop`).

    A task that waits rises by one priority each `ageing_s`, up to HIGH, where it stands before what came later; so
    LOW comes to its turn however many HIGH arrive. None: it never rises. A worker without work ends after `idle_s`.
    """

    waiting_max: int = 100
    workers_max: int = 4
    drop: DropPolicy = DropPolicy.LOW
    ageing_s: float | None = 30.0
    idle_s: float = 10.0

    def __post_init__(self) -> None:
        for key in ("waiting_max", "workers_max"):
            value = getattr(self, key)
            holds = isinstance(value, int) and not isinstance(value, bool) and value >= 1
            self._require(key, "must be a whole number from 1 on", holds=holds)
        for key in ("ageing_s", "idle_s"):
            value = getattr(self, key)
            holds = (key == "ageing_s" and value is None) or _is_duration(value)
            self._require(key, "must be seconds over 0", holds=holds)
        self._require("drop", "must be a DropPolicy", holds=isinstance(self.drop, DropPolicy))

    def _require(self, key: str, reason: str, *, holds: bool) -> None:
        if not holds:
            raise ConfigError(key, getattr(self, key), "ExecutorLimits", reason)


def _is_duration(value: object) -> bool:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and value > 0 and math.isfinite(value)
    )
