"""Text to `ast.Query`."""

from tamis.errors import QueryError
from tamis.query.ast import Query
from tamis.query.filters import FilterParser
from tamis.query.lexer import Scanner
from tamis.query.limits import QueryLimits
from tamis.query.stages import StageParser

DEFAULT_LIMITS = QueryLimits()


def parse(text: str, limits: QueryLimits = DEFAULT_LIMITS) -> Query:
    """The query that a text says. Raises QueryError, which tells the column, what is wrong and what to write.

    Every query of at most `limits` parses or raises QueryError, never anything else.
    """
    if len(text) > limits.chars_max:
        raise QueryError(f"longer than chars_max = {limits.chars_max:,} characters", limits.chars_max + 1)
    broken = next((at for at, char in enumerate(text) if "\ud800" <= char <= "\udfff"), None)
    if broken is not None:
        raise QueryError("half of a surrogate pair is no character", broken + 1)
    scanner = Scanner(text)
    found = FilterParser(scanner, limits).parse()
    return Query(found, StageParser(scanner, limits).parse())
