"""Real senders of syslog into a real server: rsyslog, util-linux's logger, Python's SysLogHandler."""

import contextlib
import logging
import logging.handlers
import socket
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.support.commands import Server, running_server, wait_for
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
from tests.support.parts import program
from tests.support.rsyslog import running_rsyslog

OPEN = {"TAMIS_SYSLOG_UDP_PORT": "0", "TAMIS_SYSLOG_TCP_PORT": "0"}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate of 127.0.0.1, and its key."""
    folder = tmp_path_factory.mktemp("certificate")
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = [str(program("openssl")), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(
        [*command, "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True, timeout=60
    )
    return cert, key


def with_tls(certificate: tuple[Path, Path]) -> dict[str, str]:
    cert, key = certificate
    return {
        **OPEN,
        "TAMIS_SYSLOG_TLS_PORT": "0",
        "TAMIS_SYSLOG_TLS_CERT": str(cert),
        "TAMIS_SYSLOG_TLS_KEY": str(key),
    }


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that takes syslog."""
    with running_server(tmp_path_factory.mktemp("server"), **OPEN) as started:
        yield started


def log(server: Server, protocol: str, *arguments: str) -> None:
    """Run util-linux's logger."""
    command = [str(program("logger")), "-n", "127.0.0.1", "-P", str(ports(server)[protocol]), *arguments]
    subprocess.run(command, check=True, timeout=60)


@pytest.mark.parametrize(
    ("protocol", "arguments"),
    [
        ("syslog-udp", ["--udp"]),
        ("syslog-tcp", ["--tcp"]),
        ("syslog-tcp", ["--tcp", "--octet-count"]),
        ("syslog-tcp", ["--tcp", "--rfc3164"]),
        ("syslog-tcp", ["--tcp", "--rfc3164", "--octet-count"]),
    ],
)
def test_logger_of_util_linux(server: Server, protocol: str, arguments: list[str]) -> None:
    """A message of `logger` has its level, facility, program and host, over each transport and in each form."""
    name = "lg" + "".join(arguments).replace("-", "")
    log(server, protocol, *arguments, "--tag", name, "--priority", "local3.err", "disk sda is full")
    assert messages(server, f"service:={name}", 1) == ["disk sda is full"]
    (record,) = exported(server, f"service:={name}")
    assert (record["level"], record["attributes"]["facility"]) == ("ERROR", "local3")
    assert record["host"] == socket.gethostname().partition(".")[0] or record["host"] == socket.gethostname()


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_the_standard_librarys_handler(server: Server, kind: socket.SocketKind) -> None:
    """SysLogHandler ends messages with a NUL: a message over several lines stays one."""
    protocol = "syslog-udp" if kind == socket.SOCK_DGRAM else "syslog-tcp"
    handler = logging.handlers.SysLogHandler(("127.0.0.1", ports(server)[protocol]), socktype=kind)
    logger = logging.Logger("app")
    logger.addHandler(handler)
    try:
        logger.error("%s failed\nat line two", protocol)
        for number in range(200):
            logger.info("%s handled %d", protocol, number)
    finally:
        handler.close()
    found = messages(server, f'"{protocol}"', 201)
    assert found == [f"{protocol} failed\nat line two", *(f"{protocol} handled {n}" for n in range(200))]


@contextlib.contextmanager
def rsyslog(home: Path, actions: dict[str, str], authority: Path) -> Iterator[dict[str, Path]]:
    """rsyslogd that follows a file for each action, whose name is the program's name of its messages."""
    home.mkdir()
    files = {name: home / f"{name}.txt" for name in actions}
    lines = [
        f'global(workDirectory="{home}" defaultNetstreamDriverCAFile="{authority}" net.enableDNS="off")',
        'module(load="imfile" mode="inotify")',
    ]
    for name, action in actions.items():
        files[name].touch()
        lines.append(f'ruleset(name="{name}") {{ action(type="omfwd" target="127.0.0.1" {action}) }}')
        lines.append(
            f'input(type="imfile" file="{files[name]}" tag="{name}:" ruleset="{name}" severity="warning")'
        )
    config = home / "rsyslog.conf"
    config.write_text("\n".join(lines) + "\n")
    with running_rsyslog(program("rsyslog"), config):
        yield files


def forwarding(found: dict[str, int], **more: str) -> dict[str, str]:
    """What rsyslog's documentation says of each way to forward."""
    retry = 'action.resumeRetryCount="-1" action.resumeInterval="1"'
    tls = 'StreamDriver="gtls" StreamDriverMode="1" StreamDriverAuthMode="anon"'
    new = 'template="RSYSLOG_SyslogProtocol23Format"'
    return {
        "udp": f'port="{found["syslog-udp"]}" protocol="udp"',
        "lines": f'port="{found["syslog-tcp"]}" protocol="tcp" {retry}',
        "octets": f'port="{found["syslog-tcp"]}" protocol="tcp" TCP_Framing="octet-counted" {new} {retry}',
        "tls": f'port="{found["syslog-tls"]}" protocol="tcp" TCP_Framing="octet-counted" {new} {tls} {retry}',
    }


def test_rsyslog_forwards_in_every_way(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    """UDP, lines, counted octets and TLS: each message comes once, in order; dropped datagrams are counted."""
    sent = [f"order {number} über die Leitung" for number in range(1_000)]
    with running_server(tmp_path, **with_tls(certificate)) as server:
        actions = forwarding(ports(server))
        (tmp_path / "rs-ca.pem").write_bytes(certificate[0].read_bytes())
        with rsyslog(tmp_path / "rs", actions, certificate[0]) as files:
            for file in files.values():
                with file.open("a") as target:
                    target.write("".join(f"{line}\n" for line in sent))
            for name in ("lines", "octets", "tls"):
                assert messages(server, f"service:={name}", len(sent)) == sent
            assert wait_for(
                lambda: (
                    count(server, "service:=udp")
                    + metric(server, "tamis_listener_kernel_drops_total", protocol="syslog-udp")
                    >= len(sent)
                ),
                WAIT_S,
            )
        assert set(messages(server, "service:=udp", 0)) <= set(sent)
        (record, *_) = exported(server, "service:=tls")
        assert record["level"] == "WARNING"


def has_message(server: Server, name: str, message: str) -> bool:
    return count(server, f'service:={name} "{message}"') == 1


def wait_for_more(server: Server, before: dict[str, list[int]]) -> None:
    """Wait until each program has more messages than these, by some."""
    for name, numbers in before.items():
        assert wait_for(partial(is_more, server, name, len(numbers) + 20), WAIT_S)


def is_more(server: Server, name: str, least: int) -> bool:
    return count(server, f"service:={name}") >= least


def numbered(server: Server, name: str) -> list[int]:
    """The numbers of the messages of a program, in order of arrival."""
    return [int(one["message"].split()[1]) for one in exported(server, f"service:={name}")]


def test_rsyslog_goes_on_after_the_server_was_killed(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    """`kill -9` in mid-stream, twice: nothing that was stored is lost or doubled or moved; plain TCP loses what was on
    its way at that moment, one run of messages for each time, and all that follows is there."""
    kills = 2
    with killed_server(tmp_path, **with_tls(certificate)) as mortal:
        actions = {name: action for name, action in forwarding(mortal.ports).items() if name != "udp"}
        ends = threading.Event()
        written = [0]
        with rsyslog(tmp_path / "rs", actions, certificate[0]) as files:

            def stream() -> None:
                with contextlib.ExitStack() as stack:
                    targets = [stack.enter_context(file.open("a")) for file in files.values()]
                    while not ends.wait(0.01):
                        for target in targets:
                            target.write(f"order {written[0]} placed\n")
                            target.flush()
                        written[0] += 1

            writing = threading.Thread(target=stream)
            writing.start()
            try:
                before: dict[str, list[int]] = {name: [] for name in actions}
                for _ in range(kills):
                    wait_for_more(mortal.server, before)
                    before = {name: numbered(mortal.server, name) for name in actions}
                    mortal.kill_and_start()
                wait_for_more(mortal.server, before)
            finally:
                ends.set()
                writing.join(WAIT_S)
            last = written[0] - 1
            for name in actions:
                assert wait_for(partial(has_message, mortal.server, name, f"order {last} placed"), WAIT_S)
        for name in actions:
            found = numbered(mortal.server, name)
            assert found == sorted(set(found))
            assert set(before[name]) <= set(found)
            assert len(numbers_missing(found, 0, last)) <= kills
