"""Records kept in memory: for tests, and for looking at the last few."""

from collections import deque

from tamis.errors import ConfigError
from tamis.pipeline.base import AT_ONCE, DELIVERED, Batch, BatchLimits, Outcome
from tamis.pipeline.sinks.masking import KEY
from tamis.record.model import Record
from tamis.settings import Settings

RECORDS_MAX = 10_000


class MemorySink:
    """Keeps the newest `records_max` records that it got; `forgotten` counts those that had to make room.

    Threads may read while records come.
    """

    spooled = False

    def __init__(
        self, records_max: int = RECORDS_MAX, *, name: str = "memory", limits: BatchLimits = AT_ONCE
    ) -> None:
        self.name, self.limits = name, limits
        self.received = 0
        """Records that came so far."""
        self._records: deque[Record] = deque(maxlen=records_max)

    @property
    def records(self) -> list[Record]:
        """What is kept, oldest first."""
        return list(self._records)

    @property
    def messages(self) -> list[str]:
        """The messages alone."""
        return [record.message for record in self.records]

    @property
    def forgotten(self) -> int:
        """Records that came and are kept no more; those `clear` took count too."""
        return self.received - len(self._records)

    def clear(self) -> None:
        """Forget what came so far."""
        self._records.clear()

    def send(self, batch: Batch, /, *, timeout_s: float) -> Outcome:
        """Keep the records."""
        self._records.extend(batch.records)
        self.received += len(batch.records)
        return DELIVERED

    def close(self) -> None:
        """Nothing to let go of; the records stay."""


def create(url: str, _settings: Settings) -> MemorySink:
    """The sink named `memory`."""
    if url.lower() not in ("memory", "memory:", "memory://"):
        raise ConfigError(KEY, url, "a sink's name", "memory takes no options")
    return MemorySink()
