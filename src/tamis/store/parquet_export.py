"""Records as one Parquet file that grows by row groups, for export: constant memory, any tool reads it."""

import io
import json
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from tamis.query.fields import CORE_NAMES, CORE_TIMES, value_of
from tamis.query.values import canonical_text
from tamis.record.model import StoredRecord

ROW_GROUP_RECORDS = 20_000
Getter = Callable[[StoredRecord], Any]


class _Pipe(io.RawIOBase):
    """Takes what the writer writes; its position counts all, also what was drained."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._position = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._pieces.append(bytes(data))
        self._position += len(self._pieces[-1])
        return len(self._pieces[-1])

    def tell(self) -> int:
        return self._position

    def drain(self) -> bytes:
        data = b"".join(self._pieces)
        self._pieces = []
        return data


class ParquetEncoder:
    """Columns of a fixed schema: times as timestamps, everything else as text, attributes as JSON.

    `fields` names the columns (None: all of `columns`); values of attributes have their canonical text.
    """

    def __init__(self, store_id: str, fields: tuple[str, ...] | None, columns: tuple[str, ...]) -> None:
        names = fields or columns
        stamp = pa.timestamp("ns", "UTC")
        self._schema = pa.schema([(name, stamp if name in CORE_TIMES else pa.string()) for name in names])
        self._getters = [_getter(name, store_id) for name in names]
        self._sink = _Pipe()
        self._writer = pq.ParquetWriter(pa.PythonFile(self._sink, "w"), self._schema, compression="zstd")
        self._waiting: list[StoredRecord] = []

    def begin(self) -> bytes:
        """The file's magic."""
        return self._sink.drain()

    def encode(self, records: Sequence[StoredRecord]) -> bytes:
        """A row group when enough records have come, else nothing yet."""
        self._waiting.extend(records)
        if len(self._waiting) >= ROW_GROUP_RECORDS:
            self._write()
        return self._sink.drain()

    def end(self) -> bytes:
        """The last row group, and the footer."""
        if self._waiting:
            self._write()
        self._writer.close()
        return self._sink.drain()

    def _write(self) -> None:
        columns = zip(self._getters, self._schema.types, strict=True)
        arrays = [pa.array(map(getter, self._waiting), kind) for getter, kind in columns]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
        self._waiting = []


def _getter(name: str, store_id: str) -> Getter:
    """What gives a column's value of a record."""
    if name == "id":
        return lambda stored: f"{store_id}-{stored.seq}"
    if name == "attributes":
        return lambda stored: _json(stored.record.attributes)
    if name == "received":
        return attrgetter(name)
    if name in CORE_NAMES:
        return attrgetter(f"record.{name}")
    return lambda stored: _text(value_of(stored, name))


def _text(value: Any) -> str | None:
    return None if value is None else canonical_text(value)


def _json(attributes: dict[str, Any]) -> str:
    try:
        return msgspec.json.encode(attributes).decode()
    except (OverflowError, ValueError, TypeError):
        return json.dumps(attributes, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()
