"""Servers with listeners for the system tests, and what they stored."""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from tests.support.commands import TOKEN, Server, start_server, wait_for

HEADERS = {"Authorization": f"Bearer {TOKEN}"}
WAIT_S = 60.0
_TAKES = re.compile(r"^Tamis takes (\S+) on \S+ port (\d+)$", re.MULTILINE)


def ports(server: Server) -> dict[str, int]:
    """Where a server takes what, by protocol."""
    return {name: int(port) for name, port in _TAKES.findall(server.output.read_text())}


def exported(server: Server, query: str = "*") -> list[dict[str, Any]]:
    """All records that a query finds, in order of arrival."""
    answer = httpx2.get(
        f"{server.url}/api/v1/export", params={"format": "ndjson", "q": query}, headers=HEADERS, timeout=60
    )
    assert answer.status_code == 200, answer.text
    found = [json.loads(line) for line in answer.text.splitlines()]
    return sorted(found, key=lambda one: int(one["id"].partition("-")[2]))


def count(server: Server, query: str = "*") -> int:
    """How many records a query finds."""
    answer = httpx2.get(f"{server.url}/api/v1/count", params={"q": query}, headers=HEADERS, timeout=60)
    assert answer.status_code == 200, answer.text
    return int(answer.json()["count"])


def metric(server: Server, name: str, **labels: str) -> float:
    """What a metric stands at; 0 when it was never counted."""
    text = httpx2.get(f"{server.url}/metrics", headers=HEADERS, timeout=60).text
    pairs = ",".join(f'{key}="{value}"' for key, value in labels.items())
    wanted = f"{{{pairs}}}" if pairs else ""
    for line in text.splitlines():
        if line.startswith(f"{name}{wanted} "):
            return float(line.rpartition(" ")[2])
    return 0.0


def messages(server: Server, query: str, at_least: int) -> list[str]:
    """The messages that a query finds, once there are so many."""
    assert wait_for(lambda: count(server, query) >= at_least, WAIT_S), (count(server, query), at_least)
    return [one["message"] for one in exported(server, query)]


def numbers_missing(found: Sequence[int], first: int, last: int) -> list[tuple[int, int]]:
    """The runs of numbers that are not there."""
    runs = []
    before = first - 1
    for number in [*sorted(set(found)), last + 1]:
        if number > before + 1:
            runs.append((before + 1, number - 1))
        before = number
    return runs


@contextmanager
def killed_server(home: Path, **extra: str) -> Iterator["Mortal"]:
    """A server that can be killed and started again on the same folder and ports."""
    mortal = Mortal(home, extra)
    try:
        yield mortal
    finally:
        if mortal.server.process.poll() is None:
            mortal.server.stop()


class Mortal:
    """A server, each time it lives."""

    def __init__(self, home: Path, extra: dict[str, str]) -> None:
        self._home, self._extra = home, extra
        self.server = start_server(home, **extra)
        names = {
            "syslog-udp": "SYSLOG_UDP_PORT",
            "syslog-tcp": "SYSLOG_TCP_PORT",
            "syslog-tls": "SYSLOG_TLS_PORT",
        }
        names |= {"gelf-tcp": "GELF_PORT", "journal": "JOURNAL_PORT"}
        self.ports = ports(self.server)
        self._fixed = {
            f"TAMIS_{names[name]}": str(port) for name, port in self.ports.items() if name in names
        }

    def kill_and_start(self) -> None:
        """`kill -9`, and up again."""
        self.server.kill()
        self.server = start_server(self._home, **{**self._extra, **self._fixed})
