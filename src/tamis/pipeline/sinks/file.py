"""A file of JSON lines on this machine, rotated only when asked."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeAlias, TypeVar, cast
from urllib.parse import parse_qsl, unquote

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.disk.rotated import Compression
from tamis.errors import ConfigError, DiskError, SinkUnavailableError
from tamis.pipeline.base import AT_ONCE, Batch, BatchLimits, Outcome
from tamis.pipeline.encode import Names, encode_lines
from tamis.pipeline.logfile import LogFile, LogFileLimits
from tamis.pipeline.sinks.masking import KEY
from tamis.record.model import Record
from tamis.settings import Settings
from tamis.settings.kinds import parse_bool, parse_bytes, parse_int, parse_seconds

SHARED, FILE_MODE = True, 0o640
Encode: TypeAlias = Callable[[Sequence[Record]], bytes]
_Value = TypeVar("_Value")

NAMES_BY_FORMAT: dict[str, Names] = {"json": "tamis", "ecs": "ecs", "otel": "otel"}
_OPTIONS = ("compress", "format", "keep", "mode", "rotate_bytes", "rotate_s", "shared")


class FileSink:
    """Appends each batch as lines. Several processes may share the file (`LogFile`). `encode` makes the lines: as
    many of each record as it likes, each ended by a newline.
    """

    spooled = False

    def __init__(
        self,
        path: Path | str,
        limits: LogFileLimits = LogFileLimits(),  # noqa: B008  # frozen
        *,
        encode: Encode = encode_lines,
        shared: bool = SHARED,
        mode: int = FILE_MODE,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.path = Path(path).absolute()
        self.name = f"file {self.path}"
        self.limits: BatchLimits = AT_ONCE
        self.encode = encode
        self._file = LogFile(self.path, limits, shared=shared, mode=mode, clock=clock)

    @property
    def wants_lines(self) -> bool:
        """Whether it writes what `encode_lines` makes, so that whoever has the records in hand may do it."""
        return self.encode is encode_lines

    def send(self, batch: Batch, /, *, timeout_s: float) -> Outcome:
        """Write the records, whole lines or nothing; those after a failure are to be sent again."""
        lines = batch.lines if self.wants_lines else None
        pieces = (self.encode(batch.records),) if lines is None else lines
        done = 0
        for piece in pieces:  # joined they would be copied, which costs more than another call
            try:
                written = self._file.write(piece, timeout_s=timeout_s)
            except DiskError as error:
                if done:
                    break
                raise SinkUnavailableError(self.name, _without(self.path, str(error))) from error
            done += written
            if written < len(piece):
                break
        else:
            return Outcome(sent_bytes=done)
        return Outcome(retry=batch.records[self._count(batch.records, done) :], sent_bytes=done)

    def _count(self, records: Sequence[Record], written: int) -> int:
        """How many of the records so many bytes are."""
        for number, record in enumerate(records):
            if written <= 0:
                return number
            written -= len(self.encode([record]))
        return len(records)

    def close(self) -> None:
        """Let go of the file; waits a little for what is being compressed."""
        self._file.close()


def create(url: str, _settings: Settings) -> FileSink:
    """``file:///var/log/app.jsonl?rotate_bytes=100MB&rotate_s=1d&keep=10&compress=zstd&format=ecs``;
    ``file:app.jsonl`` is in the working folder.
    """
    address, _, query = url.partition("?")
    place = address.partition(":")[2]
    if place.startswith("//"):
        host, slash, rest = place[2:].partition("/")
        if host not in ("", "localhost") or not slash:
            raise _wrong(
                url,
                f"names a machine, {host!r}; write file:///{host} or, for the working folder, file:{host}",
            )
        place = f"/{rest}"
    path = Path(unquote(place))
    if not path.name or place.endswith("/"):
        raise _wrong(url, "names no file, as in file:///var/log/app.jsonl")
    if path.expanduser().is_dir():
        raise _wrong(url, f"is a folder; name a file in it, such as {path.name}/app.jsonl")
    options = dict(parse_qsl(query, keep_blank_values=True))
    unknown = sorted(set(options) - set(_OPTIONS))
    if unknown:
        raise _wrong(url, f"{', '.join(unknown)}: no such option; there are {', '.join(_OPTIONS)}")
    return _created(url, path.expanduser(), options)


def _created(url: str, path: Path, options: dict[str, str]) -> FileSink:
    def parsed(name: str, default: _Value, parse: Callable[[str], _Value]) -> _Value:
        given = options.get(name)
        try:
            return default if given is None else parse(given)
        except (ValueError, KeyError) as error:
            reason = f"must be one of {', '.join(NAMES_BY_FORMAT)}" if isinstance(error, KeyError) else error
            raise _wrong(url, f"{name}={given!r} {reason}") from None

    try:
        limits = LogFileLimits(
            rotate_bytes=parsed("rotate_bytes", 0, parse_bytes),
            rotate_s=parsed("rotate_s", 0.0, parse_seconds),
            keep=parsed("keep", 10, parse_int),
            compress=cast(Compression, options.get("compress", "none")),
        )
    except ValueError as error:
        raise _wrong(url, str(error)) from None
    names: Names = parsed("format", "tamis", NAMES_BY_FORMAT.__getitem__)
    return FileSink(
        path,
        limits,
        encode=encode_lines if names == "tamis" else partial(encode_lines, names=names),
        shared=parsed("shared", SHARED, parse_bool),
        mode=parsed("mode", FILE_MODE, parse_mode),
    )


def parse_mode(given: object) -> int:
    """A file's mode: a number, or text in octal. ValueError for anything else."""
    try:
        mode = given if type(given) is int else int(str(given), 8)
    except ValueError:
        mode = -1
    if not 0 <= mode <= 0o777:
        raise ValueError("must be a file mode in octal, such as 640")
    return mode


def _without(path: Path, reason: str) -> str:
    """A reason without the path, which the sink's name has already."""
    return reason.removeprefix(f"{path}: ").replace(f" {path}", "", 1)


def _wrong(url: str, reason: str) -> ConfigError:
    return ConfigError(KEY, url, "a sink's URL", reason)
