"""Usual OTLP records in protobuf as columns, all of a scope in step: what few requests have is left to the general way.

Usual is what SDKs send: each field once, a text as body, scalar attributes of one type under each name. The columns
are those that `otlp.Collector` makes of the same records one by one.
"""

from typing import Any

import numpy as np
import pyarrow as pa

from tamis.record.attributes import DEFAULT_LIMITS
from tamis.record.model import INSTANT_MAX, Column, Columns
from tamis.wire.base import DecodeOptions, with_defaults
from tamis.wire.gathered import Gathered, OddError, Places
from tamis.wire.otlp import Scope, read_severity
from tamis.wire.rows import safe_values

_STEPS_MAX = 64
_SCALARS = (str, int, float, bool)
_TIME, _SEVERITY, _SEVERITY_TEXT, _BODY, _ATTRIBUTE = 0x09, 0x10, 0x1A, 0x2A, 0x32
_FLAGS, _TRACE, _SPAN, _OBSERVED = 0x45, 0x4A, 0x52, 0x59
_FIXED = {_TIME: ("<u8", 8), _OBSERVED: ("<u8", 8), _FLAGS: ("<u4", 4)}
_PIECES = frozenset({_SEVERITY_TEXT, _BODY, _TRACE, _SPAN})
_TEXT, _BOOL, _INT, _DOUBLE = 0x0A, 0x10, 0x18, 0x21
_RESERVED = frozenset(
    {"observed_time_unix_nano", "severity_text", "severity_number", "trace_flags", "time_unix_nano", "rest"}
)
"""Names that the records' own fields may have as attributes."""


def columns_together(
    seen: Gathered, starts: Places, ends: Places, *, scope: Scope, options: DecodeOptions, names_max: int
) -> Columns | None:
    """The columns of the records that stand there; None when one of them is unusual."""
    try:
        fields = _Fields(seen, starts, ends)
        return _columns(fields, scope, options, names_max=names_max)
    except OddError:
        return None


class _Fields:
    """What stands where: every record is gone through in step, a field at a time."""

    def __init__(self, seen: Gathered, starts: Places, ends: Places) -> None:
        self.seen, self.length = seen, len(starts)
        self.present: dict[int, Any] = {}
        self.numbers: dict[int, Any] = {}
        self.starts: dict[int, Places] = {}
        self.sizes: dict[int, Places] = {}
        self.pairs: list[tuple[Places, Places, Places]] = []
        """Rows, starts and ends of attributes."""
        rows, at = np.arange(self.length), starts
        for _ in range(_STEPS_MAX):
            is_left = at < ends[rows]
            if not is_left.all():
                rows, at = rows[is_left], at[is_left]
            if not len(rows):
                return
            at = self._step(rows, at)
            if (at > ends[rows]).any():
                raise OddError
        raise OddError

    def _step(self, rows: Places, at: Places) -> Places:
        """The next field of each record; the places behind them."""
        tags = self.seen.bytes[at]
        if (tags == tags[0]).all():
            return self._field(int(tags[0]), rows, at)
        behind = np.empty_like(at)
        for tag in np.unique(tags):
            chosen = np.flatnonzero(tags == tag)
            behind[chosen] = self._field(int(tag), rows[chosen], at[chosen])
        return behind

    def _field(self, tag: int, rows: Places, at: Places) -> Places:
        if tag == _ATTRIBUTE:
            sizes, begin = self.seen.sizes(at + 1)
            self.pairs.append((rows, begin, begin + sizes))
            return begin + sizes
        present = self.present.setdefault(tag, np.zeros(self.length, np.bool_))
        if present[rows].any():
            raise OddError
        present[rows] = True
        if tag in _FIXED:
            kind, width = _FIXED[tag]
            self._of(self.numbers, tag, kind)[rows] = self.seen.fixed(at + 1, kind, width)
            return at + 1 + width
        if tag == _SEVERITY:
            number = self.seen.bytes[at + 1]
            if (number >= 0x80).any():
                raise OddError
            self._of(self.numbers, tag, "<i8")[rows] = number
            return at + 2
        if tag not in _PIECES:
            raise OddError
        sizes, begin = self.seen.sizes(at + 1)
        self._of(self.starts, tag, "<i8")[rows] = begin
        self._of(self.sizes, tag, "<i8")[rows] = sizes
        return begin + sizes

    def _of(self, table: dict[int, Any], tag: int, kind: str) -> Any:
        if tag not in table:
            table[tag] = np.zeros(self.length, kind)
        return table[tag]

    def number(self, tag: int) -> Any:
        """A column of numbers, 0 where there is none."""
        return self.numbers[tag] if tag in self.numbers else np.zeros(self.length, "<i8")

    def ids(self, tag: int, width: int) -> Any:
        """A column of ids; None when no record has one."""
        if tag not in self.present:
            return None
        sizes = self.sizes[tag]
        present = sizes == width
        if not (present | (sizes == 0)).all():
            raise OddError
        return self.seen.hexadecimals(self.starts[tag], present, width)

    def bodies(self) -> Any:
        """The messages: texts, or nothing."""
        if _BODY not in self.present:
            return [""] * self.length
        starts, sizes = self.starts[_BODY], self.sizes[_BODY]
        has = sizes > 0
        inner, begin = self.seen.sizes(np.where(has, starts + 1, 0))
        is_text = (self.seen.bytes[starts] == _TEXT) & (begin + inner == starts + sizes)
        if not (is_text | ~has).all():
            raise OddError
        return self.seen.texts(begin, np.where(has, inner, 0))

    def severity_texts(self) -> Any:
        """The texts of severities as a dictionary array; None when there is none."""
        if _SEVERITY_TEXT not in self.present:
            return None
        return self.seen.texts(self.starts[_SEVERITY_TEXT], self.sizes[_SEVERITY_TEXT]).dictionary_encode()


def _columns(fields: _Fields, scope: Scope, options: DecodeOptions, *, names_max: int) -> Columns:
    length = fields.length
    attributes = _attributes(fields, names_max)
    if (
        attributes.keys() & (scope.attributes.keys() | _RESERVED)
        or len(attributes) > DEFAULT_LIMITS.items_max
    ):
        raise OddError
    timestamp = _times(fields, attributes)
    core: dict[str, Column] = {"message": fields.bodies()}
    core["level"] = _levels(fields, attributes)
    for name, tag, width in (("trace_id", _TRACE, 16), ("span_id", _SPAN, 8)):
        core[name] = fields.ids(tag, width)
    flags = fields.number(_FLAGS)
    if flags.any():
        attributes["trace_flags"] = pa.array(flags.astype(np.int64), mask=flags == 0)
    for name, value in scope.attributes.items():
        attributes[name] = _repeated(value, length)
    for name in ("service", "host", "logger"):
        one = getattr(scope, name)
        core[name] = None if one is None else _repeated(one, length)
    core["correlation_id"] = _taken(attributes, "correlation_id")
    if len(attributes) > names_max:
        raise OddError
    filled = {name: column for name, column in core.items() if column is not None and _has_value(column)}
    return Columns(length, timestamp, with_defaults(filled, length, options), attributes)


def _repeated(value: Any, length: int) -> Column:
    return pa.repeat(value, length) if type(value) in _SCALARS else safe_values([value]) * length


def _has_value(column: Column) -> bool:
    return isinstance(column, list) or column.null_count < len(column)


def _taken(attributes: dict[str, Column], name: str) -> Column | None:
    column = attributes.get(name)
    if column is None or isinstance(column, list) or column.type != pa.string():
        return None
    return attributes.pop(name)


def _times(fields: _Fields, attributes: dict[str, Column]) -> Any:
    """When each happened, else when it was observed, else nothing; other times of observation are an attribute."""
    time, observed = (fields.number(tag).astype(np.uint64) for tag in (_TIME, _OBSERVED))
    if max(time.max(), observed.max()) > INSTANT_MAX:
        raise OddError
    differs = (time != 0) & (observed != 0) & (time != observed)
    if differs.any():
        attributes["observed_time_unix_nano"] = pa.array(observed.astype(np.int64), mask=~differs)
    stamps = np.where(time != 0, time, observed)
    return pa.array(stamps.astype(np.int64), mask=stamps == 0)


def _levels(fields: _Fields, attributes: dict[str, Column]) -> Any:
    """The levels; what they leave unsaid becomes attributes."""
    numbers, texts = fields.number(_SEVERITY), fields.severity_texts()
    codes = numbers if texts is None else numbers * len(texts.dictionary) + texts.indices.to_numpy()
    _, firsts, inverse = np.unique(codes, return_index=True, return_inverse=True)
    found = [read_severity(int(numbers[at]), "" if texts is None else texts[at].as_py()) for at in firsts]
    where = pa.array(inverse)
    for name in dict.fromkeys(name for _, more in found for name in more):
        attributes[name] = pa.array([more.get(name) for _, more in found]).take(where)
    return pa.array([level for level, _ in found], pa.string()).take(where)


def _attributes(fields: _Fields, names_max: int) -> dict[str, Column]:
    """The attributes by name. Each costs a look at all rows: more names than there may be are told before."""
    if not fields.pairs:
        return {}
    rows, starts, ends = (np.concatenate(parts) for parts in zip(*fields.pairs, strict=True))
    seen = fields.seen
    if (ends > seen.size).any() or not (seen.bytes[starts] == 0x0A).all():
        raise OddError
    name_sizes, names_at = seen.sizes(starts + 1)
    values_at = names_at + name_sizes
    if (values_at + 2 > ends).any() or not (seen.bytes[values_at] == 0x12).all():
        raise OddError
    if name_sizes.max() > DEFAULT_LIMITS.key_chars_max:
        raise OddError
    value_sizes, inner = seen.sizes(values_at + 1)
    if not ((inner + value_sizes == ends) & (value_sizes > 0)).all():
        raise OddError
    names = seen.texts(names_at, name_sizes).dictionary_encode()
    if len(names.dictionary) > min(names_max + 1, DEFAULT_LIMITS.items_max):
        raise OddError
    codes = names.indices.to_numpy()
    kinds = seen.bytes[inner]
    made: dict[str, Column] = {}
    for code, name in enumerate(names.dictionary.to_pylist()):
        chosen = np.flatnonzero(codes == code)
        at = _per_row(fields.length, rows[chosen], inner[chosen])
        if (kinds[chosen] != kinds[chosen[0]]).any():
            raise OddError
        made[name] = _values(
            seen, int(kinds[chosen[0]]), at, _per_row(fields.length, rows[chosen], ends[chosen])
        )
    return made


def _per_row(length: int, rows: Places, places: Places) -> Places:
    """The place of each row, -1 where it has none; OddError when it has two."""
    made = np.full(length, -1, np.int64)
    made[rows] = places
    if np.count_nonzero(made >= 0) != len(rows):
        raise OddError
    return made


def _values(seen: Gathered, kind: int, at: Places, ends: Places) -> Any:
    """A column of the scalars of one kind that stand behind these places."""
    present = at >= 0
    begin = np.where(present, at + 1, 0)
    if kind == _TEXT:
        sizes, begin = seen.sizes(begin)
        _check_ends(begin + sizes, ends, present)
        return seen.texts(begin, sizes, present)
    if kind == _DOUBLE:
        _check_ends(begin + 8, ends, present)
        doubles = np.where(present, seen.fixed(begin, "<f8", 8), 0.0)
        if not np.isfinite(doubles).all():
            raise OddError
        return pa.array(doubles, mask=~present)
    if kind not in (_INT, _BOOL):
        raise OddError
    numbers, behind = seen.varints(begin)
    _check_ends(behind, ends, present)
    return pa.array(numbers if kind == _INT else numbers != 0, mask=~present)


def _check_ends(behind: Places, ends: Places, present: Any) -> None:
    if (present & (behind != ends)).any():
        raise OddError
