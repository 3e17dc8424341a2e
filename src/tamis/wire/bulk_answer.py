"""What a bulk is answered with: an object for each item, as Elasticsearch's clients read them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import msgspec

from tamis.wire.bulk import Block, Bulk
from tamis.wire.bulk_items import ACTIONS, Refusal

ITEMS_AT_A_TIME = 2_000
PATTERNS_MAX, PATTERN_CHARS_MAX = 100, 1_000
_ID, _NAME, _NUMBER = "\ue000", "\ue001", "\ue002"
"""Stand in a template for what differs between items."""
_PLAIN = re.compile(r'[^"\\\x00-\x1f\ud800-\udfff]*')
_MARKS = re.compile(f'("{_ID}"|"{_NUMBER}")')
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Filter:
    """What of an answer is wanted (`filter_path`): paths of names, ``*`` any part of one, ``**`` any names."""

    wanted: tuple[tuple[str, ...], ...] = ()
    unwanted: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Filter":
        """``errors,items.*.status,-items.*._id``."""
        paths = [one.strip() for one in text[:PATTERN_CHARS_MAX].split(",", PATTERNS_MAX) if one.strip()]
        return cls(
            tuple(tuple(one.split(".")) for one in paths if one[0] != "-"),
            tuple(tuple(one[1:].split(".")) for one in paths if one[0] == "-"),
        )

    def apply(self, value: Any) -> Any:
        """What is left of an object; None when it is nothing."""
        if self.wanted:
            value = _only(value, self.wanted)
        return _without(value, self.unwanted) if self.unwanted and value is not None else value


EVERYTHING = Filter()


def _steps(paths: tuple[tuple[str, ...], ...], name: str) -> tuple[tuple[str, ...], ...]:
    """What is left of the paths beyond a name."""
    rest = []
    for path in paths:
        if path and path[0] == "**":
            rest.append(path)
            rest += _steps((path[1:],), name) if path[1:] else [()]
        elif path and _fits(path[0], name):
            rest.append(path[1:])
    return tuple(rest)


def _fits(pattern: str, name: str) -> bool:
    if "*" not in pattern:
        return pattern == name
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name) is not None


def _only(value: Any, paths: tuple[tuple[str, ...], ...]) -> Any:
    if () in paths:
        return value
    if isinstance(value, list):
        return [left for one in value if (left := _only(one, paths)) is not None] or None
    if not isinstance(value, dict):
        return None
    kept = {name: _only(one, rest) for name, one in value.items() if (rest := _steps(paths, name))}
    return {name: one for name, one in kept.items() if one is not None} or None


def _without(value: Any, paths: tuple[tuple[str, ...], ...]) -> Any:
    if () in paths:
        return None
    if isinstance(value, list):
        return [left for one in value if (left := _without(one, paths)) is not None] or None
    if not isinstance(value, dict):
        return value
    kept = {
        name: _without(one, rest) if (rest := _steps(paths, name)) else one for name, one in value.items()
    }
    return {name: one for name, one in kept.items() if one is not None} or None


@dataclass(frozen=True, slots=True)
class Stored:
    """Where the records of a bulk are: their ids begin with `store_id`, and count up from `first_seq`."""

    store_id: str
    first_seq: int


def encode_answer(
    bulk: Bulk, stored: Stored, *, took_ms: int, wanted: Filter = EVERYTHING
) -> Iterator[bytes]:
    """The answer, in pieces of some thousand items."""
    has_errors = bulk.refused_count > 0
    head: Any = wanted.apply({"took": took_ms, "errors": has_errors}) or {}
    text = _encode(head)[:-1]
    if not any(wanted.apply({"items": [sample]}) for action in ACTIONS for sample in _samples(action)):
        yield text + b"}"
        return
    yield text + (b"," if head else b"") + b'"items":['
    seq, is_first = stored.first_seq, True
    for block in bulk.blocks:
        for start in range(0, len(block.codes), ITEMS_AT_A_TIME):
            stop = min(start + ITEMS_AT_A_TIME, len(block.codes))
            writer = _Writer(block, stored.store_id, wanted)
            items, seq = writer.items(range(start, stop), seq)
            if items:
                yield ("" if is_first else ",").encode() + ",".join(items).encode("utf-8", "replace")
                is_first = False
    yield b"]}"


def _samples(action: str) -> tuple[dict[str, Any], ...]:
    return stored_item(action), refused_item(action, "index", "id", refusal=Refusal(400, "kind", "reason"))


def stored_item(action: str) -> dict[str, Any]:
    """What is said of an item that is stored now, with marks for what differs."""
    return {
        action: {
            "_index": _NAME,
            "_id": _ID,
            "_version": 1,
            "result": "created",
            "_shards": {"total": 1, "successful": 1, "failed": 0},
            "_seq_no": _NUMBER,
            "_primary_term": 1,
            "status": 201,
        }
    }


def refused_item(action: str, index: str, name: str | None, *, refusal: Refusal) -> dict[str, Any]:
    """What is said of an item that is not stored now."""
    said: dict[str, Any] = {"_index": index, "_id": name, "status": refusal.status}
    if refusal.status < 400:
        said |= {"_version": 1, "result": refusal.kind}
    else:
        said["error"] = {"type": refusal.kind, "reason": refusal.reason}
    return {action: said}


class _Writer:
    """Writes items of one block."""

    def __init__(self, block: Block, store_id: str, wanted: Filter) -> None:
        self._block, self._store_id, self._wanted = block, store_id, wanted
        self._forms: dict[tuple[int, int], list[str] | None] = {}

    def items(self, places: range, seq: int) -> tuple[list[str], int]:
        """Items as JSON, and the sequence of what comes behind them."""
        block = self._block
        is_plain = block.name_of is None and len(set(block.codes[places.start : places.stop])) == 1
        if is_plain and not any(place in block.refused for place in places):
            return self._alike(places, seq), seq + len(places)
        ids = repeat(None) if block.ids is None else block.ids[places.start : places.stop].to_pylist()
        texts = []
        for place, name in zip(places, ids, strict=False):
            refusal = block.refused.get(place)
            code, at = block.codes[place], 0 if block.name_of is None else int(block.name_of[place])
            if refusal is None:
                texts.append(self._one(code, at, name, seq=seq))
                seq += 1
            else:
                item = refused_item(ACTIONS[code], block.names[at], name, refusal=refusal)
                left = self._wanted.apply({"items": [item]})
                texts.append("" if left is None else _encode(left["items"][0]).decode())
        return [text for text in texts if text], seq

    def _alike(self, places: range, seq: int) -> list[str]:
        """Items of one action and index, all stored."""
        form = self._form(self._block.codes[places.start], 0)
        if form is None:
            return []
        numbers = list(map(str, range(seq, seq + len(places))))
        if self._block.ids is None:
            ids = list(map(f'"{self._store_id}-%s"'.__mod__, numbers))
        else:
            given = self._block.ids[places.start : places.stop].to_pylist()
            if None in given or _PLAIN.fullmatch("".join(given)) is None:
                ids = [self._id(name, seq + at) for at, name in enumerate(given)]
            else:
                ids = list(map('"%s"'.__mod__, given))
        marked = {_ID: ids, _NUMBER: numbers}
        columns = [marked.get(part) or repeat(part, len(ids)) for part in form]
        return list(map("".join, zip(*columns, strict=True)))

    def _one(self, code: int, at: int, name: str | None, *, seq: int) -> str:
        form = self._form(code, at)
        marked = {_ID: self._id(name, seq), _NUMBER: str(seq)}
        return "" if form is None else "".join(marked.get(part, part) for part in form)

    def _id(self, name: str | None, seq: int) -> str:
        return f'"{self._store_id}-{seq}"' if name is None else _encode(name).decode()

    def _form(self, code: int, at: int) -> list[str] | None:
        """The text of a stored item in parts, marks among them; None when nothing of it is wanted."""
        if (code, at) not in self._forms:
            left = self._wanted.apply({"items": [stored_item(ACTIONS[code])]})
            self._forms[code, at] = None if left is None else _parts(left["items"][0], self._block.names[at])
        return self._forms[code, at]


def _parts(item: dict[str, Any], name: str) -> list[str]:
    text = _encode(item).decode().replace(f'"{_NAME}"', _encode(name).decode())
    return [part.strip('"') if part[1:-1] in (_ID, _NUMBER) else part for part in _MARKS.split(text) if part]
