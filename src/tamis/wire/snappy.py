"""Snappy's block format, as Loki's and Prometheus' clients send it."""

import pyarrow as pa

from tamis.errors import TooLargeError, WireError
from tamis.wire.protobuf import read_varint


def unpack(body: bytes, bytes_max: int) -> bytes:
    """What a block holds; TooLargeError before anything is unpacked, WireError when it is none."""
    size, _ = read_varint(body, 0)
    if size > bytes_max:
        raise TooLargeError("ingest.document_bytes_max", bytes_max)
    try:
        plain: bytes = pa.Codec("snappy").decompress(body, size, asbytes=True)
    except (OSError, ValueError) as error:
        raise WireError(f"not a snappy block: {error}") from None
    return plain
