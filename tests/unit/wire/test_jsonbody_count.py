"""Large documents are counted before they are read."""

import pytest

from tamis.errors import TooLargeError, WireError
from tamis.wire import gelf, loki, otlp_json
from tamis.wire.base import DecodeOptions, WireLimits

TIGHT = DecodeOptions(limits=WireLimits(lines_max=1_000))
MANY = 2_000_000


def test_too_many_objects_are_refused_before_they_are_read() -> None:
    """OTLP's records, Loki's entries and GELF's lines: each over its limit is TooLargeError."""
    otlp = b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[' + b"{}," * MANY + b"{}]}]}]}"
    push = b'{"streams":[{"stream":{"a":"b"},"values":[' + b"[]," * MANY + b"[]]}]}"
    for decode, body in (
        (otlp_json.decode_json, otlp),
        (loki.decode_json, push),
        (gelf.decode_body, b"{}\n" * MANY),
    ):
        with pytest.raises(TooLargeError, match=r"ingest.lines_max"):
            decode(body, TIGHT)


def test_what_holds_nothing_is_named() -> None:
    """An empty GELF body, a push without streams, and a resource that is null are errors."""
    for decode, body in (
        (gelf.decode_body, b"\n"),
        (loki.decode_json, b'{"streams":null}'),
        (otlp_json.decode_json, b'{"resourceLogs":[null]}'),
    ):
        with pytest.raises(WireError, match="not a"):
            decode(body, TIGHT)
