"""Elasticsearch and OpenSearch: items one by one, ids, indices, templates, credentials."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tamis.errors import SinkUnavailableError
from tamis.pipeline.base import DELIVERED, Batch, Outcome
from tamis.pipeline.sinks.elasticsearch import ElasticsearchSink
from tamis.record.model import Record
from tests.support.elasticsearch_server import ElasticsearchServer
from tests.support.faulty_server import refuse_with

DAY_NS = 86_400 * 10**9
T0 = 1_763_719_200_000_000_000  # 2025-11-21T10:00:00Z
TIMEOUT_S = 20.0


@pytest.fixture
def server() -> Iterator[ElasticsearchServer]:
    with ElasticsearchServer() as made:
        yield made


@pytest.fixture
def sink(server: ElasticsearchServer) -> Iterator[ElasticsearchSink]:
    made = open_sink(server)
    yield made
    made.close()


def open_sink(
    server: ElasticsearchServer, path: str = "shop", family: str = "elasticsearch"
) -> ElasticsearchSink:
    return ElasticsearchSink(f"{family}+http://127.0.0.1:{server.port}/{path}")


def record(number: int, *, at: int | None = None, **attributes: Any) -> Record:
    ours: dict[str, Any] = {"process_id": 7, "process": "0a1b2c3d", "sequence": number}
    stamp = T0 + number if at is None else at
    return Record(timestamp=stamp, message=f"m{number}", level="INFO", attributes={**ours, **attributes})


def send(sink: ElasticsearchSink, *records: Record, name: str = "b") -> Outcome:
    return sink.send(Batch(name, records), timeout_s=TIMEOUT_S)


def fails(*numbers: int) -> Callable[[dict[str, Any]], bool]:
    return lambda source: source["message"] in {f"m{number}" for number in numbers}


def test_only_items_that_failed_for_now_are_sent_again(
    server: ElasticsearchServer, sink: ElasticsearchSink
) -> None:
    """429 and 5xx of items come back for a retry of their own; the others are stored."""
    server.fail_items(fails(2), status=429, times=1)
    server.fail_items(fails(3), status=503, times=1)
    sent = [record(number) for number in range(1, 5)]
    outcome = send(sink, *sent)
    assert outcome == Outcome(retry=(sent[1], sent[2]))
    assert send(sink, *outcome.retry, name="rest") == DELIVERED
    assert sorted(doc["message"] for doc in server.sources()) == ["m1", "m2", "m3", "m4"]


def test_documents_that_do_not_fit_are_refused_with_the_reason(
    server: ElasticsearchServer, sink: ElasticsearchSink
) -> None:
    """A conflict of types is the document's own: it is refused, its neighbours are stored."""
    send(sink, record(1, amount=5))
    odd = record(2, amount={"value": 5})
    outcome = send(sink, odd, record(3, amount=7))
    assert [item.record for item in outcome.rejected] == [odd]
    assert "amount" in outcome.rejected[0].reason
    assert outcome.retry == ()
    assert server.count() == 2


def test_retry_and_refusal_in_one_bulk(server: ElasticsearchServer, sink: ElasticsearchSink) -> None:
    """Each item has its own answer."""
    server.fail_items(fails(1), status=429)
    server.fail_items(fails(2), status=400)
    sent = [record(number) for number in (1, 2, 3)]
    outcome = send(sink, *sent)
    assert outcome.retry == (sent[0],)
    assert [item.record for item in outcome.rejected] == [sent[1]]


@pytest.mark.parametrize("status", [401, 403, 429, 503])
def test_a_cluster_that_takes_nothing_is_unavailable(
    server: ElasticsearchServer, sink: ElasticsearchSink, status: int
) -> None:
    """All items failing for now is the cluster's trouble, so that the breaker hears of it."""
    server.fail_items(lambda _: True, status=status)
    with pytest.raises(SinkUnavailableError) as caught:
        send(sink, record(1), record(2))
    assert caught.value.status == status


def test_a_record_has_one_id_in_whatever_batch(server: ElasticsearchServer, sink: ElasticsearchSink) -> None:
    """Sent again in another batch, in part and in another order, it is stored once: the answer 409 is done."""
    sent = [record(number) for number in range(1, 11)]
    assert send(sink, *sent) == DELIVERED
    assert send(sink, *sent[5:], name="other") == DELIVERED
    assert send(sink, *reversed(sent), name="third") == DELIVERED
    assert server.count() == 10


def test_records_that_look_alike_are_not_taken_for_one(
    server: ElasticsearchServer, sink: ElasticsearchSink
) -> None:
    """The same process digits and number at another time, and records without any, all are stored."""
    bare = Record(timestamp=T0, message="bare")
    for _ in range(2):
        assert send(sink, record(1), record(1, at=T0), bare, bare) == DELIVERED
    assert server.count() == 4
    assert send(sink, bare, name="another") == DELIVERED
    assert server.count() == 5


def test_indices_go_by_the_day_of_the_record(server: ElasticsearchServer) -> None:
    """In UTC, several days in one bulk; and a bulk of one day names its index in the path alone."""
    sink = open_sink(server, "shop-%Y.%m.%d")
    send(sink, record(1), record(2, at=T0 + DAY_NS), record(3, at=T0 + 2))
    send(sink, record(4, at=T0 + 15 * DAY_NS // 24))
    send(sink, record(5, at=T0 + 13 * DAY_NS // 24))
    assert {name: len(index.documents) for name, index in server.cluster.indices.items()} == {
        "shop-2025.11.21": 3,
        "shop-2025.11.22": 2,
    }
    assert server.requests[-1].path == "/shop-2025.11.21/_bulk"
    assert b"_index" not in server.requests[-1].body
    sink.close()


def test_a_data_stream_is_made_by_its_template(server: ElasticsearchServer) -> None:
    """The template says so before the first document comes, and `create` is all that a stream takes."""
    sink = open_sink(server, "logs-shop?data_stream=on")
    assert send(sink, record(1)) == DELIVERED
    assert server.cluster.indices["logs-shop"].is_stream
    sink.close()


def test_the_template_is_put_once(server: ElasticsearchServer, sink: ElasticsearchSink) -> None:
    """Before the first bulk; it gives fields their types, and never replaces one that is there."""
    send(sink, record(1))
    send(sink, record(2))
    puts = [request for request in server.requests if request.method == "PUT"]
    assert [(one.path, one.query) for one in puts] == [("/_index_template/tamis-shop", {"create": "true"})]
    body = json.loads(puts[0].body)
    assert body["index_patterns"] == ["shop"]
    assert body["template"]["mappings"]["properties"]["@timestamp"] == {"type": "date_nanos"}
    assert server.cluster.indices["shop"].mappings()["properties"]["log.level"] == {"type": "keyword"}


def test_a_template_that_is_refused_keeps_no_record_back(
    server: ElasticsearchServer, sink: ElasticsearchSink
) -> None:
    """Where the user may write documents only, documents are written; the sink knows why."""
    server.script(refuse_with(403, where="_index_template"))
    assert send(sink, record(1)) == DELIVERED
    assert "403" in sink.template_refusal
    assert send(sink, record(2)) == DELIVERED
    assert sum("_index_template" in request.path for request in server.requests) == 1


def test_a_template_can_be_left_to_others(server: ElasticsearchServer) -> None:
    """`template=off` puts none."""
    sink = open_sink(server, "shop?template=off")
    send(sink, record(1))
    assert [request.method for request in server.requests] == ["POST"]
    sink.close()


@pytest.mark.parametrize("pattern", ["shop-%Y.%m.%d", "shop-%Y%m%d-eu", "%Y-shop"])
def test_the_template_covers_the_indices_of_all_days(server: ElasticsearchServer, pattern: str) -> None:
    """Its patterns match what days make of the name."""
    sink = open_sink(server, pattern)
    send(sink, record(1), record(2, at=T0 + 40 * DAY_NS))
    for index in server.cluster.indices.values():
        assert index.mappings()["properties"]["@timestamp"] == {"type": "date_nanos"}
    sink.close()


def test_documents_have_the_common_schemas_names(
    server: ElasticsearchServer, sink: ElasticsearchSink
) -> None:
    """Time, level, logger, service, host, trace, process; the user's own fields stand in `attributes`."""
    one = Record(
        timestamp=T0,
        message="failed",
        level="ERROR",
        service="shop",
        host="web-1",
        logger="shop.cart",
        trace_id="t" * 32,
        attributes={"process": "0a", "sequence": 4, "order": {"id": 5}},
    )
    send(sink, one)
    (found,) = server.sources()
    assert found["@timestamp"] == "2025-11-21T10:00:00Z"
    assert (found["log.level"], found["service.name"], found["trace.id"]) == ("ERROR", "shop", "t" * 32)
    assert found["attributes"] == {"order": {"id": 5}}


@pytest.mark.parametrize("family", ["elasticsearch", "opensearch"])
def test_both_products_take_the_same(family: str) -> None:
    """Nothing depends on who greets."""
    with ElasticsearchServer(distribution=family) as server:
        sink = open_sink(server, "shop", family)
        assert send(sink, record(1), record(2)) == DELIVERED
        assert server.count() == 2
        sink.close()


def test_an_api_key_opens_the_door() -> None:
    """`?api_key=` is sent as such; a wrong one is told without showing it, and nothing is refused for good."""
    with ElasticsearchServer(api_key="a2V5OnZhbHVl") as server:
        good = open_sink(server, "shop?api_key=a2V5OnZhbHVl")
        assert send(good, record(1)) == DELIVERED
        bad = open_sink(server, "shop?api_key=wrong-one")
        with pytest.raises(SinkUnavailableError, match="API key") as caught:
            send(bad, record(2))
        assert caught.value.status == 401
        assert "wrong-one" not in str(caught.value)
        good.close()
        bad.close()


def test_gzip_begins_above_a_kibibyte_and_can_be_off(server: ElasticsearchServer) -> None:
    """1,024 bytes go as they are, more is compressed, and what that saves is counted."""
    sink = open_sink(server, "shop?template=off")
    send(sink, record(1))
    assert "content-encoding" not in server.requests[-1].headers
    assert sink.traffic.saved_bytes == 0
    send(sink, *(record(number) for number in range(2, 60)))
    last = server.requests[-1]
    assert last.headers["content-encoding"] == "gzip"
    assert sink.traffic.saved_bytes == len(last.body) - last.wire_bytes
    plain = open_sink(server, "shop?template=off&gzip=off")
    send(plain, *(record(number) for number in range(60, 120)))
    assert "content-encoding" not in server.requests[-1].headers
    sink.close()
    plain.close()


def test_a_cluster_behind_a_path_is_reached(server: ElasticsearchServer) -> None:
    """What stands before the index belongs to every request."""
    sink = open_sink(server, "behind/proxy/shop")
    send(sink, record(1))
    assert [request.path for request in server.requests] == [
        "/behind/proxy/_index_template/tamis-shop",
        "/behind/proxy/shop/_bulk",
    ]
    sink.close()
