"""Instants and durations as people write them, to nanoseconds and back."""

import re
from datetime import date, datetime, timedelta
from decimal import Decimal

from tamis.clock import NS_PER_S
from tamis.errors import QueryError

UNITS_NS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": NS_PER_S,
    "m": 60 * NS_PER_S,
    "h": 3_600 * NS_PER_S,
    "d": 86_400 * NS_PER_S,
    "w": 604_800 * NS_PER_S,
}

S_MAX, MS_MAX, US_MAX = 10**11, 10**14, 10**17
"""Epoch numbers: below `S_MAX` seconds (to the year 5138), below `MS_MAX` milliseconds, and so on."""

DURATION_MAX = 5 * 10**18
"""Nanoseconds: 158 years, and no sum of an instant and a duration leaves 64 bits by much."""
INT64_MIN, INT64_MAX = -(1 << 63), (1 << 63) - 1
TEXT_CHARS_MAX = 80
"""A longer text is no time."""

_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_STEP = r"(\d{1,18}(?:\.\d{1,18})?)(ns|us|µs|ms|s|m|h|d|w)"
_STEPS = re.compile(_STEP, re.ASCII)
_DURATION = re.compile(f"(?:{_STEP})+", re.ASCII)
_RELATIVE = re.compile(r"(?:now)?(?:([+-])(.+))?", re.DOTALL)
_EPOCH = re.compile(r"\d{1,25}(?:\.\d{0,25})?", re.ASCII)
_ISO = re.compile(
    r"(\d{4}-\d\d-\d\d)"
    r"(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,40}))?)?"
    r"\s?([Zz]|[-+ ]\d\d:?\d\d)?)?",  # a space for + is what form decoding makes of it
    re.ASCII,
)
_FORMS = "Write 2026-11-21T10:00:00Z, an epoch number, -15m or now."


def parse_duration(text: str) -> int:
    """Nanoseconds of ``5m``, ``1h30m``, ``250ms``. Raises QueryError."""
    if len(text) > TEXT_CHARS_MAX or not _DURATION.fullmatch(text):
        raise QueryError(f"{_shown(text)} is not a duration", 1, _duration_hint(text))
    duration = int(sum(Decimal(amount) * UNITS_NS[unit] for amount, unit in _STEPS.findall(text)))
    if duration > DURATION_MAX:
        raise QueryError(
            f"{_shown(text)} is longer than all of time that is kept", 1, "Times go from 1677 to 2262."
        )
    return duration


def _duration_hint(text: str) -> str:
    if re.fullmatch(r"\d+", text, re.ASCII) and len(text) < 10:
        return f"It has no unit: {text}s, {text}m or {text}h?"
    return "Write a number with one of ns, us, ms, s, m, h, d, w: 5m, 1h30m."


def parse_instant(text: str, now_ns: int | None) -> int:
    """UTC nanoseconds of RFC 3339 (without zone: UTC), a date, an epoch number (s, ms, us or ns by its size),
    ``now``, or relative ``-15m``, ``now-1h30m``.

    Raises QueryError that names what is wrong; also for relative ones when `now_ns` is None.
    """
    given = text.strip()
    if not given or len(given) > TEXT_CHARS_MAX:
        raise QueryError(f"{_shown(given)} is not a time", 1, _FORMS)
    relative = _RELATIVE.fullmatch(given)
    if relative is not None:
        return _bounded(_relative(relative, now_ns), given)
    if _EPOCH.fullmatch(given):
        return _bounded(_epoch(given), given)
    iso = _ISO.fullmatch(given)
    if iso is None:
        raise QueryError(f"{_shown(given)} is not a time", 1, _hint(given))
    return _bounded(_iso(iso, given), given)


def _hint(text: str) -> str:
    return f"Did you mean -{text} (so long ago)?" if _DURATION.fullmatch(text) else _FORMS


def _relative(found: re.Match[str], now_ns: int | None) -> int:
    if now_ns is None:
        raise QueryError(
            f"{_shown(found[0])} is relative to now, and there is no now here", 1, "Write a whole time."
        )
    if found[1] is None:
        return now_ns
    step = parse_duration(found[2])
    return now_ns + step if found[1] == "+" else now_ns - step


def _epoch(text: str) -> int:
    number = Decimal(text)
    if number < S_MAX:
        return int(number * NS_PER_S)
    if number < MS_MAX:
        return int(number * 1_000_000)
    return int(number * 1_000) if number < US_MAX else int(number)


def _iso(found: re.Match[str], text: str) -> int:
    try:
        days = date.fromisoformat(found[1]).toordinal() - _EPOCH_ORDINAL
    except ValueError:
        raise QueryError(f"{_shown(text)}: there is no such day", 1) from None
    hour, minute, second = int(found[2] or 0), int(found[3] or 0), int(found[4] or 0)
    if hour > 23 or minute > 59 or second > 60:
        raise QueryError(f"{_shown(text)}: there is no such time of day", 1)
    seconds = days * 86_400 + hour * 3_600 + minute * 60 + second - _offset_s(found[6])
    return seconds * NS_PER_S + int(((found[5] or "") + "000000000")[:9])


def _offset_s(zone: str | None) -> int:
    if zone is None or zone in "Zz":
        return 0
    seconds = int(zone[1:3]) * 3_600 + int(zone[-2:]) * 60
    return -seconds if zone[0] == "-" else seconds


def _bounded(ns: int, text: str) -> int:
    if not INT64_MIN <= ns <= INT64_MAX:
        raise QueryError(f"{_shown(text)} is outside of what can be stored", 1, "Times go from 1677 to 2262.")
    return ns


def _shown(text: str) -> str:
    return repr(text if len(text) <= TEXT_CHARS_MAX else text[:TEXT_CHARS_MAX] + "…")


def print_instant(ns: int) -> str:
    """RFC 3339 in UTC with as many digits as needed (0, 3, 6 or 9)."""
    seconds, fraction = divmod(ns, NS_PER_S)
    day = (datetime(1970, 1, 1) + timedelta(seconds=seconds)).isoformat()
    if fraction == 0:
        return f"{day}Z"
    digits = f"{fraction:09}"
    while digits.endswith("000"):
        digits = digits[:-3]
    return f"{day}.{digits}Z"
