"""A record for people: one aligned line, quiet where it is usual, loud where it is not."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from unicodedata import east_asian_width

from tamis.pipeline.source import source_line
from tamis.pipeline.stacktrace import CAUSE, notes_of, print_frame
from tamis.record.attributes import Value
from tamis.record.model import Record
from tamis.record.severity import severity

RESET, BOLD, DIM = "\x1b[0m", "\x1b[1m", "\x1b[2m"
_BOLD_FROM = 17
_COLOURS = ((21, "\x1b[1;97;41m"), (17, "\x1b[1;31m"), (13, "\x1b[33m"), (9, "\x1b[32m"), (1, "\x1b[36m"))
"""Colour by severity number, from it on."""
_RED = "\x1b[31m"

_UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Characters that steer a terminal, or turn the direction of what follows: never written as they are."""
_PLAIN = re.compile(r"[^\s\"'=,{}\[\]\x00-\x1f]+")
_HIDDEN = frozenset(("process_id", "process", "sequence", "code", "exception", "stack", "thread"))
_NS, _LEVEL_WIDTH = 1_000_000_000, 8
_LOGGER_WIDTH_MIN, _LOGGER_WIDTH_MAX = 12, 20
_MESSAGE_WIDTH_MIN = 28
_FRAMES_SHOWN = (5, 25)
"""Of a longer traceback so many of its first and last frames are shown."""
_DEPTH_MAX = 8
_EPOCH = datetime(1970, 1, 1)


class Console:
    """Prints records for a terminal, one reader at a time. The column of loggers grows to what it has seen.

    `zone` None is the machine's. What stands in a record never steers the terminal: control characters become
    escapes.
    """

    def __init__(self, *, colours: bool, zone: tzinfo | None = None) -> None:
        self._colours, self._zone = colours, zone
        self._logger_width = _LOGGER_WIDTH_MIN
        self._day = ""
        self._second: tuple[int, str, str] = (-1, "", "")

    def print_record(self, record: Record, width: int = 0) -> str:
        """The record with its newline; where a line is wider than `width`, its fields go to lines of their own."""
        day, clock = self._time(record.timestamp)
        text = self._line(record, clock, width) + self._exception(record)
        if day != self._day:
            self._day, was = day, self._day
            if was:
                text = self._paint(day, DIM) + "\n" + text
        return text

    def _time(self, stamp: int) -> tuple[str, str]:
        """The day, and the time of the day to a millisecond."""
        second, fraction = divmod(stamp, _NS)
        if self._second[0] != second:
            try:
                when = datetime.fromtimestamp(second, self._zone)
            except (OverflowError, OSError, ValueError):  # beyond what the system's zone data know
                when = _EPOCH + timedelta(seconds=second)
            self._second = (second, when.strftime("%Y-%m-%d"), when.strftime("%H:%M:%S"))
        return self._second[1], f"{self._second[2]}.{fraction // 1_000_000:03}"

    def _line(self, record: Record, clock: str, width: int) -> str:
        level = clean(record.level or "").replace("\n", " ")
        number = severity(level)
        logger = self._logger(record.logger or "")
        head = f"{self._paint(clock, DIM)} {self._paint(level, _colour(number))}"
        head += " " * max(_LEVEL_WIDTH + 1 - _cells(level), 1) + (
            f"{self._paint(logger, DIM)}  " if logger else ""
        )
        start = len(clock) + 1 + max(_LEVEL_WIDTH + 1, _cells(level) + 1) + (len(logger) + 2 if logger else 0)
        rows = clean(record.message).split("\n")
        fields = list(_fields(record))
        used = _cells(rows[-1])
        message = f"\n{' ' * start}".join(
            self._paint(row, BOLD if number >= _BOLD_FROM else "") for row in rows
        )
        if not fields:
            return f"{head}{message}\n"
        gap = max(_MESSAGE_WIDTH_MIN - used, 0) + 2
        room = width - start - used - sum(_cells(field) + 1 for field in fields) + 1
        if width and room < gap:
            gap = 2  # rather out of its column than on another line
        if width and room < gap:
            return f"{head}{message}\n{self._wrapped(fields, start, width)}"
        return f"{head}{message}{' ' * gap}{self._paint(' '.join(fields), DIM)}\n"

    def _wrapped(self, fields: Sequence[str], start: int, width: int) -> str:
        """Fields on lines of their own, broken between fields."""
        indent = start if start <= width // 2 else max(width // 3, 2)
        lines: list[list[str]] = []
        room = -1
        for field in fields:
            room -= _cells(field) + 1
            if room < 0:
                lines.append([])
                room = width - indent - _cells(field)
            lines[-1].append(field)
        return "".join(f"{' ' * indent}{self._paint(' '.join(line), DIM)}\n" for line in lines)

    def _logger(self, name: str) -> str:
        """The name in its column; of a long one the end."""
        name = clean(name).replace("\n", " ")
        if len(name) > _LOGGER_WIDTH_MAX:
            name = "…" + name[1 - _LOGGER_WIDTH_MAX :]
        self._logger_width = max(self._logger_width, len(name))
        return name.ljust(self._logger_width)

    def _exception(self, record: Record) -> str:
        found = record.attributes.get("exception")
        lines: list[str] = []
        stack = record.attributes.get("stack")
        if isinstance(stack, list):
            lines += ["Stack:", *self._frames(stack)]
        if isinstance(found, Mapping):
            lines += self._traceback(found, 0)
        return "".join(f"  {line}\n" for line in lines)

    def _traceback(self, exception: Mapping[str, Value], depth: int) -> Iterator[str]:
        cause = exception.get("cause")
        if isinstance(cause, Mapping) and depth < _DEPTH_MAX:
            yield from self._traceback(cause, depth + 1)
            yield from ("", self._paint(CAUSE, DIM), "")
        frames = exception.get("frames")
        if isinstance(frames, list) and frames:
            yield self._paint("Traceback (most recent call last):", DIM)
            yield from self._frames(frames)
        message, *more = clean(str(exception.get("message", ""))).split("\n")
        kind = self._paint(clean(str(exception.get("type", "Exception"))), f"{BOLD}{_RED}")
        yield f"{kind}: {self._paint(message, _RED)}" if message else kind
        yield from (self._paint(line, _RED) for line in more)
        for note in notes_of(exception):
            yield from (self._paint(line, _RED) for line in clean(note).split("\n"))
        members = exception.get("exceptions")
        if isinstance(members, list) and depth < _DEPTH_MAX:
            for number, member in enumerate(members, 1):
                yield self._paint(f"+-- {number} of {len(members)}", DIM)
                if isinstance(member, Mapping):
                    yield from (f"|   {line}" for line in self._traceback(member, depth + 1))

    def _frames(self, frames: list[Value]) -> Iterator[str]:
        first, last = _FRAMES_SHOWN
        hidden = len(frames) - first - last
        shown = frames if hidden <= 0 else [*frames[:first], None, *frames[-last:]]
        for frame in shown:
            if not isinstance(frame, Mapping):
                yield self._paint(f"  … {hidden} more", DIM)
                continue
            yield self._paint(clean(print_frame(frame)), DIM)
            code = _code(frame)
            if code:
                yield f"    {code}"

    def _paint(self, text: str, colour: str) -> str:
        return f"{colour}{text}{RESET}" if colour and text and self._colours else text


def clean(text: str) -> str:
    """Text with nothing in it that steers a terminal; newlines and tabs stay."""
    if text.isprintable():
        return text
    text = text.replace("\r\n", "\n")
    return _UNSAFE.sub(lambda found: ascii(found[0])[1:-1], text)


def _colour(number: int) -> str:
    for least, colour in _COLOURS:
        if number >= least:
            return colour
    return ""


def _cells(text: str) -> int:
    """How many columns of a terminal the text takes, about."""
    if text.isascii():
        return len(text)
    return len(text) + sum(east_asian_width(character) in "WF" for character in text)


def _fields(record: Record) -> Iterator[str]:
    """`name=value` for what the sender said, then where it comes from."""
    for name in ("correlation_id", "trace_id", "span_id"):
        value = getattr(record, name)
        if value:
            yield f"{name}={_value(value)}"
    attributes = record.attributes
    for key, item in attributes.items():
        if key not in _HIDDEN or (key in ("code", "exception", "stack") and isinstance(item, str | int)):
            yield f"{clean(key) if _PLAIN.fullmatch(key) else _value(key)}={_value(item)}"
    thread = attributes.get("thread")
    if isinstance(thread, str) and thread != "MainThread":
        yield f"thread={_value(thread)}"
    code = attributes.get("code")
    if isinstance(code, Mapping):
        yield f"({clean(str(code.get('file', '?')).rpartition('/')[2])}:{code.get('line', '?')})"


def _value(value: Value) -> str:
    if isinstance(value, str):
        plain = _PLAIN.fullmatch(value) is not None
        return clean(value) if plain else clean(json.dumps(value, ensure_ascii=False))
    try:
        return clean(json.dumps(value, ensure_ascii=False, default=str))
    except (ValueError, RecursionError):  # an integer longer than Python prints, or too deep
        return "[too large to print]"


def _code(frame: Mapping[str, Value]) -> str:
    """The line of code, when its file can be read here."""
    file, line = frame.get("file"), frame.get("line")
    if isinstance(file, str) and isinstance(line, int) and file.endswith(".py"):
        return clean(source_line(file, line))
    return ""
