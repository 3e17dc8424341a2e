"""``tamis tail``: records as they come in, by polling; none is lost and none is shown twice.

Each poll asks for what was received lately, and keeps what has an ingest sequence behind the last poll's `as_of`.
All times are the server's own (relative in the query), so that clocks need not agree.
"""

import time
from collections.abc import Iterator
from typing import Annotated

from cyclopts import Parameter

from tamis.cli.failure import UsageError
from tamis.cli.options import Flag, Where
from tamis.cli.question import pointing_at, read_query
from tamis.cli.reach import open_target
from tamis.cli.show.records import line_of
from tamis.cli.stopping import stop_on_signals
from tamis.cli.target import Answer, Ask, Target
from tamis.cli.terminal import as_json, coloured
from tamis.query.ast import And, Compare, Filter, Query
from tamis.query.printer import print_query

POLL_S = 0.5
SLACK_S = 30.0
"""How long a record may take from its receipt to where reads see it."""
BUSY_SLACK_S = 3.0
BUSY_RECORDS = 20_000
"""With so many records in the window, it is made smaller."""
PAGE_MAX = 10_000


def tail(
    *query: str,
    lines: Annotated[int, Parameter(alias="-n")] = 10,
    json: Flag = False,
    where: Where = Where(),
) -> None:
    """Show records as they come in, until Ctrl-C.

    Parameters
    ----------
    query
        Which records; all of them when it is empty.
    lines
        How many records to show of what is there already.
    json
        One JSON object for each record.
    """
    text = " ".join(query)
    tree = read_query(text)
    if tree.stages:
        raise UsageError("tail shows records as they come: it takes a filter without stages")
    if not 0 <= lines <= PAGE_MAX:
        raise UsageError(f"--lines must be from 0 to {PAGE_MAX:,}")
    target = open_target(where)
    colour = coloured()
    try:
        with pointing_at(text), stop_on_signals():
            for record in follow(target, tree.filter, lines):
                print(as_json(record) if json else line_of(record, colour=colour), flush=True)
    except KeyboardInterrupt:
        return
    finally:
        target.close()


def follow(target: Target, wanted: Filter, lines: int) -> Iterator[Answer]:
    """The last `lines` records in order of time, then for ever those that come, in order of arrival."""
    page = target.search(Ask(print_query(Query(wanted))), limit=max(lines, 1))
    yield from reversed(page["records"][:lines])
    seen = _sequence(page["as_of"])
    slack_s, polled_s = SLACK_S, time.monotonic()
    while True:
        time.sleep(POLL_S)
        window_s = slack_s + time.monotonic() - polled_s
        polled_s = time.monotonic()
        recent = Query(_and(wanted, Compare("received", ">=", f"-{window_s:.0f}s")))
        records, as_of = _everything(target, print_query(recent))
        slack_s = BUSY_SLACK_S if len(records) > BUSY_RECORDS else SLACK_S
        fresh = [one for one in records if seen < _sequence(one["id"])]
        yield from sorted(fresh, key=lambda one: _sequence(one["id"]))
        seen = max(seen, as_of)


def _and(first: Filter, second: Filter) -> Filter:
    return And((*first.items, second)) if isinstance(first, And) else And((first, second))


def _everything(target: Target, text: str) -> tuple[list[Answer], int]:
    """All records of a query at one moment, and that moment's sequence."""
    page = target.search(Ask(text), limit=PAGE_MAX)
    as_of = _sequence(page["as_of"])
    records = list(page["records"])
    while page.get("next_cursor"):
        page = target.search(Ask(text), limit=PAGE_MAX, cursor=page["next_cursor"])
        records += page["records"]
    return records, as_of


def _sequence(public: str) -> int:
    """The ingest sequence in a record's id, or in an `as_of`."""
    return int(public.rpartition("-")[2])
