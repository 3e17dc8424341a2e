"""The parsed fields of a block, put where the general way puts them."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tamis.record.model import INSTANT_MAX, INSTANT_MIN, Columns
from tamis.wire.arrow_schema import UnlikeError
from tamis.wire.arrow_structs import check_objects, inner_column, is_struct, without_field
from tamis.wire.base import DecodeOptions
from tamis.wire.names import BUNYAN, WEAK_LEVEL, WEAK_TIME, WEAK_TIME_MIN, Names
from tamis.wire.rows import has_value, names_of, read_level, safe_values
from tamis.wire.times import Times, epoch_unit, is_utc

EXACT_MAX = float(1 << 53)
TIME_CHARS_MIN = 20
"""A shorter text with a zone has no seconds; Arrow would read it, the general way may not."""


class Mapper:
    """Puts the fields of a parsed block where the general way puts them."""

    def __init__(
        self, table: Any, odd: Mapping[str, list[Any]], options: DecodeOptions, *, has_nulls: bool
    ) -> None:
        self._length = table.num_rows
        self._options = options
        self._names: Names = names_of(options.fields)
        self._odd = odd
        self._has_nulls = has_nulls
        self._own = self._names.relevant | {"attributes"}
        """Fields that the general way looks into, one record at a time."""
        self._raw = {name: _checked(name, table.column(name)) for name in table.column_names}

    def columns(self) -> Columns:
        """The block as a batch."""
        if self._raw.keys() | self._odd.keys() >= BUNYAN or not self._odd.keys().isdisjoint(self._own):
            raise UnlikeError
        self._check_objects()
        core = {}
        for family, sources in self._names.plan(tuple(self._raw)).core.items():
            column = self._take(family, sources)
            if column is not None:
                core[family] = column
        core["message"] = _filled(core.get("message"), "", self._length)
        for family, default in (("service", self._options.service), ("host", self._options.host)):
            if default is not None:
                core[family] = _filled(core.get(family), default, self._length)
        timestamp = core.pop("timestamp", None)
        return Columns(
            length=self._length,
            timestamp=pa.nulls(self._length, pa.int64()) if timestamp is None else timestamp,
            core=core,
            attributes={
                name: column for name, column in self._raw.items() if column.null_count < self._length
            }
            | {name: safe_values(values) for name, values in self._odd.items() if has_value(values)},
        )

    def _check_objects(self) -> None:
        """UnlikeError for objects that the general way looks into otherwise."""
        objects = {name for name, column in self._raw.items() if is_struct(column)}
        if "attributes" in objects or not objects.isdisjoint(self._names.families["timestamp"]):
            raise UnlikeError
        dotted = (name.partition(".") for name in self._raw if name in self._names.relevant)
        if any(dot and outer in objects for outer, dot, _ in dotted):
            raise UnlikeError  # both `host.name` and `host`: each record has its own plan

    def _take(self, family: str, sources: Sequence[str | tuple[str, str]]) -> Any:
        """A core field from the first of its names; UnlikeError where several would have to share."""
        columns = [(source, self._column(source)) for source in sources]
        filled = [(at, column) for at, column in columns if column is not None and _has_any(column)]
        if not filled:
            return None
        source, column = filled[0]
        if column.null_count and len(filled) > 1:
            raise UnlikeError
        taken = self._convert(family, source if isinstance(source, str) else source[0], column)
        if taken.null_count != column.null_count:
            raise UnlikeError
        self._leave(source)
        return taken

    def _column(self, source: str | tuple[str, str]) -> Any:
        """What a core field may be taken from; None where that holds objects."""
        if not isinstance(source, str):
            outer = self._raw.get(source[0])
            return None if outer is None else inner_column(outer, source[1])
        column = self._raw.get(source)
        return None if column is None or is_struct(column) else column

    def _leave(self, source: str | tuple[str, str]) -> None:
        """What was taken is no attribute."""
        left = None
        if not isinstance(source, str):
            left = without_field(self._raw[source[0]], source[1], has_nulls=self._has_nulls)
        name = source if isinstance(source, str) else source[0]
        if left is None:
            del self._raw[name]
        else:
            self._raw[name] = left

    def _convert(self, family: str, name: str, column: Any) -> Any:
        asked = name in self._names.asked
        if family == "timestamp":
            return self._times(column, weak=name in WEAK_TIME and not asked)
        if family == "level":
            if name in WEAK_LEVEL and not asked:
                raise UnlikeError
            return _levels(column)
        return _texts(column)

    def _times(self, column: Any, *, weak: bool) -> Any:
        times = self._instants(column, weak=weak)
        reach = pc.min_max(times).as_py()
        if reach["min"] is not None and not INSTANT_MIN <= reach["min"] <= reach["max"] <= INSTANT_MAX:
            raise UnlikeError
        return times

    def _instants(self, column: Any, *, weak: bool) -> Any:
        if pa.types.is_string(column.type):
            return self._time_texts(column)
        if not pa.types.is_int64(column.type):
            raise UnlikeError
        low, high = pc.min_max(column).as_py().values()
        if low < (WEAK_TIME_MIN if weak else 0) or epoch_unit(low) != epoch_unit(high):
            raise UnlikeError
        return pc.multiply_checked(column, epoch_unit(low))

    def _time_texts(self, column: Any) -> Any:
        if pc.min(pc.binary_length(column)).as_py() >= TIME_CHARS_MIN:
            try:
                return pc.cast(column, pa.timestamp("ns", "UTC")).cast(pa.int64())
            except pa.ArrowInvalid:
                pass
        elif is_utc(self._options.zone) and pc.min(pc.binary_length(column)).as_py() == TIME_CHARS_MIN - 1:
            try:
                return pc.cast(column, pa.timestamp("ns")).cast(pa.int64())
            except pa.ArrowInvalid:
                pass
        times = Times(self._options.zone, self._options.now_ns)
        return pa.array(times.column(column.to_pylist()), pa.int64())


def _has_any(column: Any) -> bool:
    return bool(column.null_count < len(column))


def _checked(name: str, column: Any) -> Any:
    """One array of a parsed column."""
    array = column.combine_chunks()
    _check_doubles(array)
    if is_struct(array):
        check_objects(name, array)
    return array


def _check_doubles(array: Any) -> None:
    """UnlikeError unless each double is the number that was written."""
    if is_struct(array):
        for child in array.flatten():
            _check_doubles(child)
        return
    doubles = array.drop_null() if pa.types.is_float64(array.type) else ()
    if len(doubles) and (pc.any(pc.is_nan(doubles)).as_py() or pc.max(pc.abs(doubles)).as_py() >= EXACT_MAX):
        raise UnlikeError


def _levels(column: Any) -> Any:
    if not (pa.types.is_string(column.type) or pa.types.is_int64(column.type)):
        raise UnlikeError
    encoded = column.dictionary_encode()
    names = pa.array([read_level(value) for value in encoded.dictionary.to_pylist()], pa.string())
    return names.take(encoded.indices)


def _texts(column: Any) -> Any:
    if pa.types.is_string(column.type):
        return column
    if pa.types.is_int64(column.type) or pa.types.is_boolean(column.type):
        return pc.cast(column, pa.string())
    raise UnlikeError


def _filled(column: Any, value: str, length: int) -> Any:
    if column is None:
        return pa.repeat(pa.scalar(value, pa.string()), length)
    return column.fill_null(value) if column.null_count else column
