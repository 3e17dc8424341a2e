"""The journal read at start: batches that are in no segment yet."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from tamis.disk.base import Disk
from tamis.disk.frame import FIRST_BYTES, HEADER_BYTES, decode_header
from tamis.disk.journal import TORN_TAIL, Frame, Gap, read_journal
from tamis.errors import DiskError, FormatError
from tamis.store.embedded.format.columns import decode_batch, table_bytes, with_seq
from tamis.store.embedded.format.frames import KIND_BATCH, FrameHeader, decode_frame
from tamis.store.embedded.format.layout import Layout, journal_number
from tamis.store.embedded.format.manifest import Loss, Manifest
from tamis.store.embedded.live.hot import HotBatch
from tamis.store.embedded.write.journals import JournalFile


@dataclass(slots=True)
class Replay:
    """What the journal held beyond the segments, in order of arrival."""

    batches: list[HotBatch] = field(default_factory=list)
    files: list[JournalFile] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    live: tuple[int, ...] = ()
    """The numbers of the files that hold something which is in no segment."""
    next_file: int = 1
    last_seq: int = 0


@dataclass(frozen=True, slots=True)
class _Found:
    """A batch, its first sequence, and the number of its file."""

    batch: HotBatch
    first_seq: int
    number: int


def replay(disk: Disk, layout: Layout, manifest: Manifest, *, now_ns: int) -> Replay:
    """Read every file of the journal. Raises FormatError for one of a newer release.

    Records are lost where the sequence jumps, and where a file at the end is gone: damage that hit only what
    segments hold, or a frame that stands there twice, loses nothing and is only noted.
    """
    result = Replay(last_seq=manifest.sealed_through)
    found: dict[tuple[int, int, str], _Found] = {}
    gone = lost_journals(disk, layout, manifest)
    result.notes.extend(f"journal/{layout.journal(number).name}: {why}" for number, why in gone.items())
    result.next_file = max((*gone, *(manifest.journals or ())), default=0) + 1
    for number in journal_numbers(disk, layout):
        result.next_file = max(result.next_file, number + 1)
        path = layout.journal(number)
        if not _make_safe(disk, path, result):
            continue
        result.files.append(JournalFile(number, disk.size(path)))
        for header, batch in _batches(disk, path, result.notes, sealed_through=manifest.sealed_through):
            key = (header.first_seq, header.count, header.id or "")
            found.setdefault(key, _Found(batch, header.first_seq, number))
    result.live = tuple(sorted({one.number for one in found.values()}))
    _in_order(found, layout, result, now_ns=now_ns)
    _miss(gone, found, layout, result, now_ns=now_ns)
    return result


def lost_journals(disk: Disk, layout: Layout, manifest: Manifest) -> dict[int, str]:
    """The live files of the journal of which nothing is left, each with what is wrong with it."""
    there = journal_numbers(disk, layout)
    live = frozenset(there) if manifest.journals is None else frozenset(manifest.journals)
    gone = dict.fromkeys(sorted(live - frozenset(there)), "is missing")
    for number in there:
        path = layout.journal(number)
        with contextlib.suppress(DiskError, FormatError):  # told when the file is read
            if number in live and disk.size(path) < FIRST_BYTES:
                gone[number] = "is empty"
            elif number in live and is_unrecognisable(disk, path):
                gone[number] = "is no journal any more"
    return dict(sorted(gone.items()))


def _miss(
    gone: Mapping[int, str],
    found: Mapping[tuple[int, int, str], _Found],
    layout: Layout,
    result: Replay,
    *,
    now_ns: int,
) -> None:
    """Files behind which nothing stands: nobody knows what was in them. Before others the sequence tells."""
    last = max((one.number for one in found.values()), default=0)
    for number, why in gone.items():
        if number > last:
            result.losses.append(
                Loss(
                    path=f"journal/{layout.journal(number).name}",
                    reason=why,
                    found=now_ns,
                    min_seq=result.last_seq + 1,
                )
            )


def journal_numbers(disk: Disk, layout: Layout) -> list[int]:
    """The numbers of the journal's files, in their order."""
    numbers = (journal_number(name) for name in disk.names(layout.journals))
    return sorted(number for number in numbers if number is not None)


def _make_safe(disk: Disk, path: Path, result: Replay) -> bool:
    """What a killed process wrote but did not sync is about to be shown: it must not vanish later.
    False when the file cannot be used at all; then it is left alone."""
    try:
        if is_unrecognisable(disk, path):
            result.notes.append(f"journal/{path.name}: left alone, it is no journal")
            return False
        with contextlib.closing(disk.open_append(path)) as file:
            file.sync()
    except DiskError as error:
        result.notes.append(str(error))
        return False
    return True


def is_unrecognisable(disk: Disk, path: Path) -> bool:
    """Whether nothing of a journal is left in a file. Raises FormatError for one of a newer format."""
    try:
        for item in read_journal(disk, path):
            return isinstance(item, Gap) and item.reason == TORN_TAIL and item.position == 0
    except FormatError:
        with contextlib.closing(disk.open_read(path)) as file:
            if decode_header(file.read_at(0, HEADER_BYTES)) is not None:
                raise
        return True
    return False


def _batches(
    disk: Disk, path: Path, notes: list[str], *, sealed_through: int
) -> Iterator[tuple[FrameHeader, HotBatch]]:
    for item in read_journal(disk, path):
        if isinstance(item, Gap):
            notes.append(describe_gap(path, item))
            continue
        try:
            header, records = decode_frame(item.payload) if item.kind == KIND_BATCH else _unknown(item)
            if header.first_seq + header.count - 1 <= sealed_through and header.first_seq <= sealed_through:
                continue
            yield header, _hot_batch(header, records)
        except (FormatError, pa.ArrowException) as error:
            notes.append(f"journal/{path.name}: the frame at {item.position:,} cannot be read: {error}")


def _unknown(frame: Frame) -> tuple[FrameHeader, memoryview]:
    raise FormatError(f"kind {frame.kind} is not known to this release")


def _hot_batch(header: FrameHeader, records: memoryview) -> HotBatch:
    table = with_seq(decode_batch(records), header.first_seq) if header.count else None
    if table is not None and table.num_rows != header.count:
        raise FormatError(f"{table.num_rows} records where {header.count} should be")
    size = table_bytes(table) if table is not None else 0
    return HotBatch(table, header.first_seq + header.count - 1, header.received, size, header.entry())


def describe_gap(path: Path, gap: Gap) -> str:
    """A sentence for people."""
    if gap.reason == TORN_TAIL:
        return (
            f"journal/{path.name}: the last {gap.length:,} bytes are no whole frame: a write that a crash "
            "cut short (it was not acknowledged), or damage"
        )
    return f"journal/{path.name}: {gap.length:,} bytes at {gap.position:,}: {gap.reason}"


def _in_order(
    found: Mapping[tuple[int, int, str], _Found], layout: Layout, result: Replay, *, now_ns: int
) -> None:
    """Sort by sequence; where it jumps, records are lost."""
    for key in sorted(found):
        batch, first_seq = found[key].batch, found[key].first_seq
        file = layout.journal(found[key].number).name
        expected = result.last_seq + 1
        if first_seq < expected and batch.table is not None:
            result.notes.append(f"journal/{file}: records from {first_seq} on stand there twice")
            continue
        if first_seq > expected:
            result.losses.append(_loss(expected, first_seq - 1, file, result.notes, now_ns=now_ns))
        result.batches.append(batch)
        result.last_seq = max(result.last_seq, batch.last_seq)


def _loss(first: int, last: int, file: str, notes: Sequence[str], *, now_ns: int) -> Loss:
    damaged = [note.partition(":")[0] for note in notes if note.startswith("journal/")]
    return Loss(
        path=damaged[0] if damaged else f"journal/{file}",
        reason=f"damaged; the records {first} to {last} are lost",
        found=now_ns,
        records=last - first + 1,
        min_seq=first,
        max_seq=last,
    )
