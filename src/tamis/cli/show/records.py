"""Records as lines: time, level, service, message, then the attributes."""

from collections.abc import Iterable, Sequence
from typing import Any

from tamis.cli.terminal import as_json, visible

LEVEL_WIDTH = 8
VALUE_CHARS_MAX = 200
"""A longer attribute is cut in the line for people; ``--json`` has all of it."""
_RESET = "\x1b[0m"
_DIM = "\x1b[2m"
_SERVICE = "\x1b[36m"
_LEVELS = {
    "TRACE": "\x1b[2m",
    "DEBUG": "\x1b[2m",
    "INFO": "\x1b[32m",
    "NOTICE": "\x1b[36m",
    "WARNING": "\x1b[33m",
    "ERROR": "\x1b[31m",
    "CRITICAL": "\x1b[1;31m",
    "ALERT": "\x1b[1;31m",
    "EMERGENCY": "\x1b[1;37;41m",
}
_BESIDE = ("logger", "trace_id", "span_id", "correlation_id")
"""Core fields that stand among the attributes in a line for people."""

_LAST = ("thread", "code", "process", "process_id", "sequence")
"""What Tamis's own pipeline adds to each record: it stands behind what its author wrote."""


def line_of(record: dict[str, Any], *, colour: bool = False) -> str:
    """One record as a line (more when its message has more)."""
    level = record.get("level") or "-"
    parts = [
        _paint(_short_time(str(record.get("timestamp", ""))), _DIM, colour=colour),
        _paint(f"{visible(level):{LEVEL_WIDTH}}", _LEVELS.get(level, ""), colour=colour),
        _paint(visible(record.get("service") or "-"), _SERVICE, colour=colour),
        visible(str(record.get("message", ""))).replace("\n", "\n    "),
    ]
    line = " ".join(parts)
    extra = " ".join(f"{visible(name)}={_value(value)}" for name, value in _beside(record))
    return f"{line}  {_paint(extra, _DIM, colour=colour)}" if extra else line


def _beside(record: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    yield from ((name, record[name]) for name in _BESIDE if record.get(name) is not None)
    attributes = record.get("attributes") or {}
    yield from ((name, value) for name, value in attributes.items() if name not in _LAST)
    yield from ((name, attributes[name]) for name in _LAST if name in attributes)


def _paint(text: str, style: str, *, colour: bool) -> str:
    return f"{style}{text}{_RESET}" if colour and style and text else text


def _short_time(text: str) -> str:
    """RFC 3339 with exactly three digits after the second, so that lines align."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    return f"{whole}.{fraction[:3]:0<3}Z"


def _value(value: Any) -> str:
    """A value after its name: text is quoted where its end would not show."""
    whole = value if isinstance(value, str) else as_json(value)
    text = visible(whole if len(whole) <= VALUE_CHARS_MAX else whole[:VALUE_CHARS_MAX] + "…")
    plain = bool(text) and not any(char in text for char in ' "\n\t')
    return text if plain or not isinstance(value, str) else as_json(text)


def fields_line(record: dict[str, Any], names: Sequence[str]) -> str:
    """The named fields of a record, parted by tabs; what it lacks is empty."""
    return "\t".join(cell(record.get(name)) for name in names)


def cell(value: Any) -> str:
    """A value in a line parted by tabs: no tab and no newline in it."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else as_json(value)
    return visible(text.replace("\t", " ").replace("\r", " ").replace("\n", " "))
