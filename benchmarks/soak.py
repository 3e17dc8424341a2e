"""Whether the server's memory stays flat: ten minutes of records and questions, its memory noted every ten seconds:

    python -m benchmarks.soak [SECONDS] [RECORDS_A_SECOND]

Bodies of JSON lines from one sender at a steady rate, one question after the other over the last minutes, one viewer
of the live tail. Retention by size throws the oldest away, so that the store is as large at the end as in the middle.
"""

import http.client
import itertools
import json
import random
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from benchmarks.measure import machine, say
from benchmarks.process import HEADERS, ServerProcess

SECONDS, RATE, PER_BODY, EVERY_S = 600.0, 10_000, 1_000, 10.0
KEPT, FLAT = "100MB", 1.05
PAGE = Path(__file__).with_name("soak.md")
QUESTIONS = (
    "/api/v1/search?q=timeout&start=-5m&limit=50",
    "/api/v1/count?q=level%3E%3Derror&start=-5m",
    "/api/v1/histogram?q=*&start=-15m&by=level",
    f"/api/v1/stats?q={quote('* | stats count() by service')}&start=-5m",
    "/api/v1/patterns?q=*&start=-5m",
)
_SPOKEN = "order payment user cart session cache retry timeout shard replica checkout token queue worker"
WORDS = _SPOKEN.split()


class Soak:
    """What goes on until the time is over, each in a thread."""

    def __init__(self, port: int, *, rate: int) -> None:
        self._port, self._rate = port, rate
        self.over = threading.Event()
        self.stored = self.answered = self.seen = 0
        self.wrong: list[str] = []

    def send(self) -> None:
        """Bodies at a steady rate."""
        chance, connection = random.Random(7), http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        due = time.monotonic()
        for number in itertools.count():
            if self.over.is_set():
                return
            self.stored += self._ask(connection, "POST", "/api/v1/ingest", _body(chance, number)).get(
                "stored", 0
            )
            due += PER_BODY / self._rate
            time.sleep(max(due - time.monotonic(), 0))

    def ask(self) -> None:
        """One question after the other, 0.2 s apart."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        for path in itertools.cycle(QUESTIONS):
            if self.over.wait(0.2):
                return
            self._ask(connection, "GET", path, None)
            self.answered += 1

    def watch(self) -> None:
        """What the live tail shows of errors."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        connection.request("GET", "/api/v1/tail?q=level%3Aerror", headers=HEADERS)
        answer = connection.getresponse()
        while not self.over.is_set() and (line := answer.readline()):
            self.seen += line.startswith(b"data:")

    def _ask(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None
    ) -> dict[str, int]:
        connection.request(method, path, body, HEADERS)
        answer = connection.getresponse()
        content = answer.read()
        if answer.status >= 300:
            self.wrong.append(f"{answer.status} {path} {content[:200]!r}")
            return {}
        found: dict[str, int] = json.loads(content)
        return found


def _body(chance: random.Random, number: int) -> bytes:
    lines = []
    for one in range(PER_BODY):
        first, second, third = chance.choices(WORDS, k=3)
        message = (
            f"{first} {second} {number} took {chance.randrange(2_000)} ms for {third}-{chance.randrange(500)}"
        )
        record = {
            "timestamp": time.time_ns(),
            "level": chance.choice(("info",) * 9 + ("error",)),
            "service": chance.choice(("web", "stock", "payment", "mail")),
            "message": message,
            "user": f"u{chance.randrange(5_000)}",
            "order_id": number * PER_BODY + one,
        }
        lines.append(json.dumps(record).encode())
    return b"\n".join(lines)


def soak(seconds: float, rate: int) -> tuple[list[float], str]:
    """MiB of the server's memory, every ten seconds, told line by line; and what came of it."""
    with tempfile.TemporaryDirectory() as folder:
        server = ServerProcess(Path(folder) / "data", environment={"TAMIS_STORE_DISK_BYTES_MAX": KEPT})
        server.start()
        run = Soak(server.port, rate=rate)
        threads = [threading.Thread(target=work, daemon=True) for work in (run.send, run.ask, run.watch)]
        for thread in threads:
            thread.start()
        found, told, began = [], "", time.monotonic()
        while time.monotonic() - began < seconds:
            time.sleep(EVERY_S)
            found.append(server.memory_mib())
            told = (
                f"{run.stored:,} stored, {run.answered:,} answered, {run.seen:,} seen, {len(run.wrong)} wrong"
            )
            say(f"{time.monotonic() - began:5.0f} s  {found[-1]:6.0f} MiB  {told}")
        run.over.set()
        for thread in threads[:2]:
            thread.join(60)
        server.stop()
    for line in run.wrong[:5]:
        say(line)
    return found, told


def page(found: list[float], told: str, on: dict[str, Any]) -> str:
    """The page of a run: `found` in MiB, every ten seconds, and its last line."""
    half = len(found) // 2
    share = max(found[half:]) / max(found[:half])
    by_minute = [found[at : at + 6] for at in range(0, len(found), 6)]
    rows = [f"| {at + 1} | {min(ones):.0f} | {max(ones):.0f} |" for at, ones in enumerate(by_minute)]
    return "\n".join(
        [
            "# Memory of the server over ten minutes",
            "",
            "This file is written by `python -m benchmarks.soak`; do not edit it.",
            "",
            f"{on['cpu']}, {on['cores']} cores, Python {on['python']}; load average before: {on['load_before']}.",
            "",
            f"{RATE:,} records a second from one sender, a question every 0.2 s, a viewer of the live tail; the store "
            f"is kept at {KEPT} on disk. In the end: {told}.",
            "",
            f"The second half took {max(found[half:]):.0f} MiB at most, the first {max(found[:half]):.0f} MiB: "
            f"{share:.2f} of it. Goal: flat, at most 1.05: **{'met' if share <= FLAT else 'missed'}**.",
            "",
            "| minute | MiB at least | MiB at most |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


def main() -> None:
    """Run, and write the page when it was a whole one."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    on = machine()
    found, told = soak(seconds, int(sys.argv[2]) if len(sys.argv) > 2 else RATE)
    text = page(found, told, on)
    say(text)
    if len(sys.argv) == 1:
        PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
