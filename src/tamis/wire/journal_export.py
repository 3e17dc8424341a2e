"""systemd's journal export format: ``journalctl -o export``, and what systemd-journal-upload sends.

An entry is lines of ``NAME=value``, or for values with newlines or bytes: the name alone, eight bytes of length
(little endian), the value. A blank line ends an entry. (https://systemd.io/JOURNAL_EXPORT_FORMATS/)
"""

import re
from typing import Any

from tamis.record.model import Columns
from tamis.wire.base import NOTE_FIELD, Bytes, Decoded, DecodeOptions, Rejections
from tamis.wire.jsonlines import UTF8_NOTE
from tamis.wire.rows import Row, RowReader

FIELDS_MAX = 1_024
"""As systemd has it: an entry with more is rejected."""
_NAME = re.compile(rb"[A-Z_][A-Z0-9_]{0,63}")


class _BadEntryError(Exception):
    """An entry that cannot be read. `end`: where it ends; None when that is not known."""

    end: int | None = None

    @classmethod
    def ending(cls, reason: str, end: int) -> "_BadEntryError":
        """An entry of which it is known where the next one begins."""
        made = cls(reason)
        made.end = end
        return made


class _CutEntryError(_BadEntryError):
    """An entry of which more may come."""


def decode(body: Bytes, options: DecodeOptions) -> Decoded:
    """Columns of entries. One that is damaged is rejected with its line, and reading goes on at the next."""
    data = body if isinstance(body, bytes) else bytes(body)
    rejections = Rejections(options.limits.rejections_listed_max)
    rows: list[Row] = []
    at = line = 0
    while at < len(data):
        if data[at] == 10:
            at, line = at + 1, line + 1
            continue
        try:
            row, end = _entry(data, at, options.limits.line_bytes_max)
            rows.append(row)
        except _BadEntryError as error:
            rejections.add(line + 1, str(error))
            end = _next_entry(data, at) if error.end is None else error.end
        line += data.count(b"\n", at, end)
        at = end
    if not rows:
        return rejections.result(Columns(length=0, timestamp=[]))
    return rejections.result(RowReader(options, rows_expected=len(rows)).columns(rows))


def _next_entry(data: bytes, at: int) -> int:
    end = data.find(b"\n\n", at)
    return len(data) if end == -1 else end + 2


def open_entry(data: bytes) -> int:
    """Where the last entry begins that may not be whole yet."""
    at = 0
    start = 0
    while at < len(data):
        if data[at] == 10:
            at += 1
            start = at
            continue
        try:
            at = _field_end(data, at)[2]
        except _CutEntryError:
            return start
        except _BadEntryError:
            end = data.find(b"\n\n", at)
            if end == -1:
                return start
            at = end + 1
    return start


def _entry(data: bytes, at: int, bytes_max: int) -> tuple[Row, int]:
    row: Row = {}
    start, wrong = at, ""
    fields = 0
    while at < len(data) and data[at] != 10:
        name, value_at, end = _field_end(data, at)
        fields += 1
        wrong = wrong or _reason(name, end - start, fields, bytes_max=bytes_max)
        if not wrong:
            _add(row, name, data[value_at : end - 1])
        at = end
    if wrong:
        raise _BadEntryError.ending(wrong, at)
    return row, at


def _reason(name: str, size: int, fields: int, *, bytes_max: int) -> str:
    """Why an entry with such a field is rejected; "" when it is not."""
    if not name:
        return "no field name where one should be"
    if fields > FIELDS_MAX:
        return f"more than {FIELDS_MAX:,} fields"
    return f"over line_bytes_max = {bytes_max:,}" if size > bytes_max else ""


def _field_end(data: bytes, at: int) -> tuple[str, int, int]:
    """Name ("" for one that cannot be), where the value begins, and where the next field does (the value ends one
    before)."""
    match = _NAME.match(data, at)
    after = at if match is None else match.end()
    mark = data[after : after + 1]
    if match is None or mark not in (b"=", b"\n", b""):
        end = data.find(b"\n", at)
        end = len(data) if end == -1 else end
        if data.find(b"=", at, end) == -1:
            raise _BadEntryError("no field name where one should be")
        return "", at, end + 1
    if mark == b"=":
        end = data.find(b"\n", after)
        return match[0].decode(), after + 1, (len(data) if end == -1 else end) + 1
    size_at = after + 1
    if mark not in (b"\n", b""):
        raise _BadEntryError(f"field {match[0].decode()} has neither = nor a length")
    size = int.from_bytes(data[size_at : size_at + 8], "little")
    end = size_at + 8 + size
    if end >= len(data):
        raise _CutEntryError(f"field {match[0].decode()} is cut, or has a wrong length")
    if data[end] != 10:
        raise _BadEntryError(f"field {match[0].decode()} has a wrong length")
    return match[0].decode(), size_at + 8, end + 1


def _add(row: Row, name: str, raw: bytes) -> None:
    """A field; one that comes several times is a list."""
    try:
        value: Any = raw.decode()
    except UnicodeDecodeError:
        value = raw.decode("utf-8", "replace")
        row[NOTE_FIELD] = UTF8_NOTE
    if name in row:
        before = row[name]
        if isinstance(before, list):
            before.append(value)
        else:
            row[name] = [before, value]
    else:
        row[name] = value
