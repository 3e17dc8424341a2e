"""Loki's push: both encodings mean the same, and every entry is kept or named."""

import json
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tamis.errors import TooLargeError, WireError
from tamis.record.model import Record
from tamis.wire import loki
from tamis.wire.base import Decoded, DecodeOptions, WireLimits
from tamis.wire.loki import decode_json, decode_protobuf, read_labels
from tamis.wire.protobuf import bytes_field, varint_field

T0 = 1_763_719_200_000_000_000
OPTIONS = DecodeOptions(now_ns=T0)
Entry = tuple[int, str, dict[str, str]]


def rows(found: Decoded) -> list[Record]:
    return list(found.columns.records(T0))


def snappy(data: bytes) -> bytes:
    return bytes(pa.compress(data, codec="snappy", asbytes=True))


def packed_entry(stamp: int, line: str, metadata: dict[str, str]) -> bytes:
    seconds, nanos = divmod(stamp, 10**9)
    pairs = (bytes_field(1, k.encode()) + bytes_field(2, v.encode()) for k, v in metadata.items())
    return (
        bytes_field(1, varint_field(1, seconds) + varint_field(2, nanos))
        + bytes_field(2, line.encode())
        + b"".join(bytes_field(3, pair) for pair in pairs)
    )


def packed(labels: dict[str, str], *entries: bytes) -> bytes:
    text = ", ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in labels.items())
    stream = bytes_field(1, f"{{{text}}}".encode()) + b"".join(bytes_field(2, one) for one in entries)
    return bytes_field(1, stream + varint_field(3, 2**64 - 1))


def push(labels: Any, *values: Any) -> bytes:
    return json.dumps({"streams": [{"stream": labels, "values": values, "unknown": 1}]}).encode()


def test_labels_and_metadata_become_fields() -> None:
    """Usual names are core fields, others attributes; metadata come before labels of the same name."""
    labels = {"service_name": "shop", "host": "h1", "level": "warn", "env": "prod", "message": "label"}
    value = [str(T0), "order late", {"trace_id": "ab", "env": "test", "n": 7}]
    (found,) = rows(decode_json(push(labels, value), OPTIONS))
    assert found == Record(
        timestamp=T0,
        message="order late",
        level="WARNING",
        service="shop",
        host="h1",
        trace_id="ab",
        attributes={"env": "test", "stream.env": "prod", "stream.message": "label", "n": 7},
    )


NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True)
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)
PAIRS = st.dictionaries(NAMES, TEXTS, max_size=3)


@settings(max_examples=150, deadline=None)
@given(PAIRS, st.lists(st.tuples(st.integers(T0, T0 + 10**12), TEXTS, PAIRS), max_size=5))
def test_both_encodings_mean_the_same(labels: dict[str, str], entries: list[Entry]) -> None:
    """The same push in JSON and in protobuf gives the same records, each with its time and line."""
    one = decode_json(push(labels, *([str(stamp), line, more] for stamp, line, more in entries)), OPTIONS)
    other = decode_protobuf(snappy(packed(labels, *(packed_entry(*entry) for entry in entries))), OPTIONS)
    assert rows(one) == rows(other)
    assert [(found.timestamp, found.message) for found in rows(one)] == [entry[:2] for entry in entries]
    assert one.rejected_count == other.rejected_count == 0


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("{}", {}),
        ('{job="a"}', {"job": "a"}),
        (' { a = "1", b="x\\"y\\\\\\n\\x41\\u00e4\\101" ,}', {"a": "1", "b": 'x"y\\\nAäA'}),
        ("{a=`\\n`}", {"a": "\\n"}),
        ('{a="}, b=\\"c\\""}', {"a": '}, b="c"'}),
        ('{a="\\ud800\\U00110000"}', {"a": "?\ufffd"}),
    ],
)
def test_labels_are_read_as_go_quotes_them(text: str, labels: dict[str, str]) -> None:
    """Escapes, commas and braces inside values are values."""
    assert read_labels(text) == labels


@pytest.mark.parametrize("text", ["", "job", '{job="a', "{job=1}", '{="a"}', '{a="b" c="d"}'])
def test_labels_that_are_none_are_refused(text: str) -> None:
    """The message shows where."""
    with pytest.raises(WireError, match="label"):
        read_labels(text)


def test_broken_entries_are_rejected_alone() -> None:
    """Their places and reasons are told, the others are stored."""
    found = decode_json(
        push({}, [str(T0), "a"], ["x", "b"], [str(T0)], [str(T0), 7], 1, [str(T0), "c", 1], [T0, "d"]),
        OPTIONS,
    )
    assert [one.message for one in rows(found)] == ["a", "d"]
    assert [one.line for one in found.rejected] == [2, 3, 4, 5, 6]
    good = packed_entry(T0, "good", {})
    found = decode_protobuf(snappy(packed({}, good, b"\x12\x7f", good, b"\x08\x01")), OPTIONS)
    assert [one.message for one in rows(found)] == ["good", "good"]
    assert [one.line for one in found.rejected] == [2, 4]


def test_a_stream_without_labels_to_read_is_rejected_alone() -> None:
    """Each of its entries with the reason; the other streams are kept."""
    values = '[["1795262400000000000","a"],["1795262400000000001","b"]]'
    body = f'{{"streams":[{{"stream":[1],"values":{values}}},{{"stream":{{"a":"b"}},"values":{values}}}]}}'
    found = decode_json(body.encode(), OPTIONS)
    assert (found.received, found.columns.length, found.rejected_count) == (4, 2, 2)
    assert [(one.line, one.reason) for one in found.rejected] == [
        (line, "a stream's labels are an object") for line in (1, 2)
    ]


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"streams":1}', b'{"streams":[1]}', b'{"streams":[{"stream":1}]}']
)
def test_json_that_is_no_push_is_refused_whole(body: bytes) -> None:
    """Nothing of it is kept."""
    with pytest.raises(WireError):
        decode_json(body, OPTIONS)


def test_snappy_is_bounded_before_it_is_unpacked() -> None:
    """A block that claims a gigabyte is refused by its head; one that lies is no block."""
    with pytest.raises(TooLargeError):
        decode_protobuf(b"\x80\x80\x80\x80\x04" + b"\0" * 20, OPTIONS)
    for body in (b"", b"\x05", b"\x0a\xff\xff\xff", snappy(b"x" * 100)[:-3], snappy(b"\xff" * 100)):
        with pytest.raises(WireError):
            decode_protobuf(body, OPTIONS)


def test_limits_hold() -> None:
    """A long entry is rejected, too many are refused, and copies of labels count."""
    tight = replace(OPTIONS, limits=WireLimits(line_bytes_max=100, lines_max=3))
    found = decode_json(push({}, [str(T0), "a"], [str(T0), "x" * 200]), tight)
    assert (found.columns.length, found.rejected_count) == (1, 1)
    with pytest.raises(TooLargeError):
        decode_json(push({}, *[[str(T0), "a"]] * 4), tight)
    with pytest.raises(TooLargeError):
        decode_json(push({"k": "v" * 900_000}, *[[str(T0), "a"]] * 1_000), OPTIONS)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=120), st.data())
def test_any_bytes_are_kept_or_refused(noise: bytes, data: st.DataObject) -> None:
    """Whatever comes, nothing but WireError is raised, and received = kept + rejected."""
    good = packed({"job": "x"}, packed_entry(T0, "good", {"a": "b"}))
    at = data.draw(st.integers(0, len(good)))
    bodies = (noise, snappy(noise), snappy(good[:at] + noise + good[at:]), snappy(packed({}, noise)))
    for body in bodies:
        try:
            found = decode_protobuf(body, OPTIONS)
        except WireError:
            continue
        assert found.received == len(rows(found)) + found.rejected_count
    try:
        found = decode_json(push({}, [str(T0), noise.decode("utf-8", "surrogateescape")]), OPTIONS)
    except WireError:
        return
    assert found.received == len(rows(found)) + found.rejected_count == 1


def told(body: bytes, monkeypatch: pytest.MonkeyPatch, together_min: int) -> Any:
    """All that comes of a push, or the error."""
    monkeypatch.setattr(loki, "TOGETHER_MIN", together_min)
    try:
        found = decode_protobuf(body, OPTIONS)
    except WireError as error:
        return type(error), str(error)
    return rows(found), found.received, found.rejected, found.rejected_count


@given(PAIRS, st.lists(st.tuples(st.integers(T0, T0 + 10**12), TEXTS, PAIRS), max_size=6), st.data())
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_entries_in_step_are_what_they_are_one_by_one(
    monkeypatch: pytest.MonkeyPatch, labels: dict[str, str], entries: list[Entry], data: st.DataObject
) -> None:
    """Whole ones, and streams in which bytes were changed."""
    stream = bytearray(packed(labels, *(packed_entry(*entry) for entry in entries)))
    for _ in range(data.draw(st.integers(0, 3))):
        stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.integers(0, 255))
    body = snappy(bytes(stream))
    assert told(body, monkeypatch, 1) == told(body, monkeypatch, 10**9)


def test_usual_entries_take_the_fast_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of them is read by itself, also where nanoseconds or metadata are lacking."""
    monkeypatch.setattr(loki, "_packed_entry", lambda *_: pytest.fail("read by itself"))
    entries = [packed_entry(T0 + n, f"line {n}", {"n": str(n)} if n % 3 else {}) for n in range(100)]
    found = rows(decode_protobuf(snappy(packed({"job": "a"}, *entries)), OPTIONS))
    assert [one.message for one in found] == [f"line {n}" for n in range(100)]
    assert [one.timestamp for one in found] == [T0 + n for n in range(100)]
    assert found[1].attributes["n"] == "1"
