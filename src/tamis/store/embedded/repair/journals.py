"""Journal files of which nothing is left, and nobody knows what was in them: what another copy has comes in again."""

from collections.abc import Sequence

import msgspec
import pyarrow as pa

from tamis.errors import FormatError, SourceError
from tamis.store.embedded.format.columns import encode_batch, table_bytes
from tamis.store.embedded.format.layout import journal_number
from tamis.store.embedded.format.manifest import Loss, Manifest
from tamis.store.embedded.live.catalog import Catalog
from tamis.store.embedded.repair.elsewhere import Batch, OtherStore
from tamis.store.embedded.repair.report import Mended
from tamis.store.embedded.write.batches import BatchIndex
from tamis.store.embedded.write.commit import Committer, Pending


class JournalRescuer:
    """Appends the batches of a lost journal file that another store's copy of it holds. Used by one thread at a time.

    They keep their ids and their times of receipt; their sequences too, when nothing was stored since. The loss stays,
    because the copy may be older than the file was; it says how many came back, and none comes back twice.
    """

    def __init__(self, catalog: Catalog, committer: Committer, batches: BatchIndex) -> None:
        self._catalog, self._committer, self._batches = catalog, committer, batches
        self.problems: list[str] = []

    def rescue(self, loss: Loss, others: Sequence[OtherStore]) -> Mended | None:
        """Append what is there of a lost file; None when nobody has any of it."""
        number = journal_number(loss.path.rpartition("/")[2])
        if number is None or loss.min_seq is None or loss.records is not None:
            return None
        for other in others:
            try:
                found = [one for one in other.journal(number) if one.header.first_seq >= loss.min_seq]
            except (SourceError, FormatError, pa.ArrowException) as error:
                self.problems.append(f"{other.name}: {error}")
                continue
            if found:
                return self._append_all(loss, found, other.name)
        return None

    def _append_all(self, loss: Loss, found: Sequence[Batch], origin: str) -> Mended:
        records = sum(self._append(one) for one in found)
        last = max(one.header.first_seq + one.header.count for one in found)
        said = f"{records:,} of its records came back from {origin}, perhaps not all"

        def change(manifest: Manifest) -> Manifest:
            rest = msgspec.structs.replace(loss, min_seq=last, reason=f"{loss.reason}; {said}")
            losses = tuple(rest if one == loss else one for one in manifest.losses)
            return msgspec.structs.replace(manifest, losses=losses)

        self._catalog.publish(change)
        return Mended(loss.path, said, records)

    def _append(self, batch: Batch) -> int:
        """How many records that stored: none when the batch is known."""
        header = batch.header
        batch_id = header.id or f"repaired-{header.first_seq}-{header.received}"
        if self._batches.claim(batch_id) is not None:
            return 0
        entry = None
        try:
            table = None if batch.table is None else batch.table.drop_columns(["seq"])
            pending = Pending(
                table=table,
                records=None if table is None else encode_batch(table),
                count=header.count,
                received=header.received,
                memory_bytes=0 if table is None else table_bytes(table),
                batch_id=batch_id,
                receipt=header.receipt,
            )
            self._committer.submit(pending)
            entry = pending.header().entry()
        finally:
            self._batches.settle(batch_id, entry)
        return header.count
