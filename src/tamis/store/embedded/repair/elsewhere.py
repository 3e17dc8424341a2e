"""Records as another copy of the store has them: in segments that were merged or sealed otherwise, or its journal."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from tamis.disk.scan import Frame, Scan
from tamis.errors import AbsentError, DamageError, DiskError, FormatError, SourceError
from tamis.integrity.mirrors import PIECE_BYTES_MAX, TRIES, Mirror
from tamis.resilience.retry import Wait, retry
from tamis.store.embedded.format.columns import concat, decode_batch, with_seq
from tamis.store.embedded.format.filters import filter_from_json
from tamis.store.embedded.format.found import read_table
from tamis.store.embedded.format.frames import KIND_BATCH, FrameHeader, decode_frame
from tamis.store.embedded.format.layout import SEGMENT_SUFFIX, Layout
from tamis.store.embedded.format.manifest import BatchEntry, Manifest, SegmentEntry
from tamis.store.embedded.format.manifest_file import decode_manifest
from tamis.store.embedded.format.part import Tombstone
from tamis.store.embedded.format.segment_files import digest

MANIFEST_BYTES_MAX = 1 << 28


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch in a journal there."""

    header: FrameHeader
    table: pa.Table | None


@dataclass(slots=True)
class OtherStore:
    """A mirror as a data folder of the same store. What it gives is unbelieved until it fits what is known here.

    Raises AbsentError when it is none, SourceError when it cannot be read now (after some tries).
    """

    mirror: Mirror
    layout: Layout
    wait: Wait
    manifest: Manifest = field(init=False)

    def __post_init__(self) -> None:
        self.manifest = self._manifest()

    @property
    def name(self) -> str:
        """What reports call it."""
        return self.mirror.source.name

    def deletions(self) -> tuple[Tombstone, ...]:
        """What was deleted there and may still be in its files."""
        return tuple(
            Tombstone(one.id, filter_from_json(one.filter), one.start_ns, one.end_ns, one.upto_seq)
            for one in self.manifest.tombstones
        )

    def rows(self, entry: SegmentEntry) -> pa.Table:
        """All rows of one of its segments. Raises DamageError."""
        path = f"segments/{entry.name}{SEGMENT_SUFFIX}"
        data = self._whole(path, entry.bytes)
        if entry.sha256 and digest(data) != entry.sha256:
            raise DamageError(f"{self.name}: {path}", "it is not what was written")
        try:
            return read_table(data)
        except (OSError, pa.ArrowException) as error:
            raise DamageError(f"{self.name}: {path}", str(error)) from error

    def journal(self, number: int) -> Iterator[Batch]:
        """The whole frames of one of its journal's files; none when it has no such file."""
        path = self.layout.journal(number)
        name = path.relative_to(self.layout.folder).as_posix()
        try:
            data = self._whole(name)
        except AbsentError:
            return
        for item in Scan(_Bytes(data), path):
            if isinstance(item, Frame) and item.kind == KIND_BATCH:
                header, records = decode_frame(item.payload)
                table = with_seq(decode_batch(records), header.first_seq) if header.count else None
                yield Batch(header, table)

    def _manifest(self) -> Manifest:
        found = None
        for path in (self.layout.manifest, self.layout.manifest_copy):
            try:
                found = decode_manifest(path, self._whole(path.name))
                break
            except (AbsentError, DamageError, FormatError):
                continue
        if found is None:
            raise AbsentError(
                self.name, self.layout.manifest.name, "it is no data folder of this release's format"
            )
        return found

    def _whole(self, path: str, size: int | None = None) -> bytes:
        def read() -> bytes:
            length = self.mirror.source.size(path) if size is None else size
            if size is None and length > MANIFEST_BYTES_MAX:
                raise AbsentError(self.name, path, f"its {length:,} bytes are too many")
            starts = range(0, length, PIECE_BYTES_MAX)
            return b"".join(
                self.mirror.read(path, start=start, length=min(PIECE_BYTES_MAX, length - start))
                for start in starts
            )

        return retry(read, TRIES, retryable=_may_answer, wait=self.wait)


def _may_answer(error: Exception) -> bool:
    return isinstance(error, SourceError) and not isinstance(error, AbsentError)


@dataclass(frozen=True, slots=True)
class _Bytes:
    """Bytes as a file."""

    data: bytes

    @property
    def size(self) -> int:
        return len(self.data)

    def read_at(self, position: int, length: int) -> bytes:
        return self.data[position : position + length]

    def close(self) -> None:
        pass


def rows_between(
    other: OtherStore, low: int, high: int, *, day: str = "", retention: str | None = None
) -> tuple[pa.Table | None, list[BatchEntry]]:
    """The rows there whose sequence is from `low` to `high`, each once, without what is deleted there by a segment's
    own account; with the batch ids of journal frames among them. `day` and `retention` leave out other segments."""
    tables: list[pa.Table] = []
    batches: list[BatchEntry] = []
    for entry in other.manifest.segments:
        facts = entry.facts
        is_other = (day and not entry.name.startswith(f"{day}/")) or retention not in (None, entry.retention)
        if not is_other and facts.min_seq <= high and low <= facts.max_seq:
            try:
                tables.append(other.rows(entry))
            except DamageError:
                continue
    for number in other.manifest.journals or ():
        for batch in other.journal(number):
            last = batch.header.first_seq + batch.header.count - 1
            if batch.table is not None and batch.header.first_seq <= high and low <= last:
                tables.append(batch.table)
                entry_of = batch.header.entry()
                batches += [entry_of] if entry_of is not None else []
    return _between(tables, low, high), batches


def _between(tables: Sequence[pa.Table], low: int, high: int) -> pa.Table | None:
    cut = [
        table.filter(pc.and_(pc.greater_equal(table["seq"], low), pc.less_equal(table["seq"], high)))
        for table in tables
    ]
    cut = [table for table in cut if table.num_rows]
    if not cut:
        return None
    return first_of_each(concat(cut))


def first_of_each(table: pa.Table) -> pa.Table:
    """The rows of a table, of those with one sequence the first."""
    seqs = table["seq"].to_pylist()
    places = {seq: place for place, seq in zip(range(len(seqs) - 1, -1, -1), reversed(seqs), strict=True)}
    if len(places) == table.num_rows:
        return table
    return table.take(pa.array(sorted(places.values())))


def stores_of(
    mirrors: Sequence[Mirror], layout: Layout, *, store_id: str, wait: Wait, problems: list[str]
) -> list[OtherStore]:
    """The mirrors that are folders of this store; what is wrong with others goes into `problems`."""
    found = []
    for mirror in mirrors:
        try:
            other = OtherStore(mirror, layout, wait)
        except (SourceError, DiskError) as error:
            problems.append(str(error))
            continue
        if store_id and other.manifest.store_id != store_id:
            problems.append(f"{other.name} is of another store ({other.manifest.store_id}, not {store_id})")
        else:
            found.append(other)
    return found
