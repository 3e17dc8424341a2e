"""Records by Elasticsearch's bulk interface, beside the same records as JSON lines, each acknowledged after fsync:
`python -m benchmarks.bulk`."""

import argparse
import http.client
import itertools
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.generate import bodies, write_files
from benchmarks.ingest import BODY_BYTES, CLIENTS
from benchmarks.measure import load, machine, middle, say
from benchmarks.process import HEADERS, Reader, ServerProcess

RECORDS = 300_000
RUNS = 3
READY = "ready\n"
NESTED = {
    "host": ("host", "name"),
    "level": ("log", "level"),
    "logger": ("log", "logger"),
    "trace_id": ("trace", "id"),
}


def bare(lines: list[bytes], first: int) -> bytes:
    """One action for all, as most shippers send."""
    return b"".join(b'{"create":{}}\n%b\n' % line for line in lines)


def with_ids(lines: list[bytes], first: int) -> bytes:
    """An id for each."""
    rows = enumerate(lines, first)
    return b"".join(b'{"create":{"_index":"logs-bench-default","_id":"%020d"}}\n%b\n' % row for row in rows)


def nested(lines: list[bytes], first: int) -> bytes:
    """ECS as Filebeat nests it."""
    return b"".join(b'{"create":{"_index":"logs-bench-default"}}\n%b\n' % _ecs(line) for line in lines)


def _ecs(line: bytes) -> bytes:
    flat = json.loads(line)
    document: dict[str, Any] = {
        "@timestamp": flat.pop("timestamp"),
        "ecs": {"version": "8.11.0"},
        "agent": {"type": "filebeat", "version": "8.19.0"},
    }
    for name, value in flat.items():
        outer, inner = NESTED.get(name, (name, ""))
        if inner:
            document.setdefault(outer, {})[inner] = value
        else:
            document[outer] = {"name": value} if name == "service" else value
    return json.dumps(document, separators=(",", ":")).encode()


FORMS: dict[str, tuple[str, Callable[[list[bytes], int], bytes] | None]] = {
    "JSON lines": ("/api/v1/ingest", None),
    "bulk": ("/logs-bench-default/_bulk", bare),
    "bulk with ids": ("/_bulk", with_ids),
    "bulk, nested ECS": ("/_bulk", nested),
}


def made(form: str, paths: list[Path]) -> Iterator[bytes]:
    """The bodies of a form, of about `BODY_BYTES`."""
    make = FORMS[form][1]
    first = 0
    for view in bodies(paths, BODY_BYTES):
        if make is None:
            yield bytes(view)
            continue
        lines = bytes(view).splitlines()
        half = max(1, len(lines) * BODY_BYTES // (BODY_BYTES + 40 * len(lines)))
        for at in range(0, len(lines), half):
            yield make(lines[at : at + half], first + at)
        first += len(lines)


def send(form: str, number: int, port: int, paths: list[Path]) -> None:
    """One client: get ready, say so, wait for the end of the input, send, tell what was acknowledged."""
    mine = list(itertools.islice(made(form, paths), number, None, CLIENTS))
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    print(READY, end="", flush=True)
    sys.stdin.read()
    stored = 0
    headers = {**HEADERS, "Content-Type": "application/x-ndjson"}
    for body in mine:
        connection.request("POST", FORMS[form][0], body=body, headers=headers)
        answer = connection.getresponse()
        data = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{answer.status} {data[:500].decode(errors='replace')}")
        stored += data.count(b'"status":201') if FORMS[form][1] else json.loads(data)["stored"]
    print(stored)


def measured(form: str, paths: list[Path], work: Path) -> dict[str, float]:
    """Records a second into an empty server, and its processor seconds."""
    data = work / "tamis-bulk"
    shutil.rmtree(data, ignore_errors=True)
    server = ServerProcess(data)
    server.start()
    try:
        clients = [_client(form, number, server.port, paths) for number in range(CLIENTS)]
        for client in clients:
            assert client.stdout is not None
            if client.stdout.readline() != READY:
                raise RuntimeError("a client did not start")
        server.reset_peak()
        cpu, began = server.cpu_s(), time.perf_counter()
        for client in clients:
            assert client.stdin is not None
            client.stdin.close()
        stored = sum(int(client.stdout.read()) for client in clients if client.stdout)
        seconds = time.perf_counter() - began
        cpu, peak_mib = server.cpu_s() - cpu, server.peak_mib()
        reader = Reader(server.port)
        found = reader.get("/api/v1/count", q="")["count"]
        reader.close()
        if any(client.wait() for client in clients) or found != stored:
            raise RuntimeError(f"{stored:,} records were acknowledged, {found:,} are there")
    finally:
        server.stop()
    return {"records_per_s": stored / seconds, "server_cpu_s": cpu, "peak_mib": peak_mib}


def _client(form: str, number: int, port: int, paths: list[Path]) -> "subprocess.Popen[str]":
    given = ["--send", form, str(number), str(port), *map(str, paths)]
    command = [sys.executable, "-m", "benchmarks.bulk", *given]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def run(work: Path, records: int = RECORDS, runs: int = RUNS) -> dict[str, Any]:
    """The figures, by form."""
    paths = write_files(work / "corpora-bulk", f"uniform-{records}", records, variant="uniform", files=1)
    found: dict[str, list[dict[str, Any]]] = {form: [] for form in FORMS}
    for _ in range(runs):
        for form, made_so_far in found.items():
            made_so_far.append(measured(form, paths, work))
            say(f"{form}: {made_so_far[-1]['records_per_s']:,.0f} records/s")
    return {form: middle(made_of_it) for form, made_of_it in found.items()}


def main() -> None:
    """Each form in turns; the medians as a table."""
    if sys.argv[1:2] == ["--send"]:
        form, number, port, *named = sys.argv[2:]
        send(form, int(number), int(port), [Path(path) for path in named])
        return
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bulk", description=__doc__)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "tamis-benchmarks")
    parser.add_argument("--records", type=int, default=RECORDS)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--forms", nargs="*", choices=tuple(FORMS), default=list(FORMS))
    given = parser.parse_args()
    folder = given.work / "corpora-bulk"
    paths = write_files(folder, f"uniform-{given.records}", given.records, variant="uniform", files=1)
    found: dict[str, list[dict[str, float]]] = {form: [] for form in given.forms}
    for _ in range(given.runs):
        for form in given.forms:
            found[form].append(measured(form, paths, given.work))
    rates = {form: statistics.median(one["records_per_s"] for one in runs) for form, runs in found.items()}
    print(json.dumps({"machine": machine(), "load": load()}))
    yardstick = rates.get("JSON lines", 0.0)
    for form, rate in rates.items():
        cpu = statistics.median(one["server_cpu_s"] for one in found[form])
        ratio = f"{rate / yardstick:.2f} of JSON lines" if yardstick else ""
        print(f"{form:20} {rate:10,.0f} records/s  {cpu:6.2f} s of processor  {ratio}")


if __name__ == "__main__":
    main()
