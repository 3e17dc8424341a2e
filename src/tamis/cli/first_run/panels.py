"""What is shown of the records: counts over time, the top patterns, one search."""

from collections import Counter
from typing import Any

from tamis.cli.first_run.picture import histogram_text
from tamis.cli.show.patterns import patterns_table
from tamis.cli.show.records import line_of
from tamis.cli.target import Ask, Target
from tamis.cli.terminal import out, visible
from tamis.query.printer import quote

PATTERNS_SHOWN = 8
SERVICES_SHOWN = 4
SHARE_MIN = 0.02
"""The largest services share the list of patterns evenly, so that none fills it; those with less than this share of
the records have no place in it."""
RECORDS_SHOWN = 5
FRAME_WIDTH = 4
SEARCHES = (
    "level>=error",
    "level>=warning",
    "message:/(?i)(^| )(error|fatal|failed|failure)/",
    "warning",
    "started OR stopped",
    "installed OR upgrade OR remove",
    "*",
)
"""The first that finds something is shown."""


def show_panels(target: Target) -> None:
    """Everything that there is, in frames."""
    count = target.count(Ask())["count"]
    by_level, by_service = target.histogram(Ask(), by="level"), target.histogram(Ask(), by="service")
    inner = out().width - FRAME_WIDTH
    told = f"{count:,} records"
    if has_levels(by_level):
        _panel(histogram_text(by_level, inner, by_level=True), f"{told} by level")
        told = ""
    else:
        told = f"{told}, none with a level,"
    _panel(histogram_text(by_service, inner, by_level=False), f"{told} by service".strip())
    services = largest(by_service)
    title = f"top patterns of {', '.join(map(visible, services))}" if services else "top patterns"
    _panel(patterns_table(_patterns(target, services), count, one_line=True), title)
    _show_search(target)


def has_levels(by_level: dict[str, Any]) -> bool:
    """Whether any record of a histogram by level has one."""
    return any(name for bucket in by_level["buckets"] for name in bucket["counts"])


def largest(by_service: dict[str, Any]) -> list[str]:
    """The services with the most records of a histogram by service; those without a name do not count."""
    totals: Counter[str] = Counter()
    for bucket in by_service["buckets"]:
        totals.update(bucket["counts"])
    totals.pop("", None)
    least = SHARE_MIN * totals.total()
    return [name for name, count in totals.most_common(SERVICES_SHOWN) if count >= least]


def _patterns(target: Target, services: list[str]) -> list[dict[str, Any]]:
    """The most frequent patterns of each service, most frequent first; of everything when no service has a name."""
    each = PATTERNS_SHOWN // max(1, len(services))
    asked = [Ask(f"service:={quote(name)}") for name in services] or [Ask()]
    found = [one for ask in asked for one in target.patterns(ask, limit=each)["patterns"]]
    return sorted(found, key=lambda one: -one["count"])


def _show_search(target: Target) -> None:
    from rich.text import Text

    query = next((one for one in SEARCHES if target.count(Ask(one))["count"]), SEARCHES[-1])
    answer = target.search(Ask(query), limit=RECORDS_SHOWN)
    lines = [line_of({**record, "attributes": {}}).splitlines()[0] for record in answer["records"]]
    text = Text("\n".join(map(visible, lines)), overflow="ellipsis", no_wrap=True)
    _panel(text, f"tamis search '{query}'  ({answer['took_ms']:.1f} ms)")


def _panel(inside: Any, title: str) -> None:
    from rich.panel import Panel
    from rich.text import Text

    out().print(Panel(inside, title=Text(title), title_align="left"))
