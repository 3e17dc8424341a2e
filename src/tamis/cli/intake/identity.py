"""Which file is which: device, inode and the first bytes, so that a file is known again after a rename."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tamis.wire.compressed import read_file

PRINT_BYTES = 1024
"""So many of a file's first bytes make its fingerprint (fewer while it is short)."""
TAIL_BYTES = 256
"""So many of the bytes before a place tell whether they are still those that were read."""


class Fingerprint(msgspec.Struct, frozen=True):
    """The hash of `length` bytes of a file: of its first, or of those before a place."""

    length: int
    digest: str


UNKNOWN = Fingerprint(0, "")
"""Of no bytes: every file fits."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file's bytes stand: device and inode."""

    device: int
    inode: int


def place_of(stat: os.stat_result) -> Place:
    """The device and inode of a file."""
    return Place(stat.st_dev, stat.st_ino)


def head_of_path(path: Path) -> bytes:
    """The first bytes of a file, decompressed."""
    head = b""
    for piece in read_file(path):
        head += piece
        if len(head) >= PRINT_BYTES:
            break
    return head[:PRINT_BYTES]


def fingerprint(content: bytes) -> Fingerprint:
    """The fingerprint of these bytes."""
    return Fingerprint(len(content), hashlib.blake2b(content, digest_size=16).hexdigest())


def begins_as(head: bytes, known: Fingerprint) -> bool:
    """Whether a file with this head begins with the bytes that `known` was made of."""
    return known.length == 0 or fingerprint(head[: known.length]) == known


def same_content(handle: int, head: Fingerprint, tail: Fingerprint, *, offset: int) -> bool:
    """Whether an open file still begins as `head` says and has before `offset` what `tail` says."""
    if not begins_as(os.pread(handle, PRINT_BYTES, 0), head):
        return False
    return tail.length == 0 or fingerprint(os.pread(handle, tail.length, offset - tail.length)) == tail
