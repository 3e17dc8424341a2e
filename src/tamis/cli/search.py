"""``tamis search``: records, newest first; or what the stages of the query make of them."""

from collections.abc import Iterator
from typing import Annotated

from cyclopts import Parameter

from tamis.cli.failure import UsageError
from tamis.cli.options import Flag, When, Where, ask_of
from tamis.cli.question import pointing_at, read_query
from tamis.cli.reach import open_target
from tamis.cli.show.patterns import print_patterns
from tamis.cli.show.records import fields_line, line_of
from tamis.cli.show.tables import print_table
from tamis.cli.target import Answer, Ask, Order, Target
from tamis.cli.terminal import as_json, coloured, print_json, warn
from tamis.query.ast import Fields, Limit, Patterns, Query, Stats

PAGE_MAX = 10_000
LIMIT_DEFAULT = 100


def search(
    *query: str,
    limit: Annotated[int | None, Parameter(alias="-n")] = None,
    order: Order = "desc",
    fields: str | None = None,
    json: Flag = False,
    when: When = When(),
    where: Where = Where(),
) -> None:
    """Find records, newest first.

    For example: tamis search 'level>=warning "connection refused" NOT service:shop' --since 1h

    Parameters
    ----------
    query
        What to find; everything when it is empty.
    limit
        How many records at most (100); 0 is all of them.
    order
        Newest first, or oldest first.
    fields
        Only these, parted by commas; attributes by their own names.
    json
        One JSON object for each record (of stats and patterns: one for the answer).
    """
    if limit is not None and limit < 0:
        raise UsageError("--limit must be 0 (all of them) or more")
    ask = ask_of(query if fields is None else _with_fields(query, fields), when)
    tree = read_query(ask.q)
    target = open_target(where)
    try:
        with pointing_at(ask.q):
            if any(isinstance(stage, (Stats, Patterns)) for stage in tree.stages):
                show_made(target, ask, tree, json=json)
            else:
                _print_records(target, ask, tree, wanted=_wanted(limit, tree), order=order, json=json)
    finally:
        target.close()


def show_made(target: Target, ask: Ask, tree: Query, *, json: bool) -> None:
    """The answer of a query whose stages make a table, or patterns."""
    table = any(isinstance(stage, Stats) for stage in tree.stages)
    answer = target.stats(ask) if table else target.patterns(ask)
    warn(answer.get("warnings", ()))
    if json:
        print_json(answer)
    elif table:
        print_table(answer["columns"], answer["rows"])
    else:
        print_patterns(answer)


def _print_records(target: Target, ask: Ask, tree: Query, *, wanted: int, order: Order, json: bool) -> None:
    names = next((stage.names for stage in tree.stages if isinstance(stage, Fields)), ())
    colour = coloured()
    for record in find_records(target, ask, limit=wanted, order=order):
        if json:
            print(as_json(record))
        else:
            print(fields_line(record, names) if names else line_of(record, colour=colour))


def _wanted(limit: int | None, tree: Query) -> int:
    """How many records: what the option says, or the query's own limit, the smaller of the two; 0 is all."""
    stage = next((stage.count for stage in tree.stages if isinstance(stage, Limit)), None)
    if stage is None:
        return LIMIT_DEFAULT if limit is None else limit
    return min(limit or stage, stage)


def find_records(target: Target, ask: Ask, *, limit: int, order: Order = "desc") -> Iterator[Answer]:
    """The records of a question, page by page; 0 is all of them. Warnings are said once."""
    cursor: str | None = None
    left = limit or float("inf")
    said: set[str] = set()
    while left > 0:
        page = target.search(ask, limit=int(min(left, PAGE_MAX)), order=order, cursor=cursor)
        warn(text for text in page.get("warnings", ()) if text not in said)
        said.update(page.get("warnings", ()))
        yield from page["records"]
        left -= len(page["records"])
        cursor = page.get("next_cursor")
        if cursor is None:
            return


def _with_fields(query: tuple[str, ...], fields: str) -> tuple[str, ...]:
    """The query with a stage that keeps these fields only."""
    if not fields.strip(" ,"):
        raise UsageError("--fields names none; write for example --fields timestamp,message")
    return (*query, f"| fields {fields}")
