"""Counts over time as lines of blocks, one line for each level or service."""

from collections import Counter
from datetime import datetime
from typing import Any

from tamis.cli.show.bars import spark
from tamis.cli.terminal import LEVEL_STYLES
from tamis.record.severity import severity

NAME_WIDTH = 18
COUNT_WIDTH = 10
LINES_MAX = 6
NO_VALUE = "(no level)"


def histogram_text(answer: dict[str, Any], width: int, *, by_level: bool) -> Any:
    """The histogram of an answer in `width` columns: names, blocks, counts, and the times at both ends."""
    from rich.text import Text

    buckets = answer["buckets"]
    if not buckets:
        return Text("nothing yet", style="dim")
    cells = max(10, width - NAME_WIDTH - COUNT_WIDTH - 2)
    series = _series(buckets, float(answer["interval_s"]), cells)
    names = sorted(series, key=lambda name: (-severity(name), name) if by_level else -sum(series[name]))
    lines = []
    for name in names[:LINES_MAX]:
        style = LEVEL_STYLES.get(name, "cyan")
        total = sum(series[name])
        shown = _cut(name or (NO_VALUE if by_level else "(no service)"))
        lines.append(
            Text.assemble(
                (f"{shown:{NAME_WIDTH}} ", style), (spark(series[name]), style), f" {total:>{COUNT_WIDTH},}"
            )
        )
    count = len(next(iter(series.values())))
    first, last = buckets[0]["start"][:10], buckets[-1]["start"][:10]
    gap = max(1, count - len(first) - len(last))
    lines.append(Text(" " * (NAME_WIDTH + 1) + first + " " * gap + last, style="dim"))
    return Text("\n").join(lines)


def _cut(name: str) -> str:
    return name if len(name) <= NAME_WIDTH else name[: NAME_WIDTH - 1] + "…"


def _series(buckets: list[dict[str, Any]], interval_s: float, cells: int) -> dict[str, list[int]]:
    """For each value its counts in at most `cells` equal spans of time."""
    starts = [datetime.fromisoformat(one["start"]).timestamp() for one in buckets]
    intervals = round((starts[-1] - starts[0]) / interval_s) + 1
    count = min(cells, intervals)
    totals: Counter[tuple[str, int]] = Counter()
    for start, bucket in zip(starts, buckets, strict=True):
        at = round((start - starts[0]) / interval_s) * count // intervals
        for name, number in bucket["counts"].items():
            totals[name, at] += number
    names = {name for name, _ in totals}
    return {name: [totals[name, at] for at in range(count)] for name in names}
