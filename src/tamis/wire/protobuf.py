"""Protobuf's wire format, both ways, without a schema (https://protobuf.dev/programming-guides/encoding/)."""

from collections.abc import Iterator

from tamis.errors import WireError

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
SIZES = {FIXED64: 8, FIXED32: 4}
VARINT_BYTES_MAX = 10
MASK_64 = (1 << 64) - 1


def read_varint(message: bytes, at: int) -> tuple[int, int]:
    """The number (64 bits, unsigned) that stands at a place, and the place behind it; WireError."""
    end = len(message)
    if at < end:
        first = message[at]
        if first < 0x80:
            return first, at + 1
        if at + 1 < end and (second := message[at + 1]) < 0x80:
            return first & 0x7F | second << 7, at + 2
    number = shift = 0
    end = min(end, at + VARINT_BYTES_MAX)
    while at < end:
        byte = message[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number & MASK_64, at
    raise WireError(f"not protobuf: the number at byte {at} does not end")


def read_fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Each field's number and what it holds: an int of a varint, the bytes of all others; WireError.

    Groups, which nothing has sent for twenty years, are no fields here.
    """
    for number, value, _ in fields_with_ends(message):
        yield number, value


def fields_with_ends(message: bytes) -> Iterator[tuple[int, int | bytes, int]]:
    """As `read_fields`, with the place behind each field."""
    at, end = 0, len(message)
    while at < end:
        key, at = read_varint(message, at)
        wire = key & 7
        if wire == VARINT:
            value, at = read_varint(message, at)
            yield key >> 3, value, at
            continue
        if wire == BYTES:
            size, at = read_varint(message, at)
        elif wire in SIZES:
            size = SIZES[wire]
        else:
            raise WireError(f"not protobuf: wire type {wire} before byte {at}")
        if at + size > len(message):
            raise WireError(
                f"not protobuf: field {key >> 3} ends {at + size - len(message):,} bytes too late"
            )
        at += size
        yield key >> 3, message[at - size : at], at


def messages_in(message: bytes, number: int) -> Iterator[bytes]:
    """What the fields of a number hold, each a message or a text; WireError when one is a number."""
    for found, value in read_fields(message):
        if found == number:
            if isinstance(value, int):
                raise WireError(f"not the message that was expected: field {number} is a number")
            yield value


def signed(number: int) -> int:
    """An int64 of the 64 bits of a varint."""
    return number - (1 << 64) if number >> 63 else number


def varint(number: int) -> bytes:
    """A number of up to 64 bits, unsigned."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def bytes_field(number: int, data: bytes) -> bytes:
    """A field that holds a text, bytes or a message."""
    return varint(number << 3 | BYTES) + varint(len(data)) + data


def varint_field(number: int, value: int) -> bytes:
    """A field that holds an integer."""
    return varint(number << 3 | VARINT) + varint(value & MASK_64)
