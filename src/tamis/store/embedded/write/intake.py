"""Appending: from a decoded batch to one that is safe and visible."""

from collections.abc import Callable, Sequence

from tamis.clock import Clock
from tamis.record.model import Columns
from tamis.store.base import Appended
from tamis.store.embedded.format.columns import encode_batch, table_bytes, to_table, with_seq
from tamis.store.embedded.live.catalog import Catalog
from tamis.store.embedded.live.hot import HotBatch
from tamis.store.embedded.write.admission import Admission
from tamis.store.embedded.write.batches import BatchIndex
from tamis.store.embedded.write.commit import Committer, Pending


class Intake:
    """Takes batches in. Thread-safe: tables are made and compressed on the callers' threads, side by side;
    only the journal is written by one at a time."""

    def __init__(
        self,
        committer: Committer,
        batches: BatchIndex,
        *,
        admission: Admission,
        clock: Clock,
        taken: Callable[[], None],
    ) -> None:
        self._committer, self._batches = committer, batches
        self._admission, self._clock, self._taken = admission, clock, taken

    def append(self, batch: Columns, *, batch_id: str | None, receipt: bytes) -> Appended:
        """As `store.base.Store.append`."""
        self._committer.require_open()
        if batch_id is None:
            pending = self._submit(batch, batch_id=None, receipt=receipt)
            return Appended(pending.first_seq, pending.count, receipt=receipt)
        earlier = self._batches.claim(batch_id)
        if earlier is not None:
            return earlier
        entry = None
        try:
            pending = self._submit(batch, batch_id=batch_id, receipt=receipt)
            entry = pending.header().entry()
        finally:
            self._batches.settle(batch_id, entry)
        return Appended(pending.first_seq, pending.count, receipt=receipt)

    def _submit(self, batch: Columns, *, batch_id: str | None, receipt: bytes) -> Pending:
        with self._admission.room_for(batch):
            received = self._clock.now_ns()
            table = to_table(batch, received_ns=received) if batch.length else None
            pending = Pending(
                table=table,
                records=None if table is None else encode_batch(table),
                count=batch.length,
                received=received,
                memory_bytes=0 if table is None else table_bytes(table),
                batch_id=batch_id,
                receipt=receipt,
            )
            self._committer.submit(pending)
        self._taken()
        return pending


def show_in(catalog: Catalog) -> Callable[[Sequence[Pending]], None]:
    """What the committer does with batches that are safe: readers see them from then on, a group at once."""

    def show(group: Sequence[Pending]) -> None:
        batches = [_hot_batch(pending) for pending in group]
        with catalog.lock:
            for batch in batches:
                catalog.hot.add(batch)

    return show


def _hot_batch(pending: Pending) -> HotBatch:
    table = None if pending.table is None else with_seq(pending.table, pending.first_seq)
    entry = pending.header().entry()
    return HotBatch(table, pending.last_seq, pending.received, pending.memory_bytes, entry)
