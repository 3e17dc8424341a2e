"""GELF: what the format says, compressed or not, in chunks or whole; any bytes, within bounds."""

import gzip
import json
import zlib
from typing import Any

import pytest
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from tamis.record.model import Record
from tamis.wire.arrivals import Arrival
from tamis.wire.base import Decoded, DecodeOptions, WireLimits
from tamis.wire.gelf import CHUNK_MARK, Chunks, decode_body, decode_messages

NOW = 1_763_719_200_000_000_000
PEER = "192.0.2.7"
OPTIONS = DecodeOptions(now_ns=NOW, limits=WireLimits(line_bytes_max=100_000))
EXAMPLE: dict[str, Any] = {
    "version": "1.1",
    "host": "example.org",
    "short_message": "A short message that helps you identify what is going on",
    "full_message": "Backtrace here\n\nmore stuff",
    "timestamp": 1385053862.3072,
    "level": 1,
    "_user_id": 9001,
    "_some_info": "foo",
    "_nothing": None,
}


def read(*messages: bytes, cut: dict[int, int] | None = None) -> Decoded:
    return decode_messages([Arrival(PEER, NOW, list(messages), cut or {})], OPTIONS)


def records(found: Decoded) -> list[Record]:
    return list(found.columns.records(0))


@pytest.mark.parametrize("packed", [bytes, gzip.compress, zlib.compress, zstd.compress])
def test_the_formats_example(packed: Any) -> None:
    """Fields lose their underscore, the time keeps its digits, the level is syslog's; however it is compressed."""
    (record,) = records(read(packed(json.dumps(EXAMPLE).encode())))
    assert record == Record(
        timestamp=1_385_053_862_307_200_000,
        message=EXAMPLE["short_message"],
        level="ALERT",
        host="example.org",
        attributes={"full_message": EXAMPLE["full_message"], "user_id": 9001, "some_info": "foo"},
    )


def test_what_is_missing_is_made_up_for() -> None:
    """Without time the instant of arrival stands in, without host the peer; a full message alone is the message."""
    (record,) = records(read(b'{"full_message":"all of it"}'))
    assert (record.timestamp, record.host, record.message) == (NOW, PEER, "all of it")


def test_a_field_that_would_hide_another_keeps_its_underscore() -> None:
    """`_host` beside `host`: both are kept."""
    (record,) = records(read(b'{"short_message":"m","host":"h","_host":"other"}'))
    assert record.host == "h"
    assert record.attributes["_host"] == "other"


def test_what_is_no_message_is_rejected_with_its_place() -> None:
    """Sent = stored + rejected, each with a reason."""
    good = b'{"short_message":"m"}'
    found = read(b"{", good, b"[]", b'{"host":"h"}', b"\x1f\x8bnothing", good, cut={5: 9})
    assert (found.received, found.columns.length, found.rejected_count) == (6, 1, 5)
    reasons = {one.line: one.reason for one in found.rejected}
    assert sorted(reasons) == [1, 3, 4, 5, 6]
    assert "short_message" in reasons[4]
    assert "listener.message_bytes_max" in reasons[6]


def test_a_bomb_is_rejected() -> None:
    """A datagram does not grow beyond the limit of a message."""
    found = read(gzip.compress(b'{"short_message":"' + b"x" * 50_000_000 + b'"}'))
    assert found.rejected_count == 1
    assert "listener.message_bytes_max" in found.rejected[0].reason


def test_a_body_is_one_message_or_one_a_line() -> None:
    """Over HTTP: pretty-printed, or several."""
    pretty = json.dumps({"short_message": "one"}, indent=2).encode()
    assert [one.message for one in records(decode_body(pretty, OPTIONS))] == ["one"]
    lines = b'{"short_message":"one"}\n{"short_message":"two"}\n\nnone\n'
    found = decode_body(gzip.compress(lines), OPTIONS)
    assert [one.message for one in records(found)] == ["one", "two"]
    assert [one.line for one in found.rejected] == [3]


def chunked(message: bytes, count: int, name: bytes = b"12345678") -> list[bytes]:
    size = -(-len(message) // count)
    return [
        CHUNK_MARK + name + bytes((at, count)) + message[at * size : (at + 1) * size] for at in range(count)
    ]


@given(st.binary(min_size=128, max_size=2_000), st.integers(1, 128), st.randoms())
def test_chunks_come_in_any_order_and_more_than_once(message: bytes, count: int, order: Any) -> None:
    """The message is whole with its last chunk, whichever that is."""
    chunks = Chunks(1 << 20)
    parts = chunked(message, count)
    order.shuffle(parts)
    found = [chunks.add(part, PEER, now_s=0.0) for part in [*parts[:-1], *parts[:-1], parts[-1]]]
    if count > 1:
        assert found[:-1] == [None] * (2 * count - 2)
    assert found[-1] == message
    assert chunks.lost == []


def test_chunks_of_two_senders_are_told_apart() -> None:
    """Even when their ids are the same."""
    chunks = Chunks(1 << 20)
    ours, theirs = chunked(b"ours", 2), chunked(b"yours!", 2)
    assert chunks.add(ours[0], "a", now_s=0.0) is None
    assert chunks.add(theirs[0], "b", now_s=0.0) is None
    assert chunks.add(theirs[1], "b", now_s=0.0) == b"yours!"
    assert chunks.add(ours[1], "a", now_s=0.0) == b"ours"


def test_after_five_seconds_a_message_is_given_up() -> None:
    """And counted, with what came of it."""
    chunks = Chunks(1 << 20)
    first, second = chunked(b"a message", 2)
    assert chunks.add(first, PEER, now_s=0.0) is None
    chunks.expire(4.9)
    assert chunks.lost == []
    chunks.expire(5.0)
    assert chunks.lost == [(PEER, "1 of 2 chunks came, and 5 s went by")]
    assert chunks.held_bytes == 0
    assert chunks.add(second, PEER, now_s=5.0) is None


@pytest.mark.parametrize(("place", "count"), [(0, 0), (0, 129), (2, 2), (200, 128)])
def test_chunks_that_cannot_be(place: int, count: int) -> None:
    """No more than 128, none beyond the last."""
    chunks = Chunks(1 << 20)
    assert chunks.add(CHUNK_MARK + b"12345678" + bytes((place, count)) + b"x", PEER, now_s=0.0) is None
    assert len(chunks.lost) == 1
    assert chunks.held_bytes == 0


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(st.binary(min_size=8, max_size=8), st.integers(0, 140), st.integers(0, 140)), max_size=60
    )
)
def test_a_flood_of_chunks_stays_within_bounds(heads: list[tuple[bytes, int, int]]) -> None:
    """Whatever chunks come, memory has its limit, and what made room is counted."""
    chunks = Chunks(20_000)
    whole = 0
    for name, place, count in heads:
        whole += (
            chunks.add(CHUNK_MARK + name + bytes((place, count)) + b"x" * 1_000, PEER, now_s=0.0) is not None
        )
        assert chunks.held_bytes <= 20_000
    chunks.end()
    assert chunks.held_bytes == 0
    assert len(chunks.lost) + whole <= len(heads)


@settings(max_examples=300)
@given(st.lists(st.binary(max_size=100), max_size=5))
def test_any_bytes_are_records_or_rejected(messages: list[bytes]) -> None:
    """No datagram raises."""
    found = read(*messages)
    assert found.received == len(messages) == found.columns.length + found.rejected_count
