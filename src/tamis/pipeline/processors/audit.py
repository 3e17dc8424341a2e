"""The audit of secured records: that something was secured, where, what kind and with which key; never what."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.errors import TamisError
from tamis.pipeline.chain import Tell
from tamis.record.model import Record

if TYPE_CHECKING:
    from tamis.integrity.ledger import Ledger

RETRY_S = 60.0


class SecuredAudit:
    """Writes an entry to a ledger for each secured record. Opened at the first one; made safe together with others
    (`audit.sync_interval_s`), so no record waits for the disk.

    When the ledger cannot be written the record goes on all the same: it is secured. That is told, counted in
    `missed`, and tried again after a minute.
    """

    def __init__(
        self, open_ledger: "Callable[[], Ledger]", *, tell: Tell, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self.written = self.missed = 0
        self._open, self._tell, self._clock = open_ledger, tell, clock
        self._ledger: Ledger | None = None
        self._not_before_s = float("-inf")

    def write(self, record: Record, *, kinds: Mapping[str, int], key_ids: frozenset[str]) -> None:
        """An entry for a record; `kinds` says how many of each kind were secured."""
        if self._clock.monotonic_s() < self._not_before_s:
            self.missed += 1
            return
        try:
            if self._ledger is None:
                self._ledger = self._open()
            self._ledger.append(_entry(record, kinds, key_ids))
            self.written += 1
        except (TamisError, OSError) as error:
            self.missed += 1
            self._failed(error)

    def tick(self) -> None:
        """Make entries safe that are due."""
        if self._ledger is not None:
            try:
                self._ledger.tick()
            except (TamisError, OSError) as error:
                self._failed(error)

    def close(self) -> None:
        """Make all entries safe and vouch for them; the next record opens the ledger again."""
        ledger, self._ledger = self._ledger, None
        if ledger is not None:
            try:
                ledger.close()
            except (TamisError, OSError) as error:
                self._failed(error)

    def _failed(self, error: Exception) -> None:
        self._not_before_s = self._clock.monotonic_s() + RETRY_S
        ledger, self._ledger = self._ledger, None
        self._tell("audit", f"secured records are not audited for now: {error}")
        if ledger is not None:
            try:
                ledger.close()
            except (TamisError, OSError):
                return  # it was told why already


def _entry(record: Record, kinds: Mapping[str, int], key_ids: frozenset[str]) -> dict[str, object]:
    attributes = record.attributes
    return {
        "action": "secured",
        "kinds": dict(kinds),
        "keys": sorted(key_ids),
        "timestamp": record.timestamp,
        "logger": record.logger,
        "process": str(attributes.get("process", "")),
        "process_id": attributes["process_id"] if isinstance(attributes.get("process_id"), int) else None,
    }
