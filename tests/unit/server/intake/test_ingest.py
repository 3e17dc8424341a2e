"""Taking records in: sent = stored + rejected, whatever comes."""

import gzip
import json
import zlib
from typing import Any

import anyio
import httpx2
import pytest
from backports import zstd
from fastapi import FastAPI

from tamis.errors import JournalClosedError, NoSpaceError, OverloadedError
from tamis.record.model import Columns
from tamis.server.app import create_app
from tamis.settings import load_settings
from tamis.store.base import Appended
from tamis.store.memory import MemoryStore

pytestmark = pytest.mark.anyio

GOOD = b'{"message":"one","level":"info"}\n{"message":"two","service":"shop"}\n'


async def post(client: httpx2.AsyncClient, body: bytes, url: str = "", **headers: str) -> httpx2.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.post(f"/api/v1/ingest{url}", content=body, headers=named)


async def messages(client: httpx2.AsyncClient, q: str = "") -> list[str]:
    answer = await client.get("/api/v1/search", params={"q": q, "order": "asc", "limit": 1000})
    return [record["message"] for record in answer.json()["records"]]


async def test_good_lines_are_stored_and_bad_ones_named(caller: httpx2.AsyncClient) -> None:
    """What was received is what was stored and what was rejected, with line and reason."""
    answer = await post(caller, b'{"message":"one"}\nnot json\n\n{"message":"two"}\n[1]\n')
    body = answer.json()
    assert answer.status_code == 200
    assert (body["received"], body["stored"], body["rejected_count"]) == (4, 2, 2)
    assert [one["line"] for one in body["rejected"]] == [2, 5]
    assert all(one["reason"] for one in body["rejected"])
    assert sorted(await messages(caller)) == ["one", "two"]


@pytest.mark.parametrize("body", [b"not json\n", b"", b"\n\n", b"\xff\xfe{}{"])
async def test_nothing_stored_is_a_problem_with_the_counts(caller: httpx2.AsyncClient, body: bytes) -> None:
    """400 when no line could be stored; the answer still counts what came."""
    answer = await post(caller, body)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    found = answer.json()
    assert found["received"] == found["rejected_count"]
    assert found["stored"] == 0


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'\xef\xbb\xbf{"message":"bom"}\n', "bom"),
        (b'{"message":"crlf"}\r\n', "crlf"),
        (b'{"message":"no newline"}', "no newline"),
        (b'{"message":"nul \\u0000 inside"}\n', "nul \0 inside"),
        ('{"message":"grüße 🙂"}\n'.encode(), "grüße 🙂"),
        (b'{"message":"br\xffken"}\n', "br\ufffdken"),
        (b'[{"message":"array"}]', "array"),
    ],
)
async def test_odd_bytes_are_taken(caller: httpx2.AsyncClient, body: bytes, message: str) -> None:
    """A byte order mark, CRLF, NUL, broken UTF-8 and arrays lose nothing."""
    answer = await post(caller, body)
    assert answer.status_code == 200, answer.text
    assert await messages(caller) == [message]


async def test_a_line_of_a_mebibyte_fits_and_a_longer_one_is_rejected(caller: httpx2.AsyncClient) -> None:
    """The limit is on the line, and its neighbours are stored."""
    frame = len(b'{"message":""}')
    fits = b'{"message":"' + b"a" * ((1 << 20) - frame) + b'"}'
    longer = b'{"message":"' + b"b" * ((1 << 20) - frame + 1) + b'"}'
    answer = (await post(caller, fits + b"\n" + longer + b"\n" + b'{"message":"after"}\n')).json()
    assert (answer["stored"], [one["line"] for one in answer["rejected"]]) == (2, [2])


async def test_lines_that_tamis_made_of_long_ones_fit(caller: httpx2.AsyncClient) -> None:
    """What a command or an application sends has grown by escapes and fields; the record was bounded before."""
    line = b'{"message":"' + b"\\u0007" * (1 << 20) + b'","attributes":{"file":"a.log"}}'
    refused = await post(caller, line, Content_Type="application/x-ndjson")
    assert refused.status_code == 400
    answer = await post(caller, line, Content_Type="application/vnd.tamis+ndjson; charset=utf-8")
    assert answer.json()["stored"] == 1
    assert [len(message) for message in await messages(caller)] == [1 << 20]


@pytest.mark.parametrize(
    ("name", "compress"),
    [("gzip", gzip.compress), ("deflate", zlib.compress), ("zstd", zstd.compress), ("identity", bytes)],
)
async def test_compressed_bodies_are_taken(caller: httpx2.AsyncClient, name: str, compress: Any) -> None:
    """gzip, deflate and zstd mean the same lines."""
    answer = await post(caller, compress(GOOD), Content_Encoding=name)
    assert answer.json()["stored"] == 2


async def test_an_unknown_encoding_is_named(caller: httpx2.AsyncClient) -> None:
    """415 says which encodings there are."""
    answer = await post(caller, GOOD, Content_Encoding="br")
    assert answer.status_code == 415
    assert "zstd" in answer.json()["detail"]


@pytest.mark.parametrize("name", ["gzip", "zstd"])
async def test_what_is_not_compressed_as_said_is_a_problem(caller: httpx2.AsyncClient, name: str) -> None:
    """A wrong or cut stream is 400, and nothing of it is stored."""
    assert (await post(caller, GOOD, Content_Encoding=name)).status_code == 400
    cut = (gzip.compress if name == "gzip" else zstd.compress)(GOOD * 100)[:-9]
    assert (await post(caller, cut, Content_Encoding=name)).status_code == 400
    assert await messages(caller) == []


@pytest.mark.parametrize("compress", [gzip.compress, zstd.compress])
async def test_a_bomb_is_refused(caller: httpx2.AsyncClient, compress: Any) -> None:
    """A body that grows more than a body may is 413 long before it is whole."""
    name = "gzip" if compress is gzip.compress else "zstd"
    answer = await post(caller, compress(b" " * (64 << 20)), Content_Encoding=name)
    assert answer.status_code == 413


async def test_a_body_over_its_limit_is_refused(store: MemoryStore) -> None:
    """By its length before it is read, and by its bytes when no length was said."""
    settings = load_settings({"server.admin_token": "t", "server.body_bytes_max": 1000}, {})
    app = create_app(settings, store)

    async def chunks() -> Any:
        for _ in range(20):
            yield b'{"message":"x"}\n' * 10

    transport = httpx2.ASGITransport(app=app)
    headers = {"Authorization": "Bearer t"}
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://localhost", headers=headers
    ) as client:
        for content in (GOOD * 100, chunks()):
            answer = await client.post("/api/v1/ingest", content=content)
            assert answer.status_code == 413
            assert answer.json()["limit"] == "server.body_bytes_max"


async def test_curl_s_form_type_is_lines(caller: httpx2.AsyncClient) -> None:
    """curl says that every body is a form; it is lines all the same."""
    answer = await post(caller, GOOD, Content_Type="application/x-www-form-urlencoded")
    assert answer.json()["stored"] == 2


async def test_the_url_names_service_and_fields(caller: httpx2.AsyncClient) -> None:
    """service, host, time_field, level_field and message_field say what lines do not."""
    line = b'{"when":"2026-01-02T03:04:05Z","how":"warn","what":"hello","message2":1}\n'
    url = "?service=api&host=web-1&time_field=when&level_field=how&message_field=what"
    assert (await post(caller, line, url)).json()["warnings"] == []
    record = (await caller.get("/api/v1/search")).json()["records"][0]
    assert record["timestamp"] == "2026-01-02T03:04:05Z"
    assert (record["level"], record["message"]) == ("WARNING", "hello")
    assert (record["service"], record["host"]) == ("api", "web-1")


async def test_a_misspelt_parameter_is_told(caller: httpx2.AsyncClient) -> None:
    """A parameter that means nothing is named in the warnings, with the one that was meant."""
    answer = (await post(caller, GOOD, "?servce=api")).json()
    assert "service" in answer["warnings"][0]


async def test_the_same_key_gives_the_same_answer(caller: httpx2.AsyncClient) -> None:
    """A body sent again under its key is stored once, and its bad lines are named again."""
    body = GOOD + b"bad\n"
    first = (await post(caller, body, Idempotency_Key="k1")).json()
    again = (await post(caller, body, Idempotency_Key="k1")).json()
    assert again == {**first, "duplicate": True}
    assert len(await messages(caller)) == 2


async def test_a_long_receipt_comes_back_whole(caller: httpx2.AsyncClient) -> None:
    """Hundreds of rejections are the same on the second time."""
    body = GOOD + b"bad\n" * 500
    first = (await post(caller, body, Idempotency_Key="long")).json()
    again = (await post(caller, body, Idempotency_Key="long")).json()
    assert len(first["rejected"]) == 500
    assert again["rejected"] == first["rejected"]


async def test_the_same_key_with_another_body_is_refused(caller: httpx2.AsyncClient) -> None:
    """422, and nothing of the other body is stored; what the URL says counts as body too."""
    await post(caller, GOOD, Idempotency_Key="k")
    assert (await post(caller, GOOD + GOOD, Idempotency_Key="k")).status_code == 422
    assert (await post(caller, GOOD, "?service=other", Idempotency_Key="k")).status_code == 422
    assert len(await messages(caller)) == 2


async def test_the_same_lines_compressed_are_the_same_body(caller: httpx2.AsyncClient) -> None:
    """A retry may compress otherwise."""
    await post(caller, GOOD, Idempotency_Key="k")
    again = await post(caller, gzip.compress(GOOD), Idempotency_Key="k", Content_Encoding="gzip")
    assert again.json()["duplicate"] is True


async def test_concurrent_retries_store_once(caller: httpx2.AsyncClient) -> None:
    """Ten at a time: one stores, the others wait for its answer."""
    answers: list[dict[str, Any]] = []

    async def one() -> None:
        answers.append((await post(caller, GOOD, Idempotency_Key="race")).json())

    async with anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(one)
    assert sorted(answer["duplicate"] for answer in answers) == [False] + [True] * 9
    assert {answer["stored"] for answer in answers} == {2}
    assert len(await messages(caller)) == 2


async def test_keys_are_bounded(caller: httpx2.AsyncClient) -> None:
    """A key of no characters or of hundreds is a problem that names it."""
    for key in ("", "x" * 300):
        answer = await post(caller, GOOD, Idempotency_Key=key)
        assert (answer.status_code, answer.json()["parameter"]) == (400, "Idempotency-Key")


async def test_equal_records_are_never_taken_for_duplicates(caller: httpx2.AsyncClient) -> None:
    """Without a key, the same body twice is twice as many records."""
    await post(caller, GOOD)
    await post(caller, GOOD)
    assert len(await messages(caller)) == 4


class RefusingStore(MemoryStore):
    """Refuses every batch with one error."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    def append(self, batch: Columns, *, batch_id: str | None = None, receipt: bytes = b"") -> Appended:
        raise self._error


@pytest.mark.parametrize(
    ("error", "status", "header"),
    [
        (OverloadedError("behind", 2.4), 429, "retry-after"),
        (JournalClosedError("fsync failed"), 503, "retry-after"),
        (NoSpaceError("/data", 10, 5), 507, None),
    ],
)
async def test_the_store_s_refusals_have_their_status(
    error: Exception, status: int, header: str | None
) -> None:
    """Back-pressure is 429, a closed journal 503, a full disk 507; all say so in a sentence."""
    app = create_app(load_settings({"server.admin_token": "t"}, {}), RefusingStore(error))
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=app),
        base_url="http://localhost",
        headers={"Authorization": "Bearer t"},
    ) as client:
        answer = await post(client, GOOD)
    assert answer.status_code == status
    assert answer.json()["detail"].endswith(".")
    assert header is None or int(answer.headers[header]) >= 1


async def test_what_is_acknowledged_is_counted(app: FastAPI, caller: httpx2.AsyncClient) -> None:
    """The counters add up to what came."""
    await post(caller, GOOD + b"bad\n")
    metrics = app.state.service.metrics
    assert metrics.value("tamis_ingest_records_total", "stored") == 2
    assert metrics.value("tamis_ingest_records_total", "rejected") == 1
    assert metrics.value("tamis_ingest_open_bytes") == 0


async def test_large_uniform_bodies_take_the_fast_way(app: FastAPI, caller: httpx2.AsyncClient) -> None:
    """Arrow reads them, and every value is found again."""
    lines = [
        json.dumps({"timestamp": "2026-11-21T10:00:00.123456Z", "message": f"order {n} placed", "n": n})
        for n in range(2000)
    ]
    await post(caller, "\n".join(lines).encode())
    assert app.state.service.metrics.value("tamis_ingest_blocks_total", "fast") == 1
    assert (await caller.get("/api/v1/count", params={"q": "n:1999"})).json()["count"] == 1


async def test_names_and_lines_of_a_body_are_bounded_by_settings(store: MemoryStore) -> None:
    """Further names are kept in one object and counted; too many lines are refused by the setting's name."""
    given = {"server.admin_token": "t", "ingest.names_max": 16, "ingest.lines_max": 50}
    app = create_app(load_settings(given, {}), store)
    headers = {"Authorization": "Bearer t"}
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://localhost", headers=headers
    ) as client:
        body = b"\n".join(b'{"message":"m","k%d":%d}' % (n, n) for n in range(40))
        assert (await post(client, body)).json()["stored"] == 40
        refused = await post(client, GOOD * 26)
    assert app.state.service.metrics.value("tamis_ingest_rest_values_total") == 24
    assert (refused.status_code, refused.json()["limit"]) == (413, "ingest.lines_max")
    assert app.state.service.metrics.value("tamis_limits_met_total", "ingest.lines_max") == 1


async def test_a_body_of_many_blocks_is_one_batch(app: FastAPI, caller: httpx2.AsyncClient) -> None:
    """Its lines keep their numbers, its key its answer, although it is decoded as it is decompressed."""
    line = b'{"message":"%s","n":1}\n' % (b"a word " * 100)
    body = line * 7_000 + b"bad\n" + line
    packed = gzip.compress(body, 1)
    first = (await post(caller, packed, Content_Encoding="gzip", Idempotency_Key="large")).json()
    assert (first["stored"], [one["line"] for one in first["rejected"]]) == (7_001, [7_001])
    again = (await post(caller, packed, Content_Encoding="gzip", Idempotency_Key="large")).json()
    assert again == {**first, "duplicate": True}
    other = await post(
        caller, gzip.compress(body + line, 1), Content_Encoding="gzip", Idempotency_Key="large"
    )
    assert other.status_code == 422
    assert app.state.service.metrics.value("tamis_ingest_blocks_total", "fast") == 2
