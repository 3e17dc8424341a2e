"""What blocks of JSON lines that begin alike hold: the type of each field, learned from some of their lines."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

import msgspec
import pyarrow as pa

from tamis.record.attributes import DEFAULT_LIMITS
from tamis.wire.times import INT64_MAX, INT64_MIN

SCHEMAS_MAX = 256
SKIPS_MAX = 64
ODD_MAX = 16
"""With more odd fields the general way is as fast."""
STRUCT_LEVELS_MAX = 3
"""Objects in objects beyond so many levels are odd."""
STRUCT_ITEMS_MAX = 30
STRUCT_KEY_CHARS_MAX = 128
STRUCT_FIELDS_MAX = 200
"""Larger objects, or those with more fields on all levels together, are odd."""

_ODD = "odd"
_TYPES = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string(), type(None): pa.null()}


class UnlikeError(Exception):
    """The block is not uniform enough: the general way takes it."""


@dataclass(frozen=True, slots=True)
class Schema:
    """The fields of a block. `uniform` ones have one type each, that of objects (structs) included; `odd` ones have
    several, or lists, or objects too deep or large.

    `careful`: each line is looked at by itself before all are parsed, which finds malformed lines and fields
    that are not in the schema. Always so where there are odd fields.
    """

    uniform: Mapping[str, Any]
    odd: tuple[str, ...] = ()
    careful: bool = False
    _decoders: list[Any] = field(default_factory=list, compare=False)

    def decoder(self) -> Any:
        """Decodes one line: odd fields as they are, the others unread.

        Raises msgspec.ValidationError when a line has another field, msgspec.DecodeError when it is no JSON.
        UnlikeError: a name has characters that msgspec takes in none.
        """
        if not self._decoders:
            try:
                types = {name: _seen(kind) for name, kind in self.uniform.items()}
                self._decoders.append(msgspec.json.Decoder(_line(dict.fromkeys(self.odd, Any) | types)))
            except ValueError:
                raise UnlikeError from None
        return self._decoders[0]

    def odd_getters(self) -> list[Callable[[Any], Any]]:
        """For each odd field what takes it from a decoded line."""
        return [attrgetter(f"f{at}") for at in range(len(self.odd))]

    def widened(self, rows: Iterable[Mapping[str, Any]], odd: Iterable[str] = ()) -> "Schema":
        """A careful schema that also fits these rows, with these fields odd.

        Raises UnlikeError where there is none but this one.
        """
        types: dict[str, Any] = dict(self.uniform) | dict.fromkeys((*self.odd, *odd), _ODD)
        schema = _schema(types, rows, careful=True)
        if schema == self:
            raise UnlikeError
        return schema


def _line(types: Mapping[str, Any]) -> type[msgspec.Struct]:
    """What an object with these fields and no others is decoded to."""
    fields = [(f"f{at}", kind, None) for at, kind in enumerate(types.values())]
    rename = {f"f{at}": name for at, name in enumerate(types)}
    return msgspec.defstruct("Line", fields, rename=rename, forbid_unknown_fields=True, gc=False)


def _seen(kind: Any) -> Any:
    """How a uniform field is looked at: its value unread, but for the names in objects."""
    if not pa.types.is_struct(kind):
        return msgspec.Raw
    return _line({one.name: _seen(one.type) for one in kind}) | None


def learn(rows: Iterable[Mapping[str, Any]]) -> Schema:
    """A schema that fits these rows; UnlikeError where none does."""
    return _schema({}, rows, careful=False)


def _schema(types: dict[str, Any], rows: Iterable[Mapping[str, Any]], *, careful: bool) -> Schema:
    for row in rows:
        for name, value in row.items():
            types[name] = _join(types.get(name), _type_of(value))
    if len(types) > DEFAULT_LIMITS.items_max or any(
        len(name) > DEFAULT_LIMITS.key_chars_max for name in types
    ):
        raise UnlikeError
    odd = tuple(name for name, kind in types.items() if kind is _ODD)
    if len(odd) > ODD_MAX:
        raise UnlikeError
    uniform = {name: kind for name, kind in types.items() if kind is not _ODD}
    return Schema(uniform, odd, careful or bool(odd))


def _type_of(value: Any, levels: int = STRUCT_LEVELS_MAX) -> Any:
    if type(value) is dict:
        return _struct_of(value, levels)
    kind = _TYPES.get(type(value), _ODD)
    return _ODD if type(value) is int and not INT64_MIN <= value <= INT64_MAX else kind


def _struct_of(value: dict[str, Any], levels: int) -> Any:
    if (
        not value
        or not levels
        or len(value) > STRUCT_ITEMS_MAX
        or max(map(len, value)) > STRUCT_KEY_CHARS_MAX
    ):
        return _ODD
    return _struct({name: _type_of(one, levels - 1) for name, one in value.items()})


def _struct(types: Mapping[str, Any]) -> Any:
    if len(types) > STRUCT_ITEMS_MAX or any(kind is _ODD for kind in types.values()):
        return _ODD
    made = pa.struct(list(types.items()))
    return made if _fields_in(made) <= STRUCT_FIELDS_MAX else _ODD


def _fields_in(kind: Any) -> int:
    return sum(1 + _fields_in(kind.field(at).type) for at in range(kind.num_fields))


def _join(known: Any, seen: Any) -> Any:
    if known is None or known == seen or known == pa.null():
        return seen
    if seen == pa.null():
        return known
    if {known, seen} == {pa.int64(), pa.float64()}:
        return pa.float64()
    if known is not _ODD and seen is not _ODD and pa.types.is_struct(known) and pa.types.is_struct(seen):
        types = {one.name: one.type for one in known}
        return _struct(types | {one.name: _join(types.get(one.name), one.type) for one in seen})
    return _ODD


@dataclass(slots=True)
class _Learned:
    """A schema, and how it fared."""

    schema: Schema | None
    failures: int = 0
    skips: int = 0


class LearnedSchemas:
    """Schemas by what blocks begin with. Shared between threads; forgets what was used least recently."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: OrderedDict[tuple[str, ...], _Learned] = OrderedDict()

    def find(self, key: tuple[str, ...]) -> Schema | None:
        """The schema learned for blocks whose first object has these keys.

        Raises UnlikeError where the fast way failed of late: each failure leaves it out twice as long.
        """
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            self._entries.move_to_end(key)
            if entry.skips > 0:
                entry.skips -= 1
                raise UnlikeError
            return entry.schema

    def succeeded(self, key: tuple[str, ...], schema: Schema) -> None:
        """This schema fitted a block."""
        with self._lock:
            self._entries[key] = _Learned(schema)
            self._bound()

    def failed(self, key: tuple[str, ...]) -> None:
        """No schema fitted."""
        with self._lock:
            entry = self._entries.setdefault(key, _Learned(None))
            entry.failures += 1
            entry.skips = min(1 << entry.failures, SKIPS_MAX)
            self._bound()

    def _bound(self) -> None:
        if len(self._entries) > SCHEMAS_MAX:
            self._entries.popitem(last=False)
