"""The embedded store as others see it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TypeVar

from tamis.errors import DiskError
from tamis.integrity.sources.base import Source
from tamis.query.ast import Limit, Sort, Stats
from tamis.query.table import ALL_ROWS, FirstRows
from tamis.record.model import Columns, StoredRecord
from tamis.store import base
from tamis.store.base import Appended, Budget, Order, Question, StoreHealth
from tamis.store.embedded.ask.context import context
from tamis.store.embedded.ask.count import count, histogram
from tamis.store.embedded.ask.facets import facets
from tamis.store.embedded.ask.field_list import fields
from tamis.store.embedded.ask.page import search
from tamis.store.embedded.ask.patterns import patterns
from tamis.store.embedded.ask.sorted import sorted_page
from tamis.store.embedded.ask.stats import stats as stats_of
from tamis.store.embedded.format.part import Snapshot
from tamis.store.embedded.health import health_of
from tamis.store.embedded.parts import StoreParts
from tamis.store.embedded.recovery.exporting import exported
from tamis.store.embedded.repair.report import Repaired

T = TypeVar("T")


class EmbeddedStore:
    """`store.base.Store` in a folder: journal, segments, manifest. Made by `create_store` and `open_store`.

    `seal_now`, `merge_now`, `expire_now`, `erase_now`, `scrub_now` do at once what happens in the background otherwise.
    """

    def __init__(self, parts: StoreParts) -> None:
        self.parts = parts
        self._catalog, self._engine = parts.shop.catalog, parts.shop.engine
        self._closed = False

    @property
    def store_id(self) -> str:
        """Part of every record's public id."""
        return self._catalog.manifest.store_id

    def append(self, batch: Columns, *, batch_id: str | None = None, receipt: bytes = b"") -> Appended:
        """Store a batch; return when it is as safe as `durability` promises."""
        return self.parts.intake.append(batch, batch_id=batch_id, receipt=receipt)

    def find_batch(self, batch_id: str) -> Appended | None:
        """What became of an earlier batch."""
        return self.parts.batches.find(batch_id)

    def _read(self, question: Question | None, answer: Callable[[Snapshot], T]) -> T:
        """Answer over a snapshot. A segment that turns out to be damaged is set aside, and the question is
        answered without it, with a warning."""

        def over_snapshot() -> T:
            with self._catalog.snapshot(question) as snapshot:
                return answer(snapshot)

        return self.parts.around.do(over_snapshot)

    def search(
        self,
        question: Question,
        budget: Budget,
        *,
        limit: int = 100,
        order: Order = "desc",
        cursor: str | None = None,
    ) -> base.Page:
        """A page of records."""

        def page(snapshot: Snapshot) -> base.Page:
            return search(snapshot, question, budget, self._engine, limit=limit, order=order, cursor=cursor)

        return self._read(question, page)

    def sorted(self, question: Question, budget: Budget, *, sort: Sort, limit: Limit) -> base.Page:
        """The first records by the values of fields."""
        return self._read(
            question, lambda s: sorted_page(s, question, budget, self._engine, sort=sort, limit=limit)
        )

    def count(self, question: Question, budget: Budget) -> base.Counted:
        """How many."""
        return self._read(question, lambda s: count(s, question, budget, self._engine))

    def histogram(
        self, question: Question, budget: Budget, *, interval_ns: int, by: str | None
    ) -> base.Histogram:
        """Counts over time."""
        return self._read(
            question, lambda s: histogram(s, question, budget, self._engine, interval_ns=interval_ns, by=by)
        )

    def facets(self, question: Question, budget: Budget, *, field: str, limit: int = 10) -> base.Facets:
        """The most frequent values of a field."""
        return self._read(
            question, lambda s: facets(s, question, budget, self._engine, field=field, limit=limit)
        )

    def fields(self, question: Question, budget: Budget) -> base.FieldList:
        """Which fields there are."""
        return self._read(question, lambda s: fields(s, question, budget, self._engine))

    def stats(
        self, question: Question, budget: Budget, *, stats: Stats, first: FirstRows = ALL_ROWS
    ) -> base.Table:
        """Aggregates by groups."""
        return self._read(
            question, lambda s: stats_of(s, question, budget, self._engine, stats=stats, first=first)
        )

    def patterns(self, question: Question, budget: Budget, *, limit: int | None = None) -> base.PatternList:
        """What sentences there are, and how often."""
        return self._read(question, lambda s: patterns(s, question, budget, self._engine, limit=limit))

    def context(self, seq: int, budget: Budget, *, before: int = 10, after: int = 10) -> base.Context:
        """What stands around a record in its service and host."""
        return self._read(None, lambda s: context(s, seq, budget, self._engine, before=before, after=after))

    @contextmanager
    def export(
        self, question: Question, budget: Budget, *, order: Order = "asc"
    ) -> Iterator[Iterator[list[StoredRecord]]]:
        """All records, in lists. Files stay while it lasts; a segment that turns out to be damaged on the way
        is set aside, and the export goes on without it."""
        parts = self.parts
        with (
            self._catalog.snapshot(question) as snapshot,
            closing(exported(parts.shop, parts.around, snapshot, question, budget, order=order)) as lists,
        ):
            yield lists

    def delete(self, question: Question, budget: Budget) -> base.Hidden:
        """Hide at once what is there now; erase it later, with everything derived from it."""
        base.refuse_after(question)
        self.parts.committer.require_open()
        return self.parts.around.do(lambda: self.parts.deleter.delete(question, budget))

    def health(self) -> StoreHealth:
        """How the store is."""
        return health_of(self.parts)

    def moment(self) -> tuple[int, ...]:
        """How often segments, deletions or losses changed since the start, and the newest sequence."""
        return self._catalog.moment

    def seal_now(self) -> int:
        """Make segments of everything hot; return how many."""
        return self.parts.upkeep.seal()

    def merge_now(self) -> int:
        """Merge small segments; return how many went into others."""
        return self.parts.upkeep.merge()

    def expire_now(self) -> int:
        """Drop segments whose time is over, or that do not fit the disk budget; return how many."""
        return self.parts.upkeep.expire()

    def erase_now(self) -> int:
        """Erase everything that was deleted; return how many segments that touched."""
        return self.parts.upkeep.erase()

    def scrub_now(self) -> None:
        """Compare every segment and tally with its digest; what is damaged is named in answers from then on."""
        self.parts.upkeep.scrub()

    def repair(self, sources: Sequence[Source] = (), *, accept_losses: bool = False) -> Repaired:
        """Look at every byte, mend what is damaged from other copies of the folder, name what stays lost."""
        return self.parts.repairer.repair(sources, accept_losses=accept_losses)

    def close(self) -> None:
        """Seal what is hot and let go of the folder. Idempotent."""
        if self._closed:
            return
        self._closed = True
        parts = self.parts
        try:
            parts.repairer.stop()
            parts.mending.stop()
            parts.upkeep.stop()
            parts.committer.stop("it was closed")
            self._seal_last()
        finally:
            parts.journals.close()
            self._engine.close()
            self._catalog.close()
            parts.lock.release()

    def _seal_last(self) -> None:
        """A seal that fails (the disk is full, say) is no error of closing: what is in the journal is safe."""
        try:
            self.parts.upkeep.seal()
            self._catalog.sweep()
        except DiskError:
            if self.parts.shop.options.durability == "memory":
                raise
