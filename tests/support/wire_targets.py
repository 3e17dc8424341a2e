"""Every decoder that takes bytes from strangers, with what it promises of any bytes, and examples to begin with.

A target takes bytes and a number that says how they come (in how large pieces, say). It raises AssertionError where a
promise is broken; whatever else leaves it is a defect of the decoder.
"""

import bz2
import gzip
import json
import lzma
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Any

import pyarrow as pa
from backports import zstd
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from tamis.errors import TooLargeError, WireError
from tamis.record.model import listed_values
from tamis.store.embedded.format.columns import to_records, to_table, with_seq
from tamis.wire import body as json_body
from tamis.wire import bulk, gelf, journal_export, jsonlines, jsonlines_arrow, loki, syslog_messages
from tamis.wire.arrivals import Arrival
from tamis.wire.arrow_schema import LearnedSchemas
from tamis.wire.base import Bytes, Decoded, DecodeOptions, WireLimits
from tamis.wire.compressed import inflate
from tamis.wire.detect import FORMATS, detect
from tamis.wire.frames import Framed, Frames
from tamis.wire.journal_stream import Entries
from tamis.wire.otlp_json import decode_json as decode_otlp_json
from tamis.wire.otlp_protobuf import decode_protobuf as decode_otlp_protobuf
from tamis.wire.protobuf import bytes_field, varint_field
from tamis.wire.sse import decode_events

NOW_NS = 1_795_305_600 * 10**9
LIMITS = WireLimits(
    line_bytes_max=1_000,
    rejections_listed_max=5,
    names_max=40,
    lines_max=200,
    array_bytes_max=50_000,
    expanded_bytes_max=100_000,
    record_lines_max=20,
    record_bytes_max=800,
)
"""Small ones, so that few bytes are enough to meet them."""
OPTIONS = DecodeOptions(now_ns=NOW_NS, limits=LIMITS)
INFLATED_MAX = 200_000
SPLIT = b"\xff\xfe"
"""Stands between the datagrams of one input."""
ENCODINGS: tuple[tuple[str, Callable[[bytes], bytes]], ...] = (
    ("gzip", gzip.compress),
    ("deflate", zlib.compress),
    ("zstd", zstd.compress),
    ("xz", lzma.compress),
    ("bzip2", bz2.compress),
)


@dataclass(frozen=True, slots=True)
class Target:
    """A decoder: its promise as a check of any bytes, and examples."""

    name: str
    check: Callable[[bytes, int], None]
    seeds: Sequence[bytes]


def pieces(data: bytes, number: int) -> list[bytes]:
    """The bytes in pieces of one size."""
    size = number + 1
    return [data[at : at + size] for at in range(0, len(data), size)]


def kept(decode: Callable[[], Decoded], options: DecodeOptions = OPTIONS) -> Decoded | None:
    """What was decoded: every line is a record or a rejection, and the store takes what is none; None when the whole
    was refused, as decoders refuse."""
    try:
        found = decode()
    except WireError:
        return None
    columns, limits = found.columns, options.limits
    assert found.received == columns.length + found.rejected_count <= limits.lines_max
    assert len(found.rejected) == min(found.rejected_count, limits.rejections_listed_max)
    assert len(columns.timestamp) == columns.length
    if columns.length:
        table = with_seq(to_table(columns, received_ns=NOW_NS), 0)
        assert len(list(to_records(table))) == columns.length
    return found


def rows(found: Decoded) -> Any:
    """What can be compared of a batch, whichever way it was decoded."""
    columns = found.columns
    made: list[dict[tuple[str, str], Any]] = [{} for _ in range(columns.length)]
    named = [(("", "timestamp"), columns.timestamp)]
    named += [(("core", name), column) for name, column in columns.core.items()]
    named += [(("attribute", name), column) for name, column in columns.attributes.items()]
    for name, column in named:
        for row, value in zip(made, listed_values(column), strict=True):
            if value is not None:
                row[name] = ("number", value) if type(value) in (int, float) else (type(value), value)
    return made, found.received, found.rejected, found.rejected_count


def decoder(decode: Callable[[Bytes, DecodeOptions], Decoded]) -> Callable[[bytes, int], None]:
    """The check of a decoder of whole bodies."""

    def check(data: bytes, number: int) -> None:
        kept(lambda: decode(data, OPTIONS))

    return check


def check_otlp_protobuf(data: bytes, number: int) -> None:
    """Where Google's reader finds a request in the bytes too, it has as many records."""
    found = kept(lambda: decode_otlp_protobuf(data, OPTIONS))
    try:
        request = ExportLogsServiceRequest.FromString(data)
    except DecodeError:
        return
    scopes = chain.from_iterable(one.scope_logs for one in request.resource_logs)
    count = sum(len(one.log_records) for one in scopes)
    assert found is None or found.received == count


def check_loki_protobuf(data: bytes, number: int) -> None:
    """As it comes: packed by snappy."""
    kept(lambda: loki.decode_protobuf(bytes(pa.compress(data, codec="snappy", asbytes=True)), OPTIONS))


def check_json_lines(data: bytes, number: int) -> None:
    """In pieces as whole; and the fast way, where it answers, answers what the general one does."""
    whole = kept(lambda: jsonlines.decode(data, OPTIONS))
    fast = kept(lambda: jsonlines_arrow.decode_fast(data, OPTIONS, LearnedSchemas()) or _refuse())
    if fast is not None and whole is not None:
        assert rows(fast) == rows(whole)

    def fed() -> Decoded:
        made = json_body.BodyDecoder(OPTIONS, LearnedSchemas(), count=lambda way: None)
        for piece in pieces(data, number):
            made.feed(piece)
        return made.finish()

    kept(fed)


def _refuse() -> Decoded:
    raise WireError("the other way is taken")


def check_bulk(data: bytes, number: int) -> None:
    """Every item is stored or refused; in pieces as whole."""

    def decoded(parts: list[bytes], block_bytes: int) -> bulk.Bulk | None:
        made = bulk.BulkDecoder(OPTIONS, LearnedSchemas(), count=lambda way: None)
        made.block_bytes = block_bytes
        try:
            for part in parts:
                made.feed(part)
            return made.finish()
        except TooLargeError:
            return None

    whole, parted = decoded([data], 1 << 22), decoded(pieces(data, number), 64)
    assert (whole is None) == (parted is None)
    if whole is None or parted is None:
        return
    assert whole.received == whole.columns.length + whole.refused_count
    assert (whole.received, whole.refused_count) == (parted.received, parted.refused_count)
    assert whole.reasons(50) == parted.reasons(50)
    if whole.columns.length:
        to_table(whole.columns, received_ns=NOW_NS)


def check_gelf_datagrams(data: bytes, number: int) -> None:
    """Chunks stay within their memory; each message is a record or a rejection."""
    chunks = gelf.Chunks(5_000)
    messages = []
    for datagram in data.split(SPLIT):
        message = chunks.add(datagram, "192.0.2.7", now_s=0.0)
        assert chunks.held_bytes <= 5_000
        messages += [] if message is None else [message]
    chunks.end()
    assert chunks.held_bytes == 0
    found = kept(lambda: gelf.decode_messages([Arrival("192.0.2.7", NOW_NS, messages[:200])], OPTIONS))
    assert found is not None
    assert found.received == len(messages[:200])


def check_syslog(data: bytes, number: int) -> None:
    """A stream comes to the same messages however it is cut; each that says anything is a record."""
    for counted, lines in ((True, True), (False, False)):
        framed = _framed(pieces(data, number), counted=counted, lines=lines)
        assert all(len(message) <= LIMITS.line_bytes_max for message in framed.messages)
        arrival = Arrival("192.0.2.7", NOW_NS, framed.messages[:200], {})
        found = kept(partial(syslog_messages.decode_messages, [arrival], OPTIONS))
        assert found is not None
        texts = [message.decode("utf-8", "replace").strip("\r\n\0") for message in arrival.messages]
        assert found.received == len([text for text in texts if text])


def _framed(parts: Sequence[bytes], *, counted: bool, lines: bool) -> Framed:
    frames, all_of_it = Frames(LIMITS.line_bytes_max, counted=counted, lines=lines), Framed()
    for part in [*parts, None]:
        found = frames.finish() if part is None else frames.feed(part)
        all_of_it.cut.update({len(all_of_it.messages) + at: size for at, size in found.cut.items()})
        all_of_it.messages += found.messages
        assert frames.held_bytes <= 2 * (LIMITS.line_bytes_max + 256)
    return all_of_it


def check_journal(data: bytes, number: int) -> None:
    """A file as a whole; an upload comes to the same entries however it is cut, each of which is one record."""
    kept(
        lambda: journal_export.decode(data, replace(OPTIONS, limits=replace(LIMITS, lines_max=len(data) + 1)))
    )
    assert 0 <= journal_export.open_entry(data) <= len(data)
    found, refused = _entries(pieces(data, number))
    assert (found, refused) == _entries([data])
    for entry in found:
        one = kept(partial(journal_export.decode, entry, OPTIONS))
        assert one is not None
        assert one.received == 1


def _entries(parts: Sequence[bytes]) -> tuple[list[bytes], int]:
    entries = Entries(LIMITS.line_bytes_max)
    found = [entry for part in parts for entry in entries.feed(part)]
    return [*found, *entries.finish()], len(entries.rejected)


def check_compressed(data: bytes, number: int) -> None:
    """No more comes out than may, in whatever pieces the bytes come."""
    for name, _ in ENCODINGS:
        size = 0
        try:
            for piece in inflate(pieces(data, number), name, bytes_max=INFLATED_MAX, ratio_max=500.0):
                size += len(piece)
        except WireError:
            pass
        assert size <= INFLATED_MAX


def check_text(data: bytes, number: int) -> None:
    """The format that they look like, and one by number: every line is in a record, or rejected."""
    options = replace(
        OPTIONS,
        keep_unparsed=True,
        line_as_message=True,
        limits=replace(LIMITS, lines_max=len(data) + 1),
    )
    for name in (detect(data), list(FORMATS)[number % len(FORMATS)]):
        form = FORMATS[name]
        whole = data[: data.rfind(b"\n") + 1]
        assert 0 <= form.hold(whole, LIMITS) <= len(whole)
        kept(partial(form.decode, data, options), options)


def check_events(data: bytes, number: int) -> None:
    """Events of another server come to the same however they are cut."""
    assert list(decode_events([data])) == list(decode_events(pieces(data, number)))


def make_small() -> None:
    """Let few bytes go the ways of many: by blocks, by Arrow, layer by layer."""
    from tamis.wire import otlp_json, otlp_protobuf

    jsonlines_arrow.BODY_BYTES_MIN = 1
    json_body.BLOCK_BYTES = 64
    otlp_protobuf.TOGETHER_MIN, otlp_protobuf.BLOCK, otlp_protobuf.AROUND_BYTES_LARGE = 2, 3, 16
    loki.TOGETHER_MIN, loki.BLOCK_RECORDS = 2, 3
    gelf.BLOCK_RECORDS = 3
    vars(otlp_json)["WHOLE_BYTES_MAX"] = vars(loki)["WHOLE_BYTES_MAX"] = 200


def _otlp() -> list[bytes]:
    request = ExportLogsServiceRequest()
    around = request.resource_logs.add(schema_url="https://schemas/1")
    around.resource.attributes.add(key="service.name").value.string_value = "shop"
    scope = around.scope_logs.add()
    scope.scope.name = "shop.orders"
    for number in range(4):
        record = scope.log_records.add(
            time_unix_nano=NOW_NS,
            observed_time_unix_nano=NOW_NS + 5,
            severity_number=13,
            severity_text="WARN",
            trace_id=bytes(range(16)),
            span_id=bytes(range(8)),
            flags=1,
            event_name="late" if number == 3 else "",
        )
        record.body.string_value = "late"
        record.attributes.add(key="n").value.int_value = -7
        record.attributes.add(key="d").value.double_value = 0.5
        record.attributes.add(key="b").value.bool_value = True
    plain = request.SerializeToString()
    record.attributes.add(key="o").value.kvlist_value.values.add(key="k").value.bytes_value = b"\0\xff"
    record.attributes.add(key="l").value.array_value.values.add().string_value = "one"
    return [plain, request.SerializeToString(), bytes_field(1, bytes_field(2, bytes_field(2, b"") * 5))]


_OTLP_JSON = {
    "resourceLogs": [
        {
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
            "scopeLogs": [
                {
                    "scope": {"name": "orders"},
                    "logRecords": [
                        {
                            "timeUnixNano": str(NOW_NS),
                            "severityNumber": 9,
                            "body": {"stringValue": "late"},
                            "traceId": "5b8efff798038103d269b633813fc60c",
                            "attributes": [
                                {"key": "n", "value": {"intValue": "7"}},
                                {"key": "d", "value": {"doubleValue": "NaN"}},
                                {"key": "l", "value": {"arrayValue": {"values": [{"boolValue": True}]}}},
                            ],
                        }
                    ],
                }
            ],
        }
    ]
}


def _loki() -> list[bytes]:
    time = bytes_field(1, varint_field(1, NOW_NS // 10**9) + varint_field(2, 5))
    pair = bytes_field(3, bytes_field(1, b"trace_id") + bytes_field(2, b"ab"))
    entry = bytes_field(2, time + bytes_field(2, b"a line") + pair)
    labels = bytes_field(1, b'{job="x", path="/a \\"b\\"", level=`warn`}')
    return [bytes_field(1, labels + entry * 4), bytes_field(1, bytes_field(1, b"{}") + entry)]


def _chunks(message: bytes, count: int) -> list[bytes]:
    size = -(-len(message) // count)
    return [
        gelf.CHUNK_MARK + b"12345678" + bytes((at, count)) + message[at * size : (at + 1) * size]
        for at in range(count)
    ]


_GELF = (
    b'{"version":"1.1","host":"h","short_message":"m","full_message":"f","timestamp":1.5,"level":1,"_a":2}'
)
_LOKI_JSON = (
    b'{"streams":[{"stream":{"a":"b"},"values":[["1795305600000000000","line",{"k":"v"}],["1","x"]]}]}'
)
_LINES = (
    b'{"timestamp":"2026-11-21T10:00:00Z","level":"info","message":"a","n":1,"o":{"p":[1,null]}}\n',
    b'{"msg":"b","time":1795305600,"n":2.5,"f":NaN}\n',
    b'{"id":"ab-1","timestamp":"2026-11-21T10:00:00Z","received":1,"shape":1,"attributes":{"a":1}}\n',
)
_SYSLOG = (
    b'<165>1 2003-10-11T22:14:15.003Z host app 111 ID47 [a@1 iut="3" b="\\"c\\]"] \xef\xbb\xbfAn event',
    b"<34>Oct 11 22:14:15 mymachine su[7]: 'su root' failed",
)
_JOURNAL = (
    b"__CURSOR=s=1\n__REALTIME_TIMESTAMP=1795255200123456\nPRIORITY=3\n_HOSTNAME=web-1\n"
    b"MESSAGE\n\x0c\0\0\0\0\0\0\0two\n\nlines\xffx\n_PID=12\n_PID=13\n\n"
)
_TEXTS = (
    b"2026-11-21 10:00:00,123 ERROR shop.cart: no\nTraceback (most recent call last):\n  File x\nValueError: no\n",
    b'{"log":"a long ","stream":"stdout","time":"2026-11-21T10:00:00.5Z"}\n',
    b'2026-11-21T10:00:01.000000001Z stderr P {"level":"error",\n2026-11-21T10:00:02.000000001Z stderr F "a":1}\n',
    b'127.0.0.1 - u [10/Oct/2000:13:55:36 -0700] "GET /a.gif HTTP/1.0" 200 23 "-" "curl"\n',
    b'level=info msg="order \\"x\\"" user=7 took=1.5\n',
    b"Start-Date: 2026-11-21  10:00:00\nCommandline: apt\nEnd-Date: 2026-11-21  10:00:01\n\n",
    b"I1121 10:00:00.123456 12 a.cc:7] klog\n081109 203615 148 INFO dfs.X: y\n",
    b'[\n {"msg": "a"},\n {"msg": "b"}\n]\n',
)

TARGETS: tuple[Target, ...] = (
    Target("otlp-protobuf", check_otlp_protobuf, _otlp()),
    Target("otlp-json", decoder(decode_otlp_json), [json.dumps(_OTLP_JSON).encode()]),
    Target("loki-json", decoder(loki.decode_json), [_LOKI_JSON]),
    Target("loki-protobuf", check_loki_protobuf, _loki()),
    Target(
        "loki-snappy",
        decoder(loki.decode_protobuf),
        [bytes(pa.compress(one, codec="snappy", asbytes=True)) for one in _loki()],
    ),
    Target(
        "bulk",
        check_bulk,
        [
            b'{"index":{"_index":"a","_id":"1"}}\n{"m":1}\n{"create":{}}\n{"m":2}\n{"delete":{"_id":"1"}}\n{"x":1}\n'
        ],
    ),
    Target("gelf", decoder(gelf.decode_body), [_GELF, gzip.compress(_GELF), b"%b\n%b\n" % (_GELF, _GELF)]),
    Target(
        "gelf-datagrams",
        check_gelf_datagrams,
        [
            SPLIT.join([_GELF, zlib.compress(_GELF), *_chunks(_GELF, 3)]),
            SPLIT.join(_chunks(zstd.compress(_GELF), 2)),
        ],
    ),
    Target(
        "syslog",
        check_syslog,
        [b"\n".join(_SYSLOG), b"\0".join(_SYSLOG), b"".join(b"%d %b" % (len(one), one) for one in _SYSLOG)],
    ),
    Target("journal", check_journal, [_JOURNAL, _JOURNAL * 2, b"A=1\nno name\n\n" + _JOURNAL]),
    Target("json-lines", check_json_lines, [b"".join(_LINES), _LINES[0] * 3, b"[" + _LINES[0] + b"]"]),
    Target("compressed", check_compressed, [pack(_LINES[0] * 9) for _, pack in ENCODINGS]),
    Target("text", check_text, [*_TEXTS, *_SYSLOG, _JOURNAL]),
    Target("events", check_events, [b"event: record\nid: ab-1\ndata: {}\n\n: beat\n\nid: ab-2\n\n"]),
)
