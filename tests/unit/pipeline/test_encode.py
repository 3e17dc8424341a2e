"""Records as lines of JSON."""

import json
import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamis.pipeline.encode import NAMES, Names, encode_line, encode_lines, print_instant
from tamis.record.attributes import safe_text
from tamis.record.model import Record
from tamis.wire.base import DecodeOptions
from tamis.wire.jsonlines import decode
from tamis.wire.names import (
    CORRELATION,
    HOST,
    LEVEL,
    LOGGER,
    MESSAGE,
    OWN_DROPPED,
    SERVICE,
    SPAN,
    TIME,
    TRACE,
)

NOW = 1_763_719_200_000_000_000
TEXTS = st.text(max_size=40).map(safe_text)
LEVELS = st.sampled_from(["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", "AUDIT"])
SCALARS = (
    TEXTS
    | st.integers(-(2**63), 2**63 - 1)
    | st.booleans()
    | st.floats(allow_nan=False, allow_infinity=False)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=8,
)
TAKEN = {*TIME, *LEVEL, *MESSAGE, *SERVICE, *HOST, *LOGGER, *TRACE, *SPAN, *CORRELATION, *OWN_DROPPED}
NAME = TEXTS.filter(lambda name: name not in TAKEN and name != "attributes" and "." not in name)
FRAME = st.fixed_dictionaries({"file": TEXTS, "line": st.integers(0, 9_999), "function": TEXTS})
EXCEPTION = st.fixed_dictionaries(
    {"type": TEXTS, "message": TEXTS, "frames": st.lists(FRAME, min_size=1, max_size=3)}
)
OPTIONAL = st.none() | st.text(min_size=1, max_size=20).map(safe_text)
RECORDS = st.builds(
    Record,
    timestamp=st.integers(10**18, 4 * 10**18),
    message=TEXTS,
    level=LEVELS,
    service=OPTIONAL,
    host=OPTIONAL,
    logger=OPTIONAL,
    correlation_id=OPTIONAL,
    trace_id=OPTIONAL,
    span_id=OPTIONAL,
    attributes=st.builds(
        lambda attributes, exception: {**attributes, **({"exception": exception} if exception else {})},
        st.dictionaries(NAME, VALUES, max_size=5),
        st.none() | EXCEPTION,
    ),
)


def decoded(data: bytes) -> list[Record]:
    result = decode(data, DecodeOptions(now_ns=NOW))
    assert result.rejected_count == 0
    return list(result.columns.records(NOW))


@given(st.lists(RECORDS, max_size=4))
def test_the_server_reads_back_what_was_written(records: list[Record]) -> None:
    """Each record comes back the same, the exception where it was."""
    assert decoded(encode_lines(records)) == records


@given(st.lists(RECORDS, max_size=4), st.sampled_from(NAMES))
def test_a_batch_is_its_lines(records: list[Record], names: Names) -> None:
    """The quick way and the line by itself are byte for byte the same, and each line is one object."""
    data = encode_lines(records, names)
    assert data == b"".join(encode_line(record, names) for record in records)
    assert [type(json.loads(line)) for line in data.split(b"\n")[:-1]] == [dict] * len(records)


UNUSUAL = (
    st.sampled_from([math.nan, math.inf, -math.inf, "\ud800", 2**64, -(2**70), 10**5_000, None, b"\xff"])
    | SCALARS
)


@given(st.dictionaries(st.text(max_size=5) | st.just("\udfff"), UNUSUAL | st.lists(UNUSUAL), max_size=4))
def test_every_value_becomes_a_line(attributes: dict[str, Any]) -> None:
    """What JSON cannot carry is carried as text; the records beside it are as ever."""
    plain = Record(timestamp=NOW, message="beside")
    record = Record(timestamp=NOW, message="x\udc80", attributes=attributes)
    for names in NAMES:
        lines = encode_lines([plain, record, plain], names).split(b"\n")
        assert len(lines) == 4
        assert lines[0] == lines[2] == encode_line(plain, names)[:-1]
        assert isinstance(json.loads(lines[1]), dict)


def test_values_that_json_has_no_form_for_are_kept_as_text() -> None:
    """Surrogates as escapes, NaN by its name, giants in hexadecimal; 64 bits and a little more as numbers."""
    given_ = {
        "nan": math.nan,
        "inf": [math.inf],
        "low": "a\ud800b",
        "giant": 16**5_000,
        "big": 2**70,
        "no": None,
    }
    line = json.loads(encode_line(Record(timestamp=NOW, message="\udc80", attributes=given_)))  # type: ignore[arg-type]  # wrong on purpose
    assert line["message"] == "\\udc80"
    assert line["attributes"] == {
        "nan": "nan",
        "inf": ["inf"],
        "low": "a\\ud800b",
        "giant": "0x1" + "0" * 5_000,
        "big": 2**70,
    }


def test_a_message_that_looks_like_null_is_only_looked_at() -> None:
    """The word in a message or value changes nothing."""
    record = Record(timestamp=NOW, message='{"a":null}', attributes={"q": "[null", "s": ":null,"})
    assert decoded(encode_lines([record])) == [record]


def test_the_exception_stands_at_the_top() -> None:
    """As L10 has it; absent fields are left out, message and attributes never."""
    exception: dict[str, Any] = {"type": "ValueError", "message": "bad", "frames": []}
    line = json.loads(encode_line(Record(timestamp=NOW, attributes={"exception": exception, "a": 1})))
    assert line == {
        "timestamp": "2025-11-21T10:00:00Z",
        "message": "",
        "exception": exception,
        "attributes": {"a": 1},
    }


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1, "1970-01-01T00:00:00.000000001Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (1_500_000_000, "1970-01-01T00:00:01.500Z"),
        (1_000_001_000, "1970-01-01T00:00:01.000001Z"),
    ],
)
def test_instants_have_as_many_digits_as_they_need(ns: int, text: str) -> None:
    """None, 3, 6 or 9, in a batch as alone."""
    assert print_instant(ns) == text
    assert json.loads(encode_lines([Record(timestamp=ns)]))["timestamp"] == text


@given(st.lists(st.integers(-(10**18), 9 * 10**18), min_size=1, max_size=20))
def test_seconds_remembered_from_the_record_before_are_right(stamps: list[int]) -> None:
    """Whatever order the records are in."""
    lines = encode_lines([Record(timestamp=stamp) for stamp in stamps]).splitlines()
    for stamp, line in zip(stamps, lines, strict=True):
        text = json.loads(line)["timestamp"]
        head = datetime.fromisoformat(text[:19]).replace(tzinfo=UTC)
        assert int(head.timestamp()) == stamp // 10**9
        assert text == print_instant(stamp)


FULL = Record(
    timestamp=NOW,
    message="failed",
    level="ERROR",
    service="shop",
    host="web-1",
    logger="shop.pay",
    trace_id="0af7651916cd43dd8448eb211c80319c",
    span_id="b7ad6b7169203331",
    correlation_id="c-1",
    attributes={
        "process_id": 7,
        "process": "0a1b2c3d",
        "sequence": 9,
        "thread": "MainThread",
        "code": {"file": "pay.py", "line": 3, "function": "pay"},
        "exception": {
            "type": "ValueError",
            "message": "bad",
            "frames": [{"file": "pay.py", "line": 3, "function": "pay"}],
        },
        "order_id": 42,
    },
)
TRACE_TEXT = 'Traceback (most recent call last):\n  File "pay.py", line 3, in pay\nValueError: bad'


def test_ecs_names() -> None:
    """The Elastic Common Schema has a name for everything of ours; the user's fields keep theirs."""
    assert json.loads(encode_line(FULL, "ecs")) == {
        "@timestamp": "2025-11-21T10:00:00Z",
        "log.level": "ERROR",
        "message": "failed",
        "ecs.version": "8.11.0",
        "log.logger": "shop.pay",
        "service.name": "shop",
        "host.name": "web-1",
        "trace.id": FULL.trace_id,
        "span.id": FULL.span_id,
        "correlation_id": "c-1",
        "process.pid": 7,
        "process.entity_id": "0a1b2c3d",
        "process.thread.name": "MainThread",
        "event.sequence": 9,
        "log.origin.file.name": "pay.py",
        "log.origin.file.line": 3,
        "log.origin.function": "pay",
        "error.type": "ValueError",
        "error.message": "bad",
        "error.stack_trace": TRACE_TEXT,
        "attributes": {"order_id": 42},
    }


def test_otel_names() -> None:
    """OpenTelemetry's data model, with the semantic conventions in attributes and resource."""
    assert json.loads(encode_line(FULL, "otel")) == {
        "Timestamp": str(NOW),
        "SeverityText": "ERROR",
        "SeverityNumber": 17,
        "Body": "failed",
        "TraceId": FULL.trace_id,
        "SpanId": FULL.span_id,
        "InstrumentationScope": {"name": "shop.pay"},
        "Resource": {
            "service.name": "shop",
            "service.instance.id": "0a1b2c3d",
            "host.name": "web-1",
            "process.pid": 7,
        },
        "Attributes": {
            "sequence": 9,
            "order_id": 42,
            "thread.name": "MainThread",
            "code.file.path": "pay.py",
            "code.line.number": 3,
            "code.function.name": "pay",
            "exception.type": "ValueError",
            "exception.message": "bad",
            "exception.stacktrace": TRACE_TEXT,
            "correlation_id": "c-1",
        },
    }


@pytest.mark.parametrize("names", ["ecs", "otel"])
def test_the_server_knows_the_other_names_too(names: Names) -> None:
    """A file under those names can be sent to Tamis later: every core field finds its place."""
    (found,) = decoded(encode_line(FULL, names))
    assert (found.timestamp, found.message, found.level) == (NOW, "failed", "ERROR")
    assert (found.trace_id, found.span_id) == (FULL.trace_id, FULL.span_id)


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize(("ns", "year"), [(10**22, "9999"), (-(10**22), "0001")])
def test_instants_beyond_what_can_be_written_are_the_last_that_can(ns: int, year: str, names: Names) -> None:
    """A record that somebody made with milliseconds for seconds is a line as any other."""
    line = encode_line(Record(ns, "kept"), names)
    assert json.loads(line)
    assert names == "otel" or year in line.decode()


def test_ids_that_are_no_text_are_written_as_text() -> None:
    """Whatever a processor put there."""
    odd: Any = Record(NOW, "kept", trace_id=object())  # type: ignore[arg-type]  # as nobody should
    assert str(json.loads(encode_line(odd))["trace_id"]).startswith("<object object")


def test_large_batches_are_the_same_lines() -> None:
    """They are written one by one into one buffer."""
    records = [Record(NOW + n, "x" * n) for n in range(100)]
    assert encode_lines(records, about=10) == encode_lines(records, about=10**9) == encode_lines(records)
