"""Records read in step are what they are read one by one."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tamis.errors import WireError
from tamis.wire import otlp_protobuf
from tamis.wire.base import Decoded, DecodeOptions, WireLimits
from tamis.wire.otlp_protobuf import decode_protobuf
from tests.conformance.otlp.requests import NOW_NS, as_protobuf, attribute

OPTIONS = DecodeOptions(now_ns=NOW_NS)
TRACE, SPAN = "5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174"
INT64 = st.integers(-(2**63), 2**63 - 1)
SCALARS = st.one_of(
    st.text(max_size=200).map(lambda text: {"stringValue": text}),
    INT64.map(lambda number: {"intValue": str(number)}),
    st.floats(allow_nan=False, allow_infinity=False).map(lambda number: {"doubleValue": number}),
    st.booleans().map(lambda one: {"boolValue": one}),
)
ODD = st.sampled_from(
    [{}, {"arrayValue": {"values": [{"intValue": "1"}]}}, {"doubleValue": "NaN"}, {"bytesValue": "AAE="},
     {"kvlistValue": {"values": [{"key": "a", "value": {"boolValue": True}}]}}]
)  # fmt: skip
TIMES = st.sampled_from([0, NOW_NS, NOW_NS + 1, 2**63, 5]).map(str)
NAMES = st.sampled_from(["a", "b", "status", "correlation_id", "region", "severity_text", "x" * 130, ""])


def record(draw: st.DrawFn, *, odd: bool) -> dict[str, Any]:
    values = st.one_of(SCALARS, ODD) if odd else SCALARS
    kinds = {name: draw(values) for name in draw(st.lists(NAMES, max_size=4, unique=not odd))}
    made = {
        "timeUnixNano": draw(TIMES),
        "observedTimeUnixNano": draw(TIMES),
        "severityNumber": draw(st.sampled_from([0, 1, 9, 17, 24])),
        "severityText": draw(st.sampled_from(["", "INFO", "error", "odd", "x" * 80])),
        "flags": draw(st.sampled_from([0, 1, 256])),
        "traceId": draw(st.sampled_from(["", TRACE, "00" * 16])),
        "spanId": draw(st.sampled_from(["", SPAN] + (["aa"] if odd else []))),
        "attributes": [attribute(name, value) for name, value in kinds.items()],
    }
    body = draw(st.one_of(st.none(), values))
    if body is not None:
        made["body"] = body
    if odd and draw(st.booleans()):
        made["eventName"] = "placed"
    return made


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Some records of one or two scopes, some of them unusual."""
    odd = draw(st.booleans())
    scopes = [
        {
            "scope": {"name": draw(st.sampled_from(["", "orders"])), "version": "1"},
            "logRecords": [record(draw, odd=odd) for _ in range(draw(st.integers(1, 6)))],
        }
        for _ in range(draw(st.integers(1, 2)))
    ]
    around = [attribute("service.name", "shop"), attribute("region", "eu"), attribute("n", {"intValue": "7"})]
    return as_protobuf({"resourceLogs": [{"resource": {"attributes": around}, "scopeLogs": scopes}]})


def told(body: bytes, monkeypatch: pytest.MonkeyPatch, together_min: int, **limits: int) -> Any:
    """All that comes of a body, or the error."""
    monkeypatch.setattr(otlp_protobuf, "TOGETHER_MIN", together_min)
    options = DecodeOptions(now_ns=NOW_NS, limits=WireLimits(**limits))
    try:
        found: Decoded = decode_protobuf(body, options)
    except WireError as error:
        return type(error), str(error)
    records = [repr(one) for one in found.columns.records(NOW_NS)]
    return sorted_attributes(found), len(records), found.received, found.rejected, found.rejected_count


def sorted_attributes(found: Decoded) -> list[Any]:
    """Records with their types: 1 and true and "1" are not the same; 1 and 1.0 are (decision 0007)."""
    return [
        (one.timestamp, one.message, one.level, one.service, one.host, one.logger, one.trace_id, one.span_id,
         one.correlation_id, sorted((name, repr(as_number(value))) for name, value in one.attributes.items()))
        for one in found.columns.records(NOW_NS)
    ]  # fmt: skip


def as_number(value: object) -> object:
    """A whole number as the float that a column of floats makes of it."""
    return float(value) if type(value) is int and abs(value) < 1 << 53 else value


@given(requests())
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_both_ways_read_the_same(monkeypatch: pytest.MonkeyPatch, body: bytes) -> None:
    """Whatever a request holds; mixed types, absent fields and unusual records included."""
    assert told(body, monkeypatch, 1) == told(body, monkeypatch, 10**9)


@given(requests(), st.data())
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_both_ways_refuse_the_same(monkeypatch: pytest.MonkeyPatch, body: bytes, data: st.DataObject) -> None:
    """Also when bytes are changed or lacking: the same is kept, and the same is rejected."""
    broken = bytearray(body)
    for _ in range(data.draw(st.integers(1, 3))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(broken[: data.draw(st.integers(len(broken) // 2, len(broken)))])
    assert told(cut, monkeypatch, 1) == told(cut, monkeypatch, 10**9)


def usual(count: int, size: int = 10) -> bytes:
    records = [
        {
            "timeUnixNano": str(NOW_NS),
            "body": {"stringValue": "x" * size},
            "attributes": [attribute("n", {"intValue": str(n)})],
        }
        for n in range(count)
    ]
    return as_protobuf({"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]})


def test_usual_records_take_the_fast_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of them is read by itself; of an unusual one its block is."""
    monkeypatch.setattr(otlp_protobuf, "_read_record", lambda *_: pytest.fail("read by itself"))
    assert decode_protobuf(usual(100), OPTIONS).columns.length == 100
    odd = usual(99).replace(b"xxxxxxxxxx", b"\xff" * 10, 1)
    with pytest.raises(pytest.fail.Exception):
        decode_protobuf(odd, OPTIONS)


@pytest.mark.parametrize(
    "limits", [{"line_bytes_max": 40}, {"lines_max": 50}, {"expanded_bytes_max": 2_000}, {"names_max": 1}]
)
def test_limits_hold_either_way(monkeypatch: pytest.MonkeyPatch, limits: dict[str, int]) -> None:
    """The same is refused, with the same words."""
    body = usual(60, 30)
    assert told(body, monkeypatch, 1, **limits) == told(body, monkeypatch, 10**9, **limits)
