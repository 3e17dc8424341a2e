"""The quarantine: files that are damaged or unexplained go there, out of the way of whoever reads segments."""

from pathlib import Path

from tamis.disk.base import Disk
from tamis.store.embedded.format.layout import SEGMENT_SUFFIX, TALLY_SUFFIX, Layout


def set_apart(disk: Disk, layout: Layout, path: Path) -> Path | None:
    """Move a file of the segments' folder into the quarantine, under a name that nothing has there; return it, or
    None when there is no such file."""
    if not disk.exists(path):
        return None
    target = free_name(disk, layout, path)
    disk.move(path, target)
    return target


def keep_copy(disk: Disk, layout: Layout, path: Path) -> None:
    """Copy a file there: its place is about to be taken, and it is what belongs in another."""
    target = free_name(disk, layout, path)
    disk.write_whole(target, [disk.read(path)])


def free_name(disk: Disk, layout: Layout, path: Path) -> Path:
    """A name in the quarantine that nothing has, by the file's own; its folder is there."""
    folder = layout.quarantine / ("" if path.parent == layout.folder else path.parent.name)
    disk.create_folder(folder)
    target, number = folder / path.name, 1
    while disk.exists(target):
        number += 1
        target = folder / f"{path.stem}.{number}{path.suffix}"
    return target


def files_in(disk: Disk, folder: Path) -> list[Path]:
    """Segment files and tallies, whatever their names, in the days of a folder."""
    if not disk.exists(folder):
        return []
    days = [folder / name for name in disk.names(folder) if (folder / name).is_dir()]
    return [
        day / name
        for day in days
        for name in disk.names(day)
        if name.endswith((SEGMENT_SUFFIX, TALLY_SUFFIX))
    ]
