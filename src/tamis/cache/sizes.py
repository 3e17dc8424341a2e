"""How many bytes a value takes in memory, about."""

import sys
from collections.abc import Iterable, Mapping
from types import NoneType
from typing import Any

FLAT = frozenset((str, bytes, int, float, bool, NoneType))
"""Types that hold nothing else."""


def size_of(value: Any) -> int:
    """Bytes of a value and of all that it holds, each object once. Buffers outside of Python's memory are counted
    where they say their size (`nbytes`: Arrow, NumPy).
    """
    if type(value) in FLAT:
        return sys.getsizeof(value)
    seen: set[int] = set()
    total, left = 0, [value]
    while left:
        item = left.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        size = sys.getsizeof(item)
        if type(item) not in FLAT:
            size += _outside(item, size)
            left.extend(_held(item))
        total += size
    return total


def _outside(item: Any, size: int) -> int:
    nbytes = _asked(item, "nbytes")
    return nbytes - size if isinstance(nbytes, int) and nbytes > size else 0


def _held(item: Any) -> Iterable[Any]:
    if isinstance(item, type):
        return ()
    if isinstance(item, Mapping):
        return (*item.keys(), *item.values())
    if isinstance(item, list | tuple | set | frozenset):
        return item
    fields = getattr(type(item), "__struct_fields__", None) or _slots(type(item))
    held = [_asked(item, name) for name in fields]
    held.extend((_asked(item, "__dict__") or {}).values())
    return held


def _asked(item: Any, name: str) -> Any:
    try:
        return getattr(item, name, None)
    except Exception:  # the edge: what a value's class does when it is asked is not the cache's
        return None


def _slots(kind: type) -> Iterable[str]:
    for base in kind.__mro__:
        slots = base.__dict__.get("__slots__", ())
        yield from (slots,) if isinstance(slots, str) else slots
