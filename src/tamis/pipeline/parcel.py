"""Records on their way from the chain to the sinks: a parcel for each round of the worker."""

import json
from collections.abc import Mapping
from typing import Final, cast

import msgspec

from tamis.record.attributes import safe_attributes
from tamis.record.model import Record

MSGPACK: Final = 1
JSON: Final = 2
"""How the records of a payload are written."""


class Parcel:
    """Records in order, with what all sinks want to know of them: about what they take anywhere (`bytes`), the
    highest severity among them, and when the oldest was taken over (monotonic seconds).

    `payload` is what stands in a spool's frame, written as `form` says; where it is not given but `about` is, the
    records are written when a spool asks for it. `lines` are the records as lines of JSON, where a sink wants them.
    """

    __slots__ = ("_form", "_payload", "bytes", "lines", "records", "severity", "since_s")

    def __init__(
        self,
        records: list[Record],
        form: int,
        payload: bytes | None,
        severity: int,
        since_s: float,
        *,
        about: int = 0,
        lines: bytes | None = None,
    ) -> None:
        self.records, self.severity, self.since_s = records, severity, since_s
        self._form, self._payload, self.lines = form, payload, lines
        self.bytes = about if payload is None else len(payload)

    @property
    def form(self) -> int:
        """How `payload` is written."""
        return self._written()[0]

    @property
    def payload(self) -> bytes:
        """The records, written."""
        return self._written()[1]

    def _written(self) -> tuple[int, bytes]:
        if self._payload is None:
            self._form, self._payload = encode_records(self.records)
        return self._form, self._payload


_encoder = msgspec.msgpack.Encoder()


def encode_records(records: list[Record]) -> tuple[int, bytes]:
    """The records as bytes, and how they are written; never fails for what a record holds.

    MessagePack; where integers are over 64 bits, or something is in a record that nobody knows, JSON of the
    same shape.
    """
    try:
        buffer = bytearray()  # given one, msgspec raises where memory ends; without, it crashes the process
        _encoder.encode_into(records, buffer)
        return MSGPACK, bytes(buffer)
    except Exception:  # a processor of the user's may have put anything into a record
        return JSON, _encode_odd(records)


def _encode_odd(records: list[Record]) -> bytes:
    rows = []
    for record in records:
        row = {name: getattr(record, name) for name in record.__struct_fields__}
        row["attributes"] = safe_attributes(cast("Mapping[object, object]", record.attributes))
        rows.append({name: value for name, value in row.items() if value is not None})
    return json.dumps(rows, ensure_ascii=True, separators=(",", ":"), default=str).encode("ascii")


def decode_records(form: int, payload: bytes | memoryview) -> list[Record]:
    """The records again; ValueError when the bytes are not that."""
    try:
        rows = msgspec.msgpack.decode(payload) if form == MSGPACK else _decode_json(payload)
        return [Record(**row) for row in rows]
    except (TypeError, msgspec.MsgspecError) as error:
        raise ValueError(f"not records: {error}") from error


def _decode_json(payload: bytes | memoryview) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = json.loads(bytes(payload))
    return rows
