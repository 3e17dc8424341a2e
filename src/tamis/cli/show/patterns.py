"""Patterns as a table: how often, which levels, what sentence."""

from typing import Any

from tamis.cli.show.bars import bar
from tamis.cli.show.records import cell
from tamis.cli.show.tables import BAR_FROM_WIDTH, level_text, plain_table
from tamis.cli.terminal import out

BAR_WIDTH = 10
BESIDE_WIDE, BESIDE_NARROW = 48, 18
"""Columns that what stands beside a sentence takes, with frame."""
SENTENCE_WIDTH_MIN = 20


def print_patterns(answer: dict[str, Any]) -> None:
    """The patterns of an answer, most frequent first, and what a limit left out."""
    patterns = answer["patterns"]
    unmatched = answer.get("unmatched", 0)
    if not out().is_terminal:
        for one in patterns:
            print(f"{one['count']}\t{one['id']}\t{cell(one['template'])}")
        if unmatched:
            print(f"{unmatched}\t\t(further patterns)")
        return
    total = sum(one["count"] for one in patterns) + unmatched
    out().print(patterns_table(patterns, total))
    if unmatched:
        out().print(f"{unmatched:,} records have further patterns; --limit shows more", style="dim")


def patterns_table(patterns: list[dict[str, Any]], total: int, *, one_line: bool = False) -> Any:
    """The table; `total` is what the shares are of. `one_line`: a long sentence is cut."""
    from rich.text import Text

    wide = out().width >= BAR_FROM_WIDTH
    table = plain_table()
    most = max((one["count"] for one in patterns), default=0)
    table.add_column("count", justify="right", no_wrap=True, min_width=len(f"{most:,}"))
    if wide:
        table.add_column("share", justify="right", no_wrap=True)
        table.add_column("", no_wrap=True, width=BAR_WIDTH, style="cyan")
        table.add_column("levels")
    if one_line:  # a long sentence would push the other columns out of sight
        room = out().width - (BESIDE_WIDE if wide else BESIDE_NARROW)
        table.add_column(
            "pattern", overflow="ellipsis", no_wrap=True, max_width=max(room, SENTENCE_WIDTH_MIN)
        )
    else:
        table.add_column("pattern", overflow="fold")
    for one in patterns:
        beside = []
        if wide:
            share = f"{100 * one['count'] / total:.1f} %"
            beside = [share, bar(one["count"], most, BAR_WIDTH), level_text(one.get("levels", {}))]
        table.add_row(f"{one['count']:,}", *beside, template_text(one["template"], Text))
    return table


def template_text(template: str, text_class: Any) -> Any:
    """A pattern's sentence with its gaps dimmed, on one line."""
    text = text_class(cell(template)[:300])
    text.highlight_regex(r"<\*>", "magenta")
    return text
