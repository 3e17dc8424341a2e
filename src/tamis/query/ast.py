"""What a query says, as a tree of frozen values. `parser` makes it from text, `printer` makes text of it."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Operator: TypeAlias = Literal[">", ">=", "<", "<="]


@dataclass(frozen=True, slots=True)
class All:
    """Every record: the empty query, or ``*``."""


@dataclass(frozen=True, slots=True)
class And:
    """All of `items` hold; two or more, none of them an And."""

    items: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """One of `items` holds; two or more, none of them an Or."""

    items: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """`item` does not hold."""

    item: "Filter"


@dataclass(frozen=True, slots=True)
class Phrase:
    """``field:word`` or ``field:"some words"``: the tokens of `text` next to each other, in any case."""

    field: str
    text: str


@dataclass(frozen=True, slots=True)
class Prefix:
    """``field:time*``: as Phrase, but the last token only begins with the last token of `text`."""

    field: str
    text: str


@dataclass(frozen=True, slots=True)
class Substring:
    """``field:~"tion ref"``: `text` anywhere; case does not matter."""

    field: str
    text: str


@dataclass(frozen=True, slots=True)
class Exact:
    """``field:=Shop``: the whole value, with case."""

    field: str
    text: str


@dataclass(frozen=True, slots=True)
class Regex:
    """``field:/blk_-?\\d+/``: an RE2 expression found somewhere in the value; case matters."""

    field: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Compare:
    """``field>=value``: by number; `level` by severity, `timestamp` by instant; else by code points."""

    field: str
    operator: Operator
    value: str


@dataclass(frozen=True, slots=True)
class Range:
    """``field:[500 TO 599]`` (ends included) or ``{500 TO 599}`` (excluded); None is an open end (``*``)."""

    field: str
    low: str | None
    high: str | None
    low_included: bool = True
    high_included: bool = True


@dataclass(frozen=True, slots=True)
class Exists:
    """``field:*``: the record has the field."""

    field: str


@dataclass(frozen=True, slots=True)
class Time:
    """``_time:-15m`` (from then on), or ``_time:[-2h TO -1h]``: when it happened, as written.

    Ends are texts as in the HTTP interface: RFC 3339, epoch, relative. `resolve.resolve` turns them into
    `TimeRange`; stores and `match` see only that.
    """

    low: str | None
    high: str | None


@dataclass(frozen=True, slots=True)
class TimeRange:
    """`start_ns` <= timestamp < `end_ns`, UTC nanoseconds; None is open."""

    start_ns: int | None
    end_ns: int | None


@dataclass(frozen=True, slots=True)
class Pattern:
    """``pattern:p_3f9a``: the records of one pattern. Rewritten to `Shapes` before a store sees it."""

    id: str


@dataclass(frozen=True, slots=True)
class Shapes:
    """The record's message has one of these shapes (`record.shape.shape_id`). Has no text of its own:
    it is printed as the patterns it stands for."""

    ids: frozenset[int]


Leaf: TypeAlias = (
    All
    | Phrase
    | Prefix
    | Substring
    | Exact
    | Regex
    | Compare
    | Range
    | Exists
    | Time
    | TimeRange
    | Pattern
    | Shapes
)
Filter: TypeAlias = And | Or | Not | Leaf

AGGREGATES = ("count", "sum", "min", "max", "avg", "count_distinct", "first", "last", "rate")
"""Names of aggregates beside the percentiles p1 … p99 (also p99.9: any ``p`` with a number under 100)."""


@dataclass(frozen=True, slots=True)
class Aggregate:
    """``p95(duration_ms) as slow``: `function` is of AGGREGATES or ``p`` with a number; `field` is None for
    ``count()``."""

    function: str
    field: str | None
    name: str


@dataclass(frozen=True, slots=True)
class By:
    """A field to group by."""

    field: str


@dataclass(frozen=True, slots=True)
class Bin:
    """``bin(5m)``: group by the start of the interval of time, aligned to 1970-01-01T00:00:00Z."""

    interval_ns: int
    text: str


@dataclass(frozen=True, slots=True)
class Stats:
    """``| stats count(), p95(x) by service, bin(5m)``. Columns: groups, then aggregates."""

    aggregates: tuple[Aggregate, ...]
    by: tuple[By | Bin, ...] = ()


@dataclass(frozen=True, slots=True)
class SortKey:
    """A column of `stats`, or a field of records; missing values stand last in both directions."""

    name: str
    descending: bool


@dataclass(frozen=True, slots=True)
class Sort:
    """``| sort count desc, service``."""

    keys: tuple[SortKey, ...]


@dataclass(frozen=True, slots=True)
class Limit:
    """``| limit 10``."""

    count: int


@dataclass(frozen=True, slots=True)
class Fields:
    """``| fields timestamp, message``: only these, in this order."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Patterns:
    """``| patterns``: the patterns of what was found, with their counts."""


Stage: TypeAlias = Stats | Sort | Limit | Fields | Patterns


@dataclass(frozen=True, slots=True)
class Query:
    """A filter and what is done with what it finds."""

    filter: Filter
    stages: tuple[Stage, ...] = ()
