"""A batch on its way to a sink: what it holds, and where each record stands in the spool."""

from collections.abc import Sequence
from dataclasses import dataclass

from tamis.pipeline.base import Batch
from tamis.record.model import Record

NOWHERE = -1
"""The ordinal of a record that stands in no spool."""


@dataclass(frozen=True, slots=True)
class Load:
    """Records that are sent together; `ordinals` has the place of each in its spool, or NOWHERE."""

    id: str
    records: tuple[Record, ...]
    ordinals: Sequence[int]
    lines: tuple[bytes, ...] | None = None

    @property
    def batch(self) -> Batch:
        """As the sink gets it."""
        return Batch(self.id, self.records, self.lines)

    @property
    def spooled(self) -> int:
        """How many of the records stand in the spool."""
        return len(self.ordinals) - list(self.ordinals).count(NOWHERE)

    def part(self, places: Sequence[int], prefix: str | None = None) -> "Load":
        """Some of it; under an id of its own when it is to be sent, which takes a prefix."""
        records = tuple([self.records[place] for place in places])
        name = self.id if prefix is None else batch_id(prefix, records)
        return Load(name, records, [self.ordinals[place] for place in places])

    def places_of(self, records: Sequence[Record]) -> list[int]:
        """Where in the batch these records stand, each place once; a sink gives back the ones it was given, or
        equal ones.
        """
        places = {id(record): place for place, record in enumerate(self.records)}
        found: dict[int, None] = {}
        for record in records:
            place = places.get(id(record))
            if place is None or place in found:
                place = next(
                    (n for n, own in enumerate(self.records) if n not in found and own == record), None
                )
            if place is not None:
                found[place] = None
        return list(found)


def load_of(
    prefix: str, records: Sequence[Record], ordinals: Sequence[int], lines: Sequence[bytes] | None = None
) -> Load:
    """Records that are to be sent for the first time; with their lines, where these are known."""
    name = batch_id(prefix, records)
    return Load(name, tuple(records), ordinals, None if lines is None else tuple(lines))


def batch_id(prefix: str, records: Sequence[Record]) -> str:
    """The id of a batch: of those with one first record, each has another count, because a batch is only ever
    made smaller. `prefix` is one for each delivery.
    """
    first = records[0].attributes.get("sequence", 0) if records else 0
    return f"{prefix}-{first}-{len(records)}"
