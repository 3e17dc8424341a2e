"""Server-sent events (WHATWG HTML, 9.2): events as text, one after the other, on a connection that stays open."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tamis.errors import WireError

EVENT_BYTES_MAX = 64 << 20
"""An event that is larger is nobody's."""


@dataclass(frozen=True, slots=True)
class Event:
    """An event as it came. `id` is where to go on after it; one without `data` says only that."""

    data: str = ""
    name: str = "message"
    id: str = ""


def encode_event(data: bytes, *, name: str = "", id: str = "") -> bytes:
    """An event of one line of data, JSON say."""
    head = (f"event: {name}\n" if name else "") + (f"id: {id}\n" if id else "")
    return b"%bdata: %b\n\n" % (head.encode(), data)


def decode_events(pieces: Iterable[bytes]) -> Iterator[Event]:
    """Events of a body that comes in pieces, wherever it was cut. One that is not whole at the end is left out.

    WireError for one that is larger than EVENT_BYTES_MAX.
    """
    fields: list[tuple[str, str]] = []
    for line in _lines(pieces):
        if line:
            name, _, value = line.partition(":")
            fields.append((name, value.removeprefix(" ")))
        elif fields:
            yield from _event(fields)
            fields = []


def _event(fields: list[tuple[str, str]]) -> Iterator[Event]:
    data = [value for name, value in fields if name == "data"]
    last = {name: value for name, value in fields if name in ("event", "id")}
    if data or "id" in last:
        yield Event("\n".join(data), last.get("event") or "message", last.get("id", ""))


def _lines(pieces: Iterable[bytes]) -> Iterator[str]:
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        if len(rest) > EVENT_BYTES_MAX:
            raise WireError(f"an event is larger than {EVENT_BYTES_MAX:,} bytes")
        for line in lines:
            yield line.removesuffix(b"\r").decode("utf-8", "replace")
