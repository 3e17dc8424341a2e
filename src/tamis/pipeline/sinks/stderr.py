"""The standard error stream: lines for people on a terminal, JSON elsewhere."""

import io
import os
import select
import sys
from collections.abc import Mapping, Sequence
from typing import Literal, TextIO, cast, get_args
from urllib.parse import parse_qsl

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.errors import ConfigError, SinkUnavailableError
from tamis.pipeline.base import AT_ONCE, Batch, BatchLimits, Outcome, Rejected
from tamis.pipeline.console import Console
from tamis.pipeline.encode import Names, encode_line
from tamis.pipeline.sinks.masking import KEY
from tamis.settings import Settings

Format = Literal["auto", "console", "json", "ecs", "otel"]
_NAMES: Mapping[str, Names] = {"json": "tamis", "ecs": "ecs", "otel": "otel"}
_PIECE_BYTES = 4_096
"""So much a pipe takes whole (PIPE_BUF), also when other processes write to it."""
_POLL_S = 0.01


class StderrSink:
    """Writes to whatever `sys.stderr` is at the moment (or to `stream`).

    `auto` is `console` on a terminal and JSON elsewhere; `NO_COLOR` and `FORCE_COLOR` are heeded, the latter means
    `console` anywhere. Lines are written whole where the system can do that: several processes may share a pipe.
    A reader that does not read (a stopped terminal, a full pipe) makes it unavailable until it reads; a stream that
    is closed, or whose reader has gone, refuses the records. `send` raises nothing but SinkUnavailableError.
    """

    limits: BatchLimits = AT_ONCE
    spooled = False

    def __init__(
        self,
        *,
        stream: TextIO | None = None,
        format: Format = "auto",
        environ: Mapping[str, str] | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.name = "stderr"
        self._stream, self._format, self._clock = stream, format, clock
        self._environ = os.environ if environ is None else environ
        self._consoles: dict[bool, Console] = {}
        self._rest = b""

    def send(self, batch: Batch, /, *, timeout_s: float) -> Outcome:
        """Write the records; those whose turn did not come in time are to be sent again."""
        stream = self._stream if self._stream is not None else sys.stderr
        try:
            if stream is None:
                raise BrokenPipeError("this process has no stderr")
            lines = self._lines(batch, stream)
            written = self._write(stream, lines, timeout_s)
        except (OSError, ValueError) as error:  # ValueError: the stream is closed
            self._rest = b""
            return _refused(batch, error)
        if written == len(lines):
            return Outcome(sent_bytes=sum(map(len, lines)))
        if written == 0:
            raise SinkUnavailableError(
                self.name, f"nobody read it for {timeout_s:g} s; is the terminal stopped?"
            )
        return Outcome(retry=batch.records[written:], sent_bytes=sum(map(len, lines[:written])))

    def close(self) -> None:
        """The stream is not ours: it stays open."""

    def _lines(self, batch: Batch, stream: TextIO) -> list[bytes]:
        names = self._names(stream)
        if names is not None:
            return [encode_line(record, names) for record in batch.records]
        console = self._console(stream)
        width = _width(stream)
        return [
            console.print_record(record, width).encode("utf-8", "backslashreplace")
            for record in batch.records
        ]

    def _names(self, stream: TextIO) -> Names | None:
        """The names of JSON's fields; None where people read."""
        if self._format in _NAMES:
            return _NAMES[self._format]
        is_console = self._format == "console" or stream.isatty() or bool(self._environ.get("FORCE_COLOR"))
        return None if is_console else "tamis"

    def _console(self, stream: TextIO) -> Console:
        environ = self._environ
        if environ.get("NO_COLOR"):
            colours = False
        elif environ.get("FORCE_COLOR"):
            colours = environ["FORCE_COLOR"] not in ("0", "false")
        else:
            colours = stream.isatty() and environ.get("TERM") != "dumb"
        if colours not in self._consoles:
            self._consoles[colours] = Console(colours=colours)
        return self._consoles[colours]

    def _write(self, stream: TextIO, lines: Sequence[bytes], timeout_s: float) -> int:
        """How many lines were written, or begun: what is left of one goes before the next."""
        handle = _handle(stream)
        if handle is None:
            _write_text(stream, b"".join(lines).decode())
            return len(lines)
        stream.flush()
        deadline_s = self._clock.monotonic_s() + timeout_s
        if self._rest:
            self._rest = self._put(handle, self._rest, deadline_s)
        written = 0
        while written < len(lines) and not self._rest:
            count = _fitting(lines, written)
            piece = b"".join(lines[written : written + count])
            left = self._put(handle, piece, deadline_s)
            if left:
                return written + self._begun(lines[written : written + count], len(piece) - len(left))
            written += count
        return written

    def _begun(self, lines: Sequence[bytes], done: int) -> int:
        """Of lines of which so many bytes were written: how many were begun. What is left of the last waits."""
        for number, line in enumerate(lines):
            if done <= 0:
                return number
            done -= len(line)
            self._rest = line[done:] if done < 0 else b""
        return len(lines)

    def _put(self, handle: int, data: bytes, deadline_s: float) -> bytes:
        """Write; what could not be written before the deadline."""
        while data:
            if not self._is_ready(handle, deadline_s):
                return data
            try:
                data = data[os.write(handle, data[:_PIECE_BYTES]) :]
            except BlockingIOError:
                if self._clock.monotonic_s() >= deadline_s:
                    return data
                self._clock.sleep(_POLL_S)
        return data

    def _is_ready(self, handle: int, deadline_s: float) -> bool:
        wait_s = max(deadline_s - self._clock.monotonic_s(), 0.0)
        if not hasattr(select, "poll"):
            return True
        poll = select.poll()
        poll.register(handle, select.POLLOUT)
        return bool(poll.poll(wait_s * 1_000))


def _fitting(lines: Sequence[bytes], start: int) -> int:
    """How many lines from there fit into one piece; at least one."""
    size = 0
    for number in range(start, len(lines)):
        size += len(lines[number])
        if size > _PIECE_BYTES:
            return max(number - start, 1)
    return len(lines) - start


def _handle(stream: TextIO) -> int | None:
    """Where a plain stream writes to; None for those that do something of their own with text."""
    if type(stream) is not io.TextIOWrapper or type(stream.buffer) is not io.BufferedWriter:
        return None
    try:
        return stream.fileno()
    except OSError:
        return None


def _write_text(stream: TextIO, text: str) -> None:
    try:
        stream.write(text)
    except UnicodeEncodeError:
        stream.write(text.encode("ascii", "backslashreplace").decode())
    stream.flush()


def _width(stream: TextIO) -> int:
    """The terminal's columns; 0 when it has none."""
    try:
        return os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        return 0


def _refused(batch: Batch, error: Exception) -> Outcome:
    reason = f"stderr is gone: {error}"
    return Outcome(rejected=tuple([Rejected(record, reason) for record in batch.records]))


def create(url: str, _settings: Settings) -> StderrSink:
    """`stderr`, or `stderr?format=console`."""
    name, _, query = url.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    chosen = options.pop("format", "auto")
    if name.lower() not in ("stderr", "stderr:", "stderr://") or options:
        raise ConfigError(KEY, url, "a sink's name", "stderr takes one option, as in stderr?format=console")
    if chosen not in get_args(Format):
        known = ", ".join(get_args(Format))
        raise ConfigError(KEY, url, "a sink's name", f"format={chosen!r} must be one of {known}")
    return StderrSink(format=cast(Format, chosen))
