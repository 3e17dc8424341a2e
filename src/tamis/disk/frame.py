"""The bytes of a journal's frame.

::

    marker 8 | salt 8 | number 8 | kind 1 | 0 0 0 | length 4 | payload crc 4 | header crc 4 | payload

Little-endian; both checks are CRC-32 (ISO-HDLC, as zlib's). The header's check covers all before it, so a
damaged length is never followed; the payload's check stands in the header, so a payload cannot be taken for
another's. The marker is one for all journals and is not UTF-8, so no text holds it; the salt is random and
one for each journal, so bytes copied from another journal, or made up by whoever writes log lines, are no
frames of this one. Frames are numbered from 0, so one that was removed, repeated or moved shows.

Frame 0 is the header: kind 0, its payload MAGIC and the format version (2 bytes). It keeps this layout in
every format version.
"""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tamis.errors import FormatError

MARKER: Final = bytes.fromhex("f59ec1548dff4aa2")
MAGIC: Final = b"tamis journal\n"
FORMAT_VERSION: Final = 1
HEADER_KIND: Final = 0
KIND_MAX: Final = 255
PAYLOAD_BYTES_MAX: Final = 1 << 30
SALT_BYTES: Final = 8

_CHECKED = struct.Struct("<8s8sQB3xII")
_CHECK = struct.Struct("<I")
_VERSION = struct.Struct("<H")
HEADER_BYTES: Final = _CHECKED.size + _CHECK.size


@dataclass(frozen=True, slots=True)
class Header:
    """What stands before a payload."""

    salt: bytes
    number: int
    kind: int
    length: int
    payload_crc: int


def encode_header(salt: bytes, number: int, *, kind: int, payload: Sequence[memoryview]) -> bytes:
    """The header for a payload in pieces of plain bytes."""
    length, check = 0, 0
    for piece in payload:
        length += len(piece)
        check = zlib.crc32(piece, check)
    checked = _CHECKED.pack(MARKER, salt, number, kind, length, check)
    return checked + _CHECK.pack(zlib.crc32(checked))


def decode_header(data: bytes) -> Header | None:
    """The header in HEADER_BYTES bytes, or None when they are not one, whole."""
    if len(data) != HEADER_BYTES or not data.startswith(MARKER):
        return None
    (check,) = _CHECK.unpack_from(data, _CHECKED.size)
    if zlib.crc32(data[: _CHECKED.size]) != check:
        return None
    _, salt, number, kind, length, payload_crc = _CHECKED.unpack_from(data)
    if length > PAYLOAD_BYTES_MAX:
        return None
    return Header(salt, number, kind, length, payload_crc)


def encode_first(salt: bytes, version: int = FORMAT_VERSION) -> bytes:
    """Frame 0, with which every journal begins."""
    payload = MAGIC + _VERSION.pack(version)
    return encode_header(salt, 0, kind=HEADER_KIND, payload=[memoryview(payload)]) + payload


FIRST_BYTES = len(encode_first(bytes(SALT_BYTES)))
"""A file with fewer bytes holds nothing of a journal: it is made with these in it."""


def require_format(payload: bytes, path: Path) -> None:
    """Raise FormatError unless this release reads journals with this frame 0."""
    if not payload.startswith(MAGIC) or len(payload) < len(MAGIC) + _VERSION.size:
        raise FormatError(f"{path} is not a journal of Tamis; check the path")
    (version,) = _VERSION.unpack_from(payload, len(MAGIC))
    if version > FORMAT_VERSION:
        raise FormatError(
            f"{path} has journal format {version}, this release reads {FORMAT_VERSION}; use a newer one"
        )
