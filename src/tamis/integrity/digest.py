"""SHA-256 of files and bytes, as manifests write it: ``sha256-`` and 64 hex digits."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tamis.disk.base import Disk, ReadFile

if TYPE_CHECKING:
    from typing_extensions import Buffer

PREFIX: Final = "sha256-"
READ_BYTES: Final = 1 << 20
"""A file is read in pieces of so many bytes; larger ones were not faster."""
WRITTEN: Final = re.compile(r"sha256-[0-9a-f]{64}")


def sha256_of(data: "Buffer") -> str:
    """The SHA-256 of bytes, 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def digest_of(data: "Buffer") -> str:
    """The SHA-256 of bytes as manifests write it."""
    return PREFIX + sha256_of(data)


def digest_of_file(disk: Disk, path: Path) -> str:
    """The SHA-256 of a file as manifests write it; of whatever size, its bytes are not held in memory."""
    state = hashlib.sha256()
    with closing(disk.open_read(path)) as file:
        for piece in pieces_of(file):
            state.update(piece)
    return PREFIX + state.hexdigest()


def pieces_of(file: ReadFile, piece_bytes: int = READ_BYTES) -> Iterator[bytes]:
    """All bytes of a file in order, at most `piece_bytes` at a time."""
    position = 0
    while piece := file.read_at(position, piece_bytes):
        yield piece
        position += len(piece)
