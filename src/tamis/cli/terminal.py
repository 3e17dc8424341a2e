"""The two streams of a command: data on standard output, everything said to the user on standard error."""

import json
import os
import sys
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from rich.console import Console

LEVEL_STYLES = {
    "TRACE": "dim",
    "DEBUG": "dim",
    "INFO": "green",
    "NOTICE": "cyan",
    "WARNING": "yellow",
    "ERROR": "red",
    "CRITICAL": "bold red",
    "ALERT": "bold red",
    "EMERGENCY": "bold white on red",
}
_CONTROLS = {
    code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0)) if code not in (0x09, 0x0A)
}


@cache
def out() -> "Console":
    """Standard output, in colour where a terminal shows it."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=False, emoji=False, markup=False)


@cache
def err() -> "Console":
    """Standard error, in colour where a terminal shows it."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, emoji=False, markup=False)


def coloured() -> bool:
    """Whether standard output shows colours."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def say(text: str) -> None:
    """One line to the user, beside the data."""
    print(visible(text), file=sys.stderr, flush=True)


def warn(warnings: Iterable[str]) -> None:
    """What the reader of an answer should know."""
    for warning in warnings:
        say(f"tamis: warning: {warning}")


def visible(text: str) -> str:
    """Text without control characters (a log line must not drive the terminal); tabs and newlines stay."""
    return text if text.isprintable() else text.translate(_CONTROLS)


def as_json(value: Any) -> str:
    """A value as one line of JSON."""
    try:
        return msgspec.json.encode(value).decode()
    except (OverflowError, ValueError, TypeError):  # integers beyond 64 bits
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def print_json(value: Any) -> None:
    """A value as one line of JSON on standard output."""
    print(as_json(value))
