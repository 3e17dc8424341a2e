"""Everything that a query finds as one file: streamed, with constant memory, as fast as the reader takes it."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from operator import attrgetter
from typing import Any, Protocol

from tamis.query import ast
from tamis.record.model import StoredRecord
from tamis.server.questions.answers import encode_json, record_id
from tamis.server.questions.params import Asked
from tamis.server.questions.search import Searcher
from tamis.server.questions.stages import project
from tamis.store.base import Budget, Order
from tamis.store.parquet_export import ParquetEncoder
from tamis.wire import jsonlines
from tamis.wire.times import time_printer

COLUMNS: tuple[str, ...] = (
    "id", "timestamp", "received", "level", "service", "host", "logger", "message", "trace_id", "span_id",
    "correlation_id", "attributes",
)  # fmt: skip
_TEXTS = attrgetter(*COLUMNS[3:-1])
MEDIA_TYPES = {
    "ndjson": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8; header=present",
    "parquet": "application/vnd.apache.parquet",
}


class Encoder(Protocol):
    """Makes a file of records, piece by piece."""

    def begin(self) -> bytes:
        """What stands before the first record."""
        ...

    def encode(self, records: Sequence[StoredRecord]) -> bytes:
        """The next piece; may be empty."""
        ...

    def end(self) -> bytes:
        """What stands after the last record."""
        ...


class NdjsonEncoder:
    """One JSON object a line: what ingest takes again, or the fields asked for."""

    def __init__(self, store_id: str, fields: tuple[str, ...] | None) -> None:
        self._store_id, self._fields = store_id, fields

    def begin(self) -> bytes:
        """Nothing."""
        return b""

    def encode(self, records: Sequence[StoredRecord]) -> bytes:
        """A line for each."""
        if self._fields is None:
            return jsonlines.encode(records, store_id=self._store_id)
        rows = project(records, self._fields, self._store_id)
        return b"".join(encode_json(row) + b"\n" for row in rows)

    def end(self) -> bytes:
        """Nothing."""
        return b""


class CsvEncoder:
    """RFC 4180: a header, then a row for each record; lists and objects as JSON."""

    def __init__(self, store_id: str, fields: tuple[str, ...] | None) -> None:
        self._store_id, self._fields = store_id, fields

    def begin(self) -> bytes:
        """The header."""
        return _csv_rows([self._fields or COLUMNS])

    def encode(self, records: Sequence[StoredRecord]) -> bytes:
        """Rows."""
        if self._fields is None:
            return _csv_rows(_whole_rows(records, self._store_id))
        names, rows = self._fields, project(records, self._fields, self._store_id)
        return _csv_rows([_cell(row[name]) for name in names] for row in rows)

    def end(self) -> bytes:
        """Nothing."""
        return b""


def _whole_rows(records: Sequence[StoredRecord], store_id: str) -> Iterator[Sequence[object]]:
    """The values of `COLUMNS`."""
    printed = time_printer()
    for one in records:
        record = one.record
        times = (printed(record.timestamp), printed(one.received))
        yield (record_id(store_id, one.seq), *times, *_TEXTS(record), _cell(record.attributes))


def _csv_rows(rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode("utf-8", "backslashreplace")


def _cell(value: Any) -> object:
    if value is None or isinstance(value, str):
        return value
    return encode_json(value).decode("utf-8", "replace")


def encoder(file_format: str, store_id: str, fields: tuple[str, ...] | None) -> Encoder:
    """The encoder of a format."""
    if file_format == "parquet":
        return ParquetEncoder(store_id, fields, COLUMNS)
    return CsvEncoder(store_id, fields) if file_format == "csv" else NdjsonEncoder(store_id, fields)


class Export:
    """One export under way. `pieces` gives the file; each piece is made when the one before was taken."""

    def __init__(
        self, searcher: Searcher, asked: Asked, budget: Budget, *, file_format: str, order: Order
    ) -> None:
        read = searcher.read(asked, "/api/v1/export", (ast.Limit, ast.Fields))
        self._searcher, self._read, self._budget, self._order = searcher, read, budget, order
        fields = read.stages.fields.names if read.stages.fields else None
        self._encoder = encoder(file_format, searcher.store.store_id, fields)
        self.records = 0

    def pieces(self) -> Iterator[bytes]:
        """The file. Blocks; closing the iterator lets go of the store."""
        left = self._read.stages.limit.count if self._read.stages.limit else None
        with self._searcher.store.export(self._read.question, self._budget, order=self._order) as lists:
            yield self._encoder.begin()
            for records in lists:
                kept = records if left is None else records[:left]
                self.records += len(kept)
                yield self._encoder.encode(kept)
                left = None if left is None else left - len(kept)
                if left == 0:
                    break
            yield self._encoder.end()


def head(pieces: Iterator[bytes]) -> bytes:
    """The beginning, as far as the first records: what goes wrong until then can still become a problem."""
    return next(pieces, b"") + next(pieces, b"")


async def streamed(
    pieces: Iterator[bytes], first: bytes, pool: ThreadPoolExecutor, *, ended: Callable[[], None]
) -> AsyncIterator[bytes]:
    """`first`, then the pieces, each made in a thread when the reader is ready for it.

    When the reader goes away the question is called off (`ended`) and the iterator closed, in this order.
    """
    job: Future[bytes | None] | None = None
    try:
        yield first
        while True:
            job = pool.submit(next, pieces, None)
            piece = await asyncio.wrap_future(job)
            if piece is None:
                break
            if piece:
                yield piece
    finally:
        ended()
        if job is None:
            _close_soon(pieces, pool)
        else:
            job.add_done_callback(lambda _: _close_soon(pieces, pool))


def _close_soon(pieces: Iterator[bytes], pool: ThreadPoolExecutor) -> None:
    """Close it in a thread; here, when the pool takes nothing more."""
    try:
        pool.submit(_close, pieces)
    except RuntimeError:
        _close(pieces)


def _close(pieces: Iterator[bytes]) -> None:
    close = getattr(pieces, "close", None)
    if close is not None:
        close()
