"""``tamis status``: what a server does now, what happened of late, what is degraded."""

import contextlib
import time
from collections.abc import Generator, Iterator

import msgspec

from tamis.cli.options import Flag, Where
from tamis.cli.reach import open_server
from tamis.cli.show.status import breaker_line, degraded_line, event_line, status_lines, work_line
from tamis.cli.stopping import stop_on_signals
from tamis.cli.tail import RETRY_FIRST_S, RETRY_MAX_S, may_pass
from tamis.cli.target import Answer
from tamis.cli.terminal import as_json, print_json, say
from tamis.errors import OverloadedError, RemoteError
from tamis.wire.sse import Event, decode_events

PATH = "/api/v1/status"
PROGRESS_S = 1.0
"""A work that gets on has a line this often at most."""


def status(*, follow: Flag = False, json: Flag = False, where: Where = Where()) -> None:
    """Show what the server does now: works and how far they are, events, what is degraded, breakers.

    Parameters
    ----------
    follow
        Go on showing what changes, until Ctrl-C.
    json
        The answer as JSON; with --follow, one JSON object for each event.
    """
    if follow:
        with contextlib.suppress(KeyboardInterrupt), stop_on_signals():
            _show_for_ever(where, as_data=bool(json))
        return
    client = open_server(where)
    try:
        answer = client.request("GET", PATH).json()
    finally:
        client.close()
    if json:
        print_json(answer)
    else:
        print(*status_lines(answer), sep="\n")


def _show_for_ever(where: Where, *, as_data: bool) -> None:
    lines = Lines()
    for event in _events(where):
        data: Answer = msgspec.json.decode(event.data)
        if as_data:
            print(as_json({"event": event.name, "id": event.id, "data": data}), flush=True)
            continue
        for line in lines.of(event.name, data):
            print(line, flush=True)


def _events(where: Where) -> Generator[Event, None, None]:
    """Events as they come, for ever: the connection is made again when it breaks, and goes on where it was."""
    client, seen, wait_s, heard_s = open_server(where), "", RETRY_FIRST_S, time.monotonic()
    try:
        while True:
            headers = {"Accept": "text/event-stream", **({"Last-Event-ID": seen} if seen else {})}
            try:
                with client.stream("GET", PATH, headers=headers) as pieces:
                    for event in decode_events(pieces):
                        seen, wait_s, heard_s = event.id or seen, RETRY_FIRST_S, time.monotonic()
                        if event.data:
                            yield event
            except (RemoteError, OverloadedError) as error:
                if not may_pass(error, time.monotonic() - heard_s):
                    raise
                say(f"{error}; trying again")
            time.sleep(wait_s)
            wait_s = min(wait_s * 2, RETRY_MAX_S)
            with contextlib.suppress(RemoteError, OverloadedError):
                fresh = open_server(where)  # a server that was started again has another token here
                client.close()
                client = fresh
    finally:
        client.close()


class Lines:
    """What to print of each event: of parts, only what changed."""

    def __init__(self) -> None:
        self._parts: set[str] = set()
        self._shown_s: dict[int, float] = {}

    def of(self, name: str, data: Answer) -> Iterator[str]:
        """The lines of one event."""
        if name == "snapshot":
            self._parts = self._of_parts(data)
            yield from status_lines(data)
        elif name == "work":
            yield from self._of_work(data)
        elif name == "event":
            yield event_line(data)
        elif name == "parts":
            parts = self._of_parts(data)
            yield from sorted(parts - self._parts)
            self._parts = parts

    def _of_work(self, work: Answer) -> Iterator[str]:
        now_s, number = time.monotonic(), work["id"]
        if work["state"] != "running":
            self._shown_s.pop(number, None)
        elif now_s - self._shown_s.get(number, -PROGRESS_S) < PROGRESS_S:
            return
        else:
            self._shown_s[number] = now_s
        yield work_line(work)

    def _of_parts(self, data: Answer) -> set[str]:
        parts = {f"The server is {data['state']}."}
        parts |= {breaker_line(one) for one in data["breakers"]}
        return parts | {degraded_line(one) for one in data["degraded"]}
