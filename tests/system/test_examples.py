"""The examples run as they are, with the real frameworks, and their records say what they promise."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.sinks import until
from tests.tidy.sources import ROOT

EXAMPLES = ROOT / "examples"
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
ORDER = {"article": "lamp", "email": "ada@example.org", "password": "geheim"}
ROUTES = {
    "fastapi_app": "/orders/{order_id}",
    "flask_app": "/orders/<int:order_id>",
    "django_app": "orders/<int:order_id>",
}
PARTS_ALONE = {
    "backup": "",
    "fallback": "fallback: 5 calls, 0 failures",
    "keep_files_whole": "Still works: words are searched",
    "profile_orders": "takes 0.0",
    "shared_cache": "health: healthy",
    "wait_its_turn": "reports are there",
}
"""What each prints, among other things."""
Record = dict[str, Any]


def command(example: str) -> list[str]:
    return [sys.executable, "-W", "error", str(EXAMPLES / f"{example}.py")]


def environment(folder: Path, **more: str) -> dict[str, str]:
    return os.environ | {
        "TAMIS_LOG_SINKS": f"file://{folder / 'records.jsonl'}",
        "TAMIS_SPOOL_FOLDER": str(folder / "state"),
        **more,
    }


def records(folder: Path) -> list[Record]:
    place = folder / "records.jsonl"
    text = place.read_text(encoding="utf-8") if place.exists() else ""
    return [json.loads(line) for line in text.splitlines()]


def run(example: str, folder: Path) -> tuple[int, list[Record]]:
    """Exit code and records of an example that ends by itself."""
    done = subprocess.run(
        command(example), env=environment(folder), capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stderr == ""
    return done.returncode, records(folder)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def accepts(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def serving(example: str, folder: Path) -> Iterator[str]:
    """The example as a server; it is stopped as an operator would, and has delivered everything then."""
    port = free_port()
    server = subprocess.Popen(
        command(example),
        env=environment(folder, PORT=str(port)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        until(lambda: accepts(port) or server.poll() is not None, 30.0)
        assert server.poll() is None, server.communicate()[1]
        yield f"http://127.0.0.1:{port}"
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=30)
    finally:
        server.kill()
        server.communicate()


def ask(url: str, body: object = None, **headers: str) -> tuple[int, str | None, bytes]:
    """Status, correlation id and body of the answer."""
    data = None if body is None else json.dumps(body).encode()
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, data, {"Content-Type": "application/json", **given})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.headers["X-Correlation-ID"], answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["X-Correlation-ID"], error.read()


def of(found: list[Record], logger: str, correlation_id: str) -> list[Record]:
    return [
        record
        for record in found
        if record["logger"] == logger and record.get("correlation_id") == correlation_id
    ]


@pytest.fixture(scope="module", params=sorted(ROUTES))
def asked(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, list[Record], dict[str, tuple[int, str | None, bytes]]]:
    """An example's name, its records, and its answers to a few requests."""
    folder = tmp_path_factory.mktemp(request.param)
    with serving(request.param, folder) as url:
        answers = {
            "look": ask(
                f"{url}/orders/7?token=geheim",
                X_Correlation_ID="look-1",
                traceparent=f"00-{TRACE}-{PARENT}-01",
            ),
            "place": ask(f"{url}/orders", ORDER, X_Correlation_ID="place-1"),
            "broken": ask(f"{url}/broken", X_Correlation_ID="broken-1"),
            "own": ask(f"{url}/orders/8"),
        }
    return request.param, records(folder), answers


Asked = tuple[str, list[Record], dict[str, tuple[int, str | None, bytes]]]


def test_the_correlation_id_goes_through(asked: Asked) -> None:
    """In by the header, into every record of the request, out with the answer; the trace is the caller's."""
    _, found, answers = asked
    status, correlation_id, body = answers["look"]
    assert (status, correlation_id, json.loads(body)) == (200, "look-1", {"order_id": 7})
    (order,), (access,) = of(found, "shop.orders", "look-1"), of(found, "tamis.access", "look-1")
    assert order["attributes"]["order_id"] == 7
    assert {order["trace_id"], access["trace_id"]} == {TRACE}
    assert access["attributes"]["parent_span_id"] == PARENT
    assert order["span_id"] == access["span_id"] != PARENT
    made = answers["own"][1]
    assert made is not None
    assert len(of(found, "shop.orders", made)) == 1


def test_each_request_is_one_access_record(asked: Asked) -> None:
    """With its route, its status and its duration, without its query."""
    example, found, _ = asked
    access = [record for record in found if record["logger"] == "tamis.access"]
    assert sorted(record["message"] for record in access) == [
        "GET /broken 500",
        "GET /orders/7 200",
        "GET /orders/8 200",
        "POST /orders 200",
    ]
    (look,) = of(found, "tamis.access", "look-1")
    given = look["attributes"]
    assert given["route"] == ROUTES[example]
    assert given["client"] == "***IP***"
    assert given["bytes"] == len(asked[2]["look"][2])
    assert 0 < given["duration_ms"] < 30_000
    assert "geheim" not in json.dumps(access)


def test_secrets_are_masked(asked: Asked) -> None:
    """By name and by pattern, wherever they stand."""
    _, found, _ = asked
    (order,) = of(found, "shop.orders", "place-1")
    assert order["message"] == "order placed by ***@***.***"
    assert order["attributes"]["password"] == "***REDACTED***"
    assert "ada@example.org" not in json.dumps(found)
    assert "geheim" not in json.dumps(found)


def test_a_failure_has_its_exception(asked: Asked) -> None:
    """In a record of the request; FastAPI's in the access record, as it raises on; the others log it themselves."""
    _, found, answers = asked
    assert answers["broken"][0] == 500
    failed = [record for record in found if "exception" in record]
    assert {record["exception"]["type"] for record in failed} == {"RuntimeError"}
    assert len([record for record in failed if record.get("correlation_id") == "broken-1"]) == 1


def test_flask_logs_while_its_response_streams(tmp_path: Path) -> None:
    """Rows are logged with the request's id, and the access record comes after them."""
    with serving("flask_app", tmp_path) as url:
        assert ask(f"{url}/report", X_Correlation_ID="rows-1")[2] == b"0\n1\n2\n"
    found = [record for record in records(tmp_path) if record.get("correlation_id") == "rows-1"]
    assert [record["message"] for record in found] == ["row 0", "row 1", "row 2", "GET /report 200"]


def test_a_health_check_leaves_no_record(tmp_path: Path) -> None:
    """FastAPI's example skips it."""
    with serving("fastapi_app", tmp_path) as url:
        assert ask(f"{url}/healthz")[0] == 200
    assert [record for record in records(tmp_path) if record["logger"] == "tamis.access"] == []


def test_the_batch_job_tells_what_it_did(tmp_path: Path) -> None:
    """One id for the run; the failed item has its frames; the summary counts; nothing is lost at the end."""
    code, found = run("batch_job", tmp_path)
    assert code == 1
    assert len({record["correlation_id"] for record in found}) == 1
    assert [record["level"] for record in found] == ["INFO", "ERROR", "INFO", "INFO", "INFO"]
    assert found[1]["exception"]["frames"][-1]["function"] == "send"
    assert found[3]["message"] == "2 of 3 sent"
    assert found[4]["attributes"]["operation"] == "invoices"
    assert "DE89" not in json.dumps(found)
    assert [record["attributes"]["sequence"] for record in found] == [1, 2, 3, 4, 5]


def test_the_agent_tells_steps_calls_tokens_and_cost(tmp_path: Path) -> None:
    """What it calls carries the step; sums over records are the run's."""
    code, found = run("agent", tmp_path)
    assert code == 0
    inner = [record["attributes"] for record in found if record["logger"] == "support.stock"]
    assert [(given["step"], given["tool"], given["run_id"]) for given in inner] == [(2, "stock", "r1")] * 2
    assert sum(record["attributes"].get("tokens", 0) for record in found) == 635
    assert found[-1]["attributes"]["cost_total"] == 0.003
    (failed,) = [record for record in found if record["level"] == "ERROR"]
    assert (failed["attributes"]["tool"], failed["attributes"]["status"]) == ("stock", "error")
    assert "sk-not-for-logs" not in json.dumps(found)
    assert "ada@example.org" not in json.dumps(found)


@pytest.mark.parametrize("example", PARTS_ALONE)
def test_parts_that_people_use_alone_do_what_their_pages_say(example: str, tmp_path: Path) -> None:
    """In an empty folder, with nothing on standard error."""
    done = subprocess.run(
        command(example),
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert PARTS_ALONE[example] in done.stdout


def test_every_example_is_tested() -> None:
    """A file that is added without its test is seen."""
    assert {path.stem for path in EXAMPLES.glob("*.py")} == {*ROUTES, *PARTS_ALONE, "batch_job", "agent"}
