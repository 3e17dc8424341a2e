"""The Elasticsearch of the tests behaves as the real one does where sinks look."""

import gzip
import http.client
import json
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.elasticsearch_server import ElasticsearchServer
from tests.support.faulty_server import cut, refuse_with

NDJSON = {"Content-Type": "application/x-ndjson"}


@pytest.fixture
def server() -> Iterator[ElasticsearchServer]:
    with ElasticsearchServer() as server:
        yield server


def ask(
    server: ElasticsearchServer, method: str, path: str, body: Any = None, **headers: str
) -> tuple[int, Any]:
    """One request; what is answered is read as JSON."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        connection.request(method, path, data, {"Content-Type": "application/json", **given})
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text else None
    finally:
        connection.close()


def ndjson(*lines: Any) -> bytes:
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def creates(*documents: Any, index: str = "logs") -> bytes:
    lines = [
        line
        for number, document in enumerate(documents)
        for line in ({"create": {"_index": index, "_id": str(number)}}, document)
    ]
    return ndjson(*lines)


def bulk(server: ElasticsearchServer, body: bytes, path: str = "/_bulk", **headers: str) -> Any:
    status, answer = ask(server, "POST", path, body, **NDJSON, **headers)
    assert status == 200, answer
    return answer


def statuses(answer: Any) -> list[int]:
    return [result["status"] for item in answer["items"] for result in item.values()]


def test_it_greets_as_the_product_it_is() -> None:
    """Clients look at the header and at the version."""
    with ElasticsearchServer() as server:
        assert ask(server, "GET", "/")[1]["version"]["number"] == "8.15.0"
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        connection.request("HEAD", "/")
        assert connection.getresponse().headers["X-Elastic-Product"] == "Elasticsearch"
        connection.close()
    with ElasticsearchServer(distribution="opensearch") as server:
        assert ask(server, "GET", "/")[1]["version"]["distribution"] == "opensearch"


def test_a_document_is_created_once(server: ElasticsearchServer) -> None:
    """`create` on an id that exists is 409 for the item, and the first stays; `index` replaces."""
    assert statuses(bulk(server, creates({"n": 1}, {"n": 2}))) == [201, 201]
    again = bulk(server, creates({"n": 9}))
    assert (again["errors"], statuses(again)) == (True, [409])
    assert again["items"][0]["create"]["error"]["type"] == "version_conflict_engine_exception"
    assert server.sources() == [{"n": 1}, {"n": 2}]
    assert statuses(bulk(server, ndjson({"index": {"_id": "0"}}, {"n": 3}), "/logs/_bulk")) == [200]
    assert [(doc.id, doc.version, doc.source) for doc in server.documents("lo*")] == [
        ("1", 1, {"n": 2}),
        ("0", 2, {"n": 3}),
    ]
    assert ask(server, "PUT", "/logs/_create/0", {"n": 4})[0] == 409
    assert ask(server, "PUT", "/logs/_doc/0?op_type=create", {"n": 4})[0] == 409
    assert ask(server, "POST", "/logs/_doc", {"n": 4})[0] == 201
    assert server.count() == 3


def test_bulks_may_be_compressed_and_must_be_whole(server: ElasticsearchServer) -> None:
    """gzip is read; no newline at the end, a wrong line or a wrong type refuse the whole."""
    assert statuses(bulk(server, gzip.compress(creates({"n": 1})), Content_Encoding="gzip")) == [201]
    for body in (
        creates({"n": 1})[:-1],
        creates({"n": 1}, index="x") + b'{"crate":{}}\n{}\n',
        b"{\n",
        b'{"create":{}}\n',
    ):
        assert ask(server, "POST", "/_bulk", body, **NDJSON)[0] == 400
    assert ask(server, "POST", "/_bulk", creates({"n": 1}), Content_Type="text/plain")[0] == 406
    assert server.count() == 1


def test_a_document_that_cannot_be_read_fails_alone(server: ElasticsearchServer) -> None:
    """Cut JSON, bytes that are no UTF-8, NaN and a list are 400 for their item; the others are stored."""
    texts = [b'{"n": 1}', b'{"n": ', b'{"n": "\xff"}', b'{"n": NaN}', b"[]", b'{"n": 2}']
    body = b"".join(b'{"create": {"_index": "logs"}}\n' + text + b"\n" for text in texts)
    assert statuses(bulk(server, body)) == [201, 400, 400, 400, 400, 201]
    assert server.sources() == [{"n": 1}, {"n": 2}]


def test_deletes_and_updates_are_actions_too(server: ElasticsearchServer) -> None:
    """Each item has its own status."""
    bulk(server, creates({"n": 1}))
    mixed = ndjson(
        {"update": {"_id": "0"}}, {"doc": {"n": 5}}, {"delete": {"_id": "0"}}, {"delete": {"_id": "7"}}
    )
    assert statuses(bulk(server, mixed, "/logs/_bulk")) == [200, 200, 404]
    assert server.count() == 0


def test_chosen_items_of_a_bulk_fail(server: ElasticsearchServer) -> None:
    """Half is taken; what is told to fail twice fails twice; another status may be asked."""
    server.fail_items(lambda source: source["n"] % 2 == 1, times=3)
    server.fail_items(lambda source: source["n"] == 4, status=400)
    documents = [{"n": number} for number in range(5)]
    answer = bulk(server, creates(*documents))
    assert statuses(answer) == [201, 429, 201, 429, 400]
    assert answer["items"][1]["create"]["error"]["type"] == "es_rejected_execution_exception"
    assert answer["items"][4]["create"]["error"]["type"] == "document_parsing_exception"
    assert statuses(bulk(server, creates(*documents))) == [409, 429, 409, 201, 400]
    server.clear()
    assert statuses(bulk(server, creates(*documents))) == [409, 201, 409, 409, 201]


def test_fields_keep_the_type_they_had_first(server: ElasticsearchServer) -> None:
    """A mapping conflict is 400 for the item, and teaches nothing; numbers as text fit numbers."""
    first = {"n": 1, "b": True, "s": "x", "o": {"k": 1.5}, "l": [None, 2], "nothing": None}
    fine = {"n": "2", "b": "true", "s": 5, "o": {"k": 3}, "l": 7, "nothing": {"now": "known"}}
    wrong = [
        {"n": "two"},
        {"n": 2**63},
        {"n": True},
        {"b": 1},
        {"s": {}},
        {"o": 1},
        {"o": {"k": "x"}},
        {"l": ["x"]},
    ]
    taught = {"new": "text", "n": "x"}
    assert statuses(bulk(server, creates(first, fine, *wrong, taught, {"new": 5}))) == [
        201,
        201,
        *[400] * 9,
        201,
    ]
    properties = ask(server, "GET", "/logs")[1]["logs"]["mappings"]["properties"]
    assert (properties["o.k"], properties["new"]) == ({"type": "float"}, {"type": "long"})


def test_templates_give_fields_and_make_data_streams(server: ElasticsearchServer) -> None:
    """The one with the highest priority counts; streams take `create` with an `@timestamp` only."""
    template = {"index_patterns": ["logs-*"], "data_stream": {}, "priority": 200}
    mappings = {
        "properties": {
            "attributes": {"type": "flattened"},
            "http": {"properties": {"status": {"type": "long"}}},
        }
    }
    assert ask(server, "HEAD", "/_index_template/logs")[0] == 404
    assert (
        ask(server, "PUT", "/_index_template/logs", {**template, "template": {"mappings": mappings}})[0]
        == 200
    )
    assert ask(server, "PUT", "/_index_template/all", {"index_patterns": "*", "priority": 1})[0] == 200
    found = ask(server, "GET", "/_index_template/logs")[1]["index_templates"]
    assert [one["name"] for one in found] == ["logs"]
    at = {"@timestamp": "2026-11-21T12:00:00Z"}
    documents = [
        {**at, "attributes": {"a": 1}},
        {"m": "no time"},
        {**at, "attributes": "x"},
        {**at, "http": {"status": "x"}},
    ]
    answer = bulk(server, creates(*documents, index="logs-shop"))
    assert statuses(answer) == [201, 400, 400, 400]
    assert answer["items"][0]["create"]["_index"].startswith(".ds-logs-shop-")
    assert statuses(bulk(server, ndjson({"index": {}}, at), "/logs-shop/_bulk")) == [400]
    assert ask(server, "DELETE", "/_index_template/logs")[0] == 200
    assert ask(server, "HEAD", "/_index_template/logs")[0] == 404


def test_it_counts_and_searches(server: ElasticsearchServer) -> None:
    """Everything, by page, by term, by time; over patterns; nothing there is 404."""
    documents = [{"n": number, "service": {"name": "shop" if number % 2 else "mail"}} for number in range(20)]
    bulk(server, creates(*documents))
    assert ask(server, "GET", "/logs/_count")[1]["count"] == 20
    assert ask(server, "GET", "/_count")[1]["count"] == 20
    found = ask(server, "POST", "/lo*/_search", {"from": 15, "size": 10})[1]["hits"]
    assert (found["total"]["value"], [hit["_source"]["n"] for hit in found["hits"]]) == (
        20,
        list(range(15, 20)),
    )
    query = {
        "bool": {
            "filter": [{"term": {"service.name": "shop"}}, {"range": {"n": {"gte": 5, "lt": 12}}}],
            "must_not": {"ids": {"values": ["7"]}},
        }
    }
    found = ask(server, "POST", "/logs/_search", {"query": query, "sort": [{"n": "desc"}]})[1]["hits"]
    assert [hit["_id"] for hit in found["hits"]] == ["11", "9", "5"]
    assert ask(server, "GET", "/logs/_search?size=1")[1]["hits"]["hits"][0]["_id"] == "0"
    assert ask(server, "POST", "/logs/_search", {"from": 10_000})[0] == 400
    assert ask(server, "GET", "/none/_count")[0] == 404
    assert ask(server, "GET", "/_nonsense")[0] == 400


def test_an_answer_holds_what_was_asked_for(server: ElasticsearchServer) -> None:
    """`filter_path` leaves the rest away."""
    answer = bulk(server, creates({"n": 1}), "/_bulk?filter_path=errors,items.*.status")
    assert answer == {"errors": False, "items": [{"create": {"status": 201}}]}


def test_indices_have_names_and_a_health(server: ElasticsearchServer) -> None:
    """Bad names are refused for the item; indices are made, looked at and deleted."""
    assert statuses(bulk(server, ndjson({"create": {"_index": "Logs"}}, {}, {"create": {}}, {}))) == [
        400,
        400,
    ]
    assert ask(server, "PUT", "/made", {"mappings": {"dynamic": False, "properties": {}}})[0] == 200
    assert ask(server, "PUT", "/made")[0] == 400
    assert statuses(bulk(server, creates({"x": 1}, {"x": "y"}, index="made"))) == [201, 201]
    assert ask(server, "HEAD", "/made")[0] == 200
    assert ask(server, "DELETE", "/made")[0] == 200
    assert ask(server, "HEAD", "/made")[0] == 404
    server.health = "red"
    assert ask(server, "GET", "/_cluster/health")[1]["status"] == "red"


def test_it_wants_its_credentials() -> None:
    """Basic or ApiKey, else 401."""
    with ElasticsearchServer(user="u", password="p", api_key="k") as server:
        assert ask(server, "GET", "/")[0] == 401
        basic = b64encode(b"u:p").decode()
        assert ask(server, "GET", "/", Authorization=f"Basic {basic}")[0] == 200
        assert ask(server, "GET", "/", Authorization="ApiKey k")[0] == 200
        assert ask(server, "GET", "/", Authorization="ApiKey other")[0] == 401


def test_its_faults_are_worded_as_its_own(server: ElasticsearchServer) -> None:
    """429 with a type, 413 for what is too large; a cut answer was stored all the same."""
    server.script(refuse_with(429, retry_after="1"))
    status, answer = ask(server, "POST", "/_bulk", creates({"n": 1}), **NDJSON)
    assert (status, answer["error"]["type"]) == (429, "es_rejected_execution_exception")
    server.body_bytes_max = 10
    assert ask(server, "POST", "/_bulk", creates({"n": 1}), **NDJSON)[0] == 413
    server.clear()
    server.script(cut())
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        bulk(server, creates({"n": 1}))
    assert statuses(bulk(server, creates({"n": 1}))) == [409]
