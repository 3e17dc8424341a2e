"""How answers look."""

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from tamis.cli import terminal
from tamis.cli.first_run.picture import histogram_text
from tamis.cli.question import pointed
from tamis.cli.show.bars import bar, spark
from tamis.cli.show.patterns import print_patterns
from tamis.cli.show.records import fields_line, line_of
from tamis.cli.show.tables import print_table
from tamis.errors import QueryError

RECORD: dict[str, Any] = {
    "id": "ab-1",
    "timestamp": "2026-11-21T10:00:00Z",
    "level": "ERROR",
    "service": "shop",
    "logger": None,
    "message": "first\nsecond",
    "trace_id": "abc",
    "attributes": {"n": 404, "text": "two words", "nested": {"a": [1, 2]}, "empty": ""},
}


def test_a_record_is_a_line_for_people() -> None:
    """Time, level, service, message, attributes; further lines of the message are set in."""
    assert line_of(RECORD) == (
        "2026-11-21T10:00:00.000Z ERROR    shop first\n    second"
        '  trace_id=abc n=404 text="two words" nested={"a":[1,2]} empty=""'
    )
    assert "\x1b[31mERROR" in line_of(RECORD, colour=True)


def test_what_the_pipeline_adds_stands_last() -> None:
    """Who reads at night sees what the author wrote before process, thread and code."""
    added = {
        "process_id": 7,
        "process": "0123abcd",
        "thread": "MainThread",
        "code": {"line": 3},
        "sequence": 1,
    }
    line = line_of({"message": "paid", "attributes": {**added, "order": 42}})
    assert line.endswith(
        'paid  order=42 thread=MainThread code={"line":3} process=0123abcd process_id=7 sequence=1'
    )


def test_a_log_line_cannot_drive_the_terminal() -> None:
    """Escapes, bells and carriage returns in messages, services and attributes are shown, not sent."""
    evil = {
        **RECORD,
        "message": "\x1b[2Jgone\r\x07",
        "service": "\x1b]0;x\x07",
        "attributes": {"\x1b[H": "\x9b1m"},
    }
    line = line_of(evil)
    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in line)
    assert r"\x1b[2Jgone\x0d\x07" in line
    assert "\x1b" not in fields_line(evil, ("message", "service"))


def test_fields_are_parted_by_tabs() -> None:
    """Values keep to their column: no tab or newline in them; what is missing is empty."""
    record = {"a": "x\ty\nz", "b": None, "c": 2.5, "d": {"k": True}}
    assert fields_line(record, ("a", "b", "c", "d")) == 'x y z\t\t2.5\t{"k":true}'


def test_bars_show_everything_above_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """The largest fills the width; one in a million still shows; nothing shows nothing."""
    assert bar(10, 10, 4) == "████"
    assert bar(1, 10**6, 4) == "▏"
    assert bar(0, 10, 4) == bar(1, 0, 4) == ""
    assert spark([0, 1, 10**6]) == " ▁█"
    assert spark([]) == ""


def on_terminal(monkeypatch: pytest.MonkeyPatch, width: int, show: Callable[[], None]) -> str:
    """What is printed on a terminal of so many columns."""
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=width, color_system=None, markup=False)
    for module in ("tables", "patterns"):
        monkeypatch.setattr(f"tamis.cli.show.{module}.out", lambda: console)
    show()
    return screen.getvalue()


@pytest.mark.parametrize("width", [30, 80, 200])
def test_tables_fit_the_terminal(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    """Numbers to the right, bars where there is room, nothing cut off and no line too long."""
    rows = [["shop", 12_345, 0.25], ["a service with a long name", 7, None]]
    text = on_terminal(monkeypatch, width, lambda: print_table(["service", "count", "p95"], rows))
    assert max(map(len, text.splitlines())) <= width
    assert "12,345" in text
    assert ("█" in text) is (width >= 70)


@pytest.mark.parametrize("width", [40, 120])
def test_patterns_fit_the_terminal(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    """Counts, shares of all records, levels and the sentence; what a limit left out is said."""
    one = {"id": "p_1", "template": "order <*> placed", "count": 90, "levels": {"INFO": 80, "ERROR": 10}}
    text = on_terminal(monkeypatch, width, lambda: print_patterns({"patterns": [one], "unmatched": 10}))
    assert max(map(len, text.splitlines())) <= width
    assert "order <*> placed" in text
    assert "10 records have further patterns" in text
    assert ("90.0 %" in text) is (width >= 70)


def test_tables_in_a_pipe_are_plain(capsys: pytest.CaptureFixture[str]) -> None:
    """Tabs, exact numbers, no decoration."""
    print_table(["service", "count"], [["a\tb", 12_345], [None, 1]])
    assert capsys.readouterr().out == "service\tcount\na b\t12345\n\t1\n"


def test_the_histogram_keeps_every_count() -> None:
    """Counts of all intervals are in the sums, whatever the width; the ends of time stand below."""
    buckets = [
        {"start": f"2026-11-{day:02}T00:00:00Z", "counts": {"ERROR": day, "": 1}} for day in range(1, 31, 3)
    ]
    answer = {"interval_s": 86_400, "buckets": buckets}
    for width in (20, 80):
        lines = histogram_text(answer, width, by_level=True).plain.splitlines()
        assert lines[0].startswith("ERROR")
        assert lines[0].endswith(str(sum(range(1, 31, 3))))
        assert lines[1].endswith("10")
        assert lines[-1].split() == ["2026-11-01", "2026-11-28"]
    assert histogram_text({"interval_s": 60, "buckets": []}, 80, by_level=True).plain == "nothing yet"


def test_the_caret_stands_under_what_is_wrong() -> None:
    """Also behind tabs, and in the second line of a query."""
    assert pointed("a\tb (", QueryError("wrong", 5, "Mend it.")).splitlines() == [
        "in the query: wrong",
        "  a\tb (",
        "   \t  ^",
        "Mend it.",
    ]
    assert pointed("one\ntwo", QueryError("wrong", 6)).splitlines()[1:] == ["  two", "   ^"]
    assert pointed("", QueryError("wrong", 1)).splitlines()[2] == "  ^"


def test_json_takes_every_value(capsys: pytest.CaptureFixture[str]) -> None:
    """Integers beyond 64 bits and text beyond ASCII come out as they are."""
    terminal.print_json({"big": 2**70, "text": "日本"})
    assert json.loads(capsys.readouterr().out) == {"big": 2**70, "text": "日本"}
