"""Rows (a dict for each record, keys as the sender named them) to columns, a group of like rows at a time."""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

from tamis.errors import TooLargeError
from tamis.record.attributes import DEFAULT_LIMITS, Value, safe_attributes, safe_text
from tamis.record.model import Column, Columns
from tamis.record.severity import LEVEL_CHARS_MAX, canonical_level, level_of_number, severity
from tamis.wire.base import NOTE_FIELD, REST_FIELD, DecodeOptions, FieldNames, with_defaults
from tamis.wire.names import BUNYAN, OWN_DROPPED, OWN_ID, WEAK_LEVEL, WEAK_TIME, WEAK_TIME_MIN, Names, Plan
from tamis.wire.times import Times

Row = dict[str, Any]
Index = Sequence[int] | None
"""Places of a group's rows among all rows; None is all of them."""

CELLS_MAX = 1 << 25
NAMES_MIN = 16
NAMES_LIMIT = 2_000
PLANS_MAX = 1_024
REST_VALUE_BYTES = 512
"""What a value under a further name takes, with its object and its name."""
GROUPS_MAX = 8
"""Rows of more kinds than this are not grouped by their keys."""
WIDE_KEYS = 64
TIME_NOTE = "time not understood: the instant of receipt stands in"

_OWN_ID = re.compile(OWN_ID)
SMALL_ITEMS_MAX = 30
"""Two levels of so many items are within the limits of `record.attributes`."""
SMALL_KEY_MAX = 128
_CONTAINERS = {dict, list}
_SCALARS = {str, int, float, bool}
_PLAIN_LEVELS = ({str}, {int}, {str, type(None)}, {int, type(None)})


def names_limit(options: DecodeOptions, rows: int) -> int:
    """How many attribute names a batch of so many rows may have; further ones are kept in one object."""
    return max(NAMES_MIN, min(options.limits.names_max, CELLS_MAX // (rows + 1)))


def check_rest(count: int, options: DecodeOptions) -> None:
    """TooLargeError when so many values in `REST_FIELD` take more memory than a body may become."""
    if count * REST_VALUE_BYTES > options.limits.expanded_bytes_max:
        raise TooLargeError("ingest.expanded_bytes_max", options.limits.expanded_bytes_max)


class RowReader:
    """Turns rows into columns under one set of options. Not thread-safe: one for each block of input.

    `rows_expected` bounds memory: names times rows stay within `CELLS_MAX`; attributes under names beyond
    that are kept in one object, `REST_FIELD`.
    """

    def __init__(self, options: DecodeOptions, rows_expected: int = 0) -> None:
        self.options = options
        self.times = Times(options.zone, options.now_ns)
        self._names = names_of(options.fields)
        self._plans: dict[tuple[str, ...], Plan] = {}
        self._known: set[str] = set()
        self._names_max = names_limit(options, rows_expected)
        self.rest_count = 0
        """Attribute values that went into `REST_FIELD` so far."""

    def expect(self, rows: int) -> None:
        """So many rows come now; what came before is dealt with."""
        self._names_max = names_limit(self.options, rows)

    def admit(self, names: Iterable[str], rows: int) -> bool:
        """Whether a batch of so many rows may have all these attributes; they are known from then on."""
        together = self._known.union(names)
        if len(together) > names_limit(self.options, rows):
            return False
        self._known = together
        return True

    def columns(self, rows: Sequence[Row], texts: Callable[[int], str] | None = None) -> Columns:
        """Columns of the rows. `texts` gives a row's own line, for a message where there is none."""
        batch = Batch(len(rows), self._known, self._names_max)
        groups = group_rows(rows)
        if len(groups) <= GROUPS_MAX or not self._all_at_once(batch, rows):
            for signature, index in groups:
                group = rows if index is None else [rows[at] for at in index]
                plan = self._plan(signature)
                self._put(batch, {key: [row[key] for row in group] for key in signature}, index, plan=plan)
        fill_messages(batch.core, len(rows), texts)
        core = with_defaults(batch.core, len(rows), self.options)
        timestamp = core.pop("timestamp", None)
        self.rest_count += batch.rest_count
        check_rest(self.rest_count, self.options)
        return Columns(
            length=len(rows),
            timestamp=[None] * len(rows) if timestamp is None else timestamp,
            core=core,
            attributes=batch.finished(),
        )

    def _plan(self, signature: tuple[str, ...]) -> Plan:
        plan = self._plans.get(signature)
        if plan is None:
            if len(self._plans) >= PLANS_MAX:
                self._plans.clear()
            plan = self._plans[signature] = self._names.plan(signature)
        return plan

    def _all_at_once(self, batch: "Batch", rows: Sequence[Row]) -> bool:
        """Rows of many kinds as if each had every key: absent is as null. False: their kinds matter."""
        union = dict.fromkeys(chain.from_iterable(rows))
        plan = self._names.plan(tuple(union))
        wide = len(union) > WIDE_KEYS
        if plan.maybe_own or union.keys() >= BUNYAN or (wide and "attributes" in union):
            return False
        keys = [key for key in union if not wide or key in self._names.relevant]
        self._put(batch, {key: [row.get(key) for row in rows] for key in keys}, None, plan=plan)
        if wide:
            _scatter(batch, rows, frozenset(keys))
        return True

    def _put(self, batch: "Batch", raw: dict[str, list[Any]], index: Index, *, plan: Plan) -> None:
        for family, sources in plan.core.items():
            taken = self._take(family, sources, raw) if sources else None
            if taken is not None:
                batch.put_core(family, index, taken)
                if family == "timestamp" and None in taken:
                    _note_times(raw, sources[0], taken)
        if "attributes" in raw:
            if plan.maybe_own:
                _drop_own(raw)
            self._spread(batch, raw, index)
        for name, values in raw.items():
            batch.put_attribute(name, index, safe_values(values))

    def _take(
        self, family: str, sources: tuple[str | tuple[str, str], ...], raw: dict[str, list[Any]]
    ) -> list[Any] | None:
        """The values of a core field; what is taken leaves `raw`."""
        taken: list[Any] | None = None
        for source in sources:
            key = source if isinstance(source, str) else source[0]
            if key not in raw:
                continue
            values = raw[key] if isinstance(source, str) else _inner(raw[key], source[1])
            found = self._convert(family, key, values)
            if isinstance(source, str) and taken is None and found.count(None) == values.count(None):
                del raw[key]
                taken = found
                if None not in found:
                    break
                continue
            taken = [None] * len(values) if taken is None else taken
            raw[key] = _merge(taken, found, raw[key], inner=None if isinstance(source, str) else source[1])
            if None not in taken:
                break
        return taken

    def _convert(self, family: str, key: str, values: list[Any]) -> list[Any]:
        """The values as this core field holds them; None where one cannot be."""
        if family == "timestamp":
            if key in WEAK_TIME and key not in self._names.asked:
                values = [None if _is_small(value) else value for value in values]
            return self.times.column(values)
        if family == "level":
            return read_levels(values, weak=key in WEAK_LEVEL and key not in self._names.asked)
        kinds = set(map(type, values))
        return values if kinds == {str} else [_text(value) for value in values]

    def _spread(self, batch: "Batch", raw: dict[str, list[Any]], index: Index) -> None:
        """Fields of an object ``attributes`` become attributes; those whose name is taken stay in it."""
        objects = raw.pop("attributes")
        if not any(type(value) is dict for value in objects):
            raw["attributes"] = objects
            return
        left = [_conflicts(value, raw, at) for at, value in enumerate(objects)]
        inner = [_without(value, kept) for value, kept in zip(objects, left, strict=True)]
        for signature, places in group_rows(inner):
            rows = inner if places is None else [inner[at] for at in places]
            where = index if places is None else [at if index is None else index[at] for at in places]
            for name in signature:
                batch.put_attribute(name, where, safe_values([row[name] for row in rows]))
        if any(value is not None for value in left):
            batch.put_attribute("attributes", index, safe_values(left))


def _scatter(batch: "Batch", rows: Sequence[Row], put: frozenset[str]) -> None:
    """The other keys of rows that have many between them, each in few rows."""
    sparse: dict[str, tuple[list[int], list[Any]]] = {}
    for at, row in enumerate(rows):
        for key in row.keys() - put:
            places, values = sparse.setdefault(key, ([], []))
            places.append(at)
            values.append(row[key])
    for key, (places, values) in sparse.items():
        batch.put_attribute(key, places, safe_values(values))


class _Few:
    """An attribute that few rows have: their places, and what they have."""

    def __init__(self) -> None:
        self.found: dict[int, Any] = {}

    def put(self, index: Sequence[int], values: list[Any]) -> None:
        """Of some rows; None is nothing."""
        self.found.update((at, value) for at, value in zip(index, values, strict=True) if value is not None)

    def column(self, length: int) -> Any:
        """As a column of all rows."""
        try:
            from tamis.wire.few import few_values
        except ImportError:  # a client without a store
            return self.listed(length)
        array = few_values(list(self.found), list(self.found.values()), length)
        return self.listed(length) if array is None else array

    def listed(self, length: int) -> list[Any]:
        """As a list for all rows."""
        column: list[Any] = [None] * length
        for at, value in self.found.items():
            column[at] = value
        return column


class Batch:
    """Columns under construction, filled a group of rows at a time."""

    def __init__(self, length: int, known: set[str] | None = None, names_max: int = NAMES_LIMIT) -> None:
        self.length = length
        self.core: dict[str, list[Any]] = {}
        self._attributes: dict[str, list[Any]] = {}
        self._few: dict[str, _Few] = {}
        self._known = set() if known is None else known
        self._names_max = names_max
        self._rest: dict[int, dict[str, Value]] = {}
        self.rest_count = 0

    def put_core(self, name: str, index: Index, values: list[Any]) -> None:
        """A core field of some rows."""
        _put(self.core, self.length, name, index=index, values=values)

    def put_attribute(self, name: str, index: Index, values: list[Any]) -> None:
        """An attribute of some rows."""
        if name not in self._known:
            if len(self._known) >= self._names_max or len(name) > DEFAULT_LIMITS.key_chars_max:
                self._put_rest(name, index, values)
                return
            self._known.add(name)
        if index is None or name in self._attributes:
            few = self._few.pop(name, None)
            if few is not None:
                self._attributes[name] = few.listed(self.length)
            _put(self._attributes, self.length, name, index=index, values=values)
        else:
            self._few.setdefault(name, _Few()).put(index, values)

    def _put_rest(self, name: str, index: Index, values: list[Any]) -> None:
        name = safe_text(name, DEFAULT_LIMITS.key_chars_max)
        for at, value in zip(range(self.length) if index is None else index, values, strict=True):
            if value is not None:
                self._rest.setdefault(at, {})[name] = value
                self.rest_count += 1

    def finished(self) -> dict[str, Column]:
        """The attributes that have any value."""
        if self._rest:
            few = self._few.pop(REST_FIELD, _Few())
            column = self._attributes.setdefault(REST_FIELD, few.listed(self.length))
            for at, rest in self._rest.items():
                column[at] = rest if column[at] is None else {**rest, REST_FIELD: column[at]}
        columns: dict[str, Column] = {
            name: values for name, values in self._attributes.items() if has_value(values)
        }
        columns.update((name, few.column(self.length)) for name, few in self._few.items() if few.found)
        return columns


def has_value(values: list[Any]) -> bool:
    """Whether any of a column's values is there."""
    return bool(values) and (values[0] is not None or any(value is not None for value in values))


def _put(table: dict[str, list[Any]], length: int, name: str, *, index: Index, values: list[Any]) -> None:
    column = table.get(name)
    if index is None and column is None:
        table[name] = values
        return
    if column is None:
        column = table[name] = [None] * length
    for at, value in zip(range(length) if index is None else index, values, strict=True):
        if value is not None:
            column[at] = value


def group_rows(rows: Sequence[Row]) -> list[tuple[tuple[str, ...], Index]]:
    """Rows with the same keys in the same order, as (keys, places)."""
    signatures = list(map(tuple, rows))
    distinct = set(signatures)
    if len(distinct) <= 1:
        return [(signature, None) for signature in distinct]
    places: dict[tuple[str, ...], list[int]] = {}
    for at, signature in enumerate(signatures):
        places.setdefault(signature, []).append(at)
    return list(places.items())


@lru_cache(maxsize=64)
def names_of(fields: FieldNames) -> Names:
    """The names under these settings."""
    return Names(fields)


def _inner(values: list[Any], name: str) -> list[Any]:
    return [value.get(name) if type(value) is dict else None for value in values]


def _merge(taken: list[Any], found: list[Any], values: list[Any], *, inner: str | None) -> list[Any]:
    """Fill the gaps of `taken` from `found`; the values that were not taken, with None for the others."""
    left = list(values)
    for at, value in enumerate(found):
        if value is not None and taken[at] is None:
            taken[at] = value
            rest = None if inner is None else {key: one for key, one in values[at].items() if key != inner}
            left[at] = rest or None
    return left


def _is_small(value: Any) -> bool:
    return isinstance(value, (int, float)) and abs(value) < WEAK_TIME_MIN


def read_levels(values: list[Any], *, weak: bool = False) -> list[Any]:
    """A column of names and numbers as levels; `weak`: only what is a known one."""
    read = _weak_level if weak else read_level
    if set(map(type, values)) in _PLAIN_LEVELS:
        known = {value: read(value) for value in set(values)}
        return [known[value] for value in values]
    return [read(value) for value in values]


def read_level(value: Any) -> str | None:
    """A level's canonical name from a name or a number; None when the value is neither."""
    if isinstance(value, str):
        text = value.strip()
        if len(text) > LEVEL_CHARS_MAX:
            return None
        if text.isdecimal() and text.isascii():
            return level_of_number(int(text)) or text
        return canonical_level(text)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) > 10**9:
        return None
    return level_of_number(int(value)) or _text(value)


def _weak_level(value: Any) -> str | None:
    level = read_level(value)
    return level if level is not None and severity(level) else None


def _text(value: Any) -> str | None:
    """Text of a scalar, as JSON prints it; None of anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if abs(value) < 1 << 64 else None
    if not isinstance(value, float):
        return None
    return str(int(value)) if value.is_integer() and abs(value) < 1 << 53 else repr(value)


def safe_values(values: list[Any]) -> list[Any]:
    """Values with the objects and lists among them made safe (nulls out, depth and size bounded)."""
    if _CONTAINERS.isdisjoint(map(type, values)):
        return values
    return [_safe(value) if type(value) in _CONTAINERS else value for value in values]


def _safe(value: Any) -> Any:
    """An object or list made safe; a small one without nulls is safe as it is (its texts came from UTF-8)."""
    return value if _is_small_and_whole(value, 1) else safe_attributes({"": value})[""]


def _is_small_and_whole(value: Any, levels_below: int) -> bool:
    if len(value) > SMALL_ITEMS_MAX:
        return False
    inner = value
    if type(value) is dict:
        if value and max(map(len, value)) > SMALL_KEY_MAX:
            return False
        inner = value.values()
    for one in inner:
        kind = type(one)
        if kind in _SCALARS:
            continue
        if kind not in _CONTAINERS or not levels_below or not _is_small_and_whole(one, levels_below - 1):
            return False
    return True


def _drop_own(raw: dict[str, list[Any]]) -> None:
    """Take off what a store gave: on lines where ``id`` is a store's and ``attributes`` an object."""
    pairs = zip(raw["id"], raw["attributes"], strict=True)
    own = [
        isinstance(one, str) and type(inner) is dict and _OWN_ID.fullmatch(one) is not None
        for one, inner in pairs
    ]
    if not any(own):
        return
    for name in OWN_DROPPED:
        if name in raw:
            raw[name] = [None if mine else value for mine, value in zip(own, raw[name], strict=True)]


def _conflicts(value: Any, raw: dict[str, list[Any]], at: int) -> Any:
    """What of a row's ``attributes`` cannot be spread: anything but an object, and names the row has."""
    if type(value) is not dict:
        return value
    kept = {name: one for name, one in value.items() if name in raw and raw[name][at] is not None}
    return kept or None


def _without(value: Any, kept: Any) -> dict[str, Any]:
    """The fields of an object that are not `kept` back; of anything else, none."""
    if type(value) is not dict:
        return {}
    return value if kept is None else {name: one for name, one in value.items() if name not in kept}


def _note_times(raw: dict[str, list[Any]], source: str | tuple[str, str], taken: list[Any]) -> None:
    """Mark rows whose time could not be read; what stood there stays an attribute under its name."""
    if source not in raw or source in WEAK_TIME or NOTE_FIELD in raw:
        return
    left = raw[source] if isinstance(source, str) else []
    notes = [
        TIME_NOTE if one is None and value is not None else None
        for one, value in zip(taken, left, strict=True)
    ]
    if any(notes):
        raw[NOTE_FIELD] = notes


def fill_messages(core: dict[str, list[Any]], length: int, texts: Callable[[int], str] | None) -> None:
    """Message is never absent: "" where there is none, or the row's own text."""
    messages = core.get("message")
    if messages is not None and None not in messages:
        return
    messages = messages or [None] * length
    core["message"] = [
        (texts(at) if texts else "") if one is None else one for at, one in enumerate(messages)
    ]
