import copy
from typing import Any

import pytest

from benchmarks import report
from benchmarks.queries import questions
from benchmarks.ways import FASTEST_SYNCED, SAME_BODIES

NAMES = [asked.name for asked in questions("")]


def timing(name: str, seconds: float) -> dict[str, Any]:
    return {"name": name, "warm_s": seconds, "cold_s": seconds, "digest": "d", "peak_mib": 100.0}


def corpus(*, asked: bool) -> dict[str, Any]:
    taken = {
        "records_per_s": 400_000.0, "runs": [400_000.0], "server_cpu_s": 3.0, "bytes": 70_000_000, "load": 1.0,
        "rest_mib": 100.0, "peak_mib": 300.0, "stored": 990_000, "rejected": 10_000,
    }  # fmt: skip
    found: dict[str, Any] = {"zstd_bytes": 100_000_000, "ingest": taken, "good_lines": 990_000}
    found["settled"] = {"bytes": 70_000_000, "seconds": 2.0, "cpu_s": 2.0}
    if asked:
        ways = [
            {"way": way.name, "records_per_s": rate, "runs": [rate], "cpu_s": 3.0, "bytes": 1, "load": 1.0}
            for way, rate in ((SAME_BODIES, 200_000.0), (FASTEST_SYNCED, 250_000.0))
        ]
        found["chdb"] = {"ingest": ways, "questions": [timing(name, 0.010) for name in NAMES]}
        found["store"] = {
            "questions": [timing(name, 0.005) for name in NAMES], "facts": {"segments": 2, "shape_fallbacks": 0},
        }  # fmt: skip
        found["read"] = {
            "questions": [timing(name, 0.006) for name in NAMES], "start_s": 1.0, "rest_mib": 150.0, "peak_mib": 200.0,
        }  # fmt: skip
        found["trace_id"] = "t" * 32
    return found


@pytest.fixture
def results() -> dict[str, Any]:
    machine = {
        "cpu": "some", "cores": 2, "memory_gib": 8, "system": "Linux", "python": "3.11", "load_before": 0.1,
        "versions": {"tamis": "0"},
    }  # fmt: skip
    crash = {
        "kills": 50, "kills_while_starting": 7, "seconds": 60.0, "bodies": 10, "acknowledged": 100, "stored": 100,
        "distinct": 100, "lost": 0, "doubled": 0, "sent_again": 5, "answered_as_duplicate": 1, "refused": [],
    }  # fmt: skip
    corpora = {
        name: corpus(asked=name != "mixed-1m")
        for name in ("uniform-1m", "mixed-1m", "shapes-1m", "uniform-10m")
    }
    parts = {"uniform-1m: records": 6.4, "kill -9": 60.0}
    return {"machine": machine, "seconds": 500.0, "corpora": corpora, "crash": crash, "parts": parts}


def test_good_figures_meet_every_goal(results: dict[str, Any]) -> None:
    """When everything is as fast, small and safe as it should be, nothing is called missed."""
    assert [goal.what for goal in report.goals(results) if not goal.met] == []
    assert "missed" not in report.render(results)
    assert report.missed(results) == set()


def test_the_page_says_how_long_each_part_took(results: dict[str, Any]) -> None:
    """The budget of a run can be seen, part by part."""
    page = report.render(results)
    assert "| uniform-1m: records | 6 |" in page
    assert "| kill -9 | 60 |" in page


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("corpora", "uniform-1m", "ingest", "records_per_s"), 200_000.0, "ingest over HTTP, uniform-1m"),
        (("corpora", "mixed-1m", "ingest", "records_per_s"), 90_000.0, "ingest over HTTP, mixed-1m"),
        (("corpora", "uniform-10m", "store", "questions", 3, "warm_s"), 0.051, "the slowest beside chDB"),
        (("corpora", "shapes-1m", "settled", "bytes"), 86_000_000, "size on disk, shapes-1m"),
        (("corpora", "mixed-1m", "ingest", "rest_mib"), 211.0, "at rest"),
        (("corpora", "mixed-1m", "ingest", "peak_mib"), 573.0, "full ingest"),
        (("corpora", "shapes-1m", "read", "questions", 0, "peak_mib"), 763.0, "heaviest"),
        (("corpora", "uniform-10m", "read", "start_s"), 2.1, "start with"),
        (("crash", "lost"), 1, "kill -9"),
        (("crash", "doubled"), 1, "kill -9"),
        (("crash", "distinct"), 99, "kill -9"),
        (("crash", "kills"), 49, "kill -9"),
    ],
)
def test_a_bad_figure_is_called_missed(
    results: dict[str, Any], path: tuple[Any, ...], value: Any, words: str
) -> None:
    """Each goal is missed by a figure just over its limit, and the page says so."""
    spoilt = copy.deepcopy(results)
    place = spoilt
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    missed = [goal.what for goal in report.goals(spoilt) if not goal.met]
    assert missed
    assert all(words in what for what in missed)
    assert "**missed**" in report.render(spoilt)


def test_the_mean_counts_both_trace_ids_as_one_question() -> None:
    """Twelve questions stand behind thirteen timings."""
    found = dict.fromkeys(NAMES, 1.0)
    found["trace id, present"] = found["trace id, absent"] = 2.0**12
    assert report.geometric_mean(found) == pytest.approx(2.0)
    assert len({asked.group for asked in questions("")}) == 12


def test_another_answer_is_shown(results: dict[str, Any]) -> None:
    """An answer that differs from chDB's is not passed over."""
    results["corpora"]["uniform-1m"]["store"]["questions"][0]["digest"] = "other"
    assert "| **no** |" in report.render(results)
