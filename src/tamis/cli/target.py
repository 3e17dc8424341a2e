"""What a command talks to: a server, or a data folder without one. Both answer in the words of the HTTP interface."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import msgspec

from tamis.record.model import Columns

Answer = dict[str, Any]
"""An answer of the HTTP interface, decoded."""
Order = Literal["desc", "asc"]


@dataclass(frozen=True, slots=True)
class Ask:
    """A question as the user put it: query text, and ends of time as text or None."""

    q: str = ""
    start: str | None = None
    end: str | None = None


class Refused(msgspec.Struct, frozen=True):
    """A record that the target did not take: its place among those sent (1-based), and why."""

    line: int
    reason: str


class Receipt(msgspec.Struct, frozen=True):
    """What became of a batch: `received` = `stored` + `rejected_count`; the first rejections are listed."""

    received: int
    stored: int
    rejected: list[Refused] = []
    rejected_count: int = 0
    duplicate: bool = False


class Target(Protocol):
    """Somewhere records are kept. Thread-safe; raises TamisError."""

    @property
    def name(self) -> str:
        """What to call it to the user."""
        ...

    def store_id(self) -> str | None:
        """What its store is called for ever; None when this caller may not know."""
        ...

    def search(self, ask: Ask, *, limit: int, order: Order = "desc", cursor: str | None = None) -> Answer:
        """A page of records."""
        ...

    def count(self, ask: Ask) -> Answer:
        """How many."""
        ...

    def histogram(self, ask: Ask, *, by: str = "level") -> Answer:
        """Counts over time."""
        ...

    def stats(self, ask: Ask) -> Answer:
        """The table that a query with ``| stats`` gives."""
        ...

    def patterns(self, ask: Ask, *, limit: int | None = None) -> Answer:
        """What sentences there are."""
        ...

    def delete(self, ask: Ask) -> Answer:
        """Hide what is found, for good."""
        ...

    def export(self, ask: Ask, file_format: str) -> AbstractContextManager[Iterator[bytes]]:
        """Everything that is found, as the bytes of a file."""
        ...

    def tail(self, text: str, after: str) -> AbstractContextManager[Iterator[bytes]]:
        """Server-sent events: what came after a record's id or an `as_of`, then what comes."""
        ...

    def append(self, batch: Columns, key: str) -> Receipt:
        """Store a batch, once however often it is sent under its key; returns when it is safe."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...
