"""Bars and sparklines of block characters, plain ASCII where the terminal has no others."""

import sys
from collections.abc import Sequence

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_LEVELS = " ▁▂▃▄▅▆▇█"
_ASCII_LEVELS = " .:-=+*#@"


def unicode_shown() -> bool:
    """Whether standard output can carry block characters."""
    return "utf" in (getattr(sys.stdout, "encoding", None) or "").lower()


def bar(value: float, most: float, width: int) -> str:
    """A bar of up to `width` characters; anything above 0 shows."""
    if value <= 0 or most <= 0:
        return ""
    eighths = max(1, round(min(value / most, 1.0) * width * 8))
    if not unicode_shown():
        return "#" * max(1, eighths // 8)
    whole, part = divmod(eighths, 8)
    return "█" * whole + (_EIGHTHS[part] if part else "")


def spark(values: Sequence[float]) -> str:
    """One character a value, as high as the value is; anything above 0 shows."""
    steps = _LEVELS if unicode_shown() else _ASCII_LEVELS
    most = max(values, default=0)
    return "".join(steps[_step(value, most)] for value in values)


def _step(value: float, most: float) -> int:
    return 0 if value <= 0 else max(1, round(value / most * 8))
