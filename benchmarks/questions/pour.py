"""Sends records at a pace, with the time of their sending: a process of its own."""

import http.client
import itertools
import json
import resource
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.generate import bodies
from benchmarks.process import HEADERS
from benchmarks.questions.moved import instants, with_times

BATCHES_PER_S = 10
RECORD_BYTES = 300


def pour(port: int, rate: float, seconds: float, paths: list[Path], marks: int) -> dict[str, float]:
    """Send `rate` records a second, in ten bodies; with `marks`, each says one of so many numbers in `watched`."""
    per_body = int(rate / BATCHES_PER_S)
    lines = itertools.cycle(
        [bytes(body) for body in itertools.islice(bodies(paths, per_body * RECORD_BYTES), 50)]
    )
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    begin, stored, number, slowest, late = time.monotonic(), 0, 0, 0.0, 0
    while (due := begin + number / BATCHES_PER_S) < begin + seconds:
        body = with_marks(_now(next(lines), per_body), stored, marks)
        time.sleep(max(0.0, due - time.monotonic()))
        late += time.monotonic() - due > 1 / BATCHES_PER_S
        sent = time.monotonic()
        connection.request(
            "POST", "/api/v1/ingest", body=body, headers={**HEADERS, "Content-Type": "x/ndjson"}
        )
        answer = connection.getresponse()
        data = answer.read()
        slowest = max(slowest, time.monotonic() - sent)
        if answer.status == 200:
            stored += json.loads(data)["stored"]
        number += 1
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "records_per_s": stored / (time.monotonic() - begin),
        "stored": stored,
        "slowest_ms": slowest * 1_000,
        "late": late,
        "client_cpu_s": used.ru_utime + used.ru_stime,
    }


def _now(body: bytes, count: int) -> bytes:
    """The first lines of a body, each with a time of the last tenth of a second."""
    ends = np.flatnonzero(np.frombuffer(body, np.uint8) == ord("\n"))[:count]
    cut = body[: int(ends[-1]) + 1]
    now_ms = time.time_ns() // 1_000_000
    times = now_ms - 1_000 // BATCHES_PER_S + np.arange(len(ends)) * (1_000 // BATCHES_PER_S) // len(ends)
    return with_times(cut, times.astype(np.int64)) if len(instants(cut)) else cut


def with_marks(body: bytes, first: int, marks: int) -> bytes:
    """The lines with a number each, in turn; as they are when `marks` is 0."""
    if not marks:
        return body
    lines = body.splitlines()
    return b"\n".join(
        b'%b,"watched":%d}' % (line[:-1], (first + at) % marks) for at, line in enumerate(lines)
    )


def main() -> None:
    """`PORT RATE SECONDS MARKS PATHS…`: print the figures as JSON."""
    port, rate, seconds, marks = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    print(json.dumps(pour(port, rate, seconds, [Path(text) for text in sys.argv[5:]], marks)))


if __name__ == "__main__":
    main()
