"""Bodies in pieces: what is decoded a block at a time is what the whole body would have been."""

import json
import tracemalloc
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tamis.errors import TooLargeError
from tamis.wire import body, jsonlines, jsonlines_arrow
from tamis.wire.arrow_schema import LearnedSchemas
from tamis.wire.base import REST_FIELD, Decoded, DecodeOptions, WireLimits

NOW = 1_795_255_200 * 10**9
LIMITS = WireLimits(line_bytes_max=100, rejections_listed_max=5)


def options(**limits: Any) -> DecodeOptions:
    return DecodeOptions(now_ns=NOW, limits=replace(LIMITS, **limits))


def in_pieces(data: bytes, step: int, given: DecodeOptions) -> tuple[Decoded, list[str]]:
    ways: list[str] = []
    decoder = body.BodyDecoder(given, LearnedSchemas(), count=ways.append)
    for at in range(0, len(data), step):
        decoder.feed(data[at : at + step])
    return decoder.finish(), ways


def shown(decoded: Decoded) -> tuple[object, ...]:
    """A batch as comparable values; 1 is not true and not "1"."""
    rows = [
        (
            record.timestamp, record.message, record.level, record.service,
            [(name, "number" if type(value) in (int, float) else type(value), value)
             for name, value in sorted(record.attributes.items())],
        )
        for record in decoded.columns.records(NOW)
    ]  # fmt: skip
    return rows, decoded.received, decoded.rejected, decoded.rejected_count


@pytest.fixture
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "BLOCK_BYTES", 64)
    monkeypatch.setattr(jsonlines, "BLOCK_BYTES", 40)
    monkeypatch.setattr(jsonlines_arrow, "BODY_BYTES_MIN", 32)


LINES = st.sampled_from(
    [
        b'{"message":"one","n":1}', b'{"message":"two","n":2.5}', b'{"message":"three","n":"x"}', b"", b"  ", b"\r",
        b'{"message":"four","n":9007199254740993}', b'{"n":36893488147419103232}', b'{"message":"\\ud800"}', b"[",
        b"]", b"bad", b'{"message":"%s"}' % (b"y" * 90), b"z" * 150, b'[{"message":"a"},{"n":[1]}]', b"7", b"{", b"}",
        b'{"level":"warn","timestamp":1795255200,"ok":true}', b'{"o":{"x":null,"y":[1,{}]}}', b'\xef\xbb\xbf{"n":1}',
        b'{"message":"\xff"}', b'{"new":true,"n":null}', b'{"service":5}', b'{"rest":{"a":1}}', b"\0{}\0", b'{"n":1}}',
    ]
)  # fmt: skip


@pytest.mark.usefixtures("_small_blocks")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(LINES, max_size=40),
    st.integers(1, 300),
    st.sampled_from([b"", b"\n", b"\xef\xbb\xbf", b"\n\n"]),
    st.sampled_from([b"\n", b"\r\n", b"\n\n \n"]),
)
def test_blocks_together_are_the_body(lines: list[bytes], step: int, head: bytes, between: bytes) -> None:
    """Records, order, rejections with their lines, and counts: however the bytes come."""
    data = head + between.join(lines)
    decoded, _ = in_pieces(data, step, options())
    assert shown(decoded) == shown(jsonlines.decode(data, options()))


@pytest.mark.usefixtures("_small_blocks")
def test_an_array_over_many_lines_is_one() -> None:
    """It is held until it is whole; beyond its limit it is refused by name."""
    rows = [{"message": f"m {n}"} for n in range(100)]
    data = json.dumps(rows, indent=1).encode()
    assert shown(in_pieces(data, 50, options())[0]) == shown(jsonlines.decode(data, options()))
    with pytest.raises(TooLargeError, match="document_bytes_max"):
        in_pieces(data, 50, options(array_bytes_max=1000))


@pytest.mark.usefixtures("_small_blocks")
def test_too_many_lines_are_refused_by_name() -> None:
    """Blank lines do not count, junk does."""
    line = b'{"message":"a line of some length","n":1}\n'
    for bad in (line * 101, b"x\n" * 101, line * 50 + b"7\n" * 51):
        with pytest.raises(TooLargeError, match=r"ingest.lines_max = 100"):
            in_pieces(bad, 100, options(lines_max=100))
    decoded, _ = in_pieces(line * 99 + b"\n \n" * 1000 + line, 100, options(lines_max=100))
    assert decoded.columns.length == 100


@pytest.mark.usefixtures("_small_blocks")
def test_names_count_over_the_whole_body(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many blocks cannot bring more names than one; what is beyond is in one object, with nothing lost."""
    data = b"\n".join(b'{"message":"m","k%d":%d}' % (n, n) for n in range(300))
    decoded, _ = in_pieces(data, 64, options(names_max=50))
    assert len(decoded.columns.attributes) <= 51
    for n, record in enumerate(decoded.columns.records(0)):
        rest = record.attributes.get(REST_FIELD, {})
        assert isinstance(rest, dict)
        assert n in (record.attributes.get(f"k{n}"), rest.get(f"k{n}"))


@pytest.mark.usefixtures("_small_blocks")
def test_names_times_records_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a long body the rarest names move into the object when the blocks are joined; an own `rest` stays."""
    monkeypatch.setattr("tamis.wire.joined.CELLS_MAX", 3000)
    rows = [{"n": n, "rest": n} | ({f"k{n}": n} if n < 30 else {}) for n in range(150)]
    decoded, _ = in_pieces(b"\n".join(json.dumps(row).encode() for row in rows), 64, options())
    assert len(decoded.columns.attributes) <= 21
    for n, record in enumerate(decoded.columns.records(0)):
        rest = record.attributes[REST_FIELD]
        assert record.attributes["n"] == n
        inner = rest if isinstance(rest, dict) else {REST_FIELD: rest}
        assert inner[REST_FIELD] == n
        assert n >= 30 or n in (record.attributes.get(f"k{n}"), inner.get(f"k{n}"))


def pieces(line: bytes, total: int) -> Iterable[bytes]:
    block = line * (1 + (1 << 16) // len(line))
    return (block for _ in range(total // len(block)))


def test_a_large_body_takes_little_more_than_its_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Python holds while 8 MB of lines come in is a few blocks, whichever way they are read."""
    monkeypatch.setattr(body, "BLOCK_BYTES", 1 << 18)
    for line in (
        b'{"message":"a message that is as long as messages are","service":"shop","n":7}\n',
        b'{"attributes":{"x":1},"message":"a message that is as long as messages are","n":7}\n',
    ):
        decoder = body.BodyDecoder(options(line_bytes_max=1 << 17), LearnedSchemas(), count=lambda way: None)
        tracemalloc.start()
        try:
            for piece in pieces(line, 8 << 20):
                decoder.feed(piece)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 6 << 20
        assert decoder.finish().columns.length > 90_000


def test_a_line_without_end_is_let_go() -> None:
    """30 MB without a newline are one rejection that names their length, and take no memory."""
    decoder = body.BodyDecoder(options(line_bytes_max=1 << 20), LearnedSchemas(), count=lambda way: None)
    tracemalloc.start()
    try:
        for _ in range(30):
            decoder.feed(b"x" * (1 << 20))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    decoder.feed(b'\n{"message":"after"}')
    decoded = decoder.finish()
    assert peak < 16 << 20
    assert [(one.line, f"{30 << 20:,} bytes" in one.reason) for one in decoded.rejected] == [(1, True)]
    assert decoded.columns.length == 1
