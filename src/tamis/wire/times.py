"""Instants: whatever text or number a log has for one, to UTC nanoseconds."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any, TypeVar

from tamis.record.model import INSTANT_MAX, INSTANT_MIN

K = TypeVar("K")
V = TypeVar("V")

NS = 1_000_000_000
INT64_MIN, INT64_MAX = -(1 << 63), (1 << 63) - 1
EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
CACHE_MAX = 65_536
TEXT_CHARS_MAX = 80
"""A longer text is no time."""
FUTURE_SLACK_NS = 86_400 * NS
"""A time without a year may be this far ahead before it is taken for last year's."""

S_MAX, MS_MAX, US_MAX = 10**11, 10**14, 10**17
"""Epoch numbers: below `S_MAX` seconds (to the year 5138), below `MS_MAX` milliseconds, and so on."""

_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name: at + 1 for at, name in enumerate(_MONTH_NAMES)}

_ZONES = {
    "z": 0, "utc": 0, "gmt": 0, "ut": 0, "est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6,
    "pst": -8, "pdt": -7, "wet": 0, "west": 1, "bst": 1, "cet": 1, "cest": 2, "eet": 2, "eest": 3, "msk": 3,
    "jst": 9,
}  # fmt: skip

_ZONE = rf"(?P<z>{'|'.join(sorted(_ZONES, key=len, reverse=True))}|[+-](?:[01]\d|2[0-3])(?::?[0-5]\d)?)"
_CLOCK = r"(?P<h>\d\d?):(?P<mi>\d\d)(?::(?P<s>\d\d)(?:[.,](?P<f>\d+))?)?"
_MONTH = r"(?P<mon>[a-z]{3})[a-z]*\.?"
_COMMENT = rf"(?:\s*{_ZONE})?(?:\s*\([a-z ]+\))?"
_DIGITS = r"(?P<h>\d\d)(?P<mi>\d\d)(?P<s>\d\d)(?:[.,](?P<f>\d+))?"

_FORMS = tuple(
    re.compile(form, re.IGNORECASE | re.ASCII)
    for form in (
        rf"(?P<y>\d{{4}})-(?P<mo>\d\d)-(?P<d>\d\d)(?:(?:t|[ _]+){_CLOCK}\s*{_ZONE}?)?",
        rf"{_MONTH}\s+(?P<d>\d\d?),?\s+(?:(?P<y>\d{{4}})\s+)?{_CLOCK}(?:\s*{_ZONE})?",
        rf"(?P<d>\d\d?)/{_MONTH}/(?P<y>\d{{4}})(?::|\s+){_CLOCK}\s*{_ZONE}?",
        rf"(?P<y>\d{{4}})[/.](?P<mo>\d\d)[/.](?P<d>\d\d)(?:(?:t|\s+|-){_CLOCK}\s*{_ZONE}?)?",
        rf"(?P<y>\d{{4}})(?P<mo>\d\d)(?P<d>\d\d)(?:[t _-]?{_DIGITS}\s*{_ZONE}?)?",
        rf"(?P<y>\d{{4}})(?P<mo>\d\d)(?P<d>\d\d)[t _-]{_CLOCK}\s*{_ZONE}?",
        rf"[iwef](?P<mo>\d\d)(?P<d>\d\d)\s+{_CLOCK}",
        rf"(?:[a-z]{{3,9}},?\s+)?(?P<d>\d\d?)[ -]{_MONTH}[ -](?P<y>\d{{4}})\s+{_CLOCK}{_COMMENT}",
        rf"[a-z]{{3}}\s+{_MONTH}\s+(?P<d>\d\d?)\s+{_CLOCK}(?:\s+{_ZONE})?\s+(?P<y>\d{{4}})",
        r"(?P<yy>\d\d)(?P<mo>\d\d)(?P<d>\d\d) (?P<h>\d\d)(?P<mi>\d\d)(?P<s>\d\d)",
        r"(?P<y>\d{4})-(?P<mo>\d\d)-(?P<d>\d\d)-(?P<h>\d\d)\.(?P<mi>\d\d)\.(?P<s>\d\d)(?:\.(?P<f>\d+))?",
        rf"(?P<mo>\d\d)-(?P<d>\d\d)\s+{_CLOCK}",
    )
)
_HEAD = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d):(\d\d):(\d\d)", re.ASCII)
_TAIL = re.compile(rf"(?:[.,](\d+))?\s*{_ZONE}?", re.IGNORECASE | re.ASCII)
_NUMBER = re.compile(r"([+-]?)(\d{1,25})(?:\.(\d*))?", re.ASCII)


class Times:
    """Reads times under one setting: `zone` for those without a zone, `now_ns` for those without a year.

    Remembers the seconds it has read (at most `CACHE_MAX`); thread-safe, because what it remembers depends
    on the text only.
    """

    def __init__(self, zone: tzinfo = UTC, now_ns: int = 0) -> None:
        self._zone = UTC if is_utc(zone) else zone
        self._now_ns = now_ns
        self._heads: dict[str, int | None] = {}
        self._tails: dict[str, tuple[int, int | None] | None] = {}

    def read(self, value: object) -> int | None:
        """UTC nanoseconds of a text or number; None when it is no time, or none of 1677 to 2262."""
        if isinstance(value, str):
            return self.read_text(value)
        if isinstance(value, bool):
            return None
        if isinstance(value, int):
            return from_number(value)
        return from_float(value) if isinstance(value, float) else None

    def read_text(self, text: str) -> int | None:
        """UTC nanoseconds of a text."""
        if len(text) > TEXT_CHARS_MAX:
            return None
        head = self._head(text[:19])
        tail = self._tail(text[19:]) if head is not None else None
        if head is None or tail is None:
            return self._slow(text.strip())
        fraction, offset_s = tail
        if offset_s is None:
            return _in_range(self._localised(head, fraction))
        return _in_range(head + fraction - offset_s * NS)

    def column(self, values: Sequence[Any]) -> list[int | None]:
        """A column of texts and numbers at once."""
        kinds = set(map(type, values))
        if kinds == {str}:
            return self._texts(values)
        if kinds == {int}:
            return _integers(values)
        read = self.read
        return [None if value is None else read(value) for value in values]

    def _texts(self, texts: Sequence[str]) -> list[int | None]:
        heads = [text[:19] for text in texts]
        head_ns = {head: self._head(head) for head in set(heads)}
        tails = None if None in head_ns.values() else self._tails_ns(texts)
        if tails is not None:
            sums: Any = zip(map(head_ns.get, heads), tails, strict=True)
            stamps: list[Any] = [a + b for a, b in sums]
            if all(map(_is_stamp, (min(stamps), max(stamps)))):
                return stamps
        known = {text: self.read_text(text) for text in set(texts)}
        return [known[text] for text in texts]

    def _tails_ns(self, texts: Sequence[str]) -> list[int] | None:
        """What stands after the seconds, as nanoseconds to add; None: not all can be read so.

        Usually all are alike, a fraction of so many digits and one zone: then they are read together.
        """
        shape = _TAIL.fullmatch(texts[0][19:])
        if shape is not None and shape[1] and len(shape[1]) <= 9 and (shape["z"] or self._zone is UTC):
            end = 20 + len(shape[1])
            fractions = [text[20:end] for text in texts]
            digits = "".join(fractions)
            alike = len({(text[19], text[end:]) for text in texts if len(text) > end - 1}) == 1
            if (
                alike
                and len(digits) == len(texts) * len(shape[1])
                and digits.isdecimal()
                and digits.isascii()
            ):
                scale, offset = 10 ** (9 - len(shape[1])), (_offset_s(shape["z"]) or 0) * NS
                return [int(fraction) * scale - offset for fraction in fractions]
        known = {tail: self._shift(tail) for tail in {text[19:] for text in texts}}
        return None if None in known.values() else [known[text[19:]] for text in texts]  # type: ignore[misc]  # no None

    def _shift(self, tail: str) -> int | None:
        found = self._tail(tail)
        if found is None or (found[1] is None and self._zone is not UTC):
            return None
        return found[0] - (found[1] or 0) * NS

    def _head(self, head: str) -> int | None:
        """``2026-11-21T10:00:00`` as if it were UTC."""
        known = self._heads.get(head, -1)
        if known != -1:
            return known
        match = _HEAD.fullmatch(head)
        value = (
            None
            if match is None
            else _seconds_ns(match[1], int(match[2]), int(match[3]), second=int(match[4]))
        )
        return _remember(self._heads, head, value)

    def _tail(self, tail: str) -> tuple[int, int | None] | None:
        """``.123Z`` as (nanoseconds, offset in seconds or None)."""
        if tail in self._tails:
            return self._tails[tail]
        match = _TAIL.fullmatch(tail)
        value = None if match is None else (_fraction_ns(match[1]), _offset_s(match["z"]))
        return _remember(self._tails, tail, value)

    def _slow(self, text: str) -> int | None:
        for form in _FORMS:
            match = form.fullmatch(text)
            if match is not None:
                value = self._of_parts(match.groupdict())
                if value is not None:
                    return value
        match = _NUMBER.fullmatch(text)
        return None if match is None else _from_digits(match[1], match[2], match[3] or "")

    def _of_parts(self, parts: dict[str, str | None]) -> int | None:
        month = _MONTHS.get((parts.get("mon") or "").lower()) or int(parts.get("mo") or 0)
        short = parts.get("yy")
        year = f"20{short}" if short else parts.get("y")
        if year is not None:
            return self._in_year(int(year), month, parts)
        now = datetime.fromtimestamp(self._now_ns // NS, UTC)
        for candidate in range(now.year + 1, max(now.year - 9, 1), -1):  # 29 February may be 8 years back
            value = self._in_year(candidate, month, parts)
            if value is not None and value <= self._now_ns + FUTURE_SLACK_NS:
                return value
        return None

    def _in_year(self, year: int, month: int, parts: dict[str, str | None]) -> int | None:
        clock = [int(parts.get(name) or 0) for name in ("h", "mi", "s")]
        day = f"{year:04}-{month:02}-{int(parts['d'] or 0):02}"
        naive = _seconds_ns(day, clock[0], clock[1], second=clock[2])
        if naive is None:
            return None
        fraction, offset_s = _fraction_ns(parts.get("f")), _offset_s(parts.get("z"))
        if offset_s is None:
            return _in_range(self._localised(naive, fraction))
        return _in_range(naive + fraction - offset_s * NS)

    def _localised(self, naive_ns: int, fraction: int) -> int:
        """A time without zone, read in the zone of the setting."""
        if self._zone is UTC:
            return naive_ns + fraction
        try:
            local = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=naive_ns // NS)
            offset = local.replace(tzinfo=self._zone).utcoffset()
        except (OverflowError, ValueError):
            offset = None
        return naive_ns + fraction - (0 if offset is None else round(offset.total_seconds())) * NS


def is_utc(zone: tzinfo) -> bool:
    """Whether a zone is UTC, under whatever name."""
    return str(zone) in ("UTC", "Etc/UTC", "GMT", "Etc/GMT", "Zulu")


def from_number(number: int) -> int | None:
    """An epoch number (s, ms, us or ns, by size) as nanoseconds; None outside 1677 to 2262."""
    return _in_range(number * epoch_unit(abs(number)))


def from_float(number: float) -> int | None:
    """An epoch number with a fraction, by the digits it prints."""
    match = _NUMBER.fullmatch(repr(number))
    if match is not None:
        return _from_digits(match[1], match[2], match[3] or "")
    return from_number(int(number)) if abs(number) < INT64_MAX else None


def print_time(ns: int) -> str:
    """RFC 3339 in UTC with as many digits as needed (0, 3, 6 or 9)."""
    seconds, fraction = divmod(ns, NS)
    return _print_second(seconds) + _print_fraction(fraction) + "Z"


def time_printer() -> Callable[[int], str]:
    """`print_time` for many instants: remembers the seconds it has printed."""
    known: dict[int, str] = {}

    def printed(ns: int) -> str:
        seconds, fraction = divmod(ns, NS)
        text = known.get(seconds)
        if text is None:
            text = _remember(known, seconds, _print_second(seconds))
        return text + _print_fraction(fraction) + "Z"

    return printed


def _print_second(seconds: int) -> str:
    return (datetime(1970, 1, 1) + timedelta(seconds=seconds)).isoformat()


def _print_fraction(fraction: int) -> str:
    if fraction == 0:
        return ""
    if fraction % 1_000_000 == 0:
        return f".{fraction // 1_000_000:03}"
    return f".{fraction // 1_000:06}" if fraction % 1_000 == 0 else f".{fraction:09}"


def epoch_unit(size: int) -> int:
    """Nanoseconds in the unit of an epoch number of this size."""
    if size < S_MAX:
        return NS
    if size < MS_MAX:
        return 1_000_000
    return 1_000 if size < US_MAX else 1


def _integers(numbers: Sequence[int]) -> list[int | None]:
    low, high = min(numbers), max(numbers)
    unit = epoch_unit(abs(high))
    if (
        unit == epoch_unit(abs(low))
        and (low < 0) == (high < 0)
        and low * unit >= INSTANT_MIN
        and high * unit <= INSTANT_MAX
    ):
        return [number * unit for number in numbers]
    return [from_number(number) for number in numbers]


def _from_digits(sign: str, whole: str, fraction: str) -> int | None:
    number = int(whole)
    unit = epoch_unit(number)
    ns = number * unit + int((fraction + "000000000")[:9]) * unit // NS
    return _in_range(-ns if sign == "-" else ns)


def _is_stamp(ns: int | None) -> bool:
    return ns is not None and INSTANT_MIN <= ns <= INSTANT_MAX


def _in_range(ns: int) -> int | None:
    return ns if INSTANT_MIN <= ns <= INSTANT_MAX else None


def _fraction_ns(digits: str | None) -> int:
    return int((digits + "00000000")[:9]) if digits else 0


def _offset_s(zone: str | None) -> int | None:
    """Seconds east of UTC; None without a zone."""
    if not zone:
        return None
    hours = _ZONES.get(zone.lower())
    if hours is not None:
        return hours * 3600
    seconds = int(zone[1:3]) * 3600 + int(zone[3:].lstrip(":") or 0) * 60
    return -seconds if zone[0] == "-" else seconds


def _seconds_ns(day: str, hour: int, minute: int, *, second: int) -> int | None:
    """A day ``2026-11-21`` and a clock as nanoseconds. A leap second is the next minute's first."""
    if minute > 59 or second > 60 or hour > 24 or (hour == 24 and (minute or second)):
        return None
    try:
        days = date.fromisoformat(day).toordinal() - EPOCH_ORDINAL
    except ValueError:
        return None
    return (days * 86_400 + hour * 3_600 + minute * 60 + second) * NS


def _remember(cache: dict[K, V], key: K, value: V) -> V:
    if len(cache) >= CACHE_MAX:
        cache.clear()
    cache[key] = value
    return value
