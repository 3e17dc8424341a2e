"""Which file is which: device, inode and the first bytes, so that a file is known again after a rename."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec

from tamis.wire.compressed import read_file

PRINT_BYTES = 1024
"""So many of a file's first bytes make its fingerprint."""


class Fingerprint(msgspec.Struct, frozen=True):
    """The hash of the first `length` bytes of a file (fewer than `PRINT_BYTES` while the file is short)."""

    length: int
    digest: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file's bytes stand: device and inode."""

    device: int
    inode: int


def place_of(stat: os.stat_result) -> Place:
    """The device and inode of a file."""
    return Place(stat.st_dev, stat.st_ino)


def head_of(stream: BinaryIO) -> bytes:
    """The first bytes of an open file; its position is not used."""
    return os.pread(stream.fileno(), PRINT_BYTES, 0)


def head_of_path(path: Path) -> bytes:
    """The first bytes of a file, decompressed."""
    head = b""
    for piece in read_file(path):
        head += piece
        if len(head) >= PRINT_BYTES:
            break
    return head[:PRINT_BYTES]


def fingerprint(head: bytes) -> Fingerprint:
    """The fingerprint of a file that begins so."""
    head = head[:PRINT_BYTES]
    return Fingerprint(len(head), hashlib.blake2b(head, digest_size=16).hexdigest())


def begins_as(head: bytes, known: Fingerprint) -> bool:
    """Whether a file with this head begins with the bytes that `known` was made of."""
    return known.length == 0 or fingerprint(head[: known.length]) == known
