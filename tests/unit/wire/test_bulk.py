"""Bulk bodies: each item stored or refused, whatever the body is, and whichever way it is read."""

import json
import tracemalloc
from collections.abc import Iterable
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tamis.errors import TooLargeError
from tamis.wire.arrow_schema import LearnedSchemas
from tamis.wire.base import DecodeOptions, WireLimits
from tamis.wire.bulk import Bulk, BulkDecoder, OneDocument
from tamis.wire.bulk_answer import EVERYTHING, Filter, Stored, encode_answer
from tamis.wire.bulk_items import ItemReader, Refusal
from tamis.wire.bulk_sources import service_of_index

NOW_NS = 1_763_719_200_000_000_000
LIMITS = WireLimits(line_bytes_max=2_000)
WHERE = Stored("0123abcd", 100)


def decoder(index: str | None = "logs", limits: WireLimits = LIMITS) -> BulkDecoder:
    options = DecodeOptions(now_ns=NOW_NS, limits=limits)
    return BulkDecoder(options, LearnedSchemas(), index=index, count=lambda way: None)


def decoded(
    body: bytes, index: str | None = "logs", *, piece: int = 1 << 20, limits: WireLimits = LIMITS
) -> Bulk:
    made = decoder(index, limits)
    for at in range(0, len(body), piece):
        made.feed(body[at : at + piece])
    return made.finish()


def lines(*values: Any) -> bytes:
    texts = (one if isinstance(one, bytes) else json.dumps(one).encode() for one in values)
    return b"".join(text + b"\n" for text in texts)


def answered(bulk: Bulk, wanted: Filter = EVERYTHING) -> Any:
    return json.loads(b"".join(encode_answer(bulk, WHERE, took_ms=1, wanted=wanted)))


def told(bulk: Bulk) -> list[tuple[str, int]]:
    """Action and status of each item."""
    return [(action, item["status"]) for one in answered(bulk)["items"] for action, item in one.items()]


def records(bulk: Bulk) -> list[dict[str, Any]]:
    return [
        {"message": row.message, "service": row.service, "level": row.level, **row.attributes}
        for row in bulk.columns.records(NOW_NS)
    ]


def test_each_item_is_told_of_in_its_order() -> None:
    """Indexed and created items are stored; what follows a broken one is still read."""
    body = lines(
        {"index": {}}, {"message": "a"},
        {"create": {"_id": "5", "_index": "shop-2026.11.21"}}, {"message": "b"},
        {"delete": {"_id": "5"}},
        {"update": {"_id": "6"}}, {"doc": {"message": "c"}, "doc_as_upsert": True},
        b"{broken", {"message": "of the broken one"},
        {"index": {"_type": "events"}}, b"{broken too",
        {"index": {}}, b"[1]",
        {"index": {}}, b"",
        {"index": {"op_type": "create"}}, {"message": "d"},
        {"index": {"_id": ""}}, {"message": "e"},
        {"index": {"_id": "x" * 513}}, {"message": "f"},
        {"index": {"if_seq_no": 1, "if_primary_term": 1}}, {"message": "g"},
        {"index": {}, "create": {}}, {"message": "h"},
        {"index": {}},
    )  # fmt: skip
    bulk = decoded(body)
    assert told(bulk) == [
        ("index", 201), ("create", 201), ("delete", 400), ("update", 400), ("index", 400), ("index", 400),
        ("index", 400), ("index", 400), ("create", 201), ("index", 400), ("index", 400), ("index", 400),
        ("index", 400), ("index", 400),
    ]  # fmt: skip
    assert records(bulk) == [
        {"message": "a", "service": "logs", "level": None, "es.index": "logs"},
        {"message": "b", "service": "shop", "level": None, "es.index": "shop-2026.11.21", "es.id": "5"},
        {"message": "d", "service": "logs", "level": None, "es.index": "logs"},
    ]
    answer = answered(bulk)
    assert answer["errors"] is True
    items = [next(iter(one.values())) for one in answer["items"]]
    assert [items[at]["_id"] for at in (0, 1, 8)] == ["0123abcd-100", "5", "0123abcd-102"]
    assert "malformed action line" in items[4]["error"]["reason"]
    assert (items[5]["error"]["type"], items[7]["error"]["reason"]) == (
        "document_parsing_exception", "the source line is empty",
    )  # fmt: skip


def test_a_missing_source_costs_one_item() -> None:
    """An action in a source's place is an action."""
    body = lines({"index": {}}, {"index": {"_id": "1"}}, {"message": "a"}, {"index": {}}, {"index": "a text"})
    bulk = decoded(body)
    assert told(bulk) == [("index", 400), ("index", 201), ("index", 201)]
    assert [one.get("index") for one in records(bulk)] == [None, "a text"]


def test_fields_of_ecs_are_core_fields() -> None:
    """Nested and dotted."""
    nested = {
        "@timestamp": "2026-11-21T10:00:00.5Z", "message": "m", "log": {"level": "warn", "logger": "a.b"},
        "service": {"name": "shop"}, "host": {"name": "h1", "os": "linux"}, "trace": {"id": "t"}, "span": {"id": "s"},
    }  # fmt: skip
    dotted = {
        "@timestamp": 1_795_255_200_500, "message": "m", "log.level": "warn", "log.logger": "a.b",
        "service.name": "shop",
        "host.name": "h1", "trace.id": "t", "span.id": "s", "host.os": "linux",
    }  # fmt: skip
    bulk = decoded(lines({"create": {}}, nested, {"create": {}}, dotted), "logs-x-default")
    one, other = bulk.columns.records(NOW_NS)
    for row in (one, other):
        assert (row.level, row.logger, row.service, row.host) == ("WARNING", "a.b", "shop", "h1")
        assert (row.trace_id, row.span_id, row.timestamp) == ("t", "s", 1_795_255_200_500_000_000)
    assert one.attributes == {"host": {"os": "linux"}, "es.index": "logs-x-default"}


def test_what_a_document_says_stays() -> None:
    """Its own service, and attributes under our names, come before what the action says."""
    bulk = decoded(lines({"index": {"_id": "1"}}, {"service": "own", "es.id": 7, "es.index": None}))
    assert records(bulk) == [{"message": "", "service": "own", "level": None, "es.index": "logs", "es.id": 7}]
    assert records(decoded(lines({"index": {}}, {"a": 1}), None)) == [
        {"message": "", "service": None, "level": None, "a": 1}
    ]


@pytest.mark.parametrize(
    ("index", "service"),
    [
        ("shop", "shop"),
        ("shop-2026.11.21", "shop"),
        ("shop-2026-11", "shop"),
        ("filebeat-8.19.0-2026.11.21", "filebeat"),
        ("filebeat-8.19.0-2026.11.21-000001", "filebeat"),
        ("logs-nginx.access-default", "nginx.access"),
        (".ds-logs-nginx-default-2026.11.21-000001", "nginx"),
        ("2026.11.21", "2026.11.21"),
        ("a-b", "a-b"),
    ],
)
def test_a_service_is_named_after_its_index(index: str, service: str) -> None:
    """Without date, rollover number and version; of a data stream its dataset."""
    assert service_of_index(index) == service


def test_lines_that_are_too_long_cost_their_items() -> None:
    """Also those that are longer than a block, as sources and as actions; they are not held."""
    long = {"message": "x" * 3_000}
    huge = b'{"message":"' + b"x" * (9 << 20) + b'"}'
    body = lines(
        {"index": {}}, long, {"index": {}}, huge, {"index": {}}, {"a": 1}, huge, {"index": {}}, {"a": 2}
    )
    for piece in (1 << 16, 1 << 25):
        bulk = decoded(body, piece=piece)
        assert told(bulk) == [("index", 400), ("index", 400), ("index", 201), ("index", 400), ("index", 201)]
        reasons = [one.reason for block in bulk.blocks for one in block.refused.values()]
        assert sum("over line_bytes_max = 2,000" in reason for reason in reasons) == 3
        assert [one["a"] for one in records(bulk)] == [1, 2]


def test_broken_utf8_is_told_or_mended() -> None:
    """As JSON lines have it: the record is kept with a note."""
    bulk = decoded(lines({"index": {}}, b'{"message":"a\xff"}', b'{"index":{"_id":"\xff"}}', {"a": 1}))
    assert told(bulk) == [("index", 201), ("index", 400)]
    assert records(bulk)[0]["message"] == "a\ufffd"


def test_too_many_items_are_refused_whole() -> None:
    """413 instead of memory."""
    with pytest.raises(TooLargeError, match="lines_max"):
        decoded(lines({"index": {}}, {"a": 1}) * 3, limits=WireLimits(lines_max=2))


def test_one_document_may_stand_on_many_lines() -> None:
    """Pretty-printed JSON is one source."""
    made = OneDocument(decoder(), b'{"create":{"_id":"7"}}', 1_000)
    made.feed(b'{\n  "message": "a",\n')
    made.feed(b'  "n": 1\n}\n')
    bulk = made.finish()
    assert told(bulk) == [("create", 201)]
    assert records(bulk)[0] | {"message": "a", "n": 1, "es.id": "7"} == records(bulk)[0]
    with pytest.raises(TooLargeError):
        OneDocument(decoder(), b"{}", 3).feed(b"1234")


def test_rows_that_are_refused_later_leave_the_batch() -> None:
    """Their items say why, the others keep their records and identities."""
    body = lines(
        *(part for at in range(6) for part in ({"index": {"_id": str(at)} if at % 2 else {}}, {"n": at}))
    )
    bulk = decoded(lines({"delete": {}}) + body)
    left = bulk.without({1: Refusal(409, "k", "r"), 4: Refusal(200, "noop", "")})
    assert [one["n"] for one in records(left)] == [0, 2, 3, 5]
    assert [status for _, status in told(left)] == [400, 201, 409, 201, 201, 200, 201]
    assert left.rows.tolist() == [2, 3]
    assert left.identities.words.tolist() == bulk.identities.words[1:].tolist()
    assert (left.refused_count, bulk.without({}) is bulk) == (2, True)


@pytest.mark.parametrize(
    ("wanted", "left"),
    [
        ("errors", {"errors": True}),
        ("took,items.*.status", {"took": 1, "items": [{"index": {"status": 201}}, {"delete": {"status": 400}}]}),
        ("items.*.error.type", {"items": [{"delete": {"error": {"type": "illegal_argument_exception"}}}]}),
        ("items.delete.st*", {"items": [{"delete": {"status": 400}}]}),
        ("**.status,-items.delete", {"items": [{"index": {"status": 201}}]}),
        ("nothing", {}),
        ("-items,-took", {"errors": True}),
        ("-items.*._*,-items.*.result,-items.*.error", {
            "took": 1, "errors": True, "items": [{"index": {"status": 201}}, {"delete": {"status": 400}}],
        }),
    ],
)  # fmt: skip
def test_clients_choose_what_they_read(wanted: str, left: Any) -> None:
    """`filter_path` as Elasticsearch has it: what is empty is left out."""
    bulk = decoded(lines({"index": {}}, {"a": 1}, {"delete": {}}))
    assert answered(bulk, Filter.parse(wanted)) == left


def test_names_and_ids_of_any_characters_are_answered() -> None:
    """Quotes, braces, percents and backslashes, in both ways of writing."""
    odd = 'a"b\\c{0}%s\u20ac\x01'
    for count in (1, 3):
        body = lines(
            *(
                part
                for at in range(count)
                for part in ({"create": {"_index": odd, "_id": f"{odd}{at}"}}, {"a": 1})
            )
        )
        items = [one["create"] for one in answered(decoded(body))["items"]]
        assert [(one["_index"], one["_id"]) for one in items] == [(odd, f"{odd}{at}") for at in range(count)]


def test_memory_stays_near_the_body_of_garbage() -> None:
    """A million refused items, each with a reason, in a fraction of a gigabyte."""
    body = (b'{"delete":{}}\n' + b'{"index":{}}\nx\n') * 50_000
    tracemalloc.start()
    bulk = decoded(body)
    assert sum(len(piece) for piece in encode_answer(bulk, WHERE, took_ms=1)) > 0
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert bulk.received == 100_000
    assert peak < 100 << 20


ACTION = st.one_of(
    st.builds(
        lambda name, meta: json.dumps({name: meta}).encode(),
        st.sampled_from(["index", "create", "create", "index", "update", "delete"]),
        st.fixed_dictionaries(
            {},
            optional={
                "_id": st.one_of(st.text(max_size=5), st.integers(0, 9), st.none()),
                "_index": st.sampled_from(["a", "b-2026.11.21", "", "\u20ac"]),
                "_type": st.just("events"),
                "odd": st.just(1),
                "op_type": st.sampled_from(["create", "index"]),
            },
        ),
    ),
    st.sampled_from(
        [b'{"index":{}}', b'{"create":{}}', b"{}", b"", b"x", b'{"index":null}', b'{"index":{}', b"\xff"]
    ),
)
SOURCE = st.one_of(
    st.dictionaries(
        st.sampled_from(["message", "level", "@timestamp", "n", "log", "service", "index", "es.id"]),
        st.recursive(
            st.one_of(
                st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=4)
            ),
            lambda inner: st.one_of(
                st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=3), inner, max_size=2)
            ),
            max_leaves=4,
        ),
        max_size=4,
    ).map(lambda value: json.dumps(value).encode()),
    st.sampled_from(
        [b"", b" ", b"[1]", b"[{}]", b"{", b"null", b'{"a":1}{"b":2}', b'{"a":NaN}', b'{"a":"\xff"}', b"\r"]
    ),
    st.just(b'{"a":"' + b"x" * 2_100 + b'"}'),
)
PAIR = st.one_of(st.tuples(ACTION, SOURCE), st.tuples(SOURCE), st.tuples(ACTION))


def seen(bulk: Bulk) -> tuple[Any, ...]:
    """All that a body came to."""
    names = [
        block.names[0 if block.name_of is None else int(block.name_of[at])]
        for block in bulk.blocks
        for at in range(len(block.codes))
    ]
    return (
        [json.loads(piece) for piece in [b"".join(encode_answer(bulk, WHERE, took_ms=1))]],
        records(bulk),
        names,
        bulk.identities.words[:, :2].tolist(),
        bulk.rows.tolist(),
        bulk.received,
    )


def body_of(pairs: Iterable[tuple[bytes, ...]]) -> bytes:
    return b"".join(line + b"\n" for pair in pairs for line in pair)


@given(st.lists(PAIR, max_size=12).map(body_of), st.integers(1, 200))
@settings(max_examples=400, deadline=None)
def test_any_lines_come_to_the_same_however_they_come(body: bytes, piece: int) -> None:
    """Sent = stored + refused; item by item gives what the way of lines that take turns gives, in pieces as whole."""
    whole = decoded(body)
    assert whole.received == whole.columns.length + whole.refused_count
    assert len(answered(whole).get("items", [])) == whole.received
    with patch.object(ItemReader, "_alike", return_value=None):
        assert seen(decoded(body)) == seen(whole)
    made = decoder()
    made.block_bytes = 64
    for at in range(0, len(body), piece):
        made.feed(body[at : at + piece])
    assert seen(made.finish()) == seen(whole)


@given(st.binary(max_size=300))
@settings(max_examples=400, deadline=None)
def test_any_bytes_are_accounted_for(body: bytes) -> None:
    """No error but those of limits, and every item is in the answer."""
    bulk = decoded(body)
    assert bulk.received == bulk.columns.length + bulk.refused_count == len(answered(bulk).get("items", []))


@given(
    st.lists(
        st.fixed_dictionaries(
            {"message": st.text(max_size=30), "n": st.integers(-5, 5)},
            optional={"level": st.sampled_from(["info", "error"]), "x": st.floats(allow_nan=False)},
        ),
        min_size=1,
        max_size=5,
    ),
    st.sampled_from([b"", b"{broken\n", b"\n", b"[1]\n", b"[{}]\n", b"x" * 2_100 + b"\n"]),
)
@settings(max_examples=30, deadline=None)
def test_the_fast_way_of_sources_is_the_general_one(rows: list[dict[str, Any]], odd: bytes) -> None:
    """Blocks large enough for Arrow, with something broken in the middle."""
    pair = [b'{"create":{}}\n' + json.dumps(row).encode() + b"\n" for row in rows]
    good = b"".join(pair) * (1 + 40_000 // sum(map(len, pair)))
    body = good + (b'{"index":{}}\n' + odd if odd else b"") + good
    fast = decoded(body)
    with patch("tamis.wire.bulk_sources.decode_fast", return_value=None):
        general = decoded(body)
    assert seen(fast) == seen(general)
