"""Entries of a push to Loki in protobuf, all of a stream in step; unusual ones are left to the general way."""

from typing import Any

import numpy as np

from tamis.wire.gathered import Gathered, OddError, Places

_SECONDS_MAX = 9_000_000_000
_NS = 1_000_000_000
_STEPS_MAX = 64
Entry = tuple[int, str, dict[str, Any]]


def entries_together(seen: Gathered, starts: Places, ends: Places) -> list[Entry] | None:
    """The time, the line and the metadata of the entries that stand there; None when one of them is unusual."""
    try:
        return _entries(seen, starts, ends)
    except OddError:
        return None


def _entries(seen: Gathered, starts: Places, ends: Places) -> list[Entry]:
    _check((ends - starts >= 4).all())
    stamps, at = _times(seen, starts)
    _check((at < ends).all() and (seen.bytes[at] == 0x12).all())
    sizes, begin = seen.sizes(at + 1)
    at = begin + sizes
    _check((at <= ends).all())
    lines = seen.texts(begin, sizes).to_pylist()
    metadata = _metadata(seen, at, ends)
    return list(zip(stamps.tolist(), lines, metadata, strict=True))


def _check(is_usual: object) -> None:
    if not is_usual:
        raise OddError


def _times(seen: Gathered, starts: Places) -> tuple[Any, Places]:
    """Nanoseconds, and the places behind the times: a message of seconds and perhaps nanoseconds."""
    data = seen.bytes
    ends = starts + 2 + data[starts + 1]
    _check(
        (data[starts] == 0x0A).all() and (data[starts + 1] < 0x80).all() and (data[starts + 2] == 0x08).all()
    )
    seconds, at = seen.varints(starts + 3)
    _check((at <= ends).all() and (np.abs(seconds) < _SECONDS_MAX).all())
    has = at < ends
    _check((data[at[has]] == 0x10).all())
    nanos = np.zeros(len(at), np.int64)
    behind = at.copy()
    nanos[has], behind[has] = seen.varints(at[has] + 1)
    _check((behind == ends).all() and (nanos >= 0).all() and (nanos < _NS).all())
    return seconds * _NS + nanos, ends


def _metadata(seen: Gathered, at: Places, ends: Places) -> list[dict[str, Any]]:
    """The pairs of each entry, one of every entry at a time."""
    made: list[dict[str, Any]] = [{} for _ in range(len(at))]
    rows = np.arange(len(at))
    for _ in range(_STEPS_MAX):
        is_left = at < ends
        if not is_left.all():
            rows, at, ends = rows[is_left], at[is_left], ends[is_left]
        if not len(rows):
            return made
        names, texts, at = _pairs(seen, at, ends)
        for row, name, text in zip(rows.tolist(), names, texts, strict=True):
            made[row][name] = text
    raise OddError


def _pairs(seen: Gathered, at: Places, ends: Places) -> tuple[list[str], list[str], Places]:
    data = seen.bytes
    _check((at + 4 <= ends).all() and (data[at] == 0x1A).all())
    sizes, inner = seen.sizes(at + 1)
    behind = inner + sizes
    _check((behind <= ends).all() and (inner + 4 <= behind).all() and (data[inner] == 0x0A).all())
    name_sizes, names = seen.sizes(inner + 1)
    value = names + name_sizes
    _check((value + 2 <= behind).all() and (data[value] == 0x12).all())
    text_sizes, texts = seen.sizes(value + 1)
    _check((texts + text_sizes == behind).all())
    return seen.texts(names, name_sizes).to_pylist(), seen.texts(texts, text_sizes).to_pylist(), behind
