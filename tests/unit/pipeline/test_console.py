"""Records for people."""

import re
from datetime import UTC
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tamis.pipeline.console import Console, clean
from tamis.record.model import Record

NOW = 1_763_719_200_123_456_789
OURS: dict[str, Any] = {"process_id": 7, "process": "0a1b2c3d", "sequence": 9, "thread": "MainThread"}


def record(message: str, level: str = "INFO", logger: str = "shop", **attributes: Any) -> Record:
    return Record(
        timestamp=NOW, message=message, level=level, logger=logger, attributes={**OURS, **attributes}
    )


def shown(*records: Record, width: int = 0, colours: bool = False) -> list[str]:
    console = Console(colours=colours, zone=UTC)
    return [console.print_record(one, width) for one in records]


def test_a_record_is_one_line() -> None:
    """Time, level, logger, message, fields; what the pipeline adds for machines is left out."""
    (line,) = shown(record("order placed", order_id=42, who="Ann Lee", ok=True))
    assert (
        line
        == '10:00:00.123 INFO     shop          order placed                  order_id=42 who="Ann Lee" ok=true\n'
    )


def test_columns_are_aligned() -> None:
    """Levels, messages and fields of different records stand under each other."""
    lines = shown(
        record("one", "CRITICAL", logger="a.long.logger", f=1), record("two", "DEBUG", logger="b", f=2)
    )
    assert len({line.index(word) for line, word in zip(lines, ("one", "two"), strict=True)}) == 1
    assert len({line.index("f=") for line in lines}) == 1


def test_a_long_logger_keeps_its_end() -> None:
    """The part that tells them apart."""
    (line,) = shown(record("m", logger="company.platform.payments.provider"))
    assert " …m.payments.provider  m\n" in line


def test_lines_wider_than_the_terminal_break_between_fields() -> None:
    """Nothing is cut: every field is there, whole, under the message."""
    fields = {f"field_{n}": "v" * 10 for n in range(12)}
    (text,) = shown(record("message", **fields), width=80)
    rows = text.splitlines()
    assert len(rows) > 2
    assert all(len(row) <= 80 for row in rows)
    assert re.findall(r"field_\d+=v{10}", text) == [f"{name}={value}" for name, value in fields.items()]


def test_a_line_leaves_its_columns_before_it_breaks() -> None:
    """Fields that fit beside the message, nearer to it, stand there."""
    (text,) = shown(record("message", field="v" * 28), width=80)
    assert text.endswith(f"  message  field={'v' * 28}\n")


def test_errors_are_bold_and_fields_dim() -> None:
    """The eye finds what is not usual."""
    quiet, loud = shown(record("fine", a=1), record("broken", "ERROR", a=1), colours=True)
    assert "\x1b[1mbroken\x1b[0m" in loud
    assert "\x1b[1m" not in quiet
    assert "\x1b[2ma=1\x1b[0m" in quiet
    assert quiet.startswith("\x1b[2m10:00:00.123\x1b[0m ")


def test_an_exception_shows_its_frames_with_their_code() -> None:
    """Cause first, as Python prints it; the line of code where the file can be read."""
    frame = {"file": __file__, "line": 1, "function": "f"}
    exception = {
        "type": "ValueError",
        "message": "bad",
        "frames": [frame],
        "cause": {"type": "KeyError", "message": "'k'", "frames": [frame]},
    }
    (text,) = shown(record("failed", "ERROR", exception=exception))
    rows = text.splitlines()
    assert rows[1] == "  Traceback (most recent call last):"
    assert rows[2] == f'    File "{__file__}", line 1, in f'
    assert rows[3].strip() == '"""Records for people."""'
    assert rows[4] == "  KeyError: 'k'"
    assert rows[-1] == "  ValueError: bad"


def test_a_long_traceback_is_cut_in_its_middle() -> None:
    """Recursion does not fill the screen; how much is hidden is said."""
    frames = [{"file": "a.py", "line": n, "function": "f"} for n in range(1_000)]
    (text,) = shown(record("deep", "ERROR", exception={"type": "E", "message": "", "frames": frames}))
    assert "… 970 more" in text
    assert text.count('File "a.py"') == 30


def test_members_of_a_group_and_a_stack_are_shown() -> None:
    """Each under its number."""
    member = {"type": "ValueError", "message": "one", "frames": []}
    group = {"type": "ExceptionGroup", "message": "two", "frames": [], "exceptions": [member, member]}
    stack = [{"file": "a.py", "line": 1, "function": "f"}]
    (text,) = shown(record("m", "ERROR", exception=group, stack=stack))
    assert "+-- 2 of 2" in text
    assert text.count("ValueError: one") == 2
    assert '  Stack:\n    File "a.py", line 1, in f' in text


def test_a_new_day_is_said() -> None:
    """Times have no date; the line before the first of another day has."""
    console = Console(colours=False, zone=UTC)
    first = console.print_record(record("a"))
    later = console.print_record(Record(timestamp=NOW + 86_400 * 10**9, message="b", level="INFO"))
    assert first.count("\n") == 1
    assert later.startswith("2025-11-22\n10:00:00.123 INFO")


ANY = st.text(max_size=30) | st.sampled_from(["\x1b[2J", "\x9b31m", "\r", "\u202e", "a\x00b", "\x07"])


@given(ANY, ANY, st.dictionaries(ANY, ANY | st.lists(ANY, max_size=2), max_size=3), st.integers(0, 60))
def test_no_record_steers_the_terminal(message: str, logger: str, fields: dict[str, Any], width: int) -> None:
    """Whatever stands in it, no control character but newlines and tabs comes out, and nothing is raised."""
    exception = {"type": message, "message": logger, "frames": [{"file": message, "function": logger}]}
    one = Record(timestamp=NOW, message=message, level="ERROR", logger=logger, attributes=fields)
    two = record(message, logger, message, exception=exception, code={"file": logger})
    for text in shown(one, two, width=width):
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)


def test_clean_keeps_newlines_and_tabs() -> None:
    """And nothing else that is not printable by a terminal."""
    assert clean("a\n\tb\r\nc\x1b[31m") == "a\n\tb\nc\\x1b[31m"
