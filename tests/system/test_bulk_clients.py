"""Real clients of Elasticsearch and OpenSearch into a real Tamis server, once in peace, once with `kill -9` of the
server in mid-stream: what a client is told is stored is found, and nothing twice."""

import contextlib
import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.commands import TOKEN, Server, environment, running_server, start_server, wait_for
from tests.support.listening import count, exported, numbers_missing
from tests.support.parts import program
from tests.support.rsyslog import running_rsyslog
from tests.unit.server.conftest import listening

CLIENTS = ["elasticsearch-7", "elasticsearch-8", "elasticsearch-9", "opensearch-3"]
SHIPPER = Path(__file__).with_name("bulk_shipper.py")
REFUSED = Path(__file__).with_name("bulk_refused.py")
WAIT_S = 60.0
BATCH = 100


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that all clients ship to."""
    with running_server(tmp_path_factory.mktemp("server")) as started:
        yield started


def shipping(name: str, url: str, home: Path, *given: object) -> "subprocess.Popen[str]":
    """A client's program, started."""
    command = [str(program(name)), str(SHIPPER), name, url, TOKEN, *map(str, given)]
    return subprocess.Popen(
        command, cwd=home, env=environment(home), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def ended(process: "subprocess.Popen[str]", already: str = "") -> dict[str, Any]:
    """What a client's program says at its end."""
    text = already + process.communicate(timeout=WAIT_S)[0]
    assert process.returncode == 0, text
    found: dict[str, Any] = json.loads(text.splitlines()[-1])
    return found


@pytest.mark.parametrize("name", CLIENTS)
@pytest.mark.parametrize("action", ["index", "create"])
def test_a_client_ships_as_its_documentation_says(
    name: str, action: str, server: Server, tmp_path: Path
) -> None:
    """It starts, is told of each document, and all that is not refused is found with its fields."""
    service = f"{name}.{action}".replace("-", ".")
    index = f"logs-{service}-default"
    found = ended(shipping(name, server.url, tmp_path, index, 1_000, 250, action))
    records = exported(server, f"es.index:={index} es.id:*")
    assert count(server, f"es.index:={index} NOT es.id:*") == 1
    assert (found["status"], found["version"][0]) == ("green", "8")
    assert (found["stored"], found["refused"]) == (999, [{"id": "order-999", "status": 400}])
    assert [one["attributes"]["n"] for one in records] == list(range(999))
    one = records[7]
    assert (one["message"], one["level"], one["service"]) == ("order 7 placed", "WARNING", service)
    assert one["timestamp"] == "2026-11-21T10:00:00Z"
    assert one["attributes"] == {"es.index": index, "es.id": "order-7", "n": 7}


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_reads_every_refusal(name: str, server: Server, tmp_path: Path) -> None:
    """Each error is the exception of its status, also of what Tamis does not have, and while it starts."""
    with listening(None, server__admin_token=TOKEN) as port:
        command = [str(program(name)), str(REFUSED), name, server.url, TOKEN, f"http://127.0.0.1:{port}"]
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env=environment(tmp_path),
            capture_output=True,
            check=False,
            text=True,
            timeout=WAIT_S,
        )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert {asked: status for asked, (_, status) in found.items()} == {
        "strange info": 401,
        "strange bulk": 401,
        "search": 404,
        "get": 405,
        "policy": 404,
        "starting": 503,
    }
    assert {found[asked][0] for asked in ("strange info", "strange bulk")} == {"AuthenticationException"}
    assert found["policy"][0] == found["search"][0] == "NotFoundError"


def test_clients_go_on_after_the_server_was_killed(tmp_path: Path) -> None:
    """All at once: they send again what was not answered, and by the ids each document is stored exactly once."""
    total, chunk = 1_200, 30
    for name in CLIENTS:
        program(name)
    server = start_server(tmp_path)
    actions = dict(zip(CLIENTS, ["index", "create", "index", "index"], strict=True))
    running = {
        name: shipping(name, server.url, tmp_path, name, total, chunk, action)
        for name, action in actions.items()
    }
    seen = dict.fromkeys(CLIENTS, "")
    for name, process in running.items():
        assert process.stdout is not None
        for _ in range(total // chunk // 4):
            seen[name] += process.stdout.readline()
    server.kill()
    server = start_server(tmp_path, port=str(urlsplit(server.url).port))
    try:
        ends = {name: ended(process, seen[name]) for name, process in running.items()}
        stored = {name: exported(server, f"es.index:={name} es.id:*") for name in CLIENTS}
    finally:
        server.stop()
    expected = [number for number in range(total) if number % 1_000 != 999]
    for name, found in stored.items():
        assert sorted(one["attributes"]["n"] for one in found) == expected
        refused = ends[name]["refused"]
        assert {one["status"] for one in refused} <= ({400, 409} if actions[name] == "create" else {400})
        assert ends[name]["stored"] + len(refused) == total


@contextlib.contextmanager
def rsyslog(home: Path, url: str) -> Iterator[socket.socket]:
    """rsyslogd with omelasticsearch, and a connection to log to it."""
    parts = urlsplit(url)
    port_file = home / "rsyslog.port"
    config = home / "rsyslog.conf"
    config.write_text(
        f"""
        global(workDirectory="{home}" net.enableDNS="off")
        module(load="imtcp")
        module(load="omelasticsearch")
        template(name="id" type="string" string="%msg:R,ERE,1,FIELD:order ([0-9]+)--end%")
        ruleset(name="ship") {{
          action(type="omelasticsearch" server="{parts.hostname}" serverport="{parts.port}"
            uid="rsyslog" pwd="{TOKEN}" searchIndex="syslog" bulkmode="on" writeoperation="create"
            dynbulkid="on" bulkid="id" errorfile="{home}/refused.json"
            action.resumeRetryCount="-1" action.resumeInterval="1"
            queue.type="LinkedList" queue.dequeueBatchSize="{BATCH}" queue.timeoutShutdown="20000")
        }}
        input(type="imtcp" address="127.0.0.1" port="0" listenPortFileName="{port_file}" ruleset="ship")
        """
    )
    with running_rsyslog(program("omelasticsearch"), config):
        assert wait_for(lambda: port_file.exists() and port_file.read_text().strip() != "", WAIT_S)
        address = ("127.0.0.1", int(port_file.read_text()))
        with socket.create_connection(address, timeout=WAIT_S) as connection:
            yield connection


def syslog_line(number: int) -> bytes:
    return b"<28>Nov 21 10:00:00 web-1 shop: order %d is late\n" % number


def orders(server: Server) -> list[int]:
    """The numbers that are stored, in order of arrival."""
    return [int(one["attributes"]["es.id"]) for one in exported(server)]


def test_rsyslog_ships_by_omelasticsearch(tmp_path: Path, server: Server) -> None:
    """Its own form of documents: message, host, level and time are fields."""
    with rsyslog(tmp_path, server.url) as connection:
        for number in range(500):
            connection.sendall(syslog_line(number))
        assert wait_for(lambda: count(server, "service:=syslog") >= 500, WAIT_S), (
            tmp_path / "rsyslog.said"
        ).read_text()
    found = exported(server, "service:=syslog")
    assert [int(one["attributes"]["es.id"]) for one in found] == list(range(500))
    one = found[3]
    assert (one["message"].strip(), one["service"], one["level"]) == ("order 3 is late", "syslog", "WARNING")
    assert (one["host"], one["timestamp"][4:19]) == ("web-1", "-11-21T10:00:00")


def test_rsyslog_goes_on_after_the_server_was_killed(tmp_path: Path) -> None:
    """What was stored stays, what waits is sent again and stored once; rsyslog itself forgets first documents of the
    batch that got no answer, the more the oftener it tries."""
    server = start_server(tmp_path)
    ends, sent = threading.Event(), [0]

    def said() -> str:
        return (tmp_path / "rsyslog.said").read_text()

    with contextlib.ExitStack() as stack:
        connection = stack.enter_context(rsyslog(tmp_path, server.url))

        def stream() -> None:
            while not ends.is_set():
                connection.sendall(b"".join(map(syslog_line, range(sent[0], sent[0] + 20))))
                sent[0] += 20
                ends.wait(0.01)

        streaming = threading.Thread(target=stream)
        streaming.start()
        try:
            assert wait_for(lambda: count(server) >= 300, WAIT_S), said()
            before = orders(server)
            server.kill()
            server = start_server(tmp_path, port=str(urlsplit(server.url).port))
            stack.callback(server.stop)
            after = sent[0]
            assert wait_for(lambda: count(server, f"es.id:={after + 20}") == 1, WAIT_S), said()
        finally:
            ends.set()
            streaming.join(WAIT_S)
        last = sent[0] - 1
        assert wait_for(lambda: count(server, f"es.id:={last}") == 1, WAIT_S), said()
        found = orders(server)
    assert len(found) == len(set(found))
    assert set(before) <= set(found)
    lost = numbers_missing(found, 0, last)
    assert len(lost) <= 1
    assert all(first > max(before) and end - first < BATCH for first, end in lost)
