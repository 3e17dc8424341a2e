"""Looking whether a store's folder is whole. Changes nothing; works beside a running store."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tamis.disk.base import Disk
from tamis.disk.journal import TORN_TAIL, Gap, read_journal
from tamis.disk.real import RealDisk
from tamis.errors import DamageError, DiskError, FormatError
from tamis.store.embedded.format.frames import FrameHeader, decode_frame
from tamis.store.embedded.format.layout import Layout
from tamis.store.embedded.format.manifest import Manifest, SegmentEntry
from tamis.store.embedded.format.manifest_file import manifest_exists, read_manifest, refuse_remains
from tamis.store.embedded.format.segment_files import damage_of, trouble_with
from tamis.store.embedded.live.losses import describe
from tamis.store.embedded.recovery.replay import (
    describe_gap,
    is_unrecognisable,
    journal_numbers,
    lost_journals,
)

_TRIES = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was written. `records`: so many cannot be read; None when nobody knows."""

    path: str
    problem: str
    records: int | None = None

    @property
    def sentence(self) -> str:
        """What is wrong with what, the path named once."""
        return self.problem if self.path in self.problem else f"{self.path}: {self.problem}"


@dataclass(frozen=True, slots=True)
class Report:
    """What was looked at and what was found. `notes` are no damage: a torn tail that a crash left, say.

    `records` and `bytes` are those of the segments; `journal_records` are in the journal only.
    """

    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    segments: int
    records: int
    bytes: int
    journal_records: int = 0
    journal_bytes: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings


def verify(folder: Path, *, full: bool = True, disk: Disk | None = None) -> Report:
    """Look at the manifest, every segment and every journal frame. `full` reads all bytes and compares digests;
    otherwise segments are only measured.

    Raises FormatError when the folder holds no store, or a newer release's.
    """
    disk = disk or RealDisk()
    layout = Layout(folder.resolve())
    for _ in range(_TRIES):
        report, generation = _verify_once(disk, layout, full=full)
        if report.is_whole or _generation(disk, layout) == generation:
            break
    return report


def _generation(disk: Disk, layout: Layout) -> int:
    """Which manifest is valid: while a store runs, files that an older one names may go away."""
    try:
        return read_manifest(disk, layout).manifest.generation
    except DamageError:
        return -1


def _verify_once(disk: Disk, layout: Layout, *, full: bool) -> tuple[Report, int]:
    try:
        if not manifest_exists(disk, layout):
            refuse_remains(disk, layout)
            raise FormatError(f"{layout.folder} holds no store; check the path")
        read = read_manifest(disk, layout)
    except DamageError as error:
        return Report((Finding(error.path, error.reason),), (), 0, 0, 0), -1
    findings = [Finding("manifest.json", read.problem, 0)] if read.problem else []
    findings += _known_losses(read.manifest)
    size = 0
    for entry in read.manifest.segments:
        size += entry.bytes + entry.tally_bytes
        findings += _look_at_segment(disk, layout, entry, full=full)
    journals = _Journals(read.manifest.sealed_through + 1)
    gone = lost_journals(disk, layout, read.manifest)
    findings += [Finding(f"journal/{layout.journal(number).name}", why) for number, why in gone.items()]
    findings += _look_at_journals(disk, layout, journals)
    report = Report(
        findings=tuple(findings),
        notes=(*read.notes, *journals.notes, *_accepted(read.manifest)),
        segments=len(read.manifest.segments),
        records=sum(entry.facts.records for entry in read.manifest.segments),
        bytes=size,
        journal_records=journals.records,
        journal_bytes=journals.bytes,
    )
    return report, read.manifest.generation


def _known_losses(manifest: Manifest) -> list[Finding]:
    return [Finding(loss.path, describe(loss), loss.records) for loss in manifest.losses]


def _accepted(manifest: Manifest) -> list[str]:
    return [f"taken note of: {describe(loss)}" for loss in manifest.accepted]


def _look_at_segment(disk: Disk, layout: Layout, entry: SegmentEntry, *, full: bool) -> list[Finding]:
    look = damage_of if full else trouble_with
    try:
        problem = look(disk, layout, entry)
    except DiskError as error:
        problem = str(error)
    return [Finding(f"segments/{entry.name}", problem, entry.facts.records)] if problem else []


@dataclass(slots=True)
class _Journals:
    """What was seen of the journal so far; `expected` is the first number that neither it nor a segment has."""

    expected: int
    records: int = 0
    bytes: int = 0
    notes: list[str] = field(default_factory=list)

    def count(self, header: FrameHeader) -> int:
        """Take in a frame; how many records are missing before it."""
        end = header.first_seq + header.count
        lost = max(0, header.first_seq - self.expected)
        self.records += max(0, end - max(header.first_seq, self.expected))
        self.expected = max(self.expected, end)
        return lost


def _look_at_journals(disk: Disk, layout: Layout, seen: _Journals) -> Iterator[Finding]:
    for number in journal_numbers(disk, layout):
        path = layout.journal(number)
        try:
            seen.bytes += disk.size(path)
            yield from _look_at_journal(disk, path, seen)
        except (DiskError, FormatError) as error:
            if not disk.exists(path):
                continue  # its records are in segments by now
            yield Finding(f"journal/{path.name}", str(error))


def _look_at_journal(disk: Disk, path: Path, seen: _Journals) -> Iterator[Finding]:
    name = f"journal/{path.name}"
    if is_unrecognisable(disk, path):
        return  # a live one is among those lost
    for item in read_journal(disk, path):
        if isinstance(item, Gap):
            if item.reason == TORN_TAIL:
                seen.notes.append(describe_gap(path, item))
            else:
                yield Finding(name, describe_gap(path, item))
            continue
        header, _ = decode_frame(item.payload)
        if lost := seen.count(header):
            yield Finding(name, f"records are missing before {header.first_seq}", lost)
