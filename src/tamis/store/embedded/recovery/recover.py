"""Opening: what a crash, a power cut or damage left is put in order."""

from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from tamis.disk.base import Disk
from tamis.disk.real import sweep_temporary
from tamis.store.embedded.format.layout import Layout, is_day
from tamis.store.embedded.format.manifest import Loss, Manifest, with_loss, with_segment
from tamis.store.embedded.format.manifest_file import read_manifest
from tamis.store.embedded.format.segment_files import damage_of, trouble_with
from tamis.store.embedded.live.catalog import without_damaged
from tamis.store.embedded.recovery.mend import with_new_tally
from tamis.store.embedded.recovery.replay import Replay, replay
from tamis.store.embedded.recovery.unnamed import settle_unnamed


@dataclass(slots=True)
class Recovered:
    """A folder in order. `manifest` holds the losses found now, which are not yet written."""

    manifest: Manifest
    replay: Replay
    notes: list[str] = field(default_factory=list)
    changed: bool = False
    """Whether `manifest` says more than the file."""


def recover(disk: Disk, layout: Layout, *, now_ns: int) -> Recovered:
    """Put a locked folder in order and read its journal. Raises FormatError and DamageError as
    `read_manifest`.

    Everything that a crash can leave is expected: temporary files, segments that no manifest names, journal
    files whose records are in segments. What is damaged is named, left where it is, and gone around.
    """
    make_names_safe(disk, layout)
    read = read_manifest(disk, layout)
    notes = [read.problem] if read.problem else []
    manifest = _check_segments(disk, layout, read.manifest, notes, now_ns=now_ns)
    replayed = replay(disk, layout, manifest, now_ns=now_ns)
    settled = settle_unnamed(disk, layout, manifest, replayed)
    manifest = settled.manifest
    notes.extend(settled.notes)
    if settled.removed:
        notes.append(f"{settled.removed} files of unfinished segments were removed")
    if settled.taken:
        replayed = replay(disk, layout, manifest, now_ns=now_ns)
    for loss in replayed.losses:
        manifest = with_loss(manifest, loss)
    if replayed.live != (manifest.journals or ()):
        manifest = msgspec.structs.replace(manifest, journals=replayed.live)
    changed = manifest != read.manifest or read.incomplete
    return Recovered(manifest, replayed, [*notes, *replayed.notes], changed)


def make_names_safe(disk: Disk, layout: Layout) -> None:
    """Make the folders; names that a killed process left in them are made safe, its temporary files go."""
    for folder in (layout.folder, layout.journals, layout.segments):
        disk.create_folder(folder)
        sweep_temporary(disk, folder)
    for day in _days(disk, layout):
        disk.sync_folder(day)
        sweep_temporary(disk, day)


def _days(disk: Disk, layout: Layout) -> list[Path]:
    return [layout.segments / name for name in disk.names(layout.segments) if is_day(name)]


def _check_segments(
    disk: Disk, layout: Layout, manifest: Manifest, notes: list[str], *, now_ns: int
) -> Manifest:
    """Set aside segments whose files are not as they were, and take back those that are whole again."""
    manifest = _take_back(disk, layout, manifest)
    damaged = {}
    for entry in manifest.segments:
        trouble = trouble_with(disk, layout, entry)
        if trouble is None:
            continue
        mended = with_new_tally(disk, layout, entry)
        if mended is None:
            damaged[entry.name] = trouble
        else:
            manifest = with_segment(manifest, mended)
            notes.append(f"{trouble}; it was counted anew, nothing is lost")
    return without_damaged(manifest, damaged, now_ns=now_ns) if damaged else manifest


def _take_back(disk: Disk, layout: Layout, manifest: Manifest) -> Manifest:
    """Segments that were set aside and whose files somebody put right."""
    whole = [loss for loss in manifest.losses if _is_whole_again(disk, layout, loss)]
    if not whole:
        return manifest
    back = [loss.segment for loss in whole if loss.segment is not None]
    return msgspec.structs.replace(
        manifest,
        segments=(*manifest.segments, *back),
        losses=tuple(loss for loss in manifest.losses if loss not in whole),
    )


def _is_whole_again(disk: Disk, layout: Layout, loss: Loss) -> bool:
    return loss.segment is not None and damage_of(disk, layout, loss.segment) is None
