"""``tamis stats``: counts and measures of what a query finds."""

from tamis.cli.options import Flag, When, Where, ask_of
from tamis.cli.question import pointing_at, read_query
from tamis.cli.reach import open_target
from tamis.cli.search import show_made
from tamis.query.ast import Stats

DEFAULT_STAGE = "| stats count() by level | sort count desc"


def stats(
    *query: str,
    json: Flag = False,
    when: When = When(),
    where: Where = Where(),
) -> None:
    """Count and measure what a query finds.

    For example: tamis stats 'level:error | stats count(), p95(duration_ms) by service, bin(5m)'

    Parameters
    ----------
    query
        Without a stats stage: how many records of each level.
    json
        The answer as JSON.
    """
    ask = ask_of(query, when)
    tree = read_query(ask.q)
    if not any(isinstance(stage, Stats) for stage in tree.stages):
        ask = ask_of((*query, DEFAULT_STAGE), when)
        tree = read_query(ask.q)
    target = open_target(where)
    try:
        with pointing_at(ask.q):
            show_made(target, ask, tree, json=json)
    finally:
        target.close()
