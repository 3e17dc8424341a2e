"""`CompressingRotatingFileHandler`: a log file that rotates and compresses itself, for any number of processes."""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

from tamis.disk.rotated import Compression
from tamis.embed.handlers.base import PipelineHandler
from tamis.embed.handlers.forward import to_log_record
from tamis.errors import ConfigError
from tamis.pipeline.encode import encode_lines
from tamis.pipeline.logfile import LogFileLimits
from tamis.pipeline.sinks.file import FILE_MODE, NAMES_BY_FORMAT, FileSink, parse_mode
from tamis.record.model import Record
from tamis.settings.kinds import parse_bytes, parse_int, parse_seconds

ROTATE_BYTES = 100_000_000
_Value = TypeVar("_Value")
_Number = TypeVar("_Number", int, float)


class CompressingRotatingFileHandler(PipelineHandler):
    """Writes records to a file: JSON lines, or what its formatter makes of them when it has one.

    The file is rotated before it is larger than `rotate_bytes`, and at each full `rotate_s` (86,400 is midnight,
    UTC); 0 is never. What was rotated (`app.log.20261121T000000.000000000.gz`) is compressed on another thread, and
    the newest `keep` are kept (0: all). Sizes and times may be text, `"100MB"`, `"1d"`,
    and so may the mode, in octal. Any number of processes may
    write to the same file. It has a pipeline of its own, so callers wait for no disk and secrets are redacted;
    `settings` are those of `LoggingConfig`. ConfigError names what is wrong.
    """

    def __init__(
        self,
        filename: str | Path,
        *,
        rotate_bytes: int | str = ROTATE_BYTES,
        rotate_s: float | str = 0.0,
        keep: int = 10,
        compress: str = "gzip",
        format: str = "json",
        mode: int | str = FILE_MODE,
        level: int | str = logging.NOTSET,
        **settings: Any,
    ) -> None:
        if format not in NAMES_BY_FORMAT:
            raise _wrong("format", format, f"must be one of {', '.join(NAMES_BY_FORMAT)}")
        path = _parsed("filename", filename, _parse_file)
        limits = LogFileLimits(
            rotate_bytes=_parsed("rotate_bytes", rotate_bytes, _not_negative(parse_bytes)),
            rotate_s=_parsed("rotate_s", rotate_s, _not_negative(parse_seconds)),
            keep=_parsed("keep", keep, _not_negative(parse_int)),
            compress=_parsed("compress", compress, _parse_compression),
        )
        bits = _parsed("mode", mode, parse_mode)
        self._encode_json = partial(encode_lines, names=NAMES_BY_FORMAT[format])
        self.sink = FileSink(path, limits, encode=self._encode, mode=bits)
        super().__init__([self.sink], level=level, **settings)

    def _encode(self, records: Sequence[Record]) -> bytes:
        """On the pipeline's thread."""
        formatter = self.formatter
        if formatter is None:
            return self._encode_json(records)
        return b"".join([_formatted(formatter, record) for record in records])


def _formatted(formatter: logging.Formatter, record: Record) -> bytes:
    try:
        text = formatter.format(to_log_record(record))
    except Exception:  # the user's formatter may do anything; the record is kept as JSON
        return encode_lines([record])
    return f"{text}\n".encode("utf-8", "backslashreplace")


def _parsed(name: str, given: object, parse: Callable[[object], _Value]) -> _Value:
    try:
        return parse(given)
    except ValueError as error:
        raise _wrong(name, given, str(error)) from None


def _parse_file(given: object) -> Path:
    if not isinstance(given, str | Path) or not Path(given).name:
        raise ValueError("must name a file")
    path = Path(given)
    if path.is_dir():
        raise ValueError("is a folder; name a file in it")
    return path


def _not_negative(parse: Callable[[object], _Number]) -> Callable[[object], _Number]:
    def parse_it(given: object) -> _Number:
        number = parse(given)
        if number < 0:
            raise ValueError("must not be negative")
        return number

    return parse_it


def _parse_compression(given: object) -> Compression:
    if given not in get_args(Compression):
        raise ValueError(f"must be one of {', '.join(get_args(Compression))}")
    return cast(Compression, given)


def _wrong(name: str, value: object, reason: str) -> ConfigError:
    return ConfigError(name, value, "argument of CompressingRotatingFileHandler", reason)
