"""Values leave this process and come back the same; bytes that were never packed do no harm."""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import IntEnum
from typing import Any
from zlib import crc32

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tamis.cache.extensions import Kind, RefusedError
from tamis.cache.packing import Packer, PackingLimits, UnreadableError
from tamis.disk.rotated import zstd_module

KEY = b"key"


class Order(msgspec.Struct):
    number: int
    lines: list[str]


@dataclass
class Point:
    x: float
    y: float


class Colour(IntEnum):
    RED = 1


@dataclass(eq=False)
class Loose:
    """A class that promises little."""

    first: Any
    second: float = 1.5
    third: object = None


LOOSE = Packer(kinds={"loose": Kind(Loose)})
PACKER = Packer(kinds={"order": Kind(Order), "point": Kind(Point, 3)})

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**200), 2**200)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.decimals(allow_nan=False)
    | st.uuids()
    | st.dates()
    | st.datetimes()
    | st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))]))
    | st.builds(Order, st.integers(-(2**63), 2**64 - 1), st.lists(st.text()))
    | st.builds(Point, st.floats(allow_nan=False), st.floats(allow_nan=False))
)
HASHABLE = st.integers() | st.text() | st.tuples(st.integers(), st.text()) | st.binary()
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.lists(inner, max_size=5).map(tuple)
        | st.dictionaries(HASHABLE, inner, max_size=5)
        | st.sets(HASHABLE, max_size=5)
        | st.frozensets(HASHABLE, max_size=5)
    ),
    max_leaves=20,
)


def shape(value: Any) -> Any:
    """The value with its types told, all the way down."""
    if isinstance(value, dict):
        return dict, [(shape(key), shape(item)) for key, item in value.items()]
    if isinstance(value, list | tuple):
        return type(value), [shape(item) for item in value]
    return type(value), getattr(value, "fold", 0), value


def packed(body: bytes, flags: int = 0) -> bytes:
    """Bytes with a head that is right."""
    return bytes((1, flags)) + crc32(body, crc32(KEY)).to_bytes(4, "big") + body


@settings(max_examples=100, deadline=None)
@given(VALUES, st.lists(st.text(), max_size=3).map(tuple))
def test_what_is_packed_comes_back(value: Any, tags: tuple[str, ...]) -> None:
    """With its type, whatever it is made of."""
    found, found_tags = PACKER.unpack(KEY, PACKER.pack(KEY, value, tags))
    assert shape(found) == shape(value)
    assert found_tags == tags


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([0, 1, 2, 255]))
def test_bytes_that_were_never_packed_are_no_entry(body: bytes, flags: int) -> None:
    """Whatever they are: an entry that is checked, or unreadable, and nothing else."""
    try:
        _, tags = PACKER.unpack(KEY, packed(body, flags))
        assert all(type(tag) is str for tag in tags)
    except UnreadableError:
        pass


@settings(max_examples=150, deadline=None)
@given(VALUES, st.data())
def test_a_changed_bit_is_seen(value: Any, data: st.DataObject) -> None:
    """Wherever it is, and so is another key's entry."""
    whole = bytearray(PACKER.pack(KEY, value, ("t",)))
    place = data.draw(st.integers(0, len(whole) * 8 - 1))
    whole[place // 8] ^= 1 << place % 8
    with pytest.raises(UnreadableError):
        PACKER.unpack(KEY, bytes(whole))
    with pytest.raises(UnreadableError, match="another key's"):
        PACKER.unpack(b"other", PACKER.pack(KEY, value, ()))


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (object(), "type object"),
        ({"deep": [lambda: 0]}, "type function"),
        (Colour.RED, "type Colour"),
        ("\ud800", "surrogates"),
        (nested(100), "nested deeper"),
        (1 << 100_000, "whole number"),
        (bytes(9_000_000), "9,000,0"),
        (Order(1 << 70, []), "msgpack has no word for"),
    ],
    ids=["object", "function", "enum", "surrogate", "deep", "digits", "large", "field"],
)
def test_what_would_not_come_back_is_refused(value: Any, reason: str) -> None:
    """With the reason; nothing is guessed."""
    with pytest.raises(RefusedError, match=reason):
        PACKER.pack(KEY, value, ())


@pytest.mark.parametrize(
    "given",
    [
        ((1, 2),),
        ({1, 2},),
        (datetime(2026, 1, 1),),
        (Decimal("1.1"),),
        (Point(1, 2),),
        ({"deep": [{"x": (1,)}]},),
        (Colour.RED,),
        ({Colour.RED: 1},),
        (1, "text"),
        (1, 1.5, (1,)),
        (float("nan"), float("nan"), object()),
    ],
    ids=lambda given: repr(given).partition(" at ")[0],
)
def test_a_kind_whose_fields_would_come_back_changed_is_refused(given: tuple[Any, ...]) -> None:
    """Nothing that came back is another value, or of another type, than what was kept."""
    with pytest.raises(RefusedError, match="a value of Loose"):
        LOOSE.pack(KEY, Loose(*given), ())


@pytest.mark.parametrize(
    "given",
    [
        (None,),
        (b"bytes",),
        (datetime(2026, 1, 1, tzinfo=UTC),),
        ([1, {"a": [True]}], 3),
        ({1: 2, "1": 3},),
        (float("nan"),),
        (-0.0, 1.0, "text"),
    ],
    ids=repr,
)
def test_a_kind_whose_fields_come_back_is_kept(given: tuple[Any, ...]) -> None:
    """Also one that knows no equality, with a number that is none."""
    found, _ = LOOSE.unpack(KEY, LOOSE.pack(KEY, Loose(*given), ()))
    assert type(found) is Loose
    assert repr(found) in (repr(Loose(*given)), repr(Loose(*given)).replace("=3,", "=3.0,"))


def test_a_refusal_says_which_field_it_is_about() -> None:
    """By its path."""
    with pytest.raises(RefusedError, match=r"\.first\['rows'\]\[1\] would not come back"):
        LOOSE.pack(KEY, Loose({"rows": [1, (2,)]}), ())


def test_keys_and_tags_have_limits() -> None:
    """Long ones, too many, and what is not Unicode."""
    with pytest.raises(RefusedError, match="4,097 bytes"):
        PACKER.key("k" * 4_097)
    with pytest.raises(RefusedError, match="Unicode"):
        PACKER.key("\ud800")
    with pytest.raises(RefusedError, match="65 tags"):
        PACKER.pack(KEY, 1, ("t",) * 65)


def test_large_values_are_compressed() -> None:
    """From 1,024 bytes on, where it makes them smaller."""
    small, large = PACKER.pack(KEY, "x" * 1_000, ()), PACKER.pack(KEY, "x" * 100_000, ())
    assert (small[1], large[1]) == (0, 1)
    assert len(large) < 200
    assert PACKER.unpack(KEY, large)[0] == "x" * 100_000
    assert Packer(PackingLimits(compress_bytes=10)).pack(KEY, "x" * 1_000, ())[1] == 1


def ext_in_ext(depth: int) -> bytes:
    data = b"\xc0"
    for _ in range(depth):
        data = b"\xc9" + struct.pack(">Ib", len(data) + 1, 1) + b"\x91" + data
    return b"\x92\x90" + data


@pytest.mark.parametrize(
    ("make", "flags", "reason"),
    [
        (lambda: zstd_module().compress(bytes(100_000_000)), 1, "value_bytes_max"),
        (lambda: zstd_module().compress(b"\x92\x90\xc0")[:-1], 1, "cut"),
        (lambda: zstd_module().compress(b"\x92\x90\xc0") + b"more", 1, "longer"),
        (lambda: b"\x28\xb5\x2f\xfd\x00\xf8" + bytes(100), 1, "not readable"),
        (lambda: b"\x91" * 100_000, 0, "recursion"),
        (lambda: ext_in_ext(3_000), 0, "recursion"),
        (lambda: b"\x92\x90\xd4\x7f\x00", 0, "127 is not known"),
        (lambda: b"\x92\x91\x01\xc0", 0, "not an entry"),
        (lambda: b"\x92\x90\xc0\xc0", 0, "not readable"),
        (lambda: b"\x92\x90\xc0", 9, "not known here"),
        (lambda: bytes(9_000_000), 0, "value_bytes_max"),
    ],
    ids=[
        "bomb",
        "cut",
        "longer",
        "window",
        "deep",
        "ext in ext",
        "ext",
        "tags",
        "trailing",
        "flags",
        "large",
    ],
)
def test_hostile_bytes_are_unreadable(make: Callable[[], bytes], flags: int, reason: str) -> None:
    """Bombs, nesting, unknown types: each ends early, with a reason."""
    with pytest.raises(UnreadableError, match=reason):
        PACKER.unpack(KEY, packed(make(), flags))


def test_an_instance_of_another_version_or_class_is_no_entry() -> None:
    """Nor one whose fields are not what the class says."""
    whole = PACKER.pack(KEY, Point(1, 2), ())
    for kinds in ({"point": Kind(Point, 4)}, {"other": Kind(Point, 3)}, {"point": Kind(Order, 3)}, {}):
        with pytest.raises(UnreadableError):
            Packer(kinds=kinds).unpack(KEY, whole)
