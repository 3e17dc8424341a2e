"""How a ledger is kept."""

from dataclasses import dataclass
from typing import Final

DAY_S: Final = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerOptions:
    """Numbers of a ledger.

    A signed checkpoint is made after `checkpoint_entries` entries or `checkpoint_interval_s` seconds: what
    comes after the last one can be cut off without a trace. Entries that need not be safe at once are synced
    after `sync_interval_s`. A part is followed by the next at `part_bytes`, or after `part_age_s` so that
    whole parts can go once their entries are older than `keep_s`.
    """

    checkpoint_entries: int = 1_000
    checkpoint_interval_s: float = 60.0
    sync_interval_s: float = 1.0
    part_bytes: int = 4 << 20
    part_age_s: float = 30 * DAY_S
    keep_s: float = 365 * DAY_S
    entry_bytes_max: int = 64 << 10
