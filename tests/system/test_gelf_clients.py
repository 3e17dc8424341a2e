"""pygelf into a real server, over UDP, TCP and HTTP."""

import logging
import random
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pygelf  # type: ignore[import-untyped]  # it says nothing of types
import pytest

from tests.support.commands import TOKEN, Server, running_server, wait_for
from tests.support.listening import (
    WAIT_S,
    count,
    exported,
    killed_server,
    messages,
    metric,
    numbers_missing,
    ports,
)

OPEN = {"TAMIS_GELF_PORT": "0"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that takes GELF."""
    with running_server(tmp_path_factory.mktemp("server"), **OPEN) as started:
        yield started


HANDLERS = {"udp": pygelf.GelfUdpHandler, "tcp": pygelf.GelfTcpHandler, "http": pygelf.GelfHttpHandler}


def logger(way: str, port: int, **options: object) -> logging.Logger:
    """A logger whose records pygelf sends."""
    made = logging.Logger("shop.orders")
    made.addHandler(HANDLERS[way](host="127.0.0.1", port=port, debug=True, _service=f"by-{way}", **options))
    return made


def close(made: logging.Logger) -> None:
    for handler in made.handlers:
        handler.close()


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # pygelf closes no HTTP connection
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("way", ["udp", "tcp", "http"])
def test_pygelf_sends(server: Server, way: str, compress: bool) -> None:
    """Each message with its level, fields and traceback, compressed where pygelf compresses."""
    options = {} if way == "tcp" else {"compress": compress}
    marker = f"{way}{compress}"
    made = logger(way, ports(server)["gelf-tcp"], _marker=marker, **options)
    for number in range(50):
        made.info("handled %d", number)
    try:
        raise ValueError("no such order")
    except ValueError:
        made.exception("failed")
    assert sorted(messages(server, f"marker:={marker}", 51)) == sorted(
        ["failed", *(f"handled {n}" for n in range(50))]
    )
    close(made)
    (record,) = exported(server, f"marker:={marker} failed")
    assert (record["level"], record["service"], record["logger"]) == ("ERROR", f"by-{way}", "shop.orders")
    assert "no such order" in record["attributes"]["full_message"]
    assert record["attributes"]["func"] == "test_pygelf_sends"


def test_large_messages_come_in_chunks(server: Server) -> None:
    """A message of many datagrams is one record; a chunk that cannot be is counted."""
    made = logger("udp", ports(server)["gelf-udp"], compress=False, chunk_size=1_000, _marker="large")
    text = "".join(random.Random(1).choices("abcdefghij ", k=90_000))
    made.info("%s", text)
    assert messages(server, "marker:=large", 1) == [text]
    rejected = metric(server, "tamis_listener_messages_total", protocol="gelf-udp", result="rejected")
    with socket.socket(type=socket.SOCK_DGRAM) as plain:
        third_of_two = b"\x1e\x0f" + b"12345678" + bytes((2, 2)) + b"half"
        plain.sendto(third_of_two, ("127.0.0.1", ports(server)["gelf-udp"]))
    assert wait_for(
        lambda: (
            metric(server, "tamis_listener_messages_total", protocol="gelf-udp", result="rejected")
            == rejected + 1
        ),
        WAIT_S,
    )
    close(made)


@pytest.mark.parametrize("path", ["listener", "route"])
def test_a_sender_that_does_not_wait_for_its_answer_is_no_error(server: Server, path: str) -> None:
    """It resets the connection as soon as it has sent: messages are stored, and the server's log says nothing."""
    port = ports(server)["gelf-tcp"] if path == "listener" else urlsplit(server.url).port
    token = "" if path == "listener" else f"Authorization: Bearer {TOKEN}\r\n"
    body = b'{"version":"1.1","host":"h","short_message":"impatient","_path":"%b"}' % path.encode()
    head = f"POST /gelf HTTP/1.1\r\nHost: localhost\r\n{token}Content-Length: {len(body)}\r\n\r\n"
    for _ in range(30):
        with socket.create_connection(("127.0.0.1", int(port or 0)), timeout=WAIT_S) as plain:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", path == "route", 0))
            plain.sendall(head.encode() + body)
    if path == "listener":
        assert len(messages(server, "message:impatient path:=listener", 30)) == 30
    assert wait_for(lambda: metric(server, "tamis_http_open_requests") == 1, WAIT_S)
    assert "Traceback" not in server.output.read_text()


def test_pygelf_goes_on_after_the_server_was_killed(tmp_path: Path) -> None:
    """`kill -9` in mid-stream: nothing stored is lost or doubled, and what follows the pause is there."""
    with killed_server(tmp_path, **OPEN) as mortal:
        made = logger("tcp", mortal.ports["gelf-tcp"])
        ends, sent = threading.Event(), [0]

        def stream() -> None:
            while not ends.wait(0.002):
                made.info("order %d placed", sent[0])
                sent[0] += 1

        sending = threading.Thread(target=stream)
        sending.start()
        try:
            assert wait_for(lambda: count(mortal.server) > 100, WAIT_S)
            before = numbers(mortal.server)
            mortal.kill_and_start()
            assert wait_for(lambda: count(mortal.server) > len(before) + 50, WAIT_S)
        finally:
            ends.set()
            sending.join(WAIT_S)
        assert wait_for(lambda: count(mortal.server, f'"order {sent[0] - 1} placed"') == 1, WAIT_S)
        close(made)
        found = numbers(mortal.server)
        assert found == sorted(set(found))
        assert set(before) <= set(found)
        assert len(numbers_missing(found, 0, sent[0] - 1)) == 1


def numbers(server: Server) -> list[int]:
    """The numbers of the messages, in order of arrival."""
    return [int(one["message"].split()[1]) for one in exported(server)]
