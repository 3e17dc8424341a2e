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

_ODD = "odd"
_TYPES = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string(), type(None): pa.null()}


class UnlikeError(Exception):
    """The block is not uniform enough: the general way takes it."""


@dataclass(frozen=True, slots=True)
class Schema:
    """The fields of a block. `uniform` ones have one type each; `odd` ones have several, or objects, or lists.

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
        """
        if not self._decoders:
            names = (*self.odd, *self.uniform)
            fields = [
                (f"f{at}", Any if at < len(self.odd) else msgspec.Raw, None) for at in range(len(names))
            ]
            kind = msgspec.defstruct(
                "Line",
                fields,
                rename={f"f{at}": name for at, name in enumerate(names)},
                forbid_unknown_fields=True,
                gc=False,
            )
            self._decoders.append(msgspec.json.Decoder(kind))
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


def _type_of(value: Any) -> Any:
    kind = _TYPES.get(type(value), _ODD)
    return _ODD if type(value) is int and not INT64_MIN <= value <= INT64_MAX else kind


def _join(known: Any, seen: Any) -> Any:
    if known is None or known == seen or known == pa.null():
        return seen
    if seen == pa.null():
        return known
    if {known, seen} == {pa.int64(), pa.float64()}:
        return pa.float64()
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
