"""What a read looks at: parts (hot tables and sealed segments) as they stood at one moment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from tamis.query.ast import Filter


class PartFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a part without opening it. Times are UTC ns, both ends included."""

    records: int
    min_ts: int
    max_ts: int
    min_seq: int
    max_seq: int
    min_received: int
    max_received: int
    columns: dict[str, int]
    """Every column that has a value, with the number of records that have one."""
    single_token: frozenset[str] = frozenset()
    """Text columns whose every value is one folded ASCII token (hexadecimal ids, say): equality will do."""
    alphabets: dict[str, str | None] = {}
    """For each text column: its characters beyond ASCII; None when there are too many to tell."""
    values: dict[str, list[str]] = {}
    """All values of the dictionary columns that have few."""
    shapes: int = 0


@dataclass(frozen=True, slots=True)
class RowGroup:
    """A run of a part's rows, in order of (timestamp, seq): [first_row, first_row + rows)."""

    index: int
    first_row: int
    rows: int
    min_ts: int
    max_ts: int


class Part(Protocol):
    """Immutable rows in order of (timestamp, seq), with a tally. Thread-safe."""

    @property
    def name(self) -> str:
        """Unique for the life of the store."""
        ...

    @property
    def facts(self) -> PartFacts:
        """What is known without reading."""
        ...

    @property
    def path(self) -> str | None:
        """The Parquet file, or None when the rows are in memory."""
        ...

    def row_groups(self) -> Sequence[RowGroup]:
        """The runs that can be read one by one."""
        ...

    def read(self, groups: Sequence[int], columns: Sequence[str] | None = None) -> Any:
        """The rows of these row groups, ascending, as a pyarrow.Table with those of `columns` that exist."""
        ...

    def tally(self) -> Any:
        """The part's `tally.Tally`."""
        ...


@dataclass(frozen=True, slots=True)
class Tombstone:
    """A deletion that is not yet erased everywhere: records up to `upto_seq` that match are not there."""

    id: str
    filter: Filter
    start_ns: int | None
    end_ns: int | None
    upto_seq: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The store at one moment. Parts stay readable while it is held.

    `tombstones` maps the name of a part to the deletions that hide records in it; parts without any are absent.
    """

    parts: tuple[Part, ...]
    last_seq: int
    tombstones: Mapping[str, tuple[Tombstone, ...]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
