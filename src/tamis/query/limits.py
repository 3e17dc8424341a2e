"""How large a query may be."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """How large a query may be; docs/reference/query-language.md has the same table."""

    chars_max: int = 32_768
    depth_max: int = 50
    nodes_max: int = 2_000
    regexes_max: int = 20
    limit_max: int = 1_000_000
    aggregates_max: int = 40
    columns_max: int = 100
