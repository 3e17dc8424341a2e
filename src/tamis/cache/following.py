"""What other processes changed in shared levels, looked for again and again, so that this one's memory forgets it."""

import threading
import weakref
from collections.abc import Callable, Mapping

from tamis.cache.base import Change, Claim, Position
from tamis.cache.lower import LowerLevels
from tamis.clock import SYSTEM_CLOCK

Forget = Callable[[tuple[Change, ...] | None], None]
"""Forget these; None: everything, for it is not known what changed."""

RENEWALS = 3
"""So many times a lease is prolonged before it would be over."""


class Follower:
    """Looks at shared levels each `interval_s` on a thread of its own, and prolongs the leases of computations that are
    under way. A level that is away is looked at again when its breaker lets it: what was missed is known then by its
    numbers, or everything is forgotten.
    """

    def __init__(self, lower: LowerLevels, forget: Forget, *, interval_s: float, lease_s: float) -> None:
        self._lower, self._forget = lower, forget
        self._interval_s, self._lease_s = interval_s, lease_s
        self._positions: dict[str, Position] = {}
        self._held: dict[str, tuple[str, float]] = {}
        self._looking = threading.Lock()
        self._stopped = threading.Event()
        for level in lower.shared:
            position = lower.position(level)
            if position is not None:
                self._positions[level.name] = position

    def start(self) -> None:
        """Begin, if there is anything to follow."""
        if self._lower.shared:
            given = (weakref.ref(self), self._stopped, self._interval_s)
            threading.Thread(target=_follow, args=given, name="tamis cache follower", daemon=True).start()

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()

    def after_fork(self) -> None:
        """In the child, where no thread of the parent's runs."""
        self._looking, self._held = threading.Lock(), {}
        if not self._stopped.is_set():
            self._stopped = threading.Event()
            self.start()

    def look(self) -> None:
        """See what changed, now."""
        with self._looking:
            for level in self._lower.shared:
                after = self._positions.get(level.name)
                if after is None:
                    position = self._lower.position(level)
                    if position is not None:
                        self._positions[level.name] = position
                        self._forget(None)
                    continue
                found = self._lower.changes(level, after)
                if found is not None:
                    if found.changes != ():
                        self._forget(found.changes)
                    self._positions[level.name] = found.position
            self._prolong()

    def hold(self, key: str, claims: Mapping[str, Claim]) -> None:
        """Prolong the lease among the claims until `drop`."""
        token = next((claim.token for claim in claims.values() if claim.token), "")
        if token:
            self._held[token] = (key, SYSTEM_CLOCK.monotonic_s())

    def drop(self, claims: Mapping[str, Claim]) -> None:
        """The computation is over."""
        for claim in claims.values():
            self._held.pop(claim.token, None)

    def _prolong(self) -> None:
        now_s = SYSTEM_CLOCK.monotonic_s()
        for token, (key, since_s) in list(self._held.items()):
            if now_s - since_s >= self._lease_s / RENEWALS:
                self._lower.lease(key, token, seconds=self._lease_s)
                if token in self._held:
                    self._held[token] = (key, now_s)


def _follow(follower: "weakref.ref[Follower]", stopped: threading.Event, interval_s: float) -> None:
    while not stopped.wait(interval_s):
        found = follower()
        if found is None:
            return
        found.look()
        del found
