"""`tamis tail` beside a real server that goes away and comes back."""

import json
import signal
import socket
from pathlib import Path

from tamis.http_client import HttpClient
from tamis.http_client.address import parse_address
from tests.support.commands import TOKEN, Server, start, start_server, tamis, wait_for

WAIT_S = 60.0


def put(server: Server, *messages: str) -> None:
    body = "".join(json.dumps({"message": one}) + "\n" for one in messages).encode()
    client = HttpClient(parse_address(server.url), TOKEN)
    client.request("POST", "/api/v1/ingest", body=body)
    client.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_tail_outlives_servers(tmp_path: Path) -> None:
    """Killed (-9) or stopped, and started again: each record is shown once, those that came meanwhile too."""
    port = str(free_port())
    output = tmp_path / "tail.out"

    def shown() -> list[str]:
        lines = [line for line in output.read_text().splitlines() if line.startswith("{")]
        return [json.loads(line)["message"] for line in lines]

    def shows(*messages: str) -> None:
        assert wait_for(lambda: shown() == [*messages], WAIT_S), output.read_text()

    server = start_server(tmp_path, port=port)
    put(server, "before")
    tailing = start("tail", "--json", "--data", str(server.data), home=tmp_path, output=output)
    wanted = ["before"]
    try:
        for turn in range(2):
            shows(*wanted)
            put(server, f"seen {turn}")
            wanted += [f"seen {turn}"]
            shows(*wanted)
            put(server, f"perhaps unseen {turn}")
            (server.kill, server.stop)[turn]()
            server = start_server(tmp_path, port=port)
            put(server, f"after {turn}")
            wanted += [f"perhaps unseen {turn}", f"after {turn}"]
        shows(*wanted)
        assert "trying again" in output.read_text()
        tailing.send_signal(signal.SIGINT)
        assert tailing.wait(WAIT_S) == 0
    finally:
        tailing.kill()
        server.stop()


def test_tail_says_that_nothing_can_come(tmp_path: Path) -> None:
    """Into a folder that no server has open: what is there is shown, and why there will be no more."""
    assert tamis("ingest", "-", "--data", "data", home=tmp_path, given="one\ntwo\n").code == 0
    done = tamis("tail", "--json", "--data", "data", home=tmp_path)
    assert done.code == 3
    assert [json.loads(line)["message"] for line in done.out.splitlines()] == ["one", "two"]
    assert "tamis serve" in done.err
    assert len(done.err.splitlines()) == 1
