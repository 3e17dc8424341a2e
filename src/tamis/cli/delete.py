"""``tamis delete``: what a query finds is hidden at once and erased within a day."""

import sys
from typing import Annotated

from cyclopts import Parameter

from tamis.cli.failure import CommandError, UsageError
from tamis.cli.options import Flag, When, Where, ask_of
from tamis.cli.question import pointing_at, read_query
from tamis.cli.reach import open_target
from tamis.cli.target import Ask, Target
from tamis.cli.terminal import print_json


def delete(
    *query: str,
    yes: Annotated[Flag, Parameter(alias="-y")] = False,
    json: Flag = False,
    when: When = When(),
    where: Where = Where(),
) -> None:
    """Delete what a query finds: hidden at once, erased within a day. Asks first.

    Parameters
    ----------
    query
        Which records; * is all of them.
    yes
        Do not ask.
    json
        The answer as JSON.
    """
    ask = ask_of(query, when)
    if not ask.q.strip():
        raise UsageError("say which records; `tamis delete '*'` deletes all")
    read_query(ask.q)
    target = open_target(where)
    try:
        with pointing_at(ask.q):
            if not yes:
                _confirm(target, ask)
            answer = target.delete(ask)
    finally:
        target.close()
    if json:
        print_json(answer)
    else:
        print(f"{answer['hidden']:,} records deleted")


def _confirm(target: Target, ask: Ask) -> None:
    count = target.count(ask)["count"]
    if not sys.stdin.isatty():
        raise UsageError(f"this would delete {count:,} records, and nobody is there to ask; --yes does it")
    print(
        f"Delete {count:,} records of {target.name}? This cannot be undone. [y/N] ", end="", file=sys.stderr
    )
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise CommandError("nothing was deleted")
