"""What arrived at the servers and in the files, in the order in which it came, and what must hold of it."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from tamis.query import ast
from tamis.store.base import Budget, Question
from tests.support.commands import TOKEN, Server
from tests.support.elasticsearch_server import ElasticsearchServer
from tests.support.tamis_server import TamisServer


@dataclass(frozen=True, slots=True)
class Arrival:
    """One record: its key, and the number that its process gave it."""

    key: str
    process: str
    sequence: int


def at_elasticsearch(server: ElasticsearchServer) -> list[Arrival]:
    """The documents."""
    return [
        Arrival(source["attributes"]["key"], source["process.entity_id"], source["event.sequence"])
        for source in server.sources()
    ]


def at_small_tamis(server: TamisServer) -> list[Arrival]:
    """The records of the server that can be told to fail."""
    with server.lock:
        page = server.store.search(Question(ast.All()), Budget(), limit=10_000_000)
    found = sorted(page.records, key=lambda stored: stored.seq)
    return [_arrival(stored.record.attributes) for stored in found]


def at_tamis(server: Server) -> list[Arrival]:
    """The records of a server process."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with httpx2.Client(base_url=server.url, headers=headers, timeout=60) as caller:
        answer = caller.get("/api/v1/export", params={"format": "ndjson"})
        assert answer.status_code == 200, answer.text
    rows = [json.loads(line) for line in answer.text.splitlines()]
    rows.sort(key=lambda row: int(row["id"].rpartition("-")[2]))
    return [_arrival(row["attributes"]) for row in rows]


def losses_at(server: Server) -> dict[str, int]:
    """How many records of each process the server says are lost."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with httpx2.Client(base_url=server.url, headers=headers, timeout=60) as caller:
        answer = caller.get("/api/v1/losses")
        assert answer.status_code == 200, answer.text
    return {loss["process"]: loss["lost"] for loss in answer.json()["losses"]}


def count_at(server: Server) -> int:
    """How many records a server process has."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    answer = httpx2.get(f"{server.url}/api/v1/count", headers=headers, timeout=60)
    count: int = answer.json()["count"]
    return count


def in_file(path: Path) -> list[Arrival]:
    """The whole lines: a killed process may have left a part of one at the end."""
    whole, _, _ = path.read_text("utf-8").rpartition("\n")
    return [_arrival(json.loads(line)["attributes"]) for line in whole.splitlines()]


def _arrival(attributes: dict[str, Any]) -> Arrival:
    return Arrival(attributes["key"], attributes["process"], attributes["sequence"])


def assert_all_once(found: Sequence[Arrival], keys: Iterable[str]) -> None:
    """Every record is there, and once."""
    expected, counts = set(keys), Counter(arrival.key for arrival in found)
    missing = expected - set(counts)
    doubled = {key: times for key, times in counts.items() if times > 1}
    others = set(counts) - expected
    told = [len(expected), sorted(missing)[:5], list(doubled.items())[:5], sorted(others)[:5]]
    assert (len(missing), len(doubled), len(others)) == (0, 0, 0), told


def assert_in_order(found: Sequence[Arrival], *, whole: bool = True) -> None:
    """Of each process in the order of its numbers, which have no gap if it is `whole`."""
    numbers: dict[str, list[int]] = defaultdict(list)
    for arrival in found:
        numbers[arrival.process].append(arrival.sequence)
    for process, given in numbers.items():
        assert given == sorted(given), (process, _first_fall(given))
        if whole:
            assert given == list(range(1, len(given) + 1)), (process, len(given), given[-1])


def _first_fall(given: list[int]) -> list[int]:
    place = next(at for at in range(1, len(given)) if given[at] < given[at - 1])
    return given[max(place - 3, 0) : place + 3]
