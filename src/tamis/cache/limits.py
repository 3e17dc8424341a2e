"""What a cache may hold, and for how long."""

import math
from dataclasses import dataclass

from tamis.errors import ConfigError


@dataclass(frozen=True, slots=True)
class MemoryLimits:
    """The memory level: `entries_max` entries of `bytes_max` bytes together, each for `ttl_s` unless it says so."""

    entries_max: int = 1_000
    bytes_max: int = 64 * 1024 * 1024
    ttl_s: float = 300.0

    def __post_init__(self) -> None:
        for key in ("entries_max", "bytes_max"):
            value = getattr(self, key)
            holds = isinstance(value, int) and not isinstance(value, bool) and value >= 1
            _require(self, key, "must be a whole number from 1 on", holds=holds)
        _require(self, "ttl_s", "must be seconds over 0", holds=is_duration(self.ttl_s))


@dataclass(frozen=True, slots=True)
class CacheLimits:
    """How `MultiLevelCache` behaves over all levels.

    That something is not there (None) is kept for `negative_ttl_s`. An entry that is asked for in the last
    `refresh_share` of its time is computed anew before it is over (0: never). Whoever waits for another's computation
    computes by itself after `wait_s`. Of shared levels: a process that dies while it computes holds others up for
    `lease_s`, and what another process changed is forgotten here after `follow_interval_s`.
    """

    negative_ttl_s: float = 30.0
    refresh_share: float = 0.1
    wait_s: float = 30.0
    lease_s: float = 5.0
    follow_interval_s: float = 0.1

    def __post_init__(self) -> None:
        for key in ("negative_ttl_s", "wait_s", "lease_s", "follow_interval_s"):
            _require(self, key, "must be seconds over 0", holds=is_duration(getattr(self, key)))
        holds = isinstance(self.refresh_share, int | float) and 0 <= self.refresh_share < 1
        _require(self, "refresh_share", "must be from 0 to below 1", holds=holds)


def is_duration(value: object) -> bool:
    """Whether it is seconds over 0; infinite is for ever."""
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and value > 0 and not math.isnan(value)
    )


def _require(limits: object, key: str, reason: str, *, holds: bool) -> None:
    if not holds:
        raise ConfigError(key, getattr(limits, key), type(limits).__name__, reason)
