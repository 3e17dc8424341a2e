"""What a server does now, as lines: works, events, what is degraded, breakers."""

from collections.abc import Iterator
from typing import Any

from tamis.cli.show.bars import bar
from tamis.cli.terminal import visible

BAR_WIDTH = 20
_STEPS = ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))
_SPANS = ((86_400, "d"), (3_600, "h"), (60, "min"))


def status_lines(answer: dict[str, Any]) -> Iterator[str]:
    """All of an answer, for people."""
    yield visible(f"The server is {answer['state']}.")
    sections = (
        ("Degraded", [degraded_line(one) for one in answer["degraded"]]),
        ("Breakers", [breaker_line(one) for one in answer["breakers"]]),
        ("Works", [work_line(one) for one in answer["works"]]),
        ("Events", [event_line(one) for one in answer["events"]]),
    )
    for title, lines in sections:
        if lines:
            yield from ("", title, *(f"  {line}" for line in lines))
    if not answer["works"]:
        yield from ("", "Nothing runs beside questions and intake.")


def work_line(work: dict[str, Any]) -> str:
    """One work: name, how far, how fast, how long still, what it is at."""
    unit, total, done = work["unit"], work["total"], work["done"]
    parts = [f"{work['state']:7}", work["name"]]
    if total:
        parts += [bar(done, total, BAR_WIDTH), f"{100 * done / total:.0f} %"]
    if total:
        parts.append(f"{amount(done, unit)} of {amount(total, unit)}")
    elif done:
        parts.append(amount(done, unit))
    if work["rate"]:
        parts.append(f"{amount(work['rate'], unit)}/s")
    if work["left_s"] is not None and work["state"] == "running":
        parts.append(f"{span(work['left_s'])} left")
    elif work["state"] != "running":
        parts.append(f"in {span(work['elapsed_s'])}")
    return visible("  ".join([*filter(None, parts), *([work["note"]] if work["note"] else [])]))


def event_line(event: dict[str, Any]) -> str:
    """One event."""
    return visible(f"{event['at'][:19]}  {event['severity']:7}  {event['kind']}: {event['text']}")


def degraded_line(one: dict[str, Any]) -> str:
    """A part that is not whole."""
    return visible(f"{one['name']}: {one['text']} (since {one['since'][:19]})")


def breaker_line(one: dict[str, Any]) -> str:
    """A breaker; more of one that is not closed."""
    line = f"{one['name']}: {one['state'].replace('_', ' ')}"
    if one["state"] == "closed":
        return visible(line)
    after = one["retry_after_s"]
    when = "until it is reset" if after is None else f"tried again in {span(after)}"
    last = f", last error {one['last_failure']}" if one["last_failure"] else ""
    return visible(f"{line}, {when}{last}")


def amount(value: float, unit: str) -> str:
    """So many of a unit, short."""
    if unit == "bytes":
        for size, name in _STEPS:
            if value >= size:
                return f"{value / size:.1f} {name}"
    number = f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"
    return f"{number} {unit}".rstrip()


def span(seconds: float) -> str:
    """A duration, short."""
    for size, name in _SPANS:
        if seconds >= size:
            return f"{seconds / size:.1f} {name}"
    return f"{seconds:.1f} s"
