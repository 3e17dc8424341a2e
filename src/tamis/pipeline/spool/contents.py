"""What the files of one spool say: which records are in them, and which of those are settled."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tamis.disk.base import Disk
from tamis.disk.journal import Frame, Gap, read_journal
from tamis.errors import DiskError, FormatError
from tamis.pipeline.spool import frames
from tamis.pipeline.spool.place import part_names
from tamis.pipeline.spool.ranges import Ranges
from tamis.record.model import Record


@dataclass(slots=True)
class Part:
    """One file: the ordinals in it, those before `end`."""

    path: Path
    first: int
    end: int


@dataclass(slots=True)
class Contents:
    """The files of a spool, read through. `parts` are its files, in order; `next_ordinal` follows the last record."""

    parts: list[Part] = field(default_factory=list)

    settled: Ranges = field(default_factory=Ranges)
    marks: list[frames.Mark] = field(default_factory=list)
    begin: frames.Begin | None = None

    @property
    def next_ordinal(self) -> int:
        """The ordinal after the last."""
        return max((part.end for part in self.parts), default=0)

    @property
    def unsettled(self) -> int:
        """How many ordinals are not settled, damaged ones included."""
        return self.next_ordinal - self.settled.count(0, self.next_ordinal)


@dataclass(frozen=True, slots=True)
class Stored:
    """Records read back, with the ordinal of the first; the bytes they take."""

    first: int
    records: Sequence[Record]
    bytes: int


Damaged = Callable[[Path, Gap | Frame], object]
"""Is told of bytes between whole frames, and of whole frames that do not hold what they say."""


def read_contents(disk: Disk, folder: Path, *, damaged: Damaged = lambda _path, _item: None) -> Contents:
    """Read all files of a spool through, once, streaming; `damaged` is told what is not whole.

    DiskError when a file cannot be read now (too many open files, say), FormatError when it is a newer release's
    or nobody's: nothing is known of it then, so nothing may be removed.
    """
    found = Contents()
    for name in part_names(disk, folder):
        part = Part(folder / name, 0, 0)
        for item in read_journal(disk, part.path):
            if isinstance(item, Gap):
                damaged(part.path, item)
            else:
                _take_note(found, part, item)
        found.parts.append(part)
    # Files before the first one are gone because all in them was settled.
    found.settled.add(0, found.parts[0].first if found.parts else 0)
    return found


def read_stored(
    disk: Disk,
    part: Part,
    settled: Ranges,
    *,
    start: int = 0,
    damaged: Damaged = lambda _path, _item: None,
) -> Iterator[Stored]:
    """The unsettled records of a file from ordinal `start` on, in order, a frame at a time. DiskError when it
    cannot be read now; a file that is gone, or no journal any more, is one gap.
    """
    for item in _items_of(disk, part.path):
        if isinstance(item, Gap):
            damaged(part.path, item)
        elif item.kind in frames.RECORD_KINDS:
            try:
                yield from _stored(item, settled, start)
            except ValueError:
                damaged(part.path, item)


def _stored(frame: Frame, settled: Ranges, start: int) -> list[Stored]:
    place = frames.decode_place(frame)
    wanted = list(settled.missing(max(place.first, start), place.end))
    records = frames.decode_frame(frame) if wanted else []
    return [
        Stored(
            at,
            records[at - place.first : end - place.first],
            len(frame.payload) * (end - at) // place.count,
        )
        for at, end in wanted
    ]


def _items_of(disk: Disk, path: Path) -> Iterator[Frame | Gap]:
    try:
        yield from read_journal(disk, path)
    except FormatError as error:
        yield Gap(0, disk.size(path), str(error))
    except DiskError:
        if disk.exists(path):
            raise


def _take_note(found: Contents, part: Part, item: Frame) -> None:
    with suppress(ValueError):  # a frame that nobody understands is met again, and kept, when it is read
        if item.kind in frames.RECORD_KINDS:
            place = frames.decode_place(item)
            if part.end == 0:
                part.first = min(part.first or place.first, place.first)
            part.end = max(part.end, place.end)
        elif item.kind == frames.MARK:
            found.marks.append(frames.decode_mark(item.payload))
        elif item.kind == frames.SETTLED:
            for start, end in frames.decode_runs(item.payload):
                found.settled.add(start, end)
            found.marks = [mark for mark in found.marks if not _is_over(mark, found.settled)]
        elif item.kind == frames.BEGIN:
            begin = frames.decode_begin(item.payload)
            part.first = part.first or begin.first
            found.begin = found.begin or begin


def _is_over(mark: frames.Mark, settled: Ranges) -> bool:
    return all(settled.covers(start, end) for start, end in mark.runs)
