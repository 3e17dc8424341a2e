"""The parsed fields of a block, put where the general way puts them."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tamis.record.model import INSTANT_MAX, INSTANT_MIN, Columns
from tamis.wire.arrow_schema import UnlikeError
from tamis.wire.base import DecodeOptions
from tamis.wire.names import BUNYAN, WEAK_LEVEL, WEAK_TIME, WEAK_TIME_MIN, Names
from tamis.wire.rows import has_value, names_of, read_level, safe_values
from tamis.wire.times import Times, epoch_unit, is_utc

EXACT_MAX = float(1 << 53)
TIME_CHARS_MIN = 20
"""A shorter text with a zone has no seconds; Arrow would read it, the general way may not."""


class Mapper:
    """Puts the fields of a parsed block where the general way puts them."""

    def __init__(self, table: Any, odd: Mapping[str, list[Any]], options: DecodeOptions) -> None:
        self._length = table.num_rows
        self._options = options
        self._names: Names = names_of(options.fields)
        self._odd = odd
        self._own = self._names.relevant | {"attributes"}
        """Fields that the general way looks into, one record at a time."""
        self._raw = {name: _checked(table.column(name)) for name in table.column_names}

    def columns(self) -> Columns:
        """The block as a batch."""
        if self._raw.keys() | self._odd.keys() >= BUNYAN or not self._odd.keys().isdisjoint(self._own):
            raise UnlikeError
        core = {}
        for family, sources in self._names.plan(tuple(self._raw)).core.items():
            column = self._take(family, [source for source in sources if isinstance(source, str)])
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

    def _take(self, family: str, sources: Sequence[str]) -> Any:
        """A core field from the first of its names; UnlikeError where several would have to share."""
        sources = [name for name in sources if self._raw[name].null_count < self._length]
        if not sources:
            return None
        name = sources[0]
        column = self._raw[name]
        if column.null_count and len(sources) > 1:
            raise UnlikeError
        taken = self._convert(family, name, column)
        if taken.null_count != column.null_count:
            raise UnlikeError
        del self._raw[name]
        return taken

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


def _checked(column: Any) -> Any:
    """One array of a parsed column; doubles only when each is the number that was written."""
    array = column.combine_chunks()
    doubles = array.drop_null() if pa.types.is_float64(array.type) else ()
    if len(doubles) and (pc.any(pc.is_nan(doubles)).as_py() or pc.max(pc.abs(doubles)).as_py() >= EXACT_MAX):
        raise UnlikeError
    return array


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
