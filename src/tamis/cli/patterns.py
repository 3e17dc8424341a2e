"""``tamis patterns``: what sentences the records are made of."""

from typing import Annotated

from cyclopts import Parameter

from tamis.cli.failure import UsageError
from tamis.cli.options import Flag, When, Where, ask_of
from tamis.cli.question import pointing_at, read_query
from tamis.cli.reach import open_target
from tamis.cli.show.patterns import print_patterns
from tamis.cli.terminal import print_json, warn

LIMIT_DEFAULT = 50


def patterns(
    *query: str,
    limit: Annotated[int | None, Parameter(alias="-n")] = None,
    json: Flag = False,
    when: When = When(),
    where: Where = Where(),
) -> None:
    """Show what sentences the records are made of, the most frequent first.

    Parameters
    ----------
    query
        Of which records; all of them when it is empty.
    limit
        How many patterns at most (50; with --json all); 0 is all of them.
    json
        The answer as JSON; counts and "unmatched" add up to the number of records.
    """
    if limit is not None and limit < 0:
        raise UsageError("--limit must be 0 (all of them) or more")
    ask = ask_of(query, when)
    read_query(ask.q)
    most = (None if json else LIMIT_DEFAULT) if limit is None else limit or None
    target = open_target(where)
    try:
        with pointing_at(ask.q):
            answer = target.patterns(ask, limit=most)
    finally:
        target.close()
    warn(answer.get("warnings", ()))
    if json:
        print_json(answer)
    else:
        print_patterns(answer)
