"""An embedded store under test: a clock held by hand, batches that can be told apart, everything read back."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tamis.clock import NS_PER_S
from tamis.disk.base import Disk
from tamis.query.ast import All, Filter
from tamis.record.attributes import Value
from tamis.record.model import Columns, Record, StoredRecord
from tamis.store.base import Budget, Question
from tamis.store.embedded.options import StoreOptions
from tamis.store.embedded.store import EmbeddedStore, open_store

NOON = 1_795_262_400 * NS_PER_S
"""2026-11-21T12:00:00Z."""
MIXED: list[dict[str, Value]] = [{"mixed": 1}, {"mixed": "a"}, {"mixed": 2.5}, {}]
HOUR_S = 3_600.0
DAY_S = 86_400.0


class HandClock:
    """Time that goes on when a test says so."""

    def __init__(self, now_ns: int = NOON) -> None:
        self.now = now_ns

    def now_ns(self) -> int:
        return self.now

    def monotonic_s(self) -> float:
        return self.now / NS_PER_S

    def sleep(self, seconds: float) -> None:
        self.pass_s(seconds)

    def pass_s(self, seconds: float) -> None:
        """Let time go by."""
        self.now += int(seconds * NS_PER_S)


def quiet(**limits: Any) -> StoreOptions:
    """Options under which nothing happens by itself."""
    return StoreOptions(**{"background": False, "disk_reserve_bytes": 0, **limits})


def open_quiet(
    folder: Path, *, disk: Disk | None = None, clock: HandClock | None = None, **limits: Any
) -> EmbeddedStore:
    """A store in which nothing happens by itself."""
    return open_store(folder, quiet(**limits), disk=disk, clock=clock or HandClock())


def batch(*messages: str, level: str = "INFO", timestamp: int | None = None) -> Columns:
    """A batch of records with these messages, a millisecond apart."""
    stamp = NOON - 3_600 * NS_PER_S if timestamp is None else timestamp
    return Columns.of(
        Record(
            timestamp=stamp + place * 1_000_000,
            message=message,
            level=level,
            service="shop",
            attributes={"place": place, **MIXED[place % len(MIXED)]},
        )
        for place, message in enumerate(messages)
    )


def everything(store: EmbeddedStore, given: Filter | None = None) -> list[StoredRecord]:
    """All records, oldest first."""
    with store.export(Question(given or All()), Budget()) as lists:
        return [record for records in lists for record in records]


def messages(store: EmbeddedStore, given: Filter | None = None) -> list[str]:
    """The messages of all records, sorted."""
    return sorted(stored.record.message for stored in everything(store, given))


def in_order_of_arrival(records: Iterable[StoredRecord]) -> Sequence[StoredRecord]:
    """By ingest sequence."""
    return sorted(records, key=lambda stored: stored.seq)


def doubled(values: Iterable[Any]) -> list[Any]:
    """What stands there more than once."""
    return [value for value, times in Counter(values).items() if times > 1]
