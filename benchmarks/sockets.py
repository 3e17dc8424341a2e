"""How fast syslog and GELF over TCP become safe records, two plain senders at a time; NDJSON over HTTP beside them.

`python -m benchmarks.sockets`: the same messages in each form, in turns; the middle of some rounds.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.clients import send_all
from benchmarks.generate import write_files
from benchmarks.ingest import BODY_BYTES
from benchmarks.measure import machine, middle, say
from benchmarks.process import Reader, ServerProcess, free_port

SENDERS = 2
PIECE_BYTES = 1 << 16
POLL_S = 0.02
WAIT_S = 100.0
LEVELS = {"DEBUG": 7, "INFO": 6, "NOTICE": 5, "WARNING": 4, "ERROR": 3, "CRITICAL": 2}
SYSLOG, GELF = "TAMIS_SYSLOG_TCP_PORT", "TAMIS_GELF_PORT"


def new_syslog(record: dict[str, Any]) -> bytes:
    """RFC 5424."""
    priority = 8 + LEVELS.get(str(record.get("level")), 6)
    head = (
        f"<{priority}>1 {record['timestamp']} {record.get('host', 'web-1')} {record.get('service', 'shop')}"
    )
    return f"{head} 4711 - - {record['message']}".encode()


def old_syslog(record: dict[str, Any]) -> bytes:
    """RFC 3164, as rsyslog forwards."""
    priority = 8 + LEVELS.get(str(record.get("level")), 6)
    head = f"<{priority}>Nov 21 {record['timestamp'][11:19]} {record.get('host', 'web-1')}"
    return f"{head} {record.get('service', 'shop')}[4711]: {record['message']}".encode()


def gelf(record: dict[str, Any]) -> bytes:
    """GELF 1.1."""
    fields = {
        "version": "1.1",
        "host": record.get("host", "web-1"),
        "short_message": record["message"],
        "timestamp": 1_763_719_200.25,
        "level": LEVELS.get(str(record.get("level")), 6),
        "_service": record.get("service", "shop"),
    }
    return json.dumps(fields).encode()


FORMS: dict[str, tuple[str, Callable[[dict[str, Any]], bytes], str]] = {
    "syslog RFC 5424, lines": (SYSLOG, new_syslog, "lines"),
    "syslog RFC 5424, counted octets": (SYSLOG, new_syslog, "counted"),
    "syslog RFC 3164, lines": (SYSLOG, old_syslog, "lines"),
    "GELF over TCP": (GELF, gelf, "nul"),
}


def framed(message: bytes, framing: str) -> bytes:
    """As it goes over the wire."""
    if framing == "counted":
        return b"%d %b" % (len(message), message)
    return message.replace(b"\n", b" ") + (b"\0" if framing == "nul" else b"\n")


def records(paths: list[Path]) -> Iterator[dict[str, Any]]:
    for path in paths:
        with path.open("rb") as file:
            yield from map(json.loads, file)


def write_form(paths: list[Path], folder: Path, name: str) -> list[Path]:
    """The corpus in one form, a file for each sender."""
    _, made, framing = FORMS[name]
    targets = [folder / f"{name.replace(' ', '-')}-{number}" for number in range(SENDERS)]
    files = [target.open("wb") for target in targets]
    for at, record in enumerate(records(paths)):
        files[at % SENDERS].write(framed(made(record), framing))
    for file in files:
        file.close()
    return targets


def sent_and_stored(data: Path, paths: list[Path], variable: str, expected: int) -> dict[str, Any]:
    """Send the files, one connection each; the figures once all of their messages are safe."""
    port = free_port()
    server = ServerProcess(data, environment={variable: str(port)})
    server.start()
    try:
        reader = Reader(server.port)
        server.reset_peak()
        cpu = server.cpu_s()
        begin = time.perf_counter()
        command = [sys.executable, "-m", "benchmarks.sockets", "--send"]
        senders = [subprocess.Popen([*command, str(path), str(port)]) for path in paths]
        while (stored := reader.get("/api/v1/count", q="")["count"]) < expected:
            if time.perf_counter() - begin > WAIT_S:
                raise RuntimeError(f"{stored:,} of {expected:,} messages are there after {WAIT_S:g} s")
            time.sleep(POLL_S)
        seconds = time.perf_counter() - begin
        cpu = server.cpu_s() - cpu
        if any(sender.wait() for sender in senders):
            raise RuntimeError("a sender failed")
        reader.close()
        peak_mib = server.peak_mib()
    finally:
        server.stop()
    if stored != expected:
        raise RuntimeError(f"{expected:,} messages were sent, {stored:,} are there")
    return {"records_per_s": expected / seconds, "server_cpu_s": cpu, "peak_mib": peak_mib}


def yardstick(data: Path, paths: list[Path]) -> dict[str, Any]:
    """The same records as NDJSON over HTTP."""
    server = ServerProcess(data)
    server.start()
    try:
        server.reset_peak()
        cpu = server.cpu_s()
        sent = send_all(paths, server.port, body_bytes=BODY_BYTES, clients=SENDERS)
        cpu = server.cpu_s() - cpu
        peak_mib = server.peak_mib()
    finally:
        server.stop()
    return {"records_per_s": sent.stored / sent.seconds, "server_cpu_s": cpu, "peak_mib": peak_mib}


def send(path: Path, port: int) -> None:
    """One sender: the file's bytes, as fast as they are taken."""
    with path.open("rb") as file, socket.create_connection(("127.0.0.1", port)) as connection:
        while piece := file.read(PIECE_BYTES):
            connection.sendall(piece)


def run(work: Path, count: int, rounds: int) -> dict[str, Any]:
    """The figures, by form."""
    paths = write_files(work / "corpus", f"sockets-{count}", count, variant="uniform", files=1)
    forms = {name: write_form(paths, work, name) for name in FORMS}
    found: dict[str, list[dict[str, Any]]] = {"NDJSON over HTTP": [], **{name: [] for name in FORMS}}
    for number in range(rounds):
        found["NDJSON over HTTP"].append(yardstick(work / f"data-{number}-ndjson", paths))
        for at, (name, targets) in enumerate(forms.items()):
            data = work / f"data-{number}-{at}"
            found[name].append(sent_and_stored(data, targets, FORMS[name][0], count))
            say(f"{name}: {found[name][-1]['records_per_s']:,.0f} records/s")
    return {"machine": machine(), "records": count, **{name: middle(made) for name, made in found.items()}}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sockets", description=__doc__)
    parser.add_argument("--send", nargs=2, metavar=("FILE", "PORT"), help="be one of the senders")
    parser.add_argument("--records", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    if given.send:
        send(Path(given.send[0]), int(given.send[1]))
        return
    with tempfile.TemporaryDirectory(prefix=f"tamis-sockets-{os.getpid()}-") as folder:
        print(json.dumps(run(Path(folder), given.records, given.rounds), indent=1))


if __name__ == "__main__":
    main()
