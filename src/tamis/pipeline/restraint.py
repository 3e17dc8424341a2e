"""Restraint: records stay in the queue, whose door callers wait at, while a sink's memory has no room for them."""

from collections.abc import Iterable

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.pipeline.delivery.delivery import Delivery
from tamis.pipeline.limits import QueueLimits

ANY = 1 << 62
"""As many as there are."""


class Restraint:
    """Says how many records may leave the queue: not more than every sink can keep, unless the policy is to drop.

    After `block_s` without any room it gives up, as callers do then: the sink that has none drops, and the
    others have their records. It hopes again as soon as there is room. Not thread-safe.
    """

    def __init__(self, limits: QueueLimits, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._limits, self._clock = limits, clock
        self._full_since_s: float | None = None

    def most(self, deliveries: Iterable[Delivery], bytes_each: float) -> int:
        """So many now; 0 is to wait."""
        if self._limits.overflow == "drop":
            return ANY
        room = min((delivery.room(bytes_each) for delivery in deliveries), default=ANY)
        if room > 0:
            self._full_since_s = None
            return room
        now_s = self._clock.monotonic_s()
        if self._full_since_s is None:
            self._full_since_s = now_s
        return 0 if now_s - self._full_since_s < self._limits.block_s else ANY
