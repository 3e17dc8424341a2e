"""JSON lines: every line is stored or rejected with its reason, and nothing of it is lost."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamis.record.model import INSTANT_MAX, INSTANT_MIN, Record, StoredRecord
from tamis.wire import jsonlines
from tamis.wire.base import NOTE_FIELD, REST_FIELD, DecodeOptions, FieldNames, WireLimits

NOW = 1_795_255_200 * 10**9
OPTIONS = DecodeOptions(now_ns=NOW)


def read(body, **settings):
    """Records and what was rejected."""
    decoded = jsonlines.decode(body, DecodeOptions(now_ns=NOW, **settings))
    assert decoded.received == decoded.columns.length + decoded.rejected_count
    return list(decoded.columns.records(NOW)), [(one.line, one.reason) for one in decoded.rejected]


def one(given, **settings):
    """The record of one object."""
    records, rejected = read(json.dumps(given).encode(), **settings)
    assert not rejected
    assert len(records) == 1
    return records[0]


def test_a_usual_record_fills_the_core_fields():
    """The usual names go to the core, everything else stays as it was sent."""
    record = one(
        {
            "timestamp": "2026-11-21T10:00:00.5Z", "level": "warn", "service": "shop",
            "host": "web-1", "logger": "shop.cart", "message": "slow", "trace_id": "ab",
            "span_id": "cd", "correlation_id": "ef",
            "duration_ms": 2.5, "status": 200, "ok": True, "tags": ["a", 1], "user": {"id": 7},
        }
    )  # fmt: skip
    assert record == Record(
        timestamp=NOW + 500_000_000, level="WARNING", service="shop", host="web-1",
        logger="shop.cart", message="slow", trace_id="ab", span_id="cd", correlation_id="ef",
        attributes={"duration_ms": 2.5, "status": 200, "ok": True, "tags": ["a", 1], "user": {"id": 7}},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"@timestamp": 1795255200, "log.level": "i", "message": "m"}, {"level": "INFO"}),
        ({"ts": 1795255200.0, "lvl": "E", "msg": "m", "app": "a"}, {"level": "ERROR", "service": "a"}),
        ({"time": 1795255200000, "level": 30, "msg": "m", "host": "h"}, {"level": "WARNING", "host": "h"}),
        ({"__REALTIME_TIMESTAMP": "1795255200000000", "MESSAGE": "m", "PRIORITY": "3"}, {"level": "ERROR"}),
        ({"t": 1795255200, "severity": 17, "body": "m"}, {"level": "ERROR"}),
        ({"t": 1795255200, "body": "m", "traceId": "x"}, {"trace_id": "x"}),
        ({"date": "2026-11-21T10:00:00Z", "message": "m", "host": {"name": "h"}}, {"host": "h"}),
        ({"date": "2026-11-21T10:00:00Z", "message": "m", "host.name": "h"}, {"host": "h"}),
        ({"ts": 1795255200, "msg": "m", "log": {"level": "d"}}, {"level": "DEBUG"}),
        ({"ts": 1795255200, "msg": "m", "log": {"logger": "l"}}, {"logger": "l"}),
        ({"ts": 1795255200, "text": "m", "service": {"name": "s"}}, {"service": "s"}),
    ],
)  # fmt: skip
def test_common_names_are_understood(fields, expected):
    """Names of other systems lead to the same record."""
    record = one(fields)
    assert record == Record(timestamp=NOW, message="m", **expected)


def test_order_decides_between_names_and_the_others_stay():
    """Of several names the first is taken; the rest are attributes, with what they held."""
    record = one(
        {
            "msg": "second",
            "message": "first",
            "timestamp": 1795255200,
            "ts": 5,
            "level": "info",
            "severity": "x",
        }
    )
    assert (record.message, record.timestamp, record.level) == ("first", NOW, "INFO")
    assert record.attributes == {"msg": "second", "ts": 5, "severity": "x"}


def test_a_name_without_value_leaves_the_place_to_the_next():
    """Null is absent; an object under a core name stays an attribute."""
    records, _ = read(b'{"message":null,"msg":"a"}\n{"message":{"x":1},"msg":"b"}\n{"message":"c","msg":"d"}')
    assert [record.message for record in records] == ["a", "b", "c"]
    assert [record.attributes for record in records] == [{}, {"message": {"x": 1}}, {"msg": "d"}]


def test_an_object_gives_its_name_and_keeps_the_rest():
    """host.name is the host; host.ip is still there."""
    assert one({"message": "m", "host": {"name": "h", "ip": "1.2.3.4"}}).attributes == {
        "host": {"ip": "1.2.3.4"}
    }
    assert one({"message": "m", "host": {"ip": "1.2.3.4"}}).attributes == {"host": {"ip": "1.2.3.4"}}


def test_names_of_the_user_come_first():
    """time_field and message_field beat the common names."""
    fields = FieldNames(time=("when",), message=("what",), level=("how",))
    record = one(
        {"when": 1795255200, "what": "w", "message": "m", "how": "warn", "level": "x"}, fields=fields
    )
    assert (record.timestamp, record.message, record.level) == (NOW, "w", "WARNING")
    assert record.attributes == {"message": "m", "level": "x"}


def test_numbers_and_booleans_under_text_names_are_their_text():
    """A service 5 is the service "5"."""
    record = one({"message": 42, "service": 5, "host": True, "trace_id": 18446744073709551615, "logger": 2.0})
    assert (record.message, record.service, record.host, record.trace_id, record.logger) == (
        "42", "5", "true", "18446744073709551615", "2",
    )  # fmt: skip


def test_a_time_that_is_none_is_kept_and_said():
    """The record gets the instant of receipt; the text stays, with a note."""
    record = one({"timestamp": "soon", "message": "m"})
    assert record.timestamp == NOW
    assert record.attributes["timestamp"] == "soon"
    assert "time" in record.attributes[NOTE_FIELD]


def test_a_duration_called_time_is_no_instant():
    """Small numbers under names that mean other things too stay attributes."""
    assert one({"time": 0.25, "message": "m"}).attributes == {"time": 0.25}
    assert one({"priority": "high", "message": "m"}).attributes == {"priority": "high"}


def test_defaults_stand_in_where_a_record_has_none():
    """service and host of the request are for records without."""
    records, _ = read(b'{"message":"a","service":"own"}\n{"message":"b"}', service="given", host="here")
    assert [(record.service, record.host) for record in records] == [("own", "here"), ("given", "here")]


def test_bad_lines_among_good_ones_are_named():
    """Each bad line has its number and reason; the good ones are all kept, in order."""
    body = b'{"message":"1"}\nnot json\n\n{"message":"4"}\r\n[1]\n"text"\n{"message":"7"\n   \n'
    body += b'{"message":"9"}\n7\nnull\n'
    records, rejected = read(body)
    assert [record.message for record in records] == ["1", "4", "9"]
    assert [line for line, _ in rejected] == [2, 5, 6, 7, 10, 11]
    assert "not JSON" in rejected[0][1]
    assert "not a text" in rejected[2][1]


def test_lists_are_as_many_records_as_objects():
    """A line that is a list, or a body that is one (on one line or many), gives each object."""
    for body in (
        b'[{"message":"a"},{"message":"b"},3]',
        b'[\n  {\n "message":"a"},\n {"message":"b"},\n3\n]\n',
    ):
        records, rejected = read(body)
        assert [record.message for record in records] == ["a", "b"]
        assert [line for line, _ in rejected] == [3]
    records, rejected = read(b'[{"message":"a"}]\n[{"message":"b"},{"message":"c"}]\n')
    assert [record.message for record in records] == ["a", "b", "c"]
    assert [record.message for record in read(b'{\n  "message": "pretty"\n}\n')[0]] == ["pretty"]


@pytest.mark.parametrize("body", [b"", b"\n", b"\r\n \n", b"\xef\xbb\xbf", b"\0\0", b"[]"])
def test_nothing_is_no_record(body):
    """Empty bodies and blank lines are neither kept nor rejected."""
    assert read(body) == ([], [])


def test_odd_bytes_are_kept():
    """BOM, NUL, CRLF, broken UTF-8 (marked), control characters and lone surrogates."""
    body = (
        b'\xef\xbb\xbf{"message":"bom"}\r\n\0\0{"message":"nul"}\n{"message":"a\xffb"}\n{"message":"a\0b\tc"}'
    )
    body += b'\n{"message":"\\ud800x"}'
    records, rejected = read(body)
    assert not rejected
    assert [record.message for record in records] == ["bom", "nul", "a\ufffdb", "a\0b\tc", "\\ud800x"]
    assert "UTF-8" in records[2].attributes[NOTE_FIELD]
    records[4].message.encode()


def test_odd_numbers_are_kept():
    """NaN and infinities as text, integers of any size exactly, duplicates by their last value."""
    body = b'{"a":NaN,"b":-Infinity,"c":1e999}\n'
    body += b'{"a":1267650600228229401496703205376,"b":18446744073709551616}\n{"a":1,"a":2}\n'
    records, rejected = read(body + b'{"a":%s}' % (b"9" * 5000))
    assert not rejected
    assert [record.attributes for record in records] == [
        {"a": "NaN", "b": "-Infinity", "c": "1e999"}, {"a": 2**100, "b": 2**64}, {"a": 2}, {"a": "9" * 5000},
    ]  # fmt: skip


def test_mixed_types_in_a_field_stay_what_they_are():
    """A field that is 1, "a", 2.5, true, null, an object and a list in turn."""
    values = [1, "a", 2.5, True, 2**70, {"x": [1, {"y": 2}]}, [1, "b"]]
    body = b"\n".join(json.dumps({"message": "m", "v": value}).encode() for value in (*values, None))
    assert [record.attributes.get("v") for record in read(body)[0]] == [*values, None]


def test_long_and_deep_lines_are_bounded():
    """A line over the limit is rejected with its size; depth ends in a mark or a rejection, never a crash."""
    limits = WireLimits(line_bytes_max=200)
    records, rejected = read(b'{"message":"%s"}\n{"message":"b"}' % (b"x" * 300), limits=limits)
    assert [record.message for record in records] == ["b"]
    assert rejected[0][0] == 1
    assert "200" in rejected[0][1]
    records, rejected = read(b'{"message":"m","a":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n{}")
    assert rejected == [(1, "nested too deeply")]
    assert "deep" in str(one({"a": json.loads("[" * 40 + "]" * 40)}).attributes)


def test_only_the_first_rejections_are_listed_and_all_are_counted():
    """Ten thousand bad lines do not make a ten-thousand-line answer."""
    decoded = jsonlines.decode(b"bad\n" * 3000, OPTIONS)
    assert (decoded.received, decoded.rejected_count, len(decoded.rejected)) == (3000, 3000, 1000)
    assert decoded.rejected[-1].line == 1000


@given(
    st.lists(
        st.one_of(
            st.sampled_from(
                [
                    b"{}",
                    b'{"a":NaN}',
                    b'{"a":-Infinity}',
                    b'{"a":1e999}',
                    b'{"a":"\\ud800"}',
                    b'{"a":"\t"}',
                    b'{"a":"\xff"}',
                    b"\0{}",
                    b"\x0c{}",
                    b"\xef\xbb\xbf{}",
                    b" {} \t\r",
                    b"{\xa0}",
                    b'{"a":%s}' % (b"9" * 5000),
                    b"{x}",
                    b"{",
                ]
            ),
            st.text(alphabet='{}[]",:a1eE+-.N \\u\t\x00\xff', max_size=12).map(str.encode),
            st.binary(max_size=12).map(lambda noise: noise.replace(b"\n", b" ")),
        ),
        max_size=8,
    )
)
def test_a_full_list_of_rejections_rejects_no_more(lines):
    """Whether or not rejections are still listed, the same lines are rejected."""
    body = b"{}\n" + b"\n".join(lines)
    decoded = jsonlines.decode(
        b"{!}\n" * 3 + body, DecodeOptions(now_ns=NOW, limits=WireLimits(rejections_listed_max=1))
    )
    records, rejected = read(body)
    assert list(decoded.columns.records(NOW)) == records
    assert decoded.rejected_count == 3 + len(rejected)


def test_many_names_cannot_exhaust_memory():
    """Records that each bring their own name are kept, beyond the limit in one object."""
    body = b"\n".join(b'{"message":"m","k%d":%d}' % (n, n) for n in range(5000))
    decoded = jsonlines.decode(body, OPTIONS)
    assert len(decoded.columns.attributes) <= 2_001
    for n, record in enumerate(decoded.columns.records(0)):
        rest = record.attributes.get(REST_FIELD, {})
        assert isinstance(rest, dict)
        assert n in (record.attributes.get(f"k{n}"), rest.get(f"k{n}"))


def test_a_line_without_message_can_be_its_own():
    """Files want every word found; the network wants no invention."""
    assert read(b'{"a":1}\n')[0][0].message == ""
    assert read(b'x\n {"a":1}\r\n', line_as_message=True)[0][0].message == '{"a":1}'


def test_attributes_are_spread_unless_their_name_is_taken():
    """Our own format's object becomes attributes; a clash loses neither value."""
    record = one({"message": "m", "x": 1, "attributes": {"x": 2, "y": 3, "level": "z"}})
    assert record.attributes == {"x": 1, "y": 3, "level": "z", "attributes": {"x": 2}}
    assert one({"message": "m", "attributes": "text"}).attributes == {"attributes": "text"}


def test_only_our_own_export_loses_the_numbers_of_its_store():
    """id and received of other people's records are theirs."""
    own = {
        "id": "0123abcd-17",
        "timestamp": 1795255200,
        "received": "x",
        "message": "m",
        "shape": "m",
        "attributes": {"a": 1},
    }
    assert one(own).attributes == {"a": 1}
    assert one({**own, "id": "17"}).attributes == {"id": "17", "received": "x", "shape": "m", "a": 1}


def test_rows_of_many_kinds_are_read_as_each_alone():
    """Many rows with other keys each: every record is what its line alone gives."""
    names = ["ts", "time", "msg", "text", "level", "severity", "host", "service", "a", "b", "attributes"]
    for width in (4, 100):
        rows = []
        for n in range(200):
            row: dict[str, object] = {
                name: f"{name}{n}" for at, name in enumerate(names[:-1]) if n >> (at % 7) & 1
            }
            row |= {
                f"k{n % width}": n,
                "ts": 1795255200 + n,
                "host": {"name": "h", "ip": n} if n % 3 else None,
            }
            rows.append(row | ({"attributes": {"a": n}} if width == 4 else {}))
        together, _ = read(b"\n".join(json.dumps(row).encode() for row in rows))
        assert together == [one(row) for row in rows]


LEAVES = st.one_of(
    st.text(max_size=8), st.integers(), st.booleans(), st.floats(allow_nan=False, allow_infinity=False)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
)
NAMES = st.sampled_from(["a", "b", "level", "timestamp", "host", "attributes", "id", "rest"]) | st.text(
    max_size=6
)
RECORDS = st.builds(
    Record,
    timestamp=st.integers(INSTANT_MIN, INSTANT_MAX),
    message=st.text(max_size=20),
    level=st.sampled_from([None, "INFO", "WARNING", "ODD"]),
    service=st.none() | st.text(max_size=5),
    host=st.none() | st.text(max_size=5),
    logger=st.none() | st.text(max_size=5),
    trace_id=st.none() | st.text(max_size=5),
    span_id=st.none() | st.text(max_size=5),
    correlation_id=st.none() | st.text(max_size=5),
    attributes=st.dictionaries(NAMES, VALUES, max_size=4),
)  # fmt: skip


@given(st.lists(RECORDS, max_size=5))
def test_our_own_format_reads_back_whole(records):
    """decode(encode(records)) are the records, with every value and type."""
    stored = [StoredRecord(seq=at + 1, received=1, record=record) for at, record in enumerate(records)]
    body = jsonlines.encode(stored, store_id="0123abcd")
    assert read(body) == (records, [])
    assert read(jsonlines.encode_records(records)) == (records, [])


@given(
    st.one_of(
        st.binary(max_size=200), st.text(alphabet='{}[]",:a1 \n\\u\x00\xff', max_size=80).map(str.encode)
    )
)
def test_any_bytes_are_counted(body):
    """Whatever comes: no error, and received is kept and rejected."""
    read(body)


@given(
    st.lists(
        st.dictionaries(
            NAMES | st.sampled_from(["message", "msg", "ts", "log", "service"]),
            VALUES | st.none(),
            max_size=6,
        )
    )
)
def test_no_scalar_of_the_input_is_lost(rows):
    """Every text value that came in is somewhere in the record it came in."""
    body = b"\n".join(json.dumps(row).encode() for row in rows)
    records, rejected = read(body)
    assert not rejected
    assert len(records) == len(rows)
    for row, record in zip(rows, records, strict=True):
        held = repr(record)
        for name, value in row.items():
            if isinstance(value, str) and name != "level":
                assert repr(value) in held
