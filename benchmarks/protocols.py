"""How fast each protocol is taken in, over HTTP until it is safe, beside JSON lines in the same run:

    python -m benchmarks.protocols [PROTOCOL ...]

The same records in every protocol's form, from two clients; for each protocol a server and a data folder of its own.
"""

import http.client
import json
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmarks.measure import say
from benchmarks.process import HEADERS, ServerProcess
from tamis.pipeline.sinks.otlp_protobuf import encode_request
from tamis.wire.protobuf import bytes_field, varint_field

RECORDS, PER_BODY, CLIENTS, ROUNDS = 200_000, 5_000, 2, 2
T0_NS = 1_795_262_400_000_000_000
_SPOKEN = "order payment user cart session cache retry timeout shard replica checkout token queue worker"
WORDS = _SPOKEN.split()
LEVELS = (("INFO", 9),) * 8 + (("WARN", 13), ("ERROR", 17))
JSON, PROTOBUF = "application/json", "application/x-protobuf"
Row = dict[str, Any]


def rows() -> Iterator[list[Row]]:
    """The records, a body at a time."""
    chance = random.Random(3)
    for begin in range(0, RECORDS, PER_BODY):
        yield [_row(number, chance) for number in range(begin, begin + PER_BODY)]


def _row(number: int, chance: random.Random) -> Row:
    level, severity = chance.choice(LEVELS)
    first, second, third = chance.choices(WORDS, k=3)
    return {
        "time": T0_NS + number * 1_000_000,
        "level": level,
        "severity": severity,
        "message": f"{first} {second} {number} took {chance.randrange(2_000)} ms for {third}-{chance.randrange(500)}",
        "trace_id": f"{chance.getrandbits(128):032x}",
        "user": f"u{chance.randrange(5_000)}",
        "ms": chance.random() * 500,
        "order_id": number,
        "pod": f"p{chance.randrange(4)}",
    }


def ndjson(body: list[Row]) -> bytes:
    """Lines."""
    return b"".join(
        json.dumps({**row, "timestamp": row["time"], "service": "shop"}).encode() + b"\n" for row in body
    )


def otlp(body: list[Row]) -> bytes:
    """OTLP in protobuf, as SDKs send it: both times, trace id, typed attributes."""
    records = [
        {
            "timeUnixNano": str(row["time"]),
            "observedTimeUnixNano": str(row["time"] + 1_000),
            "severityNumber": row["severity"],
            "severityText": row["level"],
            "body": {"stringValue": row["message"]},
            "traceId": row["trace_id"],
            "attributes": [
                {"key": "order_id", "value": {"intValue": str(row["order_id"])}},
                {"key": "user", "value": {"stringValue": row["user"]}},
                {"key": "ms", "value": {"doubleValue": row["ms"]}},
                {"key": "pod", "value": {"stringValue": row["pod"]}},
            ],
        }
        for row in body
    ]
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}
    scopes = [{"scope": {"name": "orders"}, "logRecords": records}]
    return encode_request({"resourceLogs": [{"resource": resource, "scopeLogs": scopes}]})


def _streams(body: list[Row]) -> dict[tuple[str, str], list[Row]]:
    found: dict[tuple[str, str], list[Row]] = {}
    for row in body:
        found.setdefault((row["level"].lower(), row["pod"]), []).append(row)
    return found


def loki_json(body: list[Row]) -> bytes:
    """A push in JSON: labels of few values, the rest as structured metadata."""
    streams = [
        {
            "stream": {"service_name": "shop", "level": level, "pod": pod},
            "values": [
                [str(row["time"]), row["message"], {"trace_id": row["trace_id"], "user": row["user"]}]
                for row in found
            ],
        }
        for (level, pod), found in _streams(body).items()
    ]
    return json.dumps({"streams": streams}).encode()


def loki_packed(body: list[Row]) -> bytes:
    """The same push in protobuf, packed by snappy."""
    push = b""
    for (level, pod), found in _streams(body).items():
        labels = f'{{service_name="shop", level="{level}", pod="{pod}"}}'
        push += bytes_field(1, bytes_field(1, labels.encode()) + b"".join(map(_entry, found)))
    return bytes(pa.Codec("snappy").compress(push, asbytes=True))


def _entry(row: Row) -> bytes:
    seconds, nanos = divmod(row["time"], 10**9)
    pairs = (
        bytes_field(1, name.encode()) + bytes_field(2, row[name].encode()) for name in ("trace_id", "user")
    )
    return bytes_field(
        2,
        bytes_field(1, varint_field(1, seconds) + varint_field(2, nanos))
        + bytes_field(2, row["message"].encode())
        + b"".join(bytes_field(3, pair) for pair in pairs),
    )


PROTOCOLS: dict[str, tuple[str, str, Callable[[list[Row]], bytes]]] = {
    "ndjson": ("/api/v1/ingest", "application/x-ndjson", ndjson),
    "otlp": ("/v1/logs", PROTOBUF, otlp),
    "loki-json": ("/loki/api/v1/push", JSON, loki_json),
    "loki-packed": ("/loki/api/v1/push", PROTOBUF, loki_packed),
}


def measured(name: str) -> dict[str, float]:
    """Records a second, the best of some rounds into one server, and what the server took for all of them."""
    path, kind, encode = PROTOCOLS[name]
    bodies = [encode(body) for body in rows()]
    with tempfile.TemporaryDirectory() as folder:
        server = ServerProcess(Path(folder) / "data")
        server.start()
        try:
            server.reset_peak()
            cpu = server.cpu_s()
            seconds = min(_sent(bodies, server.port, path, kind=kind) for _ in range(ROUNDS))
            cpu, peak_mib = server.cpu_s() - cpu, server.peak_mib()
        finally:
            server.stop()
    return {"records_per_s": RECORDS / seconds, "server_cpu_s": cpu / ROUNDS, "peak_mib": peak_mib}


def run() -> dict[str, dict[str, float]]:
    """The figures, by protocol; JSON lines first."""
    found = {}
    for name in PROTOCOLS:
        found[name] = measured(name)
        say(f"{name}: {found[name]['records_per_s']:,.0f} records/s")
    return found


def _sent(bodies: list[bytes], port: int, path: str, *, kind: str) -> float:
    def client(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        for body in bodies[number::CLIENTS]:
            connection.request("POST", path, body, {**HEADERS, "Content-Type": kind})
            answer = connection.getresponse()
            if answer.status not in (200, 204):
                raise RuntimeError(f"{path}: {answer.status} {answer.read(500)!r}")
            answer.read()
        connection.close()

    clients = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    begin = time.perf_counter()
    for one in clients:
        one.start()
    for one in clients:
        one.join()
    return time.perf_counter() - begin


def main() -> None:
    """Print a line for each protocol."""
    yardstick = measured("ndjson")["records_per_s"]
    print(f"ndjson: {yardstick:,.0f} records/s", flush=True)
    for name in sys.argv[1:] or [name for name in PROTOCOLS if name != "ndjson"]:
        found = measured(name)["records_per_s"]
        print(f"{name}: {found:,.0f} records/s, {found / yardstick:.2f} of ndjson", flush=True)


if __name__ == "__main__":
    main()
