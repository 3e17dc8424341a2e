"""What may happen to a file, and the questions that tell whether a store still says what it said."""

from collections.abc import Callable
from pathlib import Path

from tamis.query.ast import Aggregate, All, Phrase, Regex, Stats
from tamis.store.base import Answer, Budget, Question
from tamis.store.embedded.store import EmbeddedStore
from tests.support.embedded import everything


def cut_short(data: bytes) -> bytes:
    return data[: len(data) // 2]


def flip(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 0x10]) + data[middle + 1 :]


def zero(data: bytes) -> bytes:
    start, end = len(data) // 3, len(data) // 2
    return data[:start] + bytes(end - start) + data[end:]


def zero_all(data: bytes) -> bytes:
    return bytes(len(data))


def flip_first(data: bytes) -> bytes:
    return bytes([data[0] ^ 0x01]) + data[1:]


def flip_last(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 0x01])


def duplicate(data: bytes) -> bytes:
    return data + data


def grow(data: bytes) -> bytes:
    return data + b"\0" * 100


def empty(data: bytes) -> bytes:
    return b""


def delete(data: bytes) -> None:
    return None


Action = Callable[[bytes], bytes | None]
ACTIONS: list[Action] = [
    cut_short, flip, flip_first, flip_last, zero, zero_all, duplicate, grow, empty, delete,
]  # fmt: skip


def damage(path: Path, action: Action) -> None:
    """Do it to a file."""
    data = action(path.read_bytes())
    if data is None:
        path.unlink()
    else:
        path.write_bytes(data)


def kill(store: EmbeddedStore) -> None:
    """Let go as a killed process does: nothing is sealed or written."""
    store.parts.shop.engine.close()
    store.parts.lock.release()


ASKED: dict[str, Callable[[EmbeddedStore, Question], Answer]] = {
    "count": lambda store, asked: store.count(asked, Budget()),
    "search": lambda store, asked: store.search(asked, Budget(), limit=1_000),
    "histogram": lambda store, asked: store.histogram(asked, Budget(), interval_ns=10**9, by="level"),
    "stats": lambda store, asked: store.stats(
        asked, Budget(), stats=Stats((Aggregate("avg", "place", "a"), Aggregate("count", None, "n")))
    ),
    "facets": lambda store, asked: store.facets(asked, Budget(), field="mixed"),
    "fields": lambda store, asked: store.fields(asked, Budget()),
    "patterns": lambda store, asked: store.patterns(asked, Budget()),
    "context": lambda store, asked: store.context(45, Budget()),
}
"""Every kind of read."""


def answers_of(store: EmbeddedStore) -> list[object]:
    """What a store says to every kind of question, in a form that can be compared."""
    questions = [Question(All()), Question(Regex("message", "1")), Question(Phrase("message", "first"))]
    said: list[object] = [ask(store, asked) for ask in ASKED.values() for asked in questions]
    said.append([(one.seq, one.record) for one in everything(store)])
    return said
