"""A glance at a whole batch: which of its records can hold anything sensitive at all."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Final, TypeAlias

import msgspec

from tamis.pipeline.processors.patterns import card
from tamis.pipeline.processors.patterns.fold import FIRST_BYTES
from tamis.pipeline.processors.patterns.hints import COLONS_MIN, has_name
from tamis.pipeline.processors.patterns.iban import LENGTHS
from tamis.pipeline.processors.patterns.phone import PHONE, may_have_phone
from tamis.pipeline.processors.patterns.secret import PREFIXES
from tamis.pipeline.processors.secure import CACHE_ENTRIES_MAX, CACHED_CHARS_MAX, Secure
from tamis.record.attributes import Value
from tamis.record.model import Record

_LETTERS: Final = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_DIGITS: Final = b"0123456789"
_END: Final = b"\n"


def _classes(*classes: tuple[bytes, bytes], other: bytes = b"!") -> bytes:
    """A table that makes each byte of a class that class's sign; the end of a line stays."""
    table = bytearray(other * 256)
    table[_END[0]] = _END[0]
    for members, sign in classes:
        for byte in members:
            table[byte] = sign[0]
    return bytes(table)


_AS_NUMBERS: Final = _classes((_DIGITS, b"0"))
_BETWEEN_DIGITS: Final = b" ./()+-"
_AS_HEADS: Final = _classes((_DIGITS, b"0"), (_LETTERS, b"a"), (b"\\", b"\\"))
_AS_WORDS: Final = _classes((_DIGITS + _LETTERS + b"_-", b"x"))
_SIGNS: Final = b"@%=:.-\\'"
_OTHERS: Final = bytes(byte for byte in range(256) if byte not in _SIGNS + _END)
_Step: TypeAlias = tuple[bytes | None, bytes, tuple[tuple[bytes, Callable[[str], bool] | None], ...]]
"""What is made of the data (a table, and what is left out of it), and what is looked for in that; with what confirms
it for the text."""
_HEAD: Final = re.compile(r"[A-Za-z]{2}(?=[0-9]{2}[ -]?[0-9A-Za-z])")
_TOKEN: Final = re.compile(r"[0-9A-Za-z_.=~:/%+-]{16,}")
_DOTTED: Final = re.compile(r"[0-9]\.[0-9]+\.[0-9]+\.[0-9]")
_KEYS: Final = ("eyJ", "eyK", *PREFIXES)
_CARD_DIGITS: Final = 13
_SIMPLE: Final = frozenset((str, int, float, bool, type(None)))
_TOGETHER: Final = 16
"""Records whose values are put together at once."""
_encoder = msgspec.json.Encoder()


class Glance:
    """Tells the places of the records that hold something sensitive, or may; the others hold nothing.

    It knows what every match of a pattern must have in it, and looks for that in all texts of a batch at once, each
    text once, as lines of JSON: a clean record costs a third of what looking at it alone does. It may name too many
    records, never too few. Used by one thread at a time.
    """

    def __init__(self, secure: Secure) -> None:
        self._secure = secure
        self._plain: set[str] = set()
        self._clean = secure.clean
        self._tokens: set[str] = set()
        self._steps: tuple[_Step, ...] = (
            (
                None,
                _OTHERS,
                (
                    (b"@", None),
                    (b"%", None),
                    (b"=", has_name),
                    (b":", _has_colons),
                    (b"...", _has_dotted),
                    (b"-----", None),
                    (b"--", has_name),
                    (b"'", has_name),
                    (b"\\", None),
                ),
            ),
            (_AS_NUMBERS, _BETWEEN_DIGITS, ((b"0" * 7, _has_number),)),
            (_AS_HEADS, b"", ((b"!aa00", _has_head),)),
            (_AS_WORDS, b"", ((b"x" * 16, self._has_key),)),
            (
                None,
                b"",
                (
                    (b"</", has_name),
                    (b"]]>", has_name),
                    (b"earer ", None),
                    (b"EARER ", None),
                    *((first, None) for first in FIRST_BYTES),
                ),
            ),
        )

    def places(self, records: Sequence[Record]) -> Sequence[int]:
        """Where in the batch they stand, in order."""
        if self._secure.detector.has_own:
            return range(len(records))
        messages = [record.message for record in records]
        given = [record.attributes for record in records]
        found: set[int] = set()
        if not self._learn(set(chain.from_iterable(given))):
            found.update(place for place, names in enumerate(given) if not self._learn(names))
        values: set[Value] = set()
        held: list[Iterable[Value]] = [attributes.values() for attributes in given]
        for begin in range(0, len(held), _TOGETHER):
            try:
                values.update(*held[begin : begin + _TOGETHER])
            except TypeError:  # lists and objects
                found.update(self._open(given, held, begin))
                values.update(*held[begin : begin + _TOGETHER])
        dirty = self._dirty(values.union(messages).difference(self._clean))
        if dirty:
            is_clean = dirty.isdisjoint
            found.update([place for place, message in enumerate(messages) if message in dirty])
            if not is_clean(values):
                found.update([place for place, some in enumerate(held) if not is_clean(some)])
        return sorted(found)

    def _open(
        self, given: Sequence[dict[str, Value]], held: list[Iterable[Value]], begin: int
    ) -> Iterator[int]:
        """Put the leaves for values where there are objects; the places of those records that are not as simple."""
        for place in range(begin, min(begin + _TOGETHER, len(held))):
            if not _SIMPLE.issuperset(map(type, held[place])):
                held[place] = self._leaves(given[place])
                if not held[place]:
                    yield place

    def _leaves(self, attributes: dict[str, Value]) -> list[Value]:
        """All values where there are plain objects among them, as a position in the code is; nothing where it is not
        as simple.
        """
        leaves: list[Value] = []
        for value in attributes.values():
            nested = [value] if type(value) is not dict else list(value.values())
            if type(value) is dict and ("value" in value or not _are_texts(value) or not self._learn(value)):
                return []
            if not _SIMPLE.issuperset(map(type, nested)):
                return []
            leaves += nested
        return leaves

    def _learn(self, names: Iterable[str]) -> bool:
        """Whether none of the names says or holds anything sensitive."""
        if self._plain.issuperset(names):
            return True
        if len(self._plain) >= CACHE_ENTRIES_MAX:
            self._plain.clear()
        for name in names:
            if name not in self._plain:
                if not self._secure.is_plain(name):
                    return False
                if len(name) <= CACHED_CHARS_MAX:
                    self._plain.add(name)
        return True

    def _dirty(self, fresh: set[Value]) -> set[Value]:
        """Which texts, and numbers as long as a card's, hold something sensitive; the others are remembered."""
        numbers = [value for value in fresh if type(value) is int or type(value) is float]
        dirty: set[Value] = {value for value in numbers if value >= card.NUMBER_MIN and _is_card(value)}
        texts = [text for text in fresh if type(text) is str]
        try:
            dirty.update([text for text in self._suspects(texts) if self._holds(text)])
        except Exception:  # something that JSON cannot carry: each for itself then
            dirty.update([text for text in texts if self._holds(text)])
        if len(self._clean) >= CACHE_ENTRIES_MAX:
            self._clean.clear()
        self._clean.update([text for text in texts if len(text) <= CACHED_CHARS_MAX and text not in dirty])
        return dirty

    def _holds(self, text: str) -> bool:
        return self._secure.detector.may_hold(text) != 0

    def _suspects(self, texts: list[str]) -> set[str]:
        """The texts that have what some pattern needs."""
        data = _encoder.encode_lines(texts)
        found: set[str] = set()
        for table, dropped, needles in self._steps:
            signs = data.translate(table, dropped) if table or dropped else data
            for needle, confirms in needles:
                if needle in signs:
                    suspects = [texts[place] for place in _places(signs, needle)]
                    found.update(suspects if confirms is None else filter(confirms, suspects))
        return found

    def _has_key(self, text: str) -> bool:
        """Whether something in it begins as keys do. Long words that do not are remembered: names of threads."""
        for token in _TOKEN.findall(text):
            if token in self._tokens:
                continue
            for key in _KEYS:
                if key in token:
                    return True
            if len(self._tokens) >= CACHE_ENTRIES_MAX:
                self._tokens.clear()
            if len(token) <= CACHED_CHARS_MAX:
                self._tokens.add(token)
        return False


def _are_texts(names: Iterable[object]) -> bool:
    return all(type(name) is str for name in names)


def _places(signs: bytes, needle: bytes) -> list[int]:
    """The numbers of the lines that have the needle; few do."""
    places = []
    at, place, begin = signs.find(needle), 0, 0
    while at >= 0:
        place += signs.count(_END, begin, at)
        places.append(place)
        begin, place = signs.find(_END, at) + 1, place + 1
        at = signs.find(needle, begin)
    return places


def _is_card(number: float) -> bool:
    """Whether a number is a card's. A float that equals a whole number stands for that, too."""
    return card.NUMBER_MIN <= number < card.NUMBER_MAX and card.is_card(str(int(number)))


def _has_number(text: str) -> bool:
    """Whether it has digits enough for a card, or a phone number; an account begins otherwise."""
    if len(text) >= _CARD_DIGITS:
        digits = text.encode("utf-8", "replace").translate(_AS_NUMBERS, _BETWEEN_DIGITS)
        if b"0" * _CARD_DIGITS in digits:
            return True
    return may_have_phone(text) and next(iter(PHONE.find(text)), None) is not None


def _has_dotted(text: str) -> bool:
    """Whether four numbers stand between dots."""
    return _DOTTED.search(text) is not None


def _has_colons(text: str) -> bool:
    """An address of version 6, or the name of something secret."""
    return "::" in text or text.count(":") >= COLONS_MIN or has_name(text)


def _has_head(text: str) -> bool:
    """Whether it has a country's letters before the check digits of an account."""
    return any(head.upper() in LENGTHS for head in _HEAD.findall(text))
