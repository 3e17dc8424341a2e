"""Records as one Parquet file that grows by row groups, for export: constant memory, any tool reads it."""

import io
import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from tamis.query.fields import value_of
from tamis.query.values import canonical_text
from tamis.record.model import StoredRecord

ROW_GROUP_RECORDS = 20_000
_TIMES = ("timestamp", "received")


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
        self._store_id = store_id
        self._names = fields or columns
        stamp = pa.timestamp("ns", "UTC")
        self._schema = pa.schema([(name, stamp if name in _TIMES else pa.string()) for name in self._names])
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
        arrays = [pa.array([self._value(one, name) for one in self._waiting], self._schema.field(name).type)
                  for name in self._names]  # fmt: skip
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
        self._waiting = []

    def _value(self, stored: StoredRecord, name: str) -> Any:
        if name == "id":
            return f"{self._store_id}-{stored.seq}"
        if name == "attributes":
            return _json(stored.record.attributes)
        value = value_of(stored, name)
        return value if value is None or name in _TIMES else canonical_text(value)


def _json(attributes: dict[str, Any]) -> str:
    try:
        return msgspec.json.encode(attributes).decode()
    except (OverflowError, ValueError, TypeError):
        return json.dumps(attributes, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()
