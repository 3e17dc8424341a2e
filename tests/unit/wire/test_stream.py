"""Streams in pieces: the same records as in one, with offsets to resume at."""

import gzip
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamis.record.tokens import tokens
from tamis.wire.base import DecodeOptions
from tamis.wire.detect import FORMATS, detect, looks_binary
from tamis.wire.stream import LineBatch, LineDecoder
from tamis.wire.times import print_time

NOW = 1_795_305_600 * 10**9
OPTIONS = DecodeOptions(now_ns=NOW)
LOGHUB = Path(__file__).parents[3].parent / "shared" / "data" / "loghub"

TRACE = b"""\
2026-11-21 10:00:00,123 ERROR shop.cart: order failed
Traceback (most recent call last):
  File "cart.py", line 12, in order
    pay()
shop.errors.PayError: declined
2026-11-21 10:00:01,000 INFO shop.cart: going on
"""
DOCKER = b"".join(
    json.dumps({"log": text, "stream": stream, "time": f"2026-11-21T10:00:0{n}.5Z"}).encode() + b"\n"
    for n, (text, stream) in enumerate(
        [("starting\n", "stdout"), ("Traceback (most recent call last):\n", "stderr"), ("  File x\n", "stderr"),
         ("ValueError: no\n", "stderr"), ("a long ", "stdout"), ("line\n", "stdout")]
    )
)  # fmt: skip
CRI = b"""\
2026-11-21T10:00:00.000000001Z stdout F {"level":"warn","msg":"json inside","user":7}
2026-11-21T10:00:01.000000001Z stderr P {"level":"error",
2026-11-21T10:00:02.000000001Z stderr F "msg":"in two pieces"}
"""
ODD = b"2026-11-21T10:00:03.000000001Z stdout F not json\n"
JOURNAL = (
    b"__CURSOR=s=1\n__REALTIME_TIMESTAMP=1795255200123456\nPRIORITY=3\n_HOSTNAME=web-1\nSYSLOG_IDENTIFIER=shop\n"
    b"MESSAGE\n\x0c\0\0\0\0\0\0\0two\n\nlines\xffx\n_PID=12\n\n"
    b"__CURSOR=s=2\n__REALTIME_TIMESTAMP=1795255201000000\nMESSAGE=second\n\n"
)


def run(pieces, **settings):
    """All records, and the batches they came in."""
    decoder = LineDecoder(settings.pop("options", OPTIONS), **settings)
    batches = [batch for piece in pieces for batch in decoder.feed(piece)]
    batches += decoder.flush(final=True)
    return [record for batch in batches for record in batch.decoded.columns.records(0)], batches, decoder


def cut(body, size):
    return [body[at : at + size] for at in range(0, len(body), size)]


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (TRACE, "python"),
        (DOCKER, "container"),
        (CRI, "container"),
        (JOURNAL, "journal"),
        (b'{"msg":"a"}\n' * 3, "jsonlines"),
    ],
)
def test_pieces_make_no_difference(body, name):
    """Cut anywhere, fed in any size: the same records as at once, and the offset at the end."""
    assert detect(body) == name
    whole, _, decoder = run([body], format=name)
    assert decoder.safe_offset == len(body)
    for size in (1, 7, 64):
        records, batches, decoder = run(cut(body, size), format=name, batch_bytes=16)
        assert records == whole
        assert decoder.safe_offset == len(body)
        assert [batch.offset for batch in batches] == sorted({batch.offset for batch in batches})


@pytest.mark.parametrize("body", [TRACE * 3, b"a\nb\n  c\nd"])
def test_reading_can_go_on_from_any_batch(body):
    """What was safe up to a batch's offset and what is read from there make the whole."""
    whole, batches, _ = run(cut(body, 5), format="auto", batch_bytes=8)
    seen = 0
    for batch in batches:
        seen += batch.decoded.columns.length
        rest, _, _ = run([body[batch.offset :]], format=batch.format, offset=batch.offset)
        assert [record.message for record in whole[seen:]] == [record.message for record in rest]


def test_a_follower_gets_lines_when_it_asks():
    """flush gives whole lines, holds back the one that is being written, and goes on."""
    decoder = LineDecoder(OPTIONS)
    assert list(decoder.feed(TRACE + b"2026-11-21 10:00:02,000 INFO shop.cart: half")) == []
    (batch,) = decoder.flush()
    assert batch.decoded.columns.length == 2
    assert decoder.safe_offset == batch.offset == len(TRACE)
    assert list(decoder.flush()) == []
    list(decoder.feed(b" a line\n"))
    (batch,) = decoder.flush()
    (record,) = batch.decoded.columns.records(0)
    assert record.message == "INFO shop.cart: half a line"


def test_a_trace_stays_with_its_line():
    """The exception is in the record of the error."""
    records, _, _ = run([TRACE])
    assert [(record.level, record.logger) for record in records] == [
        ("ERROR", "shop.cart"),
        ("INFO", "shop.cart"),
    ]
    assert records[0].message.endswith("PayError: declined")
    assert "order failed\nTraceback" in records[0].message


def test_a_container_line_is_its_text():
    """Docker: pieces joined, traces joined, the runtime's time, the stream."""
    records, _, _ = run([DOCKER])
    assert [record.message.split("\n")[-1] for record in records] == ["ValueError: no", "a long line"]
    assert records[0].message.startswith("starting\nTraceback")
    assert print_time(records[1].timestamp) == "2026-11-21T10:00:04.500Z"
    assert records[1].attributes == {"stream": "stdout"}


def test_a_kubernetes_line_is_read_by_what_is_inside():
    """CRI: JSON inside is JSON, a line in pieces is one, a foreign line is kept."""
    records, _, _ = run([CRI + ODD])
    assert [(record.level, record.message) for record in records] == [
        ("WARNING", "json inside"), ("ERROR", "in two pieces"), (None, "not json"),
    ]  # fmt: skip
    assert print_time(records[0].timestamp) == "2026-11-21T10:00:00.000000001Z"
    assert records[0].attributes == {"stream": "stdout", "user": 7}


def test_a_journal_entry_is_read_with_binary_fields():
    """Export format: values with newlines and bytes, priority and time."""
    records, _, _ = run([JOURNAL])
    assert [record.message for record in records] == ["two\n\nlines\ufffdx", "second"]
    assert (records[0].level, records[0].host, records[0].service) == ("ERROR", "web-1", "shop")
    assert print_time(records[0].timestamp) == "2026-11-21T10:00:00.123456Z"
    assert records[0].attributes["_PID"] == "12"


def test_a_damaged_journal_entry_is_rejected_alone():
    """The entries before and after it are kept."""
    damaged = b"__CURSOR=1\nMESSAGE=a\n\n" + b"this is not a field\n\n" + b"__CURSOR=2\nMESSAGE=b\n\n"
    decoded = FORMATS["journal"].decode(damaged, OPTIONS)
    assert [record.message for record in decoded.columns.records(0)] == ["a", "b"]
    assert [one.line for one in decoded.rejected] == [4]


def test_journalctl_json_is_json_lines():
    """`journalctl -o json` needs no format of its own."""
    body = b'{"__REALTIME_TIMESTAMP":"1795255200000000","PRIORITY":"6","MESSAGE":"hi","_HOSTNAME":"h","_PID":"1"}\n'
    (record,), _, decoder = run([body])
    assert decoder.format_name == "jsonlines"
    assert (record.level, record.host, record.message) == ("INFO", "h", "hi")


def test_a_file_of_json_keeps_what_is_no_json():
    """In a file that was recognised a broken line is kept with a note; asked for as JSON lines, it is rejected."""
    body = b'{"msg":"a"}\nstarting up\n{"msg":"b"}\n{"msg":"c\n'
    records, _, _ = run([body])
    assert [record.message for record in records] == ["a", "starting up", "b", '{"msg":"c']
    _, batches, _ = run(cut(body, 3), format="jsonlines", batch_bytes=4)
    assert [one.line for batch in batches for one in batch.decoded.rejected] == [2, 4]


@pytest.mark.parametrize("indent", [None, 2])
def test_a_file_that_is_one_array_is_read_as_its_objects(indent):
    """A JSON document over many lines, or on one longer than a line may be, is not taken line by line."""
    rows = [{"msg": f"m{n}", "pad": "x" * 1000} for n in range(3000)]
    body = json.dumps(rows, indent=indent).encode()
    records, _, decoder = run(cut(body, 1 << 16))
    assert [record.message for record in records] == [row["msg"] for row in rows]
    assert (decoder.format_name, decoder.safe_offset) == ("json", len(body))


def test_binary_files_are_told_from_text():
    """What is no log is not taken in; a log that begins with NULs is one."""
    assert looks_binary(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\x03\0>\0\x01\0\0\0")
    assert not looks_binary(b"\0" * 5000 + TRACE)
    assert not looks_binary(b"\0" * 100)
    assert not looks_binary("Grüße\n".encode("latin-1"))


def test_a_line_without_end_is_bounded():
    """Megabytes without a newline are not held, are rejected once, and what follows is read."""
    pieces = [b"first\n", *[b"x" * (1 << 20)] * 9, b"\nlast\n"]
    for format_name in ("plain", "jsonlines"):
        decoder = LineDecoder(OPTIONS, format=format_name)
        batches: list[LineBatch] = []
        for piece in pieces:
            batches += decoder.feed(piece)
            assert len(decoder._buffer) <= 5 << 20
        batches += decoder.flush(final=True)
        assert sum(batch.decoded.received for batch in batches) == 3
        assert decoder.safe_offset == sum(map(len, pieces))
        assert any("line_bytes_max" in one.reason for batch in batches for one in batch.decoded.rejected)


NOISE = st.one_of(
    st.binary(max_size=120),
    st.lists(
        st.sampled_from([*TRACE.split(b"\n"), *DOCKER.split(b"\n"), *CRI.split(b"\n"), b"", b"  x", b'{"a":1}', b"["]),
        max_size=8,
    ).map(b"\n".join),
)  # fmt: skip


@given(NOISE, st.sampled_from(["auto", *FORMATS]), st.integers(1, 40))
def test_any_bytes_are_kept_or_counted(body, format_name, size):
    """Whatever comes, in whatever pieces: no error, and received is kept and rejected."""
    decoder = LineDecoder(OPTIONS, format=format_name, batch_bytes=32)
    batches = [batch for piece in cut(body, size) for batch in decoder.feed(piece)]
    batches += decoder.flush()
    batches += decoder.flush(final=True)
    assert decoder.safe_offset == len(body)
    for batch in batches:
        assert batch.decoded.received == batch.decoded.columns.length + batch.decoded.rejected_count


@given(st.lists(st.text(max_size=12), max_size=8).map("\n".join))
def test_no_word_of_plain_text_is_lost(text):
    """Every word of a text is in the message of some record."""
    records, _, _ = run([text.encode("utf-8", "replace")], format="plain")
    kept = {word for record in records for word in tokens(record.message)}
    assert kept >= set(tokens(re.sub("[\r\0]", "\n", text.encode("utf-8", "replace").decode())))


@pytest.mark.parametrize(
    "name", ["Android", "Apache", "BGL", "HDFS", "Hadoop", "Linux", "OpenSSH", "Zookeeper"]
)
def test_real_logs_are_kept_whole(name):
    """Eight systems' logs: nothing rejected, every line a record with a time, every word of it to be found."""
    path = LOGHUB / f"{name}_2k.log.gz"
    if not path.exists():
        pytest.skip("the collection of real logs is not beside this folder")
    body = gzip.decompress(path.read_bytes())
    records, batches, _ = run(cut(body, 1 << 16))
    lines = [line for line in body.decode("utf-8", "replace").splitlines() if line.strip()]
    assert sum(batch.decoded.rejected_count for batch in batches) == 0
    assert len(records) == len(lines)
    assert all(record.timestamp for record in records)
    for line, record in zip(lines, records, strict=True):
        lost = set(tokens(line)) - set(tokens(record.message))
        assert all(any(mark.isdigit() for mark in word) or len(word) == 3 for word in lost), (line, record)
        assert len(lost) <= 8
