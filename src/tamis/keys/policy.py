"""When a key is followed by the next, and how many old ones are kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

DAY_S: Final = 86_400
USES_MAX: Final = 1 << 28
"""Far below the 2**32 random nonces after which AES-GCM is no longer safe (NIST SP 800-38D, 8.3)."""

FIELDS: Final = "fields"
SEGMENTS: Final = "segments"
HASH: Final = "hash"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How long one purpose's keys last.

    A key is followed by the next after `rotate_age_s` seconds (0: never by age) or `rotate_uses` encryptions,
    whichever comes first. `keep` old keys stay for decryption, 0 keeps all. `reserve_uses` are written down
    at a time, before the first of them: so many at most are lost to the count when a process dies.
    """

    rotate_age_s: float
    rotate_uses: int
    keep: int
    reserve_uses: int = 256

    def __post_init__(self) -> None:
        if not 1 <= self.rotate_uses <= USES_MAX:
            raise ValueError(f"rotate_uses must be from 1 to {USES_MAX:,}, not {self.rotate_uses:,}")
        if self.reserve_uses < 1 or self.keep < 0 or self.rotate_age_s < 0:
            raise ValueError("reserve_uses must be at least 1, keep and rotate_age_s at least 0")


STORAGE: Final = Policy(rotate_age_s=90 * DAY_S, rotate_uses=USES_MAX, keep=0, reserve_uses=4_096)
"""For what is stored for long: every key is kept, so nothing has to be rewritten."""

POLICIES: Final[Mapping[str, Policy]] = {
    FIELDS: Policy(rotate_age_s=DAY_S, rotate_uses=10_000, keep=5),
    SEGMENTS: STORAGE,
    HASH: Policy(rotate_age_s=0, rotate_uses=USES_MAX, keep=0),
}
"""By purpose; any other purpose has STORAGE."""
