"""Tables: aligned with bars on a terminal, parted by tabs in a pipe."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tamis.cli.show.bars import bar
from tamis.cli.show.records import cell
from tamis.cli.terminal import LEVEL_STYLES, out

if TYPE_CHECKING:
    from rich.table import Table

BAR_WIDTH = 20
BAR_FROM_WIDTH = 70
"""A narrower terminal gets no bars."""
ROWS_MAX = 10_000
"""More rows than this are not aligned: they are printed parted by tabs."""


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, bars: bool = True) -> None:
    """Rows of values under their names. `bars`: the last column of numbers gets a bar beside it."""
    if not out().is_terminal or len(rows) > ROWS_MAX:
        print("\t".join(cell(name) for name in columns))
        for row in rows:
            print("\t".join(cell(value) for value in row))
        return
    numeric = [all(_is_number(row[at]) or row[at] is None for row in rows) for at in range(len(columns))]
    drawn = _bar_column(rows, numeric) if bars and out().width >= BAR_FROM_WIDTH else None
    table = plain_table()
    for name, right in zip(columns, numeric, strict=True):
        table.add_column(name, justify="right" if right and rows else "left", overflow="fold")
    if drawn is not None:
        table.add_column("", no_wrap=True, style="cyan", width=BAR_WIDTH)
    most = max((row[drawn] or 0 for row in rows), default=0) if drawn is not None else 0
    for row in rows:
        cells = [_shown(value) for value in row]
        table.add_row(*cells, *([bar(row[drawn] or 0, most, BAR_WIDTH)] if drawn is not None else []))
    out().print(table)


def plain_table(**options: Any) -> "Table":
    """A table without frame: names above, a line under them."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    return Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold", **options)


def level_text(levels: dict[str, int], width: int = 3) -> Any:
    """The most frequent levels of a pattern, coloured."""
    from rich.text import Text

    text = Text()
    for name, _ in sorted(levels.items(), key=lambda one: -one[1])[:width]:
        text.append(" " if text else "")
        text.append(name or "-", style=LEVEL_STYLES.get(name, ""))
    return text


def _bar_column(rows: Sequence[Sequence[Any]], numeric: Sequence[bool]) -> int | None:
    """The column that a bar is drawn of: the first of numbers that is none of the groups before it."""
    if len(rows) < 2 or numeric[0]:
        return None
    return next((at for at, yes in enumerate(numeric) if yes), None)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.3f}".rstrip("0").rstrip(".")
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "-" if value is None else cell(value)
