"""What a cache may hold, and for how long."""

import math
from dataclasses import dataclass
from typing import Final

from tamis.errors import ConfigError

WAIT_S_MAX: Final = 365 * 86_400.0
"""Nobody waits longer; what a thread may wait for has an end."""
WHOLE_MAX: Final = 2**63
"""A whole number from here on may be too large for a float."""


@dataclass(frozen=True, slots=True)
class MemoryLimits:
    """The memory level: `entries_max` entries of `bytes_max` bytes together, each for `ttl_s` unless it says so."""

    entries_max: int = 1_000
    bytes_max: int = 64 * 1024 * 1024
    ttl_s: float = 300.0

    def __post_init__(self) -> None:
        require_whole(self, "entries_max", "bytes_max")
        require_durations(self, "ttl_s")


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
        require_durations(self, "negative_ttl_s")
        require_durations(self, "wait_s", "lease_s", "follow_interval_s", most=WAIT_S_MAX)
        holds = isinstance(self.refresh_share, int | float) and 0 <= self.refresh_share < 1
        _require(self, "refresh_share", "must be from 0 to below 1", holds=holds)


def require_whole(limits: object, *keys: str, least: int = 1) -> None:
    """ConfigError for the first that is no whole number, or too small."""
    for key in keys:
        value = getattr(limits, key)
        holds = isinstance(value, int) and not isinstance(value, bool) and value >= least
        _require(limits, key, f"must be a whole number from {least} on", holds=holds)


def require_durations(limits: object, *keys: str, most: float = math.inf) -> None:
    """ConfigError for the first that is no duration, or too long."""
    reason = "must be seconds over 0" + (f", {most:,.0f} at most" if most < math.inf else "")
    for key in keys:
        value = getattr(limits, key)
        _require(limits, key, reason, holds=is_duration(value) and value <= most)


def is_duration(value: object) -> bool:
    """Whether it is seconds over 0; infinite is for ever."""
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and value > 0  # which nan is not
        and (isinstance(value, float) or value < WHOLE_MAX)
    )


def _require(limits: object, key: str, reason: str, *, holds: bool) -> None:
    if not holds:
        raise ConfigError(key, getattr(limits, key), type(limits).__name__, reason)
