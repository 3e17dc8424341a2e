"""The numbers of a circuit breaker."""

import math
from dataclasses import dataclass

from tamis.errors import ConfigError


@dataclass(frozen=True, slots=True)
class BreakerLimits:
    """When a breaker opens, for how long, and what closes it again.

    `failures_to_open` failures open it; a success while closed takes one failure off. `open_s` later it is half
    open: `probes_max` calls at once may try, each for `half_open_call_s` at most. `successes_to_close` of them
    close it, one failure opens it again. `rejections_to_hard_open` rejections (work that what it guards refused
    to take) open it hard: until somebody calls `reset()`, or for `hard_open_s` where that is a number; then it is
    half open.
    """

    failures_to_open: int = 3
    open_s: float = 60.0
    half_open_call_s: float = 5.0
    successes_to_close: int = 2
    probes_max: int = 1
    rejections_to_hard_open: int = 5
    hard_open_s: float | None = None

    def __post_init__(self) -> None:
        for key in ("failures_to_open", "successes_to_close", "probes_max", "rejections_to_hard_open"):
            self._require(key, "must be a whole number from 1 on", holds=_is_count(getattr(self, key)))
        for key in ("open_s", "half_open_call_s"):
            self._require(key, "must be seconds over 0", holds=_is_duration(getattr(self, key)))
        if self.hard_open_s is not None:
            holds = _is_duration(self.hard_open_s) and self.hard_open_s >= self.open_s
            self._require("hard_open_s", f"must be None or at least open_s = {self.open_s:g}", holds=holds)

    def _require(self, key: str, reason: str, *, holds: bool) -> None:
        if not holds:
            raise ConfigError(key, getattr(self, key), "BreakerLimits", reason)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_duration(value: object) -> bool:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and value > 0 and math.isfinite(value)
    )
