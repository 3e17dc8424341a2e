"""What tests of the contract of stores do with a store, in short words."""

from dataclasses import dataclass
from typing import Any

from tamis.query import ast
from tamis.query.parser import parse
from tamis.query.resolve import resolve
from tamis.record.model import Columns, Record
from tamis.store.base import Budget, Question, Store
from tests.contracts.members import Member, StillClock

S = 1_000_000_000
T0 = StillClock().wall_ns


@dataclass
class Bench:
    """A store of one member on a clock that stands still, and short words for what tests do with it."""

    member: Member
    store: Store
    clock: StillClock

    def put(self, *records: Record, batch_id: str | None = None) -> int:
        """One batch; the sequence of its first record."""
        return self.store.append(Columns.of(records), batch_id=batch_id).first_seq

    def settle(self) -> None:
        """Let the store move records to where they finally are."""
        self.member.settle(self.store)

    def question(self, text: str = "", **given: Any) -> Question:
        """A question by its text."""
        return Question(resolve(parse(text), self.clock.now_ns()).filter, **given)

    def stats(self, text: str, **given: Any) -> list[tuple[Any, ...]]:
        """The rows of a query with `stats`."""
        query = parse(text)
        first = query.stages[0]
        assert isinstance(first, ast.Stats)
        question = Question(resolve(query, self.clock.now_ns()).filter, **given)
        return list(self.store.stats(question, Budget(), stats=first).rows)

    def messages(self, text: str = "", *, order: Any = "asc", **given: Any) -> list[str]:
        """The messages that a query finds."""
        page = self.store.search(self.question(text, **given), Budget(), limit=1_000, order=order)
        return [stored.record.message for stored in page.records]

    def count(self, text: str = "", **given: Any) -> int:
        """How many a query finds."""
        return self.store.count(self.question(text, **given), Budget()).count


def at(seconds: float, message: str = "", **fields: Any) -> Record:
    """A record so many seconds after T0."""
    return Record(timestamp=T0 + int(seconds * S), message=message, **fields)


def with_values(*values: Any, name: str = "x") -> list[Record]:
    """Records a second apart that have these values (None: absent), named by their place."""
    return [
        at(place, f"m{place}", attributes={} if value is None else {name: value})
        for place, value in enumerate(values)
    ]
