"""Every read of the HTTP interface, over the reference store and the embedded one."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pyarrow.parquet as pq
import pytest

from tamis.record.model import Columns, Record
from tamis.settings import load_settings
from tamis.store.base import Store
from tamis.store.open import open_store

pytestmark = pytest.mark.anyio

MINUTE = 60 * 10**9
T0 = 1_795_262_400 * 10**9  # 2026-11-21T12:00:00Z
READS = ("search", "count", "histogram", "facets", "fields", "stats", "patterns", "context", "export")


@pytest.fixture(params=["memory", "embedded"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Twelve records, one a minute, in either store."""
    place = "memory:" if request.param == "memory" else tmp_path
    filled = open_store(place, load_settings({}, {}))
    rows = [
        Record(
            timestamp=T0 + n * MINUTE,
            message=f"order {n} placed" if n % 3 else "connection refused",
            level="INFO" if n % 3 else "ERROR",
            service="shop" if n % 2 else "pay",
            host="web-1",
            attributes={"n": n, "nested": {"deep": f"v{n}"}, "big": 2**70},
        )
        for n in range(12)
    ]
    filled.append(Columns.of(rows))
    yield filled
    filled.close()


async def get(client: httpx2.AsyncClient, what: str, **params: Any) -> dict[str, Any]:
    answer = await client.get(f"/api/v1/{what}", params=params)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def problem(client: httpx2.AsyncClient, what: str, **params: Any) -> dict[str, Any]:
    answer = await client.get(f"/api/v1/{what}", params=params)
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    found: dict[str, Any] = answer.json()
    assert found["status"] == answer.status_code
    return found


async def test_search_gives_records_newest_first(caller: httpx2.AsyncClient) -> None:
    """Every core field is there, attributes keep their types, 70-bit integers too."""
    found = await get(caller, "search")
    first = found["records"][0]
    assert [record["attributes"]["n"] for record in found["records"]] == list(range(11, -1, -1))
    assert first["timestamp"] == "2026-11-21T12:11:00Z"
    assert first["attributes"] == {"n": 11, "nested": {"deep": "v11"}, "big": 2**70}
    assert first["trace_id"] is None
    assert first["pattern"].startswith("p_")
    assert first["shape"] == "order <*> placed"
    assert found["next_cursor"] is None
    assert found["warnings"] == []


@pytest.mark.parametrize("order", ["desc", "asc"])
async def test_pages_go_on_where_the_last_one_ended(
    caller: httpx2.AsyncClient, store: Store, order: str
) -> None:
    """Through all pages each record comes once, although others arrive meanwhile."""
    seen: list[int] = []
    cursor = None
    while True:
        params = {"limit": 5, "order": order, "start": "2020-01-01", "end": "now+3650d"}
        page = await get(caller, "search", **params, **({"cursor": cursor} if cursor else {}))
        seen += [record["attributes"]["n"] for record in page["records"]]
        store.append(Columns.of([Record(timestamp=T0 + 20 * MINUTE, attributes={"n": 99})]))
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == sorted(range(12), reverse=order == "desc")


async def test_relative_times_stay_where_they_were(caller: httpx2.AsyncClient, store: Store) -> None:
    """The pages of a search of the last days have the range of the first page."""
    page = await get(caller, "search", limit=1, end="now+3650d")
    assert "." in page["next_cursor"]
    absolute = await get(caller, "search", limit=1)
    assert "." not in absolute["next_cursor"]
    assert (await problem(caller, "search", cursor="$$.abc"))["parameter"] == "cursor"


async def test_as_of_repeats_a_read(caller: httpx2.AsyncClient, store: Store) -> None:
    """The same question as of the same moment has the same answer."""
    before = await get(caller, "count")
    store.append(Columns.of([Record(timestamp=T0)]))
    assert (await get(caller, "count"))["count"] == 13
    assert (await get(caller, "count", as_of=before["as_of"]))["count"] == 12


@pytest.mark.parametrize("given", [{"q": "level:error", "limit": 2}, {"q": "*"}, {}])
async def test_get_and_post_answer_alike(caller: httpx2.AsyncClient, given: dict[str, Any]) -> None:
    """Parameters in the query string, in a JSON body, in a form, or divided among them."""
    timeless = ("as_of", "records", "next_cursor", "warnings")
    by_get = await get(caller, "search", **given)
    by_json = (await caller.post("/api/v1/search", json=given)).json()
    by_form = (await caller.post("/api/v1/search", data=given)).json()
    by_both = (await caller.post("/api/v1/search", params={"order": "desc"}, json=given)).json()
    for other in (by_json, by_form, by_both):
        assert {name: other[name] for name in timeless} == {name: by_get[name] for name in timeless}


async def test_start_and_end_bound_the_time(caller: httpx2.AsyncClient) -> None:
    """Start is in, end is out; RFC 3339, epoch and relative mean the same."""
    assert (await get(caller, "count", start="2026-11-21T12:03:00Z", end="2026-11-21T12:05:00Z"))[
        "count"
    ] == 2
    assert (await get(caller, "count", start=T0 // 10**9, end=T0 // 10**6 + 60_000))["count"] == 1


async def test_histogram_counts_by_level(caller: httpx2.AsyncClient) -> None:
    """Buckets begin at whole intervals and add up to the count."""
    found = await get(caller, "histogram", interval="5m")
    assert found["interval_s"] == 300
    assert found["buckets"][0] == {"start": "2026-11-21T12:00:00Z", "counts": {"ERROR": 2, "INFO": 3}}
    assert sum(sum(bucket["counts"].values()) for bucket in found["buckets"]) == 12


async def test_histogram_chooses_an_interval(caller: httpx2.AsyncClient) -> None:
    """About sixty buckets, for the time asked or the time that the records cover."""
    assert (await get(caller, "histogram"))["interval_s"] == 15
    assert (await get(caller, "histogram", start="2026-11-21", end="2026-11-22"))["interval_s"] == 1800
    by_query = await get(caller, "histogram", q="_time:[2026-11-21 TO 2026-11-22]", by="none")
    assert by_query["interval_s"] == 1800
    assert (by_query["start"], by_query["end"]) == ("2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z")
    assert (await get(caller, "histogram", q="absent"))["buckets"] == []


async def test_facets_keep_json_types(caller: httpx2.AsyncClient) -> None:
    """Values with counts; a number stays a number; others and missing are counted."""
    found = await get(caller, "facets", field="service")
    assert found["values"] == [{"value": "pay", "count": 6}, {"value": "shop", "count": 6}]
    by_number = await get(caller, "facets", field="n", limit=2)
    assert [one["value"] for one in by_number["values"]] == [0, 1]
    assert by_number["other"] == 10
    assert (await get(caller, "facets", field="absent"))["missing"] == 12


async def test_fields_are_listed_with_types(caller: httpx2.AsyncClient) -> None:
    """Names as a query would use them."""
    found = {one["name"]: one for one in (await get(caller, "fields"))["fields"]}
    assert found["n"] == {"name": "n", "count": 12, "types": {"int": 12}}
    assert "nested.deep" in found or "nested" in found


async def test_stats_make_a_table(caller: httpx2.AsyncClient) -> None:
    """Groups, aggregates, bins as RFC 3339, then sort, limit and fields on the columns."""
    q = "* | stats count(), max(n) as most, max(timestamp) as newest by service, bin(1h) | sort most desc"
    found = await get(caller, "stats", q=q)
    assert found["columns"] == ["service", "bin", "count", "most", "newest"]
    assert found["rows"] == [
        ["shop", "2026-11-21T12:00:00Z", 6, 11, "2026-11-21T12:11:00Z"],
        ["pay", "2026-11-21T12:00:00Z", 6, 10, "2026-11-21T12:10:00Z"],
    ]
    less = await get(caller, "stats", q=q + " | limit 1 | fields most, service")
    assert (less["columns"], less["rows"]) == (["most", "service"], [[11, "shop"]])


async def test_sorted_missing_values_stand_last(caller: httpx2.AsyncClient, store: Store) -> None:
    """In both directions."""
    store.append(Columns.of([Record(timestamp=T0)]))
    for direction in ("asc", "desc"):
        found = await get(caller, "stats", q=f"* | stats count() by service | sort service {direction}")
        assert found["rows"][-1][0] is None


async def test_patterns_add_up_and_drill_down(caller: httpx2.AsyncClient) -> None:
    """The counts of all patterns, and of what a limit left out, are the count; an id finds its records."""
    found = await get(caller, "patterns", limit=1)
    assert sum(one["count"] for one in found["patterns"]) + found["unmatched"] == 12
    one = found["patterns"][0]
    assert one["template"] == "order <*> placed"
    assert one["first_seen"] == "2026-11-21T12:01:00Z"
    assert (await get(caller, "count", q=f"pattern:{one['id']}"))["count"] == one["count"]
    by_stage = await get(caller, "patterns", q="* | patterns | limit 1")
    assert by_stage["patterns"] == found["patterns"]


async def test_context_shows_the_neighbours(caller: httpx2.AsyncClient) -> None:
    """Of the same service and host, ascending."""
    record = (await get(caller, "search", q="n:5"))["records"][0]
    found = await get(caller, "context", id=record["id"], before=2, after=1)
    assert [one["attributes"]["n"] for one in found["before"]] == [1, 3]
    assert found["record"] == record
    assert [one["attributes"]["n"] for one in found["after"]] == [7]
    assert (await problem(caller, "context", id=record["id"].rpartition("-")[0] + "-999"))["status"] == 404
    assert (await problem(caller, "context", id="other-1"))["parameter"] == "id"


async def test_sort_limit_and_fields_work_in_search(caller: httpx2.AsyncClient) -> None:
    """Records in the order of a field, so many, with these fields only."""
    found = await get(caller, "search", q="* | sort n | limit 3 | fields n, message, nested.deep, absent, id")
    assert [record["n"] for record in found["records"]] == [0, 1, 2]
    assert list(found["records"][0]) == ["n", "message", "nested.deep", "absent", "id"]
    assert found["records"][1]["nested.deep"] == "v1"
    assert found["next_cursor"] is None
    assert len((await get(caller, "search", q="* | limit 7"))["records"]) == 7


async def test_a_limit_over_what_an_answer_may_have_is_told(caller: httpx2.AsyncClient) -> None:
    """The answer says that it is cut, and where there is no such limit."""
    found = await get(caller, "search", q="* | limit 10001")
    assert "rows_max" in found["warnings"][0]
    assert "export" in found["warnings"][0]


async def test_export_ndjson_can_be_taken_in_again(caller: httpx2.AsyncClient) -> None:
    """Every record, oldest first, in the format that ingest reads."""
    answer = await caller.get("/api/v1/export", params={"q": "level:info"})
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["attributes"]["n"] for line in lines] == [1, 2, 4, 5, 7, 8, 10, 11]
    assert 'filename="tamis-' in answer.headers["content-disposition"]
    again = await caller.post("/api/v1/ingest", content=answer.content)
    assert again.json()["stored"] == 8
    assert (await get(caller, "count", q="level:info big:1180591620717411303424"))["count"] == 16


async def test_export_csv_quotes(caller: httpx2.AsyncClient, store: Store) -> None:
    """A header, then rows; commas, quotes and newlines inside values survive."""
    import csv

    message = 'a,"b"\nc'
    store.append(Columns.of([Record(timestamp=T0, message=message, service="csv")]))
    answer = await caller.get("/api/v1/export", params={"q": "service:csv", "format": "csv"})
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert rows[0]["message"] == message
    short = await caller.get(
        "/api/v1/export", params={"q": "n:1 | fields n, nested.deep, nested", "format": "csv"}
    )
    assert short.text == "n,nested.deep,nested\r\n1,v1,\r\n"


async def test_export_parquet_is_a_table(caller: httpx2.AsyncClient) -> None:
    """Times are timestamps, attributes JSON; any tool reads the file."""
    answer = await caller.get("/api/v1/export", params={"format": "parquet", "order": "desc"})
    table = pq.read_table(io.BytesIO(answer.content))
    assert table.num_rows == 12
    assert json.loads(table["attributes"][0].as_py())["n"] == 11
    assert str(table["timestamp"].type) == "timestamp[ns, tz=UTC]"
    assert table["timestamp"][0].value == T0 + 11 * MINUTE


@pytest.mark.parametrize("file_format", ["ndjson", "csv", "parquet"])
async def test_an_export_of_nothing_is_a_file(caller: httpx2.AsyncClient, file_format: str) -> None:
    """Nothing found is no error."""
    answer = await caller.get("/api/v1/export", params={"q": "absent", "format": file_format})
    assert answer.status_code == 200
    if file_format == "parquet":
        assert pq.read_table(io.BytesIO(answer.content)).num_rows == 0


async def test_export_takes_a_limit(caller: httpx2.AsyncClient) -> None:
    """`| limit` ends the file early."""
    answer = await caller.get("/api/v1/export", params={"q": "* | limit 3"})
    assert len(answer.text.splitlines()) == 3


async def test_delete_hides(caller: httpx2.AsyncClient) -> None:
    """What a deletion finds is not found again; everything takes a star."""
    answer = await caller.post("/api/v1/delete", json={"q": "level:error"})
    assert answer.json()["hidden"] == 4
    assert (await get(caller, "count"))["count"] == 8
    nothing = await caller.post("/api/v1/delete")
    assert (nothing.status_code, nothing.json()["parameter"]) == (400, "q")
    assert (await get(caller, "count"))["count"] == 8


@pytest.mark.parametrize("q", [5, 5.5, True, ["*"], {"q": "*"}])
async def test_delete_takes_nothing_but_a_text_for_a_query(caller: httpx2.AsyncClient, q: Any) -> None:
    """What is no query deletes nothing."""
    answer = await caller.post("/api/v1/delete", json={"q": q})
    assert (answer.status_code, answer.json()["parameter"]) == (400, "q")


@pytest.mark.parametrize("given", ["start=-1h", "as_of=x-1", "limit=5", "strat=1", "end=now"])
async def test_a_tail_refuses_what_means_nothing_to_it(caller: httpx2.AsyncClient, given: str) -> None:
    """And says what has it begin earlier."""
    answer = await caller.get(f"/api/v1/tail?{given}")
    assert answer.status_code == 400
    assert given.partition("=")[0] in answer.json()["detail"]
    assert "Last-Event-ID" in answer.json()["detail"]


async def test_delete_takes_no_parameter_that_it_does_not_know(caller: httpx2.AsyncClient) -> None:
    """A bound under a misspelled name would bound nothing: nothing is deleted, and the answer says why."""
    answer = await caller.post("/api/v1/delete", json={"q": "*", "strat": "-1h"})
    assert answer.status_code == 400
    assert answer.json()["detail"] == (
        "Nothing was deleted: the parameter strat means nothing here; did you mean start?"
    )
    assert (await get(caller, "count"))["count"] == 12


@pytest.mark.parametrize(
    ("what", "params", "parameter"),
    [
        ("search", {"limit": "x"}, "limit"),
        ("search", {"limit": "0"}, "limit"),
        ("search", {"limit": "10001"}, "limit"),
        ("search", {"order": "up"}, "order"),
        ("search", {"cursor": "nonsense"}, "cursor"),
        ("search", {"start": "yesterdayish"}, "start"),
        ("search", {"start": "2026-02-01", "end": "2026-01-01"}, "start"),
        ("search", {"as_of": "other-5"}, "as_of"),
        ("histogram", {"interval": "5x"}, "interval"),
        ("histogram", {"interval": "0s"}, "interval"),
        ("histogram", {"interval": "1s", "start": "2020-01-01", "end": "2026-01-01"}, "interval"),
        ("facets", {}, "field"),
        ("context", {}, "id"),
        ("export", {"format": "xml"}, "format"),
    ],
)
async def test_wrong_parameters_are_named(
    caller: httpx2.AsyncClient, what: str, params: dict[str, str], parameter: str
) -> None:
    """The problem has the parameter, its value and what is allowed."""
    found = await problem(caller, what, **params)
    assert (found["status"], found["parameter"]) == (400, parameter)
    assert found["allowed"]
    assert parameter in found["detail"]


@pytest.mark.parametrize("what", [what for what in READS if what not in ("context", "facets")])
async def test_a_wrong_query_has_its_column(caller: httpx2.AsyncClient, what: str) -> None:
    """Every read says where the query is wrong."""
    found = await problem(caller, what, q="level:error (a OR")
    assert (found["status"], found["column"]) == (400, 18)
    assert found["reason"]


@pytest.mark.parametrize(
    ("what", "stage", "goes_to"),
    [
        ("search", "stats count()", "/api/v1/stats"),
        ("search", "patterns", "/api/v1/patterns"),
        ("count", "limit 3", "/api/v1/search"),
        ("histogram", "sort n", "/api/v1/search"),
        ("export", "sort n", "/api/v1/search"),
        ("patterns", "stats count()", "/api/v1/stats"),
        ("stats", "patterns", "/api/v1/patterns"),
    ],
)
async def test_a_stage_in_the_wrong_place_says_where_to_go(
    caller: httpx2.AsyncClient, what: str, stage: str, goes_to: str
) -> None:
    """The sentence names the endpoint that takes the stage."""
    found = await problem(caller, what, q=f"* | {stage}")
    assert (found["status"], found["stage"]) == (400, stage.split()[0])
    assert goes_to in found["detail"]


async def test_stats_without_stats_says_what_to_add(caller: httpx2.AsyncClient) -> None:
    """A table needs to know what to compute."""
    assert "| stats" in (await problem(caller, "stats", q="level:error"))["detail"]


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b'{"q": {"a": 1}}', b'{"limit": true}'])
async def test_wrong_bodies_are_problems(caller: httpx2.AsyncClient, body: bytes) -> None:
    """What is no JSON object, or has values of other kinds, is told."""
    headers = {"content-type": "application/json"}
    answer = await caller.post("/api/v1/search", content=body, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["detail"]


async def test_a_parameter_given_twice_is_a_problem(caller: httpx2.AsyncClient) -> None:
    """Which of the two was meant, only the caller knows."""
    answer = await caller.get("/api/v1/search?q=a&q=b")
    assert (answer.status_code, answer.json()["parameter"]) == (400, "q")


async def test_unknown_parameters_are_told(caller: httpx2.AsyncClient) -> None:
    """They change nothing, and the warnings say so."""
    assert "limit" in (await get(caller, "search", limt=3))["warnings"][0]


@pytest.mark.parametrize("what", READS)
async def test_wrong_methods_say_which_are_right(caller: httpx2.AsyncClient, what: str) -> None:
    """405 lists the methods of the path."""
    answer = await caller.request("PATCH", f"/api/v1/{what}")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, POST")
    assert answer.headers["content-type"] == "application/problem+json"


async def test_head_is_get_without_a_body(caller: httpx2.AsyncClient) -> None:
    """Same status, same headers."""
    for path in ("/api/v1/count", "/healthz", "/metrics", "/"):
        answer = await caller.head(path)
        assert (answer.status_code, answer.content) == (200, b"")
    assert (await caller.head("/api/v1/delete")).status_code == 405


async def test_what_is_not_there_is_a_problem(caller: httpx2.AsyncClient) -> None:
    """404 as problem JSON, wherever."""
    for path in (
        "/nothing",
        "/api/v1/nothing",
        "/assets/nothing.js",
        "/assets/index.html",
        "/api/v1/search/",
    ):
        answer = await caller.get(path)
        assert (answer.status_code, answer.json()["status"]) == (404, 404)


@pytest.mark.parametrize("head", ["", " 1", "-1", "1_0", "١", "z" * 13, "1" * 4_000])
async def test_a_cursor_that_was_tampered_with_is_refused(caller: httpx2.AsyncClient, head: str) -> None:
    """Its instant too: relative times would count from it."""
    asked = {"q": "_time:-1h", "cursor": f"{head}.x"}
    answer = await caller.get("/api/v1/search", params=asked)
    assert (answer.status_code, answer.json()["parameter"]) == (400, "cursor")


@pytest.mark.parametrize("limit", ["١", "1_0", " 1", "+1", "9" * 5_000])
async def test_whole_numbers_are_digits(caller: httpx2.AsyncClient, limit: str) -> None:
    """Whatever else Python takes for a number."""
    assert (await caller.get("/api/v1/search", params={"limit": limit})).status_code == 400


async def test_names_of_many_parts_are_refused(caller: httpx2.AsyncClient) -> None:
    """The ways to read them double with each part."""
    name = ".".join("a" * 13)
    for path, asked in (
        ("facets", {"field": name}),
        ("histogram", {"by": name}),
        ("search", {"q": f"{name}:1"}),
        ("stats", {"q": f"| stats count() by {name}"}),
    ):
        assert (await caller.get(f"/api/v1/{path}", params=asked)).status_code == 400


async def test_a_body_of_many_parameters_is_refused(caller: httpx2.AsyncClient) -> None:
    """As a query string of many is."""
    answer = await caller.post("/api/v1/search", json={f"limi{n}": 1 for n in range(200)})
    assert answer.status_code == 400
    assert "100 parameters" in answer.json()["detail"]
