"""How large a query may be."""

from dataclasses import dataclass

from tamis.errors import QueryError


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """How large a query may be; docs/reference/query-language.md has the same table."""

    chars_max: int = 32_768
    depth_max: int = 50
    nodes_max: int = 2_000
    regexes_max: int = 20
    name_parts_max: int = 12
    limit_max: int = 1_000_000
    aggregates_max: int = 40
    columns_max: int = 100

    def check_name(self, name: str, column: int) -> None:
        """Raise QueryError when a field's name has too many parts: each dot may also stand in a name, so that the
        ways to read it double with each."""
        if name.count(".") >= self.name_parts_max:
            raise QueryError(f"a name of more than name_parts_max = {self.name_parts_max} parts", column)
