"""Regular expressions of users: always RE2 (through pyarrow, imported when the first one comes)."""

from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from typing import Any

from tamis.errors import QueryError

PATTERN_CHARS_MAX = 4_096
_REMEMBERED_MAX = 4_096


def check_regex(pattern: str, column: int) -> None:
    """Raise QueryError at `column` unless RE2 takes the pattern."""
    if len(pattern) > PATTERN_CHARS_MAX:
        raise QueryError(f"the regular expression is longer than {PATTERN_CHARS_MAX:,} characters", column)
    engine = _engine()
    if engine is None:
        raise QueryError(
            "regular expressions need pyarrow, which is not installed here",
            column,
            'Install tamis[store], or ask for a part of the text with field:~"…".',
        )
    array, find, invalid = engine
    try:
        find(array([""]), pattern)
    except invalid as error:
        reason = str(error).removeprefix("Invalid regular expression: ")
        raise QueryError(
            f"RE2 does not take this regular expression: {reason}", column, _hint(pattern)
        ) from None


def _hint(pattern: str) -> str | None:
    if any(mark in pattern for mark in ("(?=", "(?!", "(?<=", "(?<!")):
        return "RE2 has no look-around: write two conditions, or NOT."
    return None


def search_test(pattern: str) -> Callable[[str], bool]:
    """Whether RE2 finds the pattern somewhere in a text. Remembers what it was asked (bounded)."""
    check_regex(pattern, 1)
    engine = _engine()
    assert engine is not None
    array, find, _ = engine

    @lru_cache(maxsize=_REMEMBERED_MAX)
    def found(text: str) -> bool:
        try:
            column = array([text])
        except UnicodeEncodeError:
            column = array([text.encode("utf-8", "backslashreplace").decode()])
        return bool(find(column, pattern)[0].as_py())

    return found


@lru_cache(maxsize=1)
def _engine() -> tuple[Callable[[list[str]], Any], Callable[[Any, str], Any], type[Exception]] | None:
    """pyarrow's way to make an array of texts, its search, and its error; None without pyarrow."""
    try:
        pa: Any = import_module("pyarrow")
        pc: Any = import_module("pyarrow.compute")
    except ImportError:
        return None
    return (lambda texts: pa.array(texts, pa.string())), pc.match_substring_regex, pa.ArrowInvalid
