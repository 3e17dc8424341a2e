"""The questions that are timed, in Tamis' language and in ClickHouse's, and the one form their answers are
compared in: a wrong answer is never timed.

Twelve questions in thirteen timings: a trace id that is present and one that is absent are one question.
"""

import hashlib
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

Ask: TypeAlias = Literal["count", "search", "stats", "histogram", "patterns"]
"""Which operation of Tamis (and which route of its HTTP interface) answers."""

HOUR_MS = 3_600_000
SHAPE_SQL = "replaceRegexpAll(message, '[A-Za-z_]*[0-9][0-9A-Za-z_]*', '<*>')"


@dataclass(frozen=True, slots=True)
class Question:
    """One timing. `group` is the question it belongs to; `plain` brings ClickHouse's rows into the common form."""

    name: str
    group: str
    ask: Ask
    text: str
    sql: str
    plain: Callable[[list[list[Any]]], Any]


def questions(trace_id: str) -> tuple[Question, ...]:
    """All timings; `trace_id` is one that occurs in the records."""
    absent = "0" * 31 + "1"
    return (
        _count("count all", "", "1"),
        Question(
            "by level", "by level", "stats", "* | stats count() as n by level",
            "SELECT level, count() FROM records GROUP BY level", _sorted_rows,
        ),
        _count("common word", "received", "hasAllTokens(message, 'received')"),
        _count("rare word", "quarantined", "hasAllTokens(message, 'quarantined')"),
        _count("absent word", "hippopotamus", "hasAllTokens(message, 'hippopotamus')"),
        _count("phrase", '"connection refused"', "hasPhrase(message, 'connection refused')"),
        _count("regular expression", "message:/took [1-9][0-9]{3} ms/", "match(message, 'took [1-9][0-9]{3} ms')"),
        _newest("trace id, present", "trace id", f"trace_id:={trace_id}", f"trace_id = '{trace_id}'"),
        _newest("trace id, absent", "trace id", f"trace_id:={absent}", f"trace_id = '{absent}'"),
        _newest(
            "newest 100 of a service with a word", "newest 100", "service:payments declined",
            "service = 'payments' AND hasAllTokens(message, 'declined')",
        ),
        Question(
            "histogram by hour and level", "histogram", "histogram", "*",
            "SELECT toUnixTimestamp(toStartOfHour(timestamp)) * 1000, level, count() FROM records GROUP BY 1, 2",
            _sorted_rows,
        ),
        Question(
            "top 10 by two fields", "top 10", "stats",
            "* | stats count() as n by host, status | sort n desc | limit 10",
            "SELECT host, status, count() AS n FROM records GROUP BY host, status ORDER BY n DESC LIMIT 10",
            lambda rows: [[host, int(status), int(n)] for host, status, n in rows],
        ),
        Question(
            "patterns", "patterns", "patterns", "* | patterns",
            f"SELECT {SHAPE_SQL} AS shape, count() AS n, toUnixTimestamp64Milli(min(timestamp)),"
            " toUnixTimestamp64Milli(max(timestamp)), any(message) FROM records GROUP BY shape ORDER BY n DESC",
            lambda rows: sorted([shape, int(n), int(first), int(last)] for shape, n, first, last, _ in rows),
        ),
    )  # fmt: skip


def _count(name: str, text: str, condition: str) -> Question:
    sql = f"SELECT count() FROM records WHERE {condition}"
    return Question(name, name, "count", text, sql, lambda rows: int(rows[0][0]))


def _newest(name: str, group: str, text: str, condition: str) -> Question:
    sql = (
        "SELECT toUnixTimestamp64Milli(timestamp), level, service, host, logger, message, trace_id, duration_ms, status"
        f" FROM records WHERE {condition} ORDER BY timestamp DESC LIMIT 100"
    )
    return Question(name, group, "search", text, sql, lambda rows: [int(row[0]) for row in rows])


def _sorted_rows(rows: list[list[Any]]) -> list[list[Any]]:
    """Rows in one order, with their counts as numbers."""
    return sorted([*(int(v) if str(v).isdigit() else v for v in row)] for row in rows)


def digest(answer: Any) -> str:
    """A short name for an answer in its common form, to compare across processes."""
    return hashlib.sha256(json.dumps(answer, ensure_ascii=False).encode()).hexdigest()[:16]


def preview(answer: Any) -> str:
    """The beginning of an answer, for people."""
    text = json.dumps(answer, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:77]}…"


def some_trace_id(paths: list[Path]) -> str:
    """The trace id of a record in the middle of a corpus."""
    with paths[len(paths) // 2].open("rb") as lines:
        for line in itertools.islice(lines, 5_000, None):
            return str(json.loads(line)["trace_id"])
    raise ValueError("the corpus is too small")
