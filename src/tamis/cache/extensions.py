"""What msgpack has no word for: Python's other types, and classes that the cache was told of."""

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, timezone
from decimal import Decimal
from types import NoneType
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec
from msgspec.msgpack import Ext

from tamis.cache.sameness import difference

DEPTH_MAX: Final = 64
DIGITS_MAX: Final = 4_096
"""The longest text of a number or time, and the most bytes of a large whole number."""

TUPLE, SET, FROZENSET, PAIRS, WHOLE, DATETIME, DATE, DECIMAL, ID, KIND = range(1, 11)
"""Codes of extension types: a released one never changes its meaning."""
FOLD: Final = "~"
"""At the end of a time that comes for the second time when clocks are set back."""
INT64: Final = range(-(2**63), 2**64)
_SEQUENCES: Final[dict[type, int]] = {tuple: TUPLE, set: SET, frozenset: FROZENSET}
_AS_IT_IS: Final = frozenset((NoneType, bool, float, str, bytes))


class RefusedError(ValueError):
    """What cannot be kept outside of this process, and why."""


class Kind(NamedTuple):
    """A class whose instances are kept: structs of msgspec, dataclasses. Entries of another version are not read."""

    type: type
    version: int = 1


class Shapes:
    """Both ways between values and what msgpack has words for."""

    def __init__(self, kinds: Mapping[str, Kind]) -> None:
        self._names = {kind.type: (name, kind.version) for name, kind in kinds.items()}
        self._decoders: dict[tuple[str, int], Callable[[bytes], Any]] = {
            (name, kind.version): msgspec.msgpack.Decoder(kind.type).decode for name, kind in kinds.items()
        }
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(ext_hook=self.restore).decode
        self._restorers: dict[int, Callable[[bytes], Any]] = {
            TUPLE: lambda data: tuple(self._items(data)),
            SET: lambda data: set(self._items(data)),
            FROZENSET: lambda data: frozenset(self._items(data)),
            PAIRS: lambda data: dict(_pairs(self._items(data))),
            WHOLE: _whole,
            DATETIME: _instant,
            DATE: lambda data: date.fromisoformat(_text(data)),
            DECIMAL: lambda data: Decimal(_text(data)),
            ID: lambda data: UUID(bytes=data),
            KIND: self._instance,
        }

    def plain(self, value: Any, depth: int = 0) -> Any:
        """The value in msgpack's words; `RefusedError` when `restore` would not bring back the same."""
        kind = type(value)
        if kind in _AS_IT_IS:
            return value
        if depth > DEPTH_MAX:
            raise RefusedError(f"a value nested deeper than {DEPTH_MAX}")
        if kind is list:
            return [self.plain(item, depth + 1) for item in value]
        if kind is dict:
            return self._dictionary(value, depth + 1)
        if kind is int:
            return value if value in INT64 else self._large(value)
        code = _SEQUENCES.get(kind)
        if code is not None:
            return Ext(code, self._encode([self.plain(item, depth + 1) for item in value]))
        if kind in self._names:
            return Ext(KIND, self._encode([*self._names[kind], self._content(value)]))
        return _scalar(value)

    def _content(self, value: Any) -> bytes:
        """An instance's fields; what they come back as is looked at before, for annotations (`Any`) promise little."""
        kind = type(value)
        try:
            data = self._encode(value)
        except TypeError as error:
            raise RefusedError(f"a value of {kind.__qualname__}: {error}") from error
        try:
            found = self._decoders[self._names[kind]](data)
        except (TypeError, ValueError, ArithmeticError, LookupError) as error:
            raise RefusedError(f"a value of {kind.__qualname__} would not come back: {error}") from error
        place = difference(value, found)
        if place is not None:
            raise RefusedError(
                f"a value of {kind.__qualname__}: {place or 'it'} would not come back as it is; say its type there"
            )
        return data

    def restore(self, code: int, data: memoryview) -> Any:
        """What an extension type stands for; ValueError and its like when it stands for nothing."""
        restorer = self._restorers.get(code)
        if restorer is None:
            raise ValueError(f"extension type {code} is not known here")
        return restorer(bytes(data))

    def _dictionary(self, value: dict[Any, Any], depth: int) -> Any:
        if all(type(key) is str for key in value):
            return {key: self.plain(item, depth) for key, item in value.items()}
        pairs = [[self.plain(key, depth), self.plain(item, depth)] for key, item in value.items()]
        return Ext(PAIRS, self._encode(pairs))

    def _large(self, value: int) -> Ext:
        data = value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)
        if len(data) > DIGITS_MAX:
            raise RefusedError(f"a whole number of {len(data):,} bytes; {DIGITS_MAX:,} are the most")
        return Ext(WHOLE, data)

    def _items(self, data: bytes) -> list[Any]:
        items = self._decode(data)
        if not isinstance(items, list):
            raise ValueError("not a list")
        return items

    def _instance(self, data: bytes) -> Any:
        match self._decode(data):
            case [str(name), int(version), bytes(content)] if (name, version) in self._decoders:
                return self._decoders[name, version](content)
        raise ValueError("a kind or version that is not known here")


def _scalar(value: Any) -> Ext:
    kind = type(value)
    if kind is datetime and type(value.tzinfo) in (NoneType, timezone):
        return Ext(DATETIME, (value.isoformat() + FOLD * value.fold).encode())
    if kind is date:
        return Ext(DATE, value.isoformat().encode())
    if kind is UUID:
        return Ext(ID, value.bytes)
    if kind is Decimal and len(text := str(value)) <= DIGITS_MAX:
        return Ext(DECIMAL, text.encode())
    raise RefusedError(
        f"a value of type {kind.__qualname__}; tell the level of its class, or keep what it is made of"
    )


def _text(data: bytes) -> str:
    if len(data) > DIGITS_MAX:
        raise ValueError("too long")
    return data.decode("ascii")


def _instant(data: bytes) -> datetime:
    text = _text(data)
    return datetime.fromisoformat(text.removesuffix(FOLD)).replace(fold=int(text.endswith(FOLD)))


def _whole(data: bytes) -> int:
    if len(data) > DIGITS_MAX:
        raise ValueError("too long")
    return int.from_bytes(data, "big", signed=True)


def _pairs(items: list[Any]) -> Iterator[tuple[Any, Any]]:
    for item in items:
        if not isinstance(item, list) or len(item) != 2:
            raise ValueError("not a pair")
        yield item[0], item[1]
