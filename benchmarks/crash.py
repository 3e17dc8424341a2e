"""The server is killed again and again while two clients send and send again: nothing may be lost or doubled."""

import http.client
import json
import random
import shutil
import threading
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.clients import INGEST
from benchmarks.process import HEADERS, Reader, ServerProcess, free_port

KILLS = 50
SECONDS_MAX = 180.0
BODY_RECORDS = (1, 400)
"""A body has so many records, at random between these."""
SETTLED = {
    "TAMIS_STORE_SEGMENT_RECORDS": "20000",
    "TAMIS_STORE_SEGMENT_AGE_S": "1s",
    "TAMIS_STORE_MERGE_COUNT": "3",
}
"""Small segments, so that kills also hit sealing and merging."""
RETRY_S = 0.05


@dataclass(slots=True)
class Tally:
    """What one client knows: size of each acknowledged body by its key, and how often it had to send again."""

    acknowledged: dict[str, int] = field(default_factory=dict)
    sent_again: int = 0
    duplicates: int = 0
    refused: list[str] = field(default_factory=list)


class Client(threading.Thread):
    """Sends bodies under keys of their own, each until it is acknowledged."""

    def __init__(self, name: str, port: int, seed: int) -> None:
        super().__init__(name=name, daemon=True)
        self.tally = Tally()
        self.ending = threading.Event()
        self._port, self._random = port, random.Random(seed)

    def run(self) -> None:
        """Until told to end; the body under way is sent to its end."""
        number = 0
        while not self.ending.is_set() and not self.tally.refused:
            key = f"{self.name}-{number}"
            size = self._random.randint(*BODY_RECORDS)
            self._send_until_acknowledged(key, _body(key, size), size)
            number += 1

    def _send_until_acknowledged(self, key: str, body: bytes, size: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        while True:
            try:
                connection.request("POST", INGEST, body=body, headers={**HEADERS, "Idempotency-Key": key})
                response = connection.getresponse()
                data = response.read()
            except (OSError, http.client.HTTPException):
                connection.close()
                self.tally.sent_again += 1
                time.sleep(RETRY_S)
                continue
            if response.status in (429, 503):
                time.sleep(RETRY_S)
                continue
            self._take(key, size, response.status, data)
            connection.close()
            return

    def _take(self, key: str, size: int, status: int, data: bytes) -> None:
        answer = json.loads(data) if status == 200 else {}
        if answer.get("stored") != size:
            self.tally.refused.append(f"{key}: {status} {data[:300].decode(errors='replace')}")
            return
        self.tally.acknowledged[key] = size
        self.tally.duplicates += bool(answer["duplicate"])


def _body(key: str, size: int) -> bytes:
    stamp = time.time_ns()
    lines = (
        json.dumps({"timestamp": stamp + i, "level": "INFO", "message": f"payment {i} of {key} booked",
                    "parcel": key, "number": i, "unique": uuid.uuid4().hex})
        for i in range(size)
    )  # fmt: skip
    return "\n".join(lines).encode()


def run(
    folder: Path, *, kills: int = KILLS, seconds_max: float = SECONDS_MAX, seed: int = 20261121
) -> dict[str, Any]:
    """Kill, start, kill … while the clients go on; then what is stored beside what was acknowledged."""
    shutil.rmtree(folder, ignore_errors=True)
    moments = random.Random(seed)
    server = ServerProcess(folder, port=free_port(), environment=SETTLED)
    server.start()
    clients = [Client(name, server.port, seed + i) for i, name in enumerate(("a", "b"))]
    for client in clients:
        client.start()
    begin, done, early = time.monotonic(), 0, 0
    while done < kills and time.monotonic() - begin < seconds_max:
        if moments.random() < 0.85:
            server.wait_ready()
            time.sleep(moments.uniform(0.0, 0.8))
        else:
            early += 1
            time.sleep(moments.uniform(0.2, 1.2))
        server.kill()
        done += 1
        server.launch()
    server.wait_ready()
    for client in clients:
        client.ending.set()
    for client in clients:
        client.join(60)
    try:
        return {
            "kills": done,
            "kills_while_starting": early,
            "seconds": time.monotonic() - begin,
            **_compare(Reader(server.port), [client.tally for client in clients]),
        }
    finally:
        server.stop()


def _compare(reader: Reader, tallies: list[Tally]) -> dict[str, Any]:
    acknowledged = {key: size for tally in tallies for key, size in tally.acknowledged.items()}
    stored = dict(_stored(reader))
    lost = sum(max(0, size - stored.get(key, 0)) for key, size in acknowledged.items())
    doubled = sum(max(0, count - acknowledged.get(key, 0)) for key, count in stored.items())
    summary = reader.get("/api/v1/stats", q="* | stats count() as n, count_distinct(unique) as u")["rows"][0]
    reader.close()
    return {
        "bodies": len(acknowledged),
        "acknowledged": sum(acknowledged.values()),
        "stored": summary[0],
        "distinct": summary[1],
        "lost": lost,
        "doubled": doubled,
        "sent_again": sum(tally.sent_again for tally in tallies),
        "answered_as_duplicate": sum(tally.duplicates for tally in tallies),
        "refused": [text for tally in tallies for text in tally.refused],
    }


def _stored(reader: Reader) -> list[tuple[str, int]]:
    """Records of each body, page by page of the table (a table has at most 10,000 rows)."""
    rows: list[tuple[str, int]] = []
    for first in "ab":
        for digit in "0123456789":
            asked = f"parcel:{first}-{digit}* | stats count() as n by parcel"
            rows += [(str(key), int(count)) for key, count in reader.get("/api/v1/stats", q=asked)["rows"]]
    return rows


def is_exact(result: dict[str, Any]) -> bool:
    """Stored is what was acknowledged, no record less, none twice."""
    same = result["stored"] == result["distinct"] == result["acknowledged"]
    return same and not result["lost"] and not result["doubled"] and not result["refused"]
