"""Query texts: read before they are sent, and shown with a caret where they are wrong."""

from collections.abc import Iterator
from contextlib import contextmanager

from tamis.cli.failure import UsageError
from tamis.errors import QueryError
from tamis.query.ast import Query
from tamis.query.parser import parse


@contextmanager
def pointing_at(text: str) -> Iterator[None]:
    """Turns a QueryError inside into a UsageError that shows where in `text` it is."""
    try:
        yield
    except QueryError as error:
        raise UsageError(pointed(text, error)) from error


def read_query(text: str) -> Query:
    """The query's tree; UsageError shows what is wrong with the text."""
    with pointing_at(text):
        return parse(text)


def pointed(text: str, error: QueryError) -> str:
    """The reason, the text, a caret under its column, the suggestion."""
    before, line, column = _line_at(text, error.column)
    caret = "".join("\t" if char == "\t" else " " for char in line[: column - 1]) + "^"
    place = f" (line {before + 1})" if before else ""
    lines = [f"in the query{place}: {error.reason}", f"  {line}", f"  {caret}"]
    if error.suggestion:
        lines.append(error.suggestion)
    return "\n".join(lines)


def _line_at(text: str, column: int) -> tuple[int, str, int]:
    """The line of a text that has its `column`-th character: lines before it, the line, the column in it."""
    at = min(max(column - 1, 0), len(text))
    start = text.rfind("\n", 0, at) + 1
    end = text.find("\n", at)
    line = text[start:] if end == -1 else text[start:end]
    return text.count("\n", 0, start), line, at - start + 1
