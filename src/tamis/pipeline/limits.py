"""The numbers of the dispatcher's queue and of each sink's delivery."""

from dataclasses import dataclass, field
from typing import Literal

from tamis.resilience.from_settings import breaker_limits
from tamis.resilience.limits import BreakerLimits
from tamis.resilience.retry import RetryLimits
from tamis.settings import BreakerSettings

Overflow = Literal["spool", "block", "drop"]
"""What happens to records that no queue has room for; a spool, where a sink has one, is always used first.

``block``: the caller waits, at most so long, then as ``drop``. ``spool`` is the same for what no spool can take,
which is the queue before the chain, and sinks on this machine. ``drop``: the milder a record, the sooner it is
dropped (DEBUG first, WARNING and above last); each is counted.
"""
Durable = Literal["off", "process", "disk"]
"""When a logging call returns: at once (``off``); when the record stands where a killed process leaves it
(``process``), or where a power cut leaves it (``disk``).
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLimits:
    """How much waits before the chain, and for each sink in memory; what happens then; when a logging call
    returns.

    `unwritten_s` is how long a record may be neither in a spool nor delivered, which is what a killed process loses:
    callers wait while the worker, or a sink on this machine, needs longer for what is there. 0 is as long as there
    is room. Never with ``drop``, and not for what a sink holds back to gather it, without a spool.
    """

    records_max: int = 100_000
    bytes_max: int = 64 << 20
    overflow: Overflow = "spool"
    block_s: float = 1.0
    durable: Durable = "off"
    unwritten_s: float = 0.0

    @property
    def pace_s(self) -> float:
        """`unwritten_s`, where callers wait at all."""
        return 0.0 if self.overflow == "drop" else self.unwritten_s


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryLimits:
    """How a sink is tried. After `retry` the breaker decides when the next attempt is due; a batch is given up
    only when the sink refuses it, or fails at a single record for reasons of its own.
    """

    timeout_s: float = 10.0
    retry: RetryLimits = field(default_factory=lambda: RetryLimits(attempts_max=4, first_s=1.0))
    breaker: BreakerLimits = field(default_factory=lambda: breaker_limits(BreakerSettings()))


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolLimits:
    """How much stands on disk for each sink: waiting, and as dead letters. A file of `part_bytes` is followed by
    the next. `adopt_interval_s` lies between two looks for what other processes left.
    """

    bytes_max: int = 1 << 30
    dead_bytes_max: int = 64 << 20
    part_bytes: int = 8 << 20
    reserve_bytes: int = 64 << 20
    adopt_interval_s: float = 10.0


KEPT_BELOW = ((20, 0.8), (30, 0.9))
"""Records under a level (Python's scale) are taken while the queue is filled to that share; others always."""


def share_of(level: int) -> float:
    """How full a queue may be for a record of this level (Python's scale)."""
    return next((share for below, share in KEPT_BELOW if level < below), 1.0)
