"""Tamis answers the questions: over HTTP, and by its store in this process."""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.measure import timed
from benchmarks.process import Reader, ServerProcess
from benchmarks.queries import HOUR_MS, Question, digest, preview, questions

if TYPE_CHECKING:
    from tamis.store.base import Store

NS_PER_MS = 1_000_000
PAGE = 100
TIMEOUT_S = 60.0


def answer_over_http(server: ServerProcess, asked: Question) -> dict[str, Any]:
    """One question's times, its answer and the most memory that the server had while it answered."""
    reader = Reader(server.port)
    path, parameters = _REQUESTS[asked.ask]
    server.reset_peak()
    raw, timing = timed(lambda: reader.raw(path, q=asked.text, **parameters), cpu_s=server.cpu_s)
    reader.close()
    plain = _HTTP_PLAIN[asked.ask](json.loads(raw))
    return {
        "name": asked.name,
        **asdict(timing),
        "digest": digest(plain),
        "preview": preview(plain),
        "peak_mib": server.peak_mib(),
    }


def answers_in_process(data: Path, asked: tuple[Question, ...]) -> dict[str, Any]:
    """All questions' times, asked of the store itself: from text to the store's values; and what the store says
    of itself afterwards."""
    store = open_folder(data)
    try:
        answers = [_answer_in_process(store, one) for one in asked]
        return {"questions": answers, "facts": store.health().facts}
    finally:
        store.close()


def open_folder(data: Path) -> "Store":
    """The store of a data folder, made when it is not there, with default settings."""
    from tamis.settings import load_settings
    from tamis.store.open import open_store

    return open_store(data, load_settings({}, {}), create=True)


def _answer_in_process(store: "Store", asked: Question) -> dict[str, Any]:
    made, timing = timed(lambda: ask(store, asked))
    plain = _STORE_PLAIN[asked.ask](made)
    return {"name": asked.name, **asdict(timing), "digest": digest(plain), "preview": preview(plain)}


def ask(store: "Store", asked: Question) -> Any:
    """The store's answer to a text; parsing is part of it, as it is in SQL."""
    from tamis.query.ast import Limit, Sort, Stats
    from tamis.query.parser import parse
    from tamis.query.resolve import resolve
    from tamis.query.table import FirstRows
    from tamis.store import base

    query = resolve(parse(asked.text), time.time_ns())
    question, budget = base.Question(query.filter), base.Budget(TIMEOUT_S)
    match asked.ask:
        case "count":
            return store.count(question, budget)
        case "search":
            return store.search(question, budget, limit=PAGE)
        case "histogram":
            return store.histogram(question, budget, interval_ns=HOUR_MS * NS_PER_MS, by="level")
        case "patterns":
            return store.patterns(question, budget)
        case "stats":
            stats = next(stage for stage in query.stages if isinstance(stage, Stats))
            sort = next((stage for stage in query.stages if isinstance(stage, Sort)), None)
            limit = next((stage.count for stage in query.stages if isinstance(stage, Limit)), None)
            table = store.stats(question, budget, stats=stats, first=FirstRows(sort, limit))
            return [list(row) for row in table.rows]


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1_000)


def _table(rows: list[list[Any]]) -> list[list[Any]]:
    """Rows as ClickHouse's come: the order of `sort` where there is one group too many to show, else sorted."""
    return rows if len(rows[0]) > 2 else sorted(rows)


_REQUESTS: dict[str, tuple[str, dict[str, object]]] = {
    "count": ("/api/v1/count", {}),
    "search": ("/api/v1/search", {"limit": PAGE}),
    "stats": ("/api/v1/stats", {}),
    "histogram": ("/api/v1/histogram", {"interval": "1h", "by": "level"}),
    "patterns": ("/api/v1/patterns", {}),
}
_HTTP_PLAIN: dict[str, Callable[[Any], Any]] = {
    "count": lambda made: made["count"],
    "search": lambda made: [_ms(record["timestamp"]) for record in made["records"]],
    "stats": lambda made: _table(made["rows"]),
    "histogram": lambda made: sorted(
        [_ms(bucket["start"]), level, count]
        for bucket in made["buckets"]
        for level, count in bucket["counts"].items()
    ),
    "patterns": lambda made: sorted(
        [one["template"], one["count"], _ms(one["first_seen"]), _ms(one["last_seen"])]
        for one in made["patterns"]
    ),
}
_STORE_PLAIN: dict[str, Callable[[Any], Any]] = {
    "count": lambda made: made.count,
    "search": lambda made: [stored.record.timestamp // NS_PER_MS for stored in made.records],
    "stats": _table,
    "histogram": lambda made: sorted(
        [start // NS_PER_MS, level, count]
        for start, counts in made.buckets
        for level, count in counts.items()
    ),
    "patterns": lambda made: sorted(
        [one.template, one.count, one.first_seen // NS_PER_MS, one.last_seen // NS_PER_MS]
        for one in made.patterns
    ),
}


def main() -> None:
    """Ask a data folder all questions in this process and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--trace-id", required=True)
    given = parser.parse_args()
    print(json.dumps(answers_in_process(given.data, questions(given.trace_id))))


if __name__ == "__main__":
    main()
