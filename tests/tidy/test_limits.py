"""Every limit of the server stands in docs/reference/limits.md as it is: its default, its counter, its test."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from tamis.settings import TABLE
from tamis.telemetry.metrics import METRICS
from tests.tidy.sources import ROOT

PAGE = ROOT / "docs/reference/limits.md"
MET = "tamis_limits_met_total"
PARTS = ("server", "rates", "ingest", "query", "tail", "listener")
ENDINGS = ("_max", "_timeout_s", "_per_minute", "_burst")
ELSEWHERE = frozenset(
    {"ingest.document_ids_max", "ingest.gap_processes_max", "ingest.gap_spans_max", "query.shapes_max"}
)
"""What they bound is a book-keeping of ours, and no caller meets them."""
ROW = re.compile(r"^\| `([\w.]+)` \| (.*?) \| (.*) \| (.*?) \| `(tests/[\w/.]+)::(\w+)` \|$", re.MULTILINE)


@dataclass(frozen=True)
class Row:
    """One line of the page."""

    key: str
    default: str
    counter: str
    file: str
    test: str


def rows(text: str) -> list[Row]:
    return [
        Row(key, default, counter, file, test) for key, default, _, counter, file, test in ROW.findall(text)
    ]


def limits() -> set[str]:
    """Settings whose names say that they are limits."""
    found = {key for key in TABLE if key.split(".")[0] in PARTS and key.endswith(ENDINGS)}
    return found - ELSEWHERE


def wrong(found: Iterable[Row]) -> list[str]:
    """What a row says that is not so."""
    names = {metric.name for metric in METRICS}
    complaints = []
    for row in found:
        counter = MET if row.counter == "met" else row.counter.strip("`")
        if row.key not in TABLE:
            complaints.append(f"{row.key} is no setting")
        elif TABLE[row.key].shown_default != row.default:
            complaints.append(f"{row.key} is {TABLE[row.key].shown_default}, not {row.default}")
        if counter not in names:
            complaints.append(f"{row.key}: {counter} is no metric")
        file = ROOT / row.file
        if not file.exists() or f"def {row.test}(" not in file.read_text(encoding="utf-8"):
            complaints.append(f"{row.key}: there is no test {row.file}::{row.test}")
    return complaints


def test_the_page_says_what_is_so() -> None:
    """Defaults are the settings', counters are metrics, tests are there."""
    found = rows(PAGE.read_text(encoding="utf-8"))
    assert wrong(found) == []
    assert len({row.key for row in found}) == len(found)


def test_every_limit_is_on_the_page() -> None:
    """A new limit comes with its counter and its test."""
    assert limits() - {row.key for row in rows(PAGE.read_text(encoding="utf-8"))} == set()


def test_every_line_is_read() -> None:
    """No line of the tables is passed over because it is written otherwise."""
    text = PAGE.read_text(encoding="utf-8")
    assert len(rows(text)) == len(re.findall(r"^\| `", text, re.MULTILINE))


def test_the_rule_can_fail() -> None:
    """An unknown setting, an old default, a metric and a test that are not there are all seen."""
    assert len(wrong([Row("server.nothing", "1", "`no_metric`", "tests/no.py", "test_no")])) == 3
    assert (
        "not 1"
        in wrong([Row("server.port", "1", "met", "tests/tidy/test_limits.py", "test_the_rule_can_fail")])[0]
    )
