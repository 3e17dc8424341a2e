"""The yardstick: chDB (ClickHouse in a process) keeping and searching the same records. Runs in its own process.

The table is what a ClickHouse user would make for logs. `ORDER BY (service, timestamp)` with a partition for
each day is what the OpenTelemetry exporter for ClickHouse makes, and what "newest of a service" wants; the text
index has ClickHouse's tokenizer for words, folded as Tamis folds; the trace id has the exporter's Bloom filter.
"""

import argparse
import json
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.generate import bodies
from benchmarks.measure import load, own_cpu_s, timed
from benchmarks.queries import Question, digest, preview, questions, some_trace_id
from benchmarks.ways import CHOICES, Way

BODY_BYTES = 4_000_000
COLUMNS = (
    "timestamp DateTime64(3, 'UTC')",
    "level LowCardinality(String)",
    "service LowCardinality(String)",
    "host LowCardinality(String)",
    "logger LowCardinality(String)",
    "message String",
    "trace_id String",
    "duration_ms Float64",
    "status Int64",
)
INDEXES = (
    "INDEX message_text message TYPE text(tokenizer = splitByNonAlpha, preprocessor = lower(message)),"
    " INDEX trace_bloom trace_id TYPE bloom_filter(0.001) GRANULARITY 1"
)
SYNCED = "fsync_after_insert = 1, fsync_part_directory = 1"
READ_TIMES = "date_time_input_format = 'best_effort'"


class Yardstick:
    """A database in a folder, empty at first."""

    def __init__(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        from chdb import session  # in the environment of the benchmarks only

        self._session = session.Session(str(folder))
        self._session.query("CREATE DATABASE logs")
        self._session.query("USE logs")

    def create(self, way: Way) -> None:
        """The empty table."""
        self._session.query("DROP TABLE IF EXISTS logs.records SYNC")
        columns = ", ".join(f"{column} CODEC({way.compression})" for column in COLUMNS)
        settings = f" SETTINGS {SYNCED}" if way.synced else ""
        self._session.query(
            f"CREATE TABLE logs.records ({columns}, {INDEXES}) ENGINE = MergeTree"
            f" PARTITION BY toDate(timestamp) ORDER BY (service, timestamp){settings}"
        )

    def insert_files(self, paths: list[Path]) -> None:
        """Each file by one statement that parses and inserts on all cores."""
        for path in paths:
            structure = ", ".join(COLUMNS).replace("'", "\\'")
            source = f"file('{path}', JSONEachRow, '{structure}')"
            self._session.query(
                f"INSERT INTO logs.records SELECT * FROM {source} SETTINGS {READ_TIMES}, max_insert_threads = 2"
            )

    def insert_blocks(self, blocks: list[Path], threads: int) -> None:
        """Each block by a statement of its own, as a client would send it; returns when all are acknowledged."""
        waiting: Iterator[Path] = iter(blocks)
        guard = threading.Lock()

        def client() -> None:
            while True:
                with guard:
                    block = next(waiting, None)
                if block is None:
                    return
                self._session.query(
                    f"INSERT INTO logs.records FROM INFILE '{block}' SETTINGS {READ_TIMES} FORMAT JSONEachRow"
                )

        clients = [threading.Thread(target=client) for _ in range(threads)]
        for thread in clients:
            thread.start()
        for thread in clients:
            thread.join()

    def settle(self) -> None:
        """Merge all parts into one, the best state for reading."""
        self._session.query("OPTIMIZE TABLE logs.records FINAL")

    def bytes_on_disk(self) -> int:
        """Size of the table with its indexes."""
        return int(
            self.rows("SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND table = 'records'")[0][0]
        )

    def rows(self, sql: str) -> list[list[Any]]:
        """The rows of an answer."""
        return [json.loads(line) for line in self.raw(sql).splitlines()]

    def raw(self, sql: str) -> str:
        """The answer as JSON lines, not read yet: what is timed."""
        return str(
            self._session.query(sql.replace("FROM records", "FROM logs.records"), "JSONCompactEachRow")
        )


def ingest_rate(yardstick: Yardstick, paths: list[Path], way: Way) -> dict[str, Any]:
    """Records a second of one way. The blocks lie in memory-backed or cached files: disk reads are not timed."""
    yardstick.create(way)
    with tempfile.TemporaryDirectory() as folder:
        blocks = []
        for number, body in enumerate(bodies(paths, BODY_BYTES) if way.blocks else ()):
            block = Path(folder) / f"{number}.ndjson"
            block.write_bytes(body)
            blocks.append(block)
        begin, cpu = time.perf_counter(), own_cpu_s()
        if way.blocks:
            yardstick.insert_blocks(blocks, way.threads)
        else:
            yardstick.insert_files(paths)
        wall, cpu = time.perf_counter() - begin, own_cpu_s() - cpu
    records = int(yardstick.rows("SELECT count() FROM records")[0][0])
    return {
        "way": way.name,
        "records": records,
        "records_per_s": records / wall,
        "cpu_s": cpu,
        "bytes": yardstick.bytes_on_disk(),
        "load": load(),
    }


def answer(yardstick: Yardstick, asked: Question) -> dict[str, Any]:
    """One question's times and answer."""
    raw, timing = timed(lambda: yardstick.raw(asked.sql))
    plain = asked.plain([json.loads(line) for line in raw.splitlines()])
    return {"name": asked.name, **asdict(timing), "digest": digest(plain), "preview": preview(plain)}


def run(folder: Path, paths: list[Path], *, ways: tuple[Way, ...], asking: bool) -> dict[str, Any]:
    """The figures of one corpus: each way of inserting, then the questions, over what the last one inserted."""
    yardstick = Yardstick(folder)
    made: dict[str, Any] = {"ingest": [ingest_rate(yardstick, paths, way) for way in ways]}
    if asking:
        yardstick.settle()
        made["bytes"] = yardstick.bytes_on_disk()
        made["questions"] = [answer(yardstick, asked) for asked in questions(some_trace_id(paths))]
    return made


def main() -> None:
    """Measure chDB over a corpus and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("paths", type=Path, nargs="+")
    parser.add_argument("--ways", choices=tuple(CHOICES), default="fastest")
    parser.add_argument("--ask", action="store_true", help="the questions too")
    given = parser.parse_args()
    print(json.dumps(run(given.folder, given.paths, ways=CHOICES[given.ways], asking=given.ask)))


if __name__ == "__main__":
    main()
