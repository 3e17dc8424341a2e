"""When the next backup is due."""

import secrets
from dataclasses import dataclass
from typing import Final

from tamis.clock import NS_PER_S

RETRY_S: Final = 300.0
"""After a backup that failed, the next try; twice as long after each further one, up to the interval."""
CATCH_UP_S: Final = 60.0
"""A missed one begins so long after the start at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """How often, and by how much later at most (seconds). An interval of 0 is never."""

    interval_s: float
    jitter_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """When something is to be done (UTC ns), and whether that is a run that was missed."""

    at_ns: int
    is_missed: bool = False


def next_due(
    rhythm: Rhythm, *, now_ns: int, last_ns: int | None, failures: int = 0, failed_ns: int = 0
) -> Due | None:
    """When the next one is due, the last that went well having been at `last_ns`. None: never.

    One that was missed, because nothing ran then, is caught up soon; several are one. After `failures` the next try
    comes after RETRY_S and longer.
    """
    if not rhythm.interval_s:
        return None
    if failures:
        wait_s = min(RETRY_S * 2 ** min(failures - 1, 20), rhythm.interval_s)
        return Due(at_ns=failed_ns + _ns(wait_s))
    if last_ns is None:
        return Due(at_ns=now_ns + _ns(_some_of(min(rhythm.jitter_s, CATCH_UP_S))), is_missed=True)
    at_ns = last_ns + _ns(rhythm.interval_s)
    if at_ns <= now_ns:
        return Due(at_ns=now_ns + _ns(_some_of(min(rhythm.jitter_s, CATCH_UP_S))), is_missed=True)
    return Due(at_ns=at_ns + _ns(_some_of(rhythm.jitter_s)))


def _some_of(seconds: float) -> float:
    """A random part."""
    return seconds * secrets.randbelow(1_000_000) / 1_000_000


def _ns(seconds: float) -> int:
    return int(seconds * NS_PER_S)
