"""A real server with 1,000,000 records as they were sealed. From its start it writes its segments anew, smaller
(compaction), compares every byte with its digest (a scrub), and makes a backup, then reads it back and makes another,
over and over; meanwhile different searches, each of some hours of that day, are asked, 10 a second, whose time counts
from when they were due. The yardstick is the same on the same server once all of that is over. The p95 of both is
taken over all rounds.
"""

import http.client
import random
import shutil
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.generate import DAY_MS, DAY_START_MS, bodies, generation, write_files
from benchmarks.measure import say
from benchmarks.process import Reader, ServerProcess
from benchmarks.questions.load import SERVICES, WORDS
from benchmarks.questions.trial import BODY_BYTES, send
from benchmarks.report import Goal

RECORDS, ROUNDS, RATE, ALONE_S, PATIENCE_S = 1_000_000, 2, 10.0, 8.0, 60.0
RATIO_MAX = 1.5
LOOK_S, LEAST_S = 0.5, 3.0
HOUR_MS = 3_600_000


@dataclass
class Asked:
    """The times of searches beside and alone, and how long the first took."""

    beside_ms: list[float] = field(default_factory=list)
    alone_ms: list[float] = field(default_factory=list)
    works: set[str] = field(default_factory=set)


def measure(work: Path) -> list[Goal]:
    """The p95 of searches while all of that runs, beside that of the same server at rest."""
    sealed = _sealed(work)
    asked = Asked()
    for number in range(ROUNDS):
        _round(work, sealed, asked, random.Random(number))
    beside, alone = _p95(asked.beside_ms), _p95(asked.alone_ms)
    say(f"{len(asked.beside_ms)} searches beside {sorted(asked.works)}, {len(asked.alone_ms)} alone")
    return [
        Goal(
            f"search p95 while {', '.join(sorted(asked.works))} run, {RECORDS:,} records",
            f"{beside:.1f} ms (p50 {statistics.median(asked.beside_ms):.1f})",
            f"alone: {alone:.1f} ms (p50 {statistics.median(asked.alone_ms):.1f})",
            beside / alone,
            f"≤ {RATIO_MAX}",
            beside / alone <= RATIO_MAX,
        )
    ]


def _round(work: Path, sealed: Path, asked: Asked, rng: random.Random) -> None:
    data = work / "data"
    shutil.rmtree(data, ignore_errors=True)
    shutil.copytree(sealed, data)
    repository = work / "repository"
    shutil.rmtree(repository, ignore_errors=True)
    environment = {"TAMIS_BACKUP_REPOSITORY": str(repository), "TAMIS_BACKUP_FILE": str(work / "backup.key")}
    server = ServerProcess(data, environment={**environment, "TAMIS_BACKUP_INTERVAL_S": "off"})
    server.start()
    try:
        reader, questions = Reader(server.port), _questions(rng)
        with Watch(server.port) as watch:
            asked.beside_ms += _times(reader, questions, lambda: watch.is_busy)
        asked.works |= watch.seen
        say(f"all of it took {watch.seconds:.1f} s")
        end = time.monotonic() + ALONE_S
        asked.alone_ms += _times(reader, questions, lambda: time.monotonic() < end)
        reader.close()
    finally:
        server.stop()


class Watch:
    """Looks now and then whether the server is still at work in the background, and at what."""

    def __init__(self, port: int) -> None:
        self._reader = Reader(port)
        self._begin = time.monotonic()
        self.is_busy, self.seconds, self.seen, self._backups = True, 0.0, set[str](), 0
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.is_busy = False
        self._thread.join()
        self._reader.close()

    def _look(self) -> None:
        while self.is_busy and self.seconds < PATIENCE_S:
            time.sleep(LOOK_S)
            works = self._reader.get("/api/v1/status")["works"]
            running = {work["name"] for work in works if work["state"] == "running"}
            if not self._reader.get("/readyz")["facts"]["scrub_rounds"]:
                running.add("scrub")
            self.seen |= {"backup" if name.startswith("backup") else name for name in running}
            self.seconds = time.monotonic() - self._begin
            self.is_busy = bool(running & {"compaction", "scrub"}) or self.seconds < LEAST_S
            self._back_up()
        self.is_busy = False
        while not self._is_backed_up():
            time.sleep(LOOK_S)

    def _back_up(self) -> None:
        if self.is_busy and self._is_backed_up():
            self._reader.post("/api/v1/backups/verify" if self._backups % 2 else "/api/v1/backups")
            self._backups += 1

    def _is_backed_up(self) -> bool:
        jobs = self._reader.get("/api/v1/backups/jobs")["jobs"]
        failed = [job["error"] for job in jobs if job["error"]]
        if failed:
            raise RuntimeError(failed[0])
        return all(job["state"] == "done" for job in jobs)


def _sealed(work: Path) -> Path:
    """A data folder with the records as they were sealed, kept from run to run."""
    sealed = work / f"sealed-{generation()}"
    if not sealed.exists():
        making = work / "making"
        shutil.rmtree(making, ignore_errors=True)
        paths = write_files(work / "corpus", "beside", RECORDS, variant="uniform", files=1)
        server = ServerProcess(making)
        server.start()
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
        for body in bodies(paths, BODY_BYTES):
            send(connection, bytes(body))
        server.stop()
        making.rename(sealed)
    return sealed


def _times(
    reader: Reader, questions: Iterator[dict[str, object]], goes_on: Callable[[], bool]
) -> list[float]:
    took: list[float] = []
    due = time.monotonic()
    while goes_on():
        due += 1 / RATE
        time.sleep(max(0.0, due - time.monotonic()))
        reader.raw("/api/v1/search", **next(questions), limit=100)
        took.append((time.monotonic() - due) * 1_000)
    return took


def _questions(rng: random.Random) -> Iterator[dict[str, object]]:
    while True:
        number = rng.randint(1, 10_000_000)
        query = rng.choice(
            (
                f"{rng.choice(WORDS)} duration_ms>{number / 10_000:.3f}",
                f"service:{rng.choice(SERVICES)} {rng.choice(WORDS)} duration_ms<{number / 1_000:.3f}",
                f"trace_id:={rng.getrandbits(128):032x}",
                f"{rng.choice(WORDS)} OR {rng.choice(WORDS)} duration_ms>{number / 10_000:.3f}",
                f'"order A-{number:07d}"',
            )
        )
        start = DAY_START_MS + rng.randrange(DAY_MS - 3 * HOUR_MS)
        yield {"q": query, "start": start, "end": start + rng.randint(1, 3) * HOUR_MS}


def _p95(times: list[float]) -> float:
    return sorted(times)[int(len(times) * 0.95)]
