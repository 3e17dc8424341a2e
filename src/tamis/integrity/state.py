"""What a storage remembers between starts: the newest manifest it took, and which large files were whole when.

Two files, because the first is written under the folder's lock, and the second by whoever has looked.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from tamis.disk.base import Disk
from tamis.errors import DiskError
from tamis.integrity.trust import Known

T = TypeVar("T")

FOLDER_NAME: Final = ".tamis"
"""In the folder that is kept: the lock and what is remembered."""
_KNOWN, _CHECKED = "known.json", "checked.json"


class Checked(msgspec.Struct, frozen=True):
    """A file that had this digest when it had this size and this time of its last change."""

    sha256: str
    size: int
    mtime_ns: int


def read_known(disk: Disk, folder: Path) -> Known:
    """The newest manifest that was ever taken; version 0 where nobody remembers."""
    return _read(disk, folder / FOLDER_NAME / _KNOWN, Known) or Known()


def write_known(disk: Disk, folder: Path, known: Known) -> None:
    """Remember it; safe on return. Under the folder's lock."""
    _write(disk, folder / FOLDER_NAME / _KNOWN, known)


def read_checked(disk: Disk, folder: Path) -> Mapping[str, Checked]:
    """Files that were compared, by their place. Without it they are compared again."""
    return _read(disk, folder / FOLDER_NAME / _CHECKED, dict[str, Checked]) or {}


def write_checked(disk: Disk, folder: Path, checked: Mapping[str, Checked]) -> None:
    """Remember which files were compared."""
    _write(disk, folder / FOLDER_NAME / _CHECKED, checked)


def _read(disk: Disk, path: Path, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(disk.read(path), type=kind) if disk.exists(path) else None
    except (DiskError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def _write(disk: Disk, path: Path, value: object) -> None:
    disk.create_folder(path.parent)
    disk.write_whole(path, [msgspec.json.encode(value)])
