"""``tamis tail``: records as they come in, from the server's live tail; none is lost and none is shown twice, also when
the connection or the server goes and comes back."""

import contextlib
import time
from collections.abc import Iterator
from typing import Annotated

import msgspec
from cyclopts import Parameter

from tamis.cli.failure import CommandError, UsageError
from tamis.cli.options import Flag, Where
from tamis.cli.question import pointing_at, read_query
from tamis.cli.reach import open_target, server_again
from tamis.cli.show.records import line_of
from tamis.cli.stopping import stop_on_signals
from tamis.cli.target import Answer, Ask, Target
from tamis.cli.terminal import as_json, coloured, say
from tamis.errors import DeniedError, OverloadedError, RemoteError, TamisError, UnreachableError
from tamis.wire.sse import Event, decode_events

PAGE_MAX = 10_000
RETRY_FIRST_S, RETRY_MAX_S = 0.2, 5.0
DENIED_MAX_S = 30.0


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
    colour = coloured()
    with contextlib.suppress(KeyboardInterrupt), pointing_at(text), stop_on_signals():
        for record in _follow(where, text, lines):
            print(as_json(record) if json else line_of(record, colour=colour), flush=True)


def _follow(where: Where, text: str, lines: int) -> Iterator[Answer]:
    """The last `lines` records in order of time, then for ever those that come, in order of arrival."""
    target = open_target(where)
    try:
        page = target.search(Ask(text), limit=max(lines, 1))
        yield from reversed(page["records"][:lines])
        seen, wait_s, heard_s = page["as_of"], RETRY_FIRST_S, time.monotonic()
        while True:
            try:
                for event in _events(target, text, seen):
                    seen, wait_s, heard_s = event.id or seen, RETRY_FIRST_S, time.monotonic()
                    if event.data:
                        yield from _shown(event)
            except (RemoteError, OverloadedError) as error:
                if not may_pass(error, time.monotonic() - heard_s):
                    raise
                say(f"{error}; trying again")
            time.sleep(wait_s)
            wait_s = min(wait_s * 2, RETRY_MAX_S)
            target.close()
            target = server_again(where, target)
    finally:
        target.close()


def may_pass(error: TamisError, silent_s: float) -> bool:
    """Whether to come back: the server is away, busy or starting. One that starts has another token for this machine,
    and for a moment nobody knows it."""
    if isinstance(error, DeniedError):
        return silent_s < DENIED_MAX_S
    return isinstance(error, UnreachableError | OverloadedError) or (
        isinstance(error, RemoteError) and error.status in (502, 503, 504)
    )


def _events(target: Target, text: str, seen: str) -> Iterator[Event]:
    with target.tail(text, seen) as pieces:
        yield from decode_events(pieces)


def _shown(event: Event) -> Iterator[Answer]:
    answer: Answer = msgspec.json.decode(event.data)
    if event.name == "message":
        yield answer
    elif event.name == "missed":
        say(f"{answer['count']:,} records came too fast to be shown here; a search finds them")
    elif event.name == "error":
        raise CommandError(answer["detail"].rstrip("."))
