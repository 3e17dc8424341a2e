"""Whatever is asked, the server answers: a result, or a problem that says what is wrong; never a 500."""

import asyncio
from typing import Any

import httpx2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tamis.record.model import Columns, Record
from tamis.server.app import create_app
from tamis.settings import load_settings
from tamis.store.memory import MemoryStore
from tests.unit.server.conftest import TOKEN

READS = ("search", "count", "histogram", "facets", "fields", "stats", "patterns", "context", "export")
NAMES = (
    "q", "start", "end", "as_of", "limit", "order", "cursor", "interval", "by", "field", "id", "before", "after",
    "format", "x",
)  # fmt: skip
PIECES = (
    "level", ":", ">=", "error", "(", ")", "OR", "NOT", " ", '"', "*", "|", "stats", "count()", "by", "bin(5m)",
    "sort", "limit", "3", "fields", "patterns", "/a.b/", "[1 TO 5]", "_time:-1h", "pattern:p_1f", "message", ",", "\\",
    "ä", "\0", "1e999", "0x", "-", "attributes.level", "p95(n)", "as",
)  # fmt: skip
VALUES = st.one_of(
    st.text(max_size=20),
    st.lists(st.sampled_from(PIECES), max_size=10).map("".join),
    st.sampled_from(
        ["-1h", "now", "0", "99999999999999999999", "2026-11-21", "nan", "1", "5m", "asc", "csv", "n"]
    ),
    st.integers().map(str),
)
ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)

STORE = MemoryStore()
STORE.append(
    Columns.of(
        [
            Record(
                timestamp=n * 10**9, message=f"order {n}", level="INFO", attributes={"n": n, "o": {"p": [n]}}
            )
            for n in range(20)
        ]
    )
)
APP = create_app(load_settings({"server.admin_token": TOKEN}, {}), STORE)


def ask(method: str, path: str, **options: Any) -> httpx2.Response:
    async def one() -> httpx2.Response:
        transport = httpx2.ASGITransport(app=APP)
        headers = {"authorization": f"Bearer {TOKEN}", **options.pop("headers", {})}
        async with httpx2.AsyncClient(
            transport=transport, base_url="http://localhost", headers=headers
        ) as client:
            return await client.request(method, path, **options)

    return asyncio.run(one())


def check(answer: httpx2.Response) -> None:
    assert answer.status_code in (200, 400, 404, 413, 415, 422), (answer.status_code, answer.text)
    if answer.status_code != 200:
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert problem["status"] == answer.status_code
        assert problem["detail"]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(what=st.sampled_from(READS), params=st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4))
def test_any_parameters_have_an_answer(what: str, params: dict[str, str]) -> None:
    """Every read, with any values of any parameters."""
    check(ask("GET", f"/api/v1/{what}", params=params))


@settings(max_examples=60, deadline=None)
@given(
    what=st.sampled_from((*READS, "delete")),
    body=st.binary(max_size=30) | st.dictionaries(st.sampled_from(NAMES), ANY_JSON, max_size=3),
)
def test_any_body_has_an_answer(what: str, body: Any) -> None:
    """Every read and deletion, with any JSON or bytes."""
    options = {"content": body} if isinstance(body, bytes) else {"json": body}
    check(ask("POST", f"/api/v1/{what}", **options))


@settings(max_examples=100, deadline=None)
@given(
    pieces=st.lists(st.binary(max_size=40) | ANY_JSON.map(lambda value: repr(value).encode()), max_size=5),
    encoding=st.sampled_from(["", "gzip", "zstd", "deflate", "identity", "br", "gzip, zstd"]),
    params=st.dictionaries(
        st.sampled_from(["service", "host", "time_field", "message_field", "level_field"]), VALUES, max_size=2
    ),
)
def test_any_ingest_is_counted_exactly(pieces: list[bytes], encoding: str, params: dict[str, str]) -> None:
    """Received is stored and rejected, whatever the bytes are."""
    body = b"\n".join(pieces)
    answer = ask(
        "POST", "/api/v1/ingest", content=body, params=params, headers={"content-encoding": encoding}
    )
    check(answer)
    found = answer.json()
    if "received" in found:
        assert found["received"] == found["stored"] + found["rejected_count"]
        assert len(found["rejected"]) <= found["rejected_count"]
