"""The reference: a list of records and `query.match`. Every other store gives the same answers."""

import threading
from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from secrets import token_hex
from typing import Any

from tamis.clock import NS_PER_S, SYSTEM_CLOCK, Clock
from tamis.errors import JournalClosedError
from tamis.query.aggregate import frequent_values, histogram, place, stats_columns, stats_rows
from tamis.query.ast import Limit, Sort, Stats
from tamis.query.fields import query_name, value_of
from tamis.query.match import compile_match, message_shape_id
from tamis.query.resolve import narrow
from tamis.query.table import ALL_ROWS, FirstRows, first_rows
from tamis.query.values import order_key
from tamis.record.model import CORE_TEXT, Columns, Record, StoredRecord
from tamis.record.shape import shape
from tamis.store.base import (
    Appended,
    Budget,
    Context,
    Counted,
    Facets,
    FieldFacts,
    FieldList,
    Hidden,
    Histogram,
    Order,
    Page,
    PatternFacts,
    PatternList,
    Question,
    StoreHealth,
    Table,
    refuse_after,
)
from tamis.store.cursor import Cursor, decode_cursor, encode_cursor

BATCHES_MAX = 1_000_000
BATCH_AGE_NS = 24 * 3_600 * NS_PER_S
EXPORT_RECORDS = 2_000
_CHECK_EVERY = 256


class MemoryStore:
    """A store that keeps nothing beyond its life. Thread-safe; slow on purpose where that is simpler."""

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._store_id = token_hex(4)
        self._lock = threading.RLock()
        self._records: list[StoredRecord] = []
        self._last_seq = self._deletions = 0
        self._batches: OrderedDict[str, tuple[int, Appended]] = OrderedDict()
        self._closed = False

    @property
    def store_id(self) -> str:
        """Eight hexadecimal digits of this store."""
        return self._store_id

    def append(self, batch: Columns, *, batch_id: str | None = None, receipt: bytes = b"") -> Appended:
        """Store a batch, unless one of this id was stored before."""
        with self._lock:
            if self._closed:
                raise JournalClosedError("the store takes nothing more: it was closed")
            earlier = None if batch_id is None else self.find_batch(batch_id)
            if earlier is not None:
                return replace(earlier, duplicate=True)
            now_ns = self._clock.now_ns()
            first_seq = self._last_seq + 1
            records = list(batch.records(now_ns))
            self._records.extend(
                StoredRecord(seq=seq, received=now_ns, record=record)
                for seq, record in enumerate(records, first_seq)
            )
            self._last_seq += len(records)
            done = Appended(first_seq, len(records), receipt=receipt)
            if batch_id is not None:
                self._batches[batch_id] = (now_ns, done)
            return done

    def find_batch(self, batch_id: str) -> Appended | None:
        """What became of an earlier batch."""
        with self._lock:
            oldest = self._clock.now_ns() - BATCH_AGE_NS
            while self._batches and (
                len(self._batches) > BATCHES_MAX or next(iter(self._batches.values()))[0] < oldest
            ):
                self._batches.popitem(last=False)
            found = self._batches.get(batch_id)
            return None if found is None else found[1]

    def _found(self, question: Question, budget: Budget) -> tuple[int, list[StoredRecord]]:
        """What the question saw up to, and the records it means, oldest first."""
        budget.remaining_s()
        matches = compile_match(question.filter)
        with self._lock:
            records = list(self._records)
            as_of = self._last_seq if question.as_of is None else min(question.as_of, self._last_seq)
        start, end, after = question.start_ns, question.end_ns, question.after_seq or 0
        found: list[StoredRecord] = []
        for number, stored in enumerate(records):
            if number % _CHECK_EVERY == 0:
                budget.remaining_s()
            stamp = stored.record.timestamp
            in_time = (start is None or start <= stamp) and (end is None or stamp < end)
            if after < stored.seq <= as_of and in_time and matches(stored):
                found.append(stored)
        return as_of, sorted(found, key=place)

    def search(
        self,
        question: Question,
        budget: Budget,
        *,
        limit: int = 100,
        order: Order = "desc",
        cursor: str | None = None,
    ) -> Page:
        """A page of records."""
        after = None if cursor is None else decode_cursor(cursor, question, order)
        as_of, found = self._found(
            question if after is None else replace(question, as_of=after.as_of), budget
        )
        if order == "desc":
            found.reverse()
        if after is not None:
            last = (after.timestamp, after.seq)
            found = [one for one in found if (place(one) < last if order == "desc" else place(one) > last)]
        page = tuple(found[:limit])
        following = None
        if page and len(found) > limit:
            end = page[-1]
            following = encode_cursor(Cursor(as_of, end.record.timestamp, end.seq), question, order)
        return Page(as_of=as_of, records=page, next_cursor=following)

    def sorted(self, question: Question, budget: Budget, *, sort: Sort, limit: Limit) -> Page:
        """The first records by the values of fields; missing last, then newest first."""
        as_of, found = self._found(question, budget)
        found.reverse()
        for key in reversed(sort.keys):
            found = _sorted_by(found, key.name, descending=key.descending)
        return Page(as_of=as_of, records=tuple(found[: limit.count]))

    def count(self, question: Question, budget: Budget) -> Counted:
        """How many."""
        as_of, found = self._found(question, budget)
        return Counted(as_of=as_of, count=len(found))

    def histogram(self, question: Question, budget: Budget, *, interval_ns: int, by: str | None) -> Histogram:
        """Counts over time."""
        as_of, found = self._found(question, budget)
        buckets = histogram(found, interval_ns=interval_ns, by=by)
        return Histogram(as_of=as_of, interval_ns=interval_ns, buckets=buckets)

    def facets(self, question: Question, budget: Budget, *, field: str, limit: int = 10) -> Facets:
        """The most frequent values of a field."""
        as_of, found = self._found(question, budget)
        values, missing = frequent_values(found, field)
        other = sum(count for _, count in values[limit:])
        return Facets(as_of=as_of, field=field, values=tuple(values[:limit]), other=other, missing=missing)

    def fields(self, question: Question, budget: Budget) -> FieldList:
        """Which fields there are. `timestamp` and `received`, which every record has, are not listed."""
        as_of, found = self._found(question, budget)
        return FieldList(as_of=as_of, fields=_field_facts(found))

    def stats(
        self, question: Question, budget: Budget, *, stats: Stats, first: FirstRows = ALL_ROWS
    ) -> Table:
        """Aggregates by groups."""
        as_of, found = self._found(question, budget)
        start, end = narrow(question.filter, (question.start_ns, question.end_ns))
        rows, total = first_rows(stats_rows(found, stats, start_ns=start, end_ns=end), stats, first)
        return Table(as_of=as_of, columns=stats_columns(stats), rows=tuple(rows), total=total)

    def patterns(self, question: Question, budget: Budget, *, limit: int | None = None) -> PatternList:
        """The shapes of the records, most frequent first."""
        as_of, found = self._found(question, budget)
        by_shape: dict[int, list[StoredRecord]] = {}
        for stored in found:
            by_shape.setdefault(message_shape_id(stored.record.message), []).append(stored)
        facts = [_pattern_facts(number, members) for number, members in by_shape.items()]
        facts.sort(key=lambda one: (-one.count, one.template))
        shown = facts if limit is None else facts[:limit]
        unmatched = len(found) - sum(one.count for one in shown)
        return PatternList(as_of=as_of, patterns=tuple(shown), unmatched=unmatched)

    def context(self, seq: int, budget: Budget, *, before: int = 10, after: int = 10) -> Context:
        """A record with its neighbours in its service and host."""
        budget.remaining_s()
        with self._lock:
            as_of, records = self._last_seq, sorted(self._records, key=place)
        found = next((stored for stored in records if stored.seq == seq), None)
        if found is None:
            return Context(as_of=as_of)
        near = [stored for stored in records if _origin(stored.record) == _origin(found.record)]
        at = near.index(found)
        return Context(
            as_of=as_of,
            record=found,
            before=tuple(near[max(at - before, 0) : at]),
            after=tuple(near[at + 1 : at + 1 + after]),
        )

    def export(
        self, question: Question, budget: Budget, *, order: Order = "asc"
    ) -> AbstractContextManager[Iterator[list[StoredRecord]]]:
        """All records as they stand now, in lists."""
        _, found = self._found(question, budget)
        if order == "desc":
            found.reverse()
        return nullcontext(found[at : at + EXPORT_RECORDS] for at in range(0, len(found), EXPORT_RECORDS))

    def delete(self, question: Question, budget: Budget) -> Hidden:
        """Take the records away."""
        refuse_after(question)
        with self._lock:
            as_of, found = self._found(question, budget)
            gone = {stored.seq for stored in found}
            self._records = [stored for stored in self._records if stored.seq not in gone]
            self._deletions += 1
            return Hidden(as_of=as_of, hidden=len(gone))

    def health(self) -> StoreHealth:
        """How the store is."""
        with self._lock:
            return StoreHealth("closed" if self._closed else "ready", records=len(self._records))

    def moment(self) -> tuple[int, ...]:
        """Deletions so far, and the newest sequence."""
        return self._deletions, self._last_seq

    def close(self) -> None:
        """Take nothing more."""
        with self._lock:
            self._closed = True


def _sorted_by(records: list[StoredRecord], field: str, *, descending: bool) -> list[StoredRecord]:
    present = [stored for stored in records if value_of(stored, field) is not None]
    missing = [stored for stored in records if value_of(stored, field) is None]
    present.sort(key=lambda stored: order_key(value_of(stored, field)), reverse=descending)
    return present + missing


def _origin(record: Record) -> tuple[str | None, str | None]:
    return record.service, record.host


def _pattern_facts(number: int, members: list[StoredRecord]) -> PatternFacts:
    """Facts of one shape; `members` are its records, oldest first."""
    newest = members[-1].record
    return PatternFacts(
        shape_id=number,
        template=shape(newest.message),
        count=len(members),
        first_seen=members[0].record.timestamp,
        last_seen=newest.timestamp,
        levels=dict(Counter(stored.record.level or "" for stored in members)),
        services=dict(Counter(stored.record.service or "" for stored in members)),
        example=newest.message,
    )


def _field_facts(records: list[StoredRecord]) -> tuple[FieldFacts, ...]:
    counts: Counter[str] = Counter()
    types: dict[str, Counter[str]] = {}
    for stored in records:
        found = {name: "text" for name in CORE_TEXT if getattr(stored.record, name) is not None}
        leaves = {*found.items(), *_leaves(stored.record.attributes, ())}
        counts.update({name for name, _ in leaves})
        for name, kind in leaves:
            types.setdefault(name, Counter())[kind] += 1
    return tuple(FieldFacts(name, counts[name], dict(sorted(types[name].items()))) for name in sorted(counts))


def _leaves(value: dict[str, Any], path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """(name, type) of every attribute that is no object with something in it."""
    for name, inner in value.items():
        if isinstance(inner, dict) and inner:
            yield from _leaves(inner, (*path, name))
        elif inner is not None:
            yield query_name((*path, name)), _type_name(inner)


_TYPES: dict[type, str] = {str: "text", bool: "bool", int: "int", float: "float"}


def _type_name(value: Any) -> str:
    return _TYPES.get(type(value), "json")
