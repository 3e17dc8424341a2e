"""What network sinks share: connections of forked children, traffic."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from tamis.errors import BatchTooLargeError, SinkUnavailableError
from tamis.pipeline.base import DELIVERED, Batch
from tamis.pipeline.sinks import create_sink
from tamis.pipeline.sinks.tamis_server import TamisSink
from tamis.record.model import Record
from tamis.settings import load_settings
from tests.support.faulty_server import FaultyServer, Reply, refuse_with
from tests.support.faulty_server import Request as Received

T0 = 1_763_719_200_000_000_000
TIMEOUT_S = 20.0
SETTINGS = load_settings({}, {})


class Taking(FaultyServer):
    """Says of each line that it is stored."""

    def answer(self, request: Received) -> Reply:
        return Reply(200, b'{"received":1,"stored":1,"rejected":[],"rejected_count":0}')


@pytest.fixture
def server() -> Iterator[Taking]:
    with Taking() as made:
        yield made


def batch(name: str) -> Batch:
    return Batch(name, (Record(timestamp=T0, message=name),))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_has_connections_of_its_own(server: Taking) -> None:
    """Parent and child never write on the same one, and the parent's goes on."""
    sink = TamisSink(server.url)
    assert sink.send(batch("before"), timeout_s=TIMEOUT_S) == DELIVERED
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if sink.send(batch("child"), timeout_s=TIMEOUT_S) == DELIVERED else 1
            os.close(writing)
            os.read(reading, 1)  # until the parent has looked
        finally:
            os._exit(code)
    server.wait_until(lambda: len(server.requests) == 2)
    open_then = server.open_connections
    os.close(writing)
    os.close(reading)
    assert os.waitpid(child, 0)[1] == 0
    assert open_then == 2
    assert sink.send(batch("after"), timeout_s=TIMEOUT_S) == DELIVERED
    server.wait_until(lambda: len(server.requests) == 3)
    keys = [request.headers["idempotency-key"] for request in server.requests]
    assert keys == ["before", "child", "after"]
    server.wait_until(lambda: server.open_connections == 1)
    assert sink.traffic.requests == 2
    sink.close()


def test_traffic_counts_what_went_over_the_wire(server: Taking) -> None:
    """Requests, bytes before compression and after."""
    sink = TamisSink(server.url)
    sink.send(batch("x" * 5_000), timeout_s=TIMEOUT_S)
    assert sink.traffic.requests == 1
    assert sink.traffic.plain_bytes > 5_000
    assert sink.traffic.sent_bytes == server.requests[0].wire_bytes
    assert sink.traffic.saved_bytes == sink.traffic.plain_bytes - sink.traffic.sent_bytes
    sink.close()


LATE = """
import sys, threading
import tamis
late = []
class Watch:
    def find_spec(self, name, path=None, target=None):
        if threading.current_thread().name.startswith("tamis"):
            late.append(name)
manager = tamis.configure(service="shop", sinks=[sys.argv[1]], spool_folder=sys.argv[2], redact_enabled=True)
sys.meta_path.insert(0, Watch())
log = tamis.get_logger("shop")
for number in range(300):
    log.error("order %s", number, user="bob@example.com", password="x", lines=[{"n": number}], **{"gr\\xf6\\xdfe": 1})
try:
    {}["order"]
except KeyError:
    log.exception("no such order")
tamis.flush(timeout=60)
print(late)
tamis.shutdown()
"""


@pytest.mark.parametrize("form", ["http", "otlp+http", "elasticsearch+http"])
def test_workers_load_nothing_once_they_run(server: Taking, tmp_path: Path, form: str) -> None:
    """What a sink of a server needs is loaded where it is made: a fork beside a module half loaded leaves the child
    with its lock held for ever, and a codec that could not be loaded once is never looked for again.
    """
    server.script(refuse_with(503, retry_after="Wed, 21 Oct 2015 07:28:00 GMT"), refuse_with(400, body=b"no"))
    url = f"{form}://localhost:{server.port}/{'shop-%Y' if 'elastic' in form else ''}"
    source = str(Path(__file__).resolve().parents[4] / "src")
    ran = subprocess.run(
        [sys.executable, "-c", LATE, url, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([source, *filter(None, sys.path)])},
        check=False,
    )
    assert ran.stdout == "[]\n", ran.stderr
    assert server.requests


def test_trouble_of_our_own_on_the_way_is_no_record_s_fault(server: Taking) -> None:
    """What fails without an answer, whatever it is, leaves the batch to be sent again."""
    sink = TamisSink(server.url)
    with (
        patch(
            "tamis.http_client.guard.socket.create_connection", side_effect=LookupError("unknown encoding")
        ),
        pytest.raises(SinkUnavailableError, match="LookupError: unknown encoding"),
    ):
        sink.send(batch("one"), timeout_s=TIMEOUT_S)
    assert sink.send(batch("one"), timeout_s=TIMEOUT_S) == DELIVERED
    sink.close()


@pytest.mark.parametrize("status", [400, 413, 500])
@pytest.mark.parametrize("form", ["http", "otlp+http", "elasticsearch+http", "basic"])
def test_what_a_receiver_repeats_of_our_credentials_is_not_told(
    server: Taking, form: str, status: int
) -> None:
    """A token comes back in a refusal, as it was sent or in part, and stands in no reason."""
    secret = "tok-Zq81x"
    kind, user = ("elasticsearch+http", f"shop:{secret}") if form == "basic" else (form, secret)
    if form == "elasticsearch+http":
        user = f"{secret}:pass-Zq81x"
    sink = create_sink(
        f"{kind}://{user}@127.0.0.1:{server.port}/{'shop' if 'elastic' in kind else ''}", SETTINGS
    )

    def refuse(request: Received) -> Reply:
        said = request.headers["authorization"]
        return Reply(status, f"{'x' * 450} you sent {said}, {said}, {said}".encode())

    server.answer = refuse  # type: ignore[method-assign]  # what this one says
    try:
        told = "".join(one.reason for one in sink.send(batch("one"), timeout_s=TIMEOUT_S).rejected)
    except (SinkUnavailableError, BatchTooLargeError) as error:
        told = str(error)
    assert "you sent" in told
    sent = server.requests[-1].headers["authorization"].partition(" ")[2]
    for text in (secret, sent, sent[:6], "Zq81x"):
        assert text not in told
    sink.close()
