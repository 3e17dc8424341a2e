"""The contract of every store. `tests/contracts/test_store.py` and `test_store_counts.py` hold members to it."""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.errors import QueryCancelledError, QueryTimeoutError
from tamis.query.ast import Filter, Limit, Sort, Stats
from tamis.query.table import ALL_ROWS, FirstRows
from tamis.record.model import Columns, StoredRecord

Order = Literal["desc", "asc"]


@dataclass(frozen=True, slots=True)
class Question:
    """Which records are meant. `filter` holds no Time and no Pattern (`query.resolve` rewrote them).

    `start_ns` <= timestamp < `end_ns`, None is open. `as_of` is an ingest sequence: only records up to it are
    seen, so the same question repeats its answer while records arrive; None is now. `after_seq` is one too: only
    records beyond it are meant, so that who asks again and again sees what came since. `delete` takes none.
    """

    filter: Filter
    start_ns: int | None = None
    end_ns: int | None = None
    as_of: int | None = None
    after_seq: int | None = None


def refuse_after(question: Question) -> None:
    """Raise ValueError when a deletion would leave out what came before a sequence: stores keep no such deletion."""
    if question.after_seq is not None:
        raise ValueError("a deletion has no after_seq")


LOST = "cannot be read"
"""How each warning ends that tells of records which damage took from an answer."""


class Budget:
    """How long a question may take, and the way to call it off; shared by whoever asks and whoever answers.

    `timeout_s` counts from construction. `cancel()` may be called from any thread.
    """

    def __init__(self, timeout_s: float = 30.0, clock: Clock = SYSTEM_CLOCK) -> None:
        self.timeout_s = timeout_s
        self.cancelled = threading.Event()
        self._clock = clock
        self._deadline_s = clock.monotonic_s() + timeout_s

    def remaining_s(self) -> float:
        """Seconds left; raises QueryTimeoutError or QueryCancelledError when there is nothing left to do."""
        if self.cancelled.is_set():
            raise QueryCancelledError("the query was called off")
        remaining = self._deadline_s - self._clock.monotonic_s()
        if remaining <= 0:
            raise QueryTimeoutError(
                f"the query ran longer than {self.timeout_s:g} s; narrow its time range or filter"
            )
        return remaining

    def cancel(self) -> None:
        """The answer is no longer wanted: the running question ends soon with QueryCancelledError."""
        self.cancelled.set()


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of a batch. `first_seq` is the sequence of its first record, the others follow without a gap.

    `duplicate`: a batch of this id was stored before; nothing was stored now, and `receipt` is the earlier one.
    """

    first_seq: int
    count: int
    duplicate: bool = False
    receipt: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """What every read carries: the sequence it saw up to, and what the reader should know
    (a damaged segment, a limit met)."""

    as_of: int
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Page(Answer):
    """Records in order of (timestamp, seq), descending or ascending. `next_cursor` None: nothing follows."""

    records: tuple[StoredRecord, ...] = ()
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Counted(Answer):
    """How many records."""

    count: int = 0


@dataclass(frozen=True, slots=True)
class Histogram(Answer):
    """Counts by start of interval (UTC ns, aligned to 1970; ascending, intervals without records left out)
    and by value of the asked field ("" when the record lacks it, or when no field was asked)."""

    interval_ns: int = 0
    buckets: tuple[tuple[int, dict[str, int]], ...] = ()


@dataclass(frozen=True, slots=True)
class Facets(Answer):
    """The most frequent values of a field, most frequent first, equal counts by value (as `query.values.order_key`).

    `other` counts records with further values, `missing` those without the field. A record whose field is a
    list counts once under the list as a whole.
    """

    field: str = ""
    values: tuple[tuple[Any, int], ...] = ()
    other: int = 0
    missing: int = 0


@dataclass(frozen=True, slots=True)
class FieldFacts:
    """One field: in how many records, with which types (``text``, ``int``, ``float``, ``bool``, ``json``)."""

    name: str
    count: int
    types: dict[str, int]


@dataclass(frozen=True, slots=True)
class FieldList(Answer):
    """The fields of the records asked for, by name. Attributes have the name that a query would use."""

    fields: tuple[FieldFacts, ...] = ()


@dataclass(frozen=True, slots=True)
class Table(Answer):
    """Rows of `stats`, the first of `total`. Values are text, numbers, booleans or None; bins are UTC ns."""

    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Any, ...], ...] = ()
    total: int = 0


@dataclass(frozen=True, slots=True)
class PatternFacts:
    """One pattern of the records asked for. Times are UTC ns; `levels` and `services` count ("" is absent);
    `example` is the message of one of the records, a new one where that costs nothing."""

    shape_id: int
    template: str
    count: int
    first_seen: int
    last_seen: int
    levels: dict[str, int]
    services: dict[str, int]
    example: str


@dataclass(frozen=True, slots=True)
class PatternList(Answer):
    """Patterns, most frequent first, equal counts by template; `unmatched` counts what a `limit` left out, so that
    the sum of all counts and `unmatched` is the count of the question."""

    patterns: tuple[PatternFacts, ...] = ()
    unmatched: int = 0


@dataclass(frozen=True, slots=True)
class Context(Answer):
    """A record with its neighbours in its service and host, ascending. `record` None: not there (any more)."""

    record: StoredRecord | None = None
    before: tuple[StoredRecord, ...] = ()
    after: tuple[StoredRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class Hidden(Answer):
    """How many records a deletion hid."""

    hidden: int = 0


@dataclass(frozen=True, slots=True)
class StoreHealth:
    """How the store is. `state`: ``ready``, ``degraded`` (works, with losses named in `problems`),
    ``closed`` (takes nothing more)."""

    state: Literal["ready", "degraded", "closed"]
    problems: tuple[str, ...] = ()
    records: int = 0
    bytes_on_disk: int = 0
    facts: dict[str, Any] = field(default_factory=dict)


class Store(Protocol):
    """Records in, answers out. Thread-safe; every method may block (servers call it from worker threads).

    Order is always (timestamp, seq). What `append` returned for is seen by the next read. Reads raise
    QueryTimeoutError, QueryCancelledError, QueryTooLargeError; writes OverloadedError, JournalClosedError,
    NoSpaceError. A batch is stored whole or not at all.
    """

    @property
    def store_id(self) -> str:
        """Eight hexadecimal digits, made with the store and kept for ever; part of every record's public id."""
        ...

    def append(self, batch: Columns, *, batch_id: str | None = None, receipt: bytes = b"") -> Appended:
        """Store a batch; return when it is as safe as `durability` promises.

        `batch_id` makes it idempotent: a second append under it stores nothing and returns the first one's
        receipt; one that comes while the first is under way waits for it. Remembered for 24 h or 1,000,000
        batches. `receipt` is kept beside the id: whatever the caller wants back on a repeat.
        """
        ...

    def find_batch(self, batch_id: str) -> Appended | None:
        """What became of an earlier batch (waiting for one that is under way), or None."""
        ...

    def search(
        self,
        question: Question,
        budget: Budget,
        *,
        limit: int = 100,
        order: Order = "desc",
        cursor: str | None = None,
    ) -> Page:
        """A page of records. A cursor carries its `as_of`; it goes with the same question and order."""
        ...

    def sorted(self, question: Question, budget: Budget, *, sort: Sort, limit: Limit) -> Page:
        """The first records by the values of fields (`query.values.order_key`; missing last), then newest first."""
        ...

    def count(self, question: Question, budget: Budget) -> Counted:
        """How many."""
        ...

    def histogram(self, question: Question, budget: Budget, *, interval_ns: int, by: str | None) -> Histogram:
        """Counts over time, by the text of a field's value."""
        ...

    def facets(self, question: Question, budget: Budget, *, field: str, limit: int = 10) -> Facets:
        """The most frequent values of a field."""
        ...

    def fields(self, question: Question, budget: Budget) -> FieldList:
        """Which fields there are."""
        ...

    def stats(
        self, question: Question, budget: Budget, *, stats: Stats, first: FirstRows = ALL_ROWS
    ) -> Table:
        """Aggregates by groups; rows ascending by their groups (`query.values.order_key`, missing first), or the
        `first` of them in the order that it says."""
        ...

    def patterns(self, question: Question, budget: Budget, *, limit: int | None = None) -> PatternList:
        """What sentences there are, and how often."""
        ...

    def context(self, seq: int, budget: Budget, *, before: int = 10, after: int = 10) -> Context:
        """What stands around a record in its service and host."""
        ...

    def export(
        self, question: Question, budget: Budget, *, order: Order = "asc"
    ) -> AbstractContextManager[Iterator[list[StoredRecord]]]:
        """All records, in lists of some thousand, with constant memory."""
        ...

    def delete(self, question: Question, budget: Budget) -> Hidden:
        """Hide at once what is there now; erase it within 24 h, with everything derived from it."""
        ...

    def health(self) -> StoreHealth:
        """How the store is, without waiting for anything."""
        ...

    def moment(self) -> tuple[int, ...]:
        """What a read would see now, as numbers: two reads of one question between equal moments have one answer.
        The last is the ingest sequence of the newest record. Costs nothing; never waits."""
        ...

    def close(self) -> None:
        """Make everything safe and let go of the folder. Idempotent."""
        ...
