"""Messages as sockets hand them on: whole, with who sent them and when they came."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain, repeat


@dataclass(frozen=True, slots=True)
class Arrival:
    """Messages that came from one peer together.

    `cut` has the places of messages that were too long, with how many of their bytes were left out.
    """

    peer: str
    received_ns: int
    messages: list[bytes]
    cut: dict[int, int] = field(default_factory=dict)


class Arrived:
    """Arrivals one after the other, as columns of the same length."""

    def __init__(self, arrivals: Sequence[Arrival]) -> None:
        self.messages: list[bytes] = []
        self.cut: dict[int, int] = {}
        for arrival in arrivals:
            first = len(self.messages)
            self.cut.update((first + at, count) for at, count in arrival.cut.items())
            self.messages.extend(arrival.messages)
        lengths = [len(arrival.messages) for arrival in arrivals]
        self.peers: list[str] = list(
            chain.from_iterable(map(repeat, (arrival.peer for arrival in arrivals), lengths))
        )
        self.received: list[int] = list(
            chain.from_iterable(map(repeat, (arrival.received_ns for arrival in arrivals), lengths))
        )


def cut_note(count: int) -> str:
    """What a record says whose message was too long."""
    return f"cut: {count:,} bytes over listener.message_bytes_max were left out"
