"""Text in pieces: the same records as in one, whatever is held back and wherever reading goes on."""

import gzip
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamis.record.model import Record
from tamis.record.tokens import tokens
from tamis.wire.base import DEFAULT_LIMITS, DecodeOptions
from tamis.wire.detect import FORMATS, detect
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


def run(pieces, name="auto"):
    """All records, and where each block of whole records ended: pieces are put together as a reader of files
    does, which holds back what may go on."""
    form = FORMATS[detect(b"".join(pieces)) if name == "auto" else name]
    options = replace(OPTIONS, keep_unparsed=name == "auto", line_as_message=True)
    held, offset = b"", 0
    records: list[Record] = []
    ends: list[tuple[int, int]] = []
    for place, piece in enumerate(pieces):
        held += piece
        whole = held[: held.rfind(b"\n") + 1]
        ready = len(held) if place == len(pieces) - 1 else form.hold(whole, DEFAULT_LIMITS)
        if ready:
            assert ready == len(held) or held[ready - 1 : ready] == b"\n"
            decoded = form.decode(held[:ready], options)
            assert decoded.received == decoded.columns.length + decoded.rejected_count
            records += decoded.columns.records(0)
            held, offset = held[ready:], offset + ready
            ends.append((offset, len(records)))
    return records, ends, form.name


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
    whole, _, _ = run([body], name)
    for size in (1, 7, 64):
        records, ends, _ = run(cut(body, size), name)
        assert records == whole
        assert ends[-1][0] == len(body)


@pytest.mark.parametrize("body", [TRACE * 3, b"a\nb\n  at c(d.js:1)\nd"])
def test_reading_can_go_on_from_any_block(body):
    """What was whole up to a place and what is read from there make the whole."""
    whole, ends, name = run(cut(body, 5))
    assert len(ends) > 1
    for offset, count in ends:
        rest, _, _ = run([body[offset:]], name)
        assert [record.message for record in whole[count:]] == [record.message for record in rest]


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
    (record,), _, name = run([body])
    assert name == "jsonlines"
    assert (record.level, record.host, record.message) == ("INFO", "h", "hi")


def test_a_file_of_json_keeps_what_is_no_json():
    """In a file that was recognised a broken line is kept with a note; asked for as JSON lines, it is rejected."""
    body = b'{"msg":"a"}\nstarting up\n{"msg":"b"}\n{"msg":"c\n'
    records, _, _ = run([body])
    assert [record.message for record in records] == ["a", "starting up", "b", '{"msg":"c']
    strict = FORMATS["jsonlines"].decode(body, OPTIONS)
    assert [one.line for one in strict.rejected] == [2, 4]


@pytest.mark.parametrize("indent", [None, 2])
def test_a_file_that_is_one_array_is_read_as_its_objects(indent):
    """A JSON document over many lines, or on one longer than a line may be, is not taken line by line."""
    rows = [{"msg": f"m{n}", "pad": "x" * 1000} for n in range(3000)]
    body = json.dumps(rows, indent=indent).encode()
    records, _, name = run(cut(body, 1 << 16))
    assert [record.message for record in records] == [row["msg"] for row in rows]
    assert name == "json"


NOISE = st.one_of(
    st.binary(max_size=120),
    st.lists(
        st.sampled_from([*TRACE.split(b"\n"), *DOCKER.split(b"\n"), *CRI.split(b"\n"), b"", b"  x", b'{"a":1}', b"["]),
        max_size=8,
    ).map(b"\n".join),
)  # fmt: skip


@given(NOISE, st.sampled_from(["auto", *FORMATS]), st.integers(1, 40))
def test_any_bytes_are_kept_or_counted(body, name, size):
    """Whatever comes, in whatever pieces: no error, received is kept and rejected, and all of it is read."""
    _, ends, _ = run(cut(body, size), name)
    assert not body or ends[-1][0] == len(body)


@given(st.lists(st.text(max_size=12), max_size=8).map("\n".join))
def test_no_word_of_plain_text_is_lost(text):
    """Every word of a text is in the message of some record."""
    records, _, _ = run([text.encode("utf-8", "replace")], "plain")
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
    records, _, _ = run(cut(body, 1 << 16))
    lines = [line for line in body.decode("utf-8", "replace").splitlines() if line.strip()]
    assert len(records) == len(lines)
    assert all(record.timestamp for record in records)
    for line, record in zip(lines, records, strict=True):
        lost = set(tokens(line)) - set(tokens(record.message))
        assert all(any(mark.isdigit() for mark in word) or len(word) == 3 for word in lost), (line, record)
        assert len(lost) <= 8
