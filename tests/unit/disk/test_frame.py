"""The bytes of a frame: frozen, because journals outlive releases."""

from pathlib import Path

import pytest

from tamis.disk.frame import HEADER_BYTES, MARKER, decode_header, encode_first, encode_header, require_format
from tamis.errors import FormatError

FIRST = (
    "f59ec1548dff4aa2 3031323334353637 0000000000000000 00 000000 10000000 1691a852 0e574de0"
    "74616d6973206a6f75726e616c0a 0100"
)
SECOND = "f59ec1548dff4aa2 3031323334353637 0100000000000000 07 000000 05000000 86a61036 c8294e3f"


def test_the_bytes_are_those_of_format_1() -> None:
    """A journal of this release begins with exactly these bytes, so that every later one reads it."""
    assert encode_first(b"01234567").hex() == FIRST.replace(" ", "")
    payload = [memoryview(b"he"), memoryview(b"llo")]
    assert encode_header(b"01234567", 1, kind=7, payload=payload).hex() == SECOND.replace(" ", "")


def test_every_flipped_bit_of_a_header_is_noticed() -> None:
    """No single bit of a header can change without the header being refused."""
    whole = encode_header(b"01234567", 1, kind=7, payload=[memoryview(b"hello")])
    header = decode_header(whole)
    assert header is not None
    assert (header.salt, header.number, header.kind, header.length) == (b"01234567", 1, 7, 5)
    for bit in range(8 * HEADER_BYTES):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        assert decode_header(bytes(damaged)) is None


def test_no_text_holds_the_marker() -> None:
    """The marker is no UTF-8, so text in a payload never looks like the beginning of a frame."""
    for start in range(len(MARKER)):
        with pytest.raises(UnicodeDecodeError):
            (b"a" * start + MARKER).decode("utf-8")


def test_a_newer_format_is_refused_with_a_sentence() -> None:
    """A journal of a later release is not read by guesswork."""
    with pytest.raises(FormatError, match="journal format 2, this release reads 1; use a newer one"):
        require_format(encode_first(b"01234567", version=2)[HEADER_BYTES:], Path("j"))
