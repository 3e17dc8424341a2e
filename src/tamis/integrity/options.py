"""The numbers of a storage."""

from dataclasses import dataclass

from tamis.integrity.mirrors import REST, TRIES
from tamis.resilience.limits import BreakerLimits
from tamis.resilience.retry import RetryLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageOptions:
    """How a storage keeps its files.

    A mirror is tried again as `tries` says, and left alone as `rest` says. `reserve_bytes` of the disk are never used.
    Who mends waits `lock_timeout_s` for another process that mends the same folder. The scrub reads
    `scrub_bytes_per_s`, and begins a round `scrub_interval_s` after it began the last; 0 bytes: there is none.
    """

    tries: RetryLimits = TRIES
    rest: BreakerLimits = REST
    timeout_s: float = 60.0
    reserve_bytes: int = 128 << 20
    lock_timeout_s: float = 600.0
    scrub_bytes_per_s: int = 8 << 20
    scrub_interval_s: float = 86_400.0
