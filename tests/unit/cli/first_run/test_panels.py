"""What the first run shows is chosen so that several services are seen."""

import json

import pytest

from tamis.cli.embedded import EmbeddedTarget
from tamis.cli.first_run.panels import SERVICES_SHOWN, has_levels, largest, show_panels
from tamis.settings import load_settings
from tamis.store.memory import MemoryStore
from tamis.wire.base import DecodeOptions
from tamis.wire.jsonlines import decode


def shown(records: list[dict[str, str]], capsys: pytest.CaptureFixture[str]) -> str:
    """The panels of some records."""
    target = EmbeddedTarget("here", MemoryStore(), load_settings({}, {}))
    body = "\n".join(json.dumps({"timestamp": "2026-11-21T10:00:00Z", **one}) for one in records)
    target.append(decode(body.encode(), DecodeOptions()).columns, "key")
    show_panels(target)
    return capsys.readouterr().out


@pytest.fixture(autouse=True)
def width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")


def test_the_largest_services_are_named() -> None:
    """Counts add up over time; records without a service name none."""
    buckets = [{"counts": {"": 100, "a": 1, "b": 5}}, {"counts": {"a": 9, "c": 2, "d": 1, "e": 1}}]
    assert largest({"buckets": buckets})[:3] == ["a", "b", "c"]
    assert len(largest({"buckets": buckets})) == SERVICES_SHOWN
    assert largest({"buckets": [{"counts": {"a": 99, "b": 1}}]}) == ["a"]


def test_levels_are_shown_where_there_are_any() -> None:
    """Words that look like levels are none; one record with a level is enough for the panel."""
    assert not has_levels({"buckets": [{"counts": {"": 3}}, {"counts": {}}]})
    assert has_levels({"buckets": [{"counts": {"": 3}}, {"counts": {"ERROR": 1}}]})


def test_no_service_fills_the_patterns(capsys: pytest.CaptureFixture[str]) -> None:
    """A build that wrote a hundred sentences leaves room for the one of a small service."""
    loud = [{"service": "bu\"ild", "message": f"compiling {chr(97 + n)} for {word}"}
            for n in range(26) for word in ("this", "that")]  # fmt: skip
    page = shown([*loud, *[{"service": "cron", "message": f"job {n} done"} for n in (7, 8)]], capsys)
    assert "54 records, none with a level, by service" in page
    assert 'top patterns of bu"ild, cron' in page
    patterns = page.partition("top patterns")[2].partition("tamis search")[0]
    assert patterns.count("compiling") == 4
    assert "job <*> done" in patterns


def test_errors_are_shown_first(capsys: pytest.CaptureFixture[str]) -> None:
    """With levels there is a line for each; what is searched for is errors, where there are any."""
    page = shown(
        [{"level": "error", "message": "disk full"}, {"message": "an error of libgpg-error-dev"}], capsys
    )
    assert "2 records by level" in page
    assert "tamis search 'level>=error'" in page
    assert "disk full" in page


def test_words_in_names_are_no_errors(capsys: pytest.CaptureFixture[str]) -> None:
    """A package's name with "error" in it is not shown as a failure."""
    page = shown([{"message": "installed libgpg-error-dev"}, {"message": "Failed to open the bus"}], capsys)
    found = page.partition("tamis search 'message:/")[2]
    assert "Failed to open the bus" in found
    assert "libgpg" not in found
