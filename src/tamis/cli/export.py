"""``tamis export``: everything that a query finds, as a file."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, BinaryIO, Literal

from cyclopts import Parameter

from tamis.cli.failure import Exit, UsageError
from tamis.cli.options import When, Where, ask_of
from tamis.cli.question import pointing_at, read_query
from tamis.cli.reach import open_target
from tamis.cli.target import Ask, Target
from tamis.cli.terminal import say, warn
from tamis.errors import TamisError
from tamis.store.base import LOST

FileFormat = Literal["ndjson", "csv", "parquet"]


def export(
    *query: str,
    format: FileFormat = "ndjson",
    output: Annotated[Path | None, Parameter(alias="-o")] = None,
    when: When = When(),
    where: Where = Where(),
) -> int:
    """Write what a query finds as NDJSON, CSV or Parquet, oldest first.

    Exits with 1 when records are left out because what held them is damaged.

    Parameters
    ----------
    query
        Which records; all of them when it is empty.
    format
        What to write. NDJSON goes back in with `tamis ingest` as it was; CSV and Parquet have a column for each of its
        fields, and for when the record was received.
    output
        The file to write, whole or not at all; else standard output.
    """
    ask = ask_of(query, when)
    read_query(ask.q)
    if output is None and format == "parquet" and sys.stdout.isatty():
        raise UsageError("Parquet is nothing for a terminal; name a file with --output")
    target = open_target(where)
    written = 0
    try:
        with pointing_at(ask.q), target.export(ask, format) as pieces, _opened(output) as file:
            for piece in pieces:
                file.write(piece)
                written += len(piece)
        lost = _lost(target, ask)
    finally:
        target.close()
    if output is not None:
        say(f"{output}: {written:,} bytes")
    if not lost:
        return int(Exit.DONE)
    warn(lost)
    say("tamis: the export is not complete: damage left records out of it; `tamis verify` says more")
    return int(Exit.FOUND)


def _lost(target: Target, ask: Ask) -> list[str]:
    """What damage takes from answers to the question, known now that every byte was read.

    Any answer to it says that; where one takes too long, one about its time does.
    """
    try:
        answer = target.search(ask, limit=1)
    except TamisError:
        answer = target.search(Ask("", ask.start, ask.end), limit=1)
    return [text for text in answer.get("warnings", ()) if text.endswith(LOST)]


@contextmanager
def _opened(output: Path | None) -> Iterator[BinaryIO]:
    """Standard output, or a file that gets its name when all of it is there and safe."""
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if output.is_dir() or not output.parent.is_dir():
        raise UsageError(f"{output}: {'is a folder' if output.is_dir() else 'its folder does not exist'}")
    if output.exists() and not output.is_file():
        with output.open("wb") as file:  # /dev/null, a pipe: nothing to rename onto
            yield file
        return
    handle, name = tempfile.mkstemp(dir=output.parent, prefix=f".{output.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(_mode())
        Path(name).replace(output)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def _mode() -> int:
    """What a new file of this user may be."""
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
