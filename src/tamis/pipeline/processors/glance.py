"""A glance at a whole batch: which of its records can hold anything sensitive at all."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import chain
from operator import is_
from typing import Any, Final, TypeAlias

from tamis.pipeline.contents import Contents
from tamis.pipeline.encode import write_lines
from tamis.pipeline.processors.patterns import card
from tamis.pipeline.processors.patterns.detect import Replace
from tamis.pipeline.processors.patterns.fold import FIRST_BYTES
from tamis.pipeline.processors.patterns.hints import COLONS_MIN, has_name
from tamis.pipeline.processors.patterns.iban import LENGTHS
from tamis.pipeline.processors.patterns.phone import PHONE, may_have_phone
from tamis.pipeline.processors.patterns.secret import PREFIXES, SHORTEST_KEY
from tamis.pipeline.processors.secure import CACHE_ENTRIES_MAX, CACHED_CHARS_MAX, Secure
from tamis.record.attributes import Value
from tamis.record.model import Record

_LETTERS: Final = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_DIGITS: Final = b"0123456789"
_LINE_END: Final = "\n"
_END: Final = b"\n"


def _classes(*classes: tuple[bytes, bytes], other: bytes = b"!") -> bytes:
    """A table that makes each byte of a class that class's sign; the end of a line stays."""
    table = bytearray(other * 256)
    table[_END[0]] = _END[0]
    for members, sign in classes:
        for byte in members:
            table[byte] = sign[0]
    return bytes(table)


_AS_DIGITS: Final = _classes((_DIGITS, b"0"))
_BETWEEN_DIGITS: Final = b" ./()+-"
_AS_HEADS: Final = _classes((_DIGITS, b"0"), (_LETTERS, b"a"))
_AS_OPTIONS: Final = _classes((_DIGITS + _LETTERS + b"_", b"x"), (b"-", b"-"))
_AS_WORDS: Final = _classes((_DIGITS + _LETTERS + b"_-", b"x"))
_SIGNS: Final = b"@%=:.-\\'<>\x7f"
_OTHERS: Final = bytes(byte for byte in range(256) if byte not in _SIGNS + _END)
_WIDE: Final = (None, b"", tuple((first, None) for first in FIRST_BYTES))
"""What to look for where not all is ASCII."""
_Confirm: TypeAlias = Callable[[Sequence[str]], Iterable[str]]
_Step: TypeAlias = tuple[bytes | None, bytes, tuple[tuple[bytes, _Confirm | None], ...]]
"""What is made of the data (a table, and what is left out of it), and what is looked for in that; with what says
which of the texts that have it are suspects indeed.
"""
_HEAD: Final = re.compile(r"[A-Za-z]{2}(?=[0-9]{2}[ -]?[0-9A-Za-z])")
_TOKEN: Final = re.compile(r"[0-9A-Za-z_.=~:/%+-]{" + str(SHORTEST_KEY) + r",}")
_SHORTEST_ACCOUNT: Final = min(LENGTHS.values())
_DOTTED: Final = re.compile(r"[0-9]\.[0-9]+\.[0-9]+\.[0-9]")
_KEYS: Final = ("eyJ", "eyK", *PREFIXES)
_CARD_DIGITS: Final = 13
_SIMPLE: Final = frozenset((str, int, float, bool, type(None)))
_NUMBERS: Final = frozenset((int, float))
_TOGETHER: Final = 16
"""Records whose values are put together at once."""


class Glance:
    """Tells the places of the records that hold something sensitive, or may; the others hold nothing.

    It knows what every match of a pattern must have in it, and looks for that in all texts of a batch at once, each
    text once, as lines of JSON: a clean record costs a third of what looking at it alone does. It may name too many
    records, never too few. Used by one thread at a time.
    """

    def __init__(self, secure: Secure, mask: Replace) -> None:
        self._secure, self._mask = secure, mask
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
                    (b"=", _with_name),
                    (b":", _with_colons),
                    (b"...", _with_dots),
                    (b"-----", None),
                    (b"'", _with_name),
                    (b"<", _with_name),
                    (b">", _with_name),
                    (b"\\", None),
                    (b"\x7f", None),
                ),
            ),
            (_AS_DIGITS, _BETWEEN_DIGITS, ((b"0" * _CARD_DIGITS, None), (b"0" * 7, _with_phone))),
            (_AS_HEADS, b"", ((b"!aa00", _with_head),)),
            (_AS_OPTIONS, b"", ((b"!-", _with_name),)),
            (_AS_WORDS, b"", ((b"x" * 16, self._with_key),)),
            (
                None,
                b"",
                (
                    (b"earer", None),
                    (b"EARER", None),
                ),
            ),
        )

    def places(self, records: Sequence[Record], contents: Contents | None = None) -> Sequence[int]:
        """Where in the batch they stand, in order. `contents` are those of the records, where they are known."""
        if self._secure.detector.has_own:
            return range(len(records))
        self._secure.masked.clear()
        if contents is None:
            return sorted(self._look(records))
        others = _others(records, contents)
        found = (
            {others[place] for place in self._look([records[place] for place in others])} if others else set()
        )
        return sorted(found.union(self._within(records, contents, others)))

    def _within(self, records: Sequence[Record], contents: Contents, others: Sequence[int]) -> Iterator[int]:
        """The places of records of which the contents tell that they hold something sensitive, or may."""
        if not self._learn(contents.names):
            yield from self._named(contents.names, [record.attributes for record in records])
        clean = self._clean
        fresh: set[Value] = {text for text in contents.texts if text not in clean}
        fresh.update(contents.numbers)
        dirty = self._dirty(fresh)
        if dirty:
            unseen, is_clean = set(others), dirty.isdisjoint
            for place, record in enumerate(records):
                if place not in unseen and (
                    record.message in dirty or not is_clean(record.attributes.values())
                ):
                    yield place

    def _look(self, records: Sequence[Record]) -> set[int]:
        """The places of records that hold something sensitive, or may, in any order."""
        messages = [record.message for record in records]
        given = [record.attributes for record in records]
        found: set[int] = set()
        names = set(chain.from_iterable(given))
        if not self._learn(names):
            found.update(self._named(names, given))
        values: set[Value] = set()
        opened: dict[int, list[Value]] = {}
        for begin in range(0, len(given), _TOGETHER):
            some = given[begin : begin + _TOGETHER]
            try:
                values.update(*[attributes.values() for attributes in some])
            except TypeError:  # lists and objects
                for place in _odd(some):
                    opened[begin + place] = leaves = self._leaves(some[place])
                    if not leaves:
                        found.add(begin + place)
                values.update(*[opened.get(begin + place, one.values()) for place, one in enumerate(some)])
        fresh = values.difference(self._clean)
        fresh.update(set(messages).difference(self._clean))
        dirty = self._dirty(fresh)
        if dirty:
            found.update([place for place, message in enumerate(messages) if message in dirty])
            if not dirty.isdisjoint(values):
                is_clean = dirty.isdisjoint
                held = [opened.get(place, one.values()) for place, one in enumerate(given)]
                found.update([place for place, some in enumerate(held) if not is_clean(some)])
        return found

    def _named(self, names: Iterable[str], given: Sequence[dict[str, Value]]) -> Iterator[int]:
        """The places of records with a name that says or holds something sensitive; a count is none."""
        for name in names:
            if name not in self._plain and not self._learn((name,)):
                may_count = self._secure.is_count(name)
                if may_count and _NUMBERS.issuperset([type(one[name]) for one in given if name in one]):
                    continue
                for place, attributes in enumerate(given):
                    if name in attributes and not (may_count and type(attributes[name]) in _NUMBERS):
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
        texts = [text for text in fresh if type(text) is str]
        dirty: set[Value] = set()
        if len(texts) < len(fresh):
            dirty.update(_cards(fresh.difference(texts)))
        try:
            suspects: Iterable[str] = self._suspects(texts)
        except Exception:  # something that JSON cannot carry: each for itself then
            suspects = texts
        masked: dict[str, str] = {}
        for text in suspects:
            found = self._secure.text(text, self._mask)
            if found is not text:
                masked[text] = found
        dirty.update(masked)
        self._secure.masked.update(masked)
        if len(self._clean) >= CACHE_ENTRIES_MAX:
            self._clean.clear()
        if dirty or max(map(len, texts), default=0) > CACHED_CHARS_MAX:
            texts = [text for text in texts if len(text) <= CACHED_CHARS_MAX and text not in dirty]
        self._clean.update(texts)
        return dirty

    def _suspects(self, texts: list[str]) -> set[str]:
        """The texts that have what some pattern needs."""
        data = write_lines(texts, about=sum(map(len, texts)))
        found: set[str] = set()
        for table, dropped, needles in self._steps if data.isascii() else (*self._steps, _WIDE):
            signs = data.translate(table, dropped) if table or dropped else data
            for needle, confirms in needles:
                if needle in signs:
                    suspects = [texts[place] for place in _places(signs, needle)]
                    found.update(suspects if confirms is None else confirms(suspects))
        return found

    def _with_key(self, texts: Sequence[str]) -> Iterable[str]:
        """Those with something in them that begins as keys do. Long words that do not, as names of threads, are
        remembered.
        """
        if len(self._tokens) >= CACHE_ENTRIES_MAX:
            self._tokens.clear()
        words = {text: self._tokens.issuperset(_TOKEN.findall(text)) for text in texts}
        fresh = [text for text, is_known in words.items() if not is_known]
        found = set(_confirmed(fresh, _has_key))
        self._tokens.update(
            word
            for text in fresh
            if text not in found and len(text) <= CACHED_CHARS_MAX
            for word in _TOKEN.findall(text)
        )
        return found


def _others(records: Sequence[Record], contents: Contents) -> list[int]:
    """The places of the records that are not in the contents."""
    if not contents.others:
        return []
    stood = contents.places
    if stood and stood[-1] < len(records) and all(map(is_, map(records.__getitem__, stood), contents.others)):
        return list(stood)
    others = set(map(id, contents.others))  # some that stood before them are gone
    return [place for place, record in enumerate(records) if id(record) in others]


def _odd(given: Sequence[dict[str, Value]]) -> list[int]:
    """The places of those that hold lists and objects."""
    return [place for place, one in enumerate(given) if not _SIMPLE.issuperset(map(type, one.values()))]


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


def _cards(numbers: Collection[Any]) -> Iterable[Value]:
    """Those that are a card's. A float that equals a whole number stands for that, too."""
    try:
        if max(numbers, default=0) < card.NUMBER_MIN:
            return ()
    except TypeError:  # None is among them
        pass
    return [
        number
        for number in numbers
        if (type(number) is int or type(number) is float)
        and card.NUMBER_MIN <= number < card.NUMBER_MAX
        and card.is_card(str(int(number)))
    ]


def _confirmed(texts: Sequence[str], test: Callable[[str], bool]) -> Iterator[str]:
    """Those for which a test holds that holds for a text when it does for a line of it: some are tested at once."""
    for begin in range(0, len(texts), _TOGETHER):
        some = texts[begin : begin + _TOGETHER]
        if test(_LINE_END.join(some)):
            yield from filter(test, some)


def _has_key(text: str) -> bool:
    for key in _KEYS:  # noqa: SIM110 -- a generator costs more than the loop
        if key in text:
            return True
    return False


def _with_name(texts: Sequence[str]) -> Iterator[str]:
    """Those that have the name of something secret."""
    return _confirmed(texts, has_name)


def _with_phone(texts: Sequence[str]) -> list[str]:
    """Those that have a phone number; an account begins otherwise."""
    return [
        text for text in _confirmed(texts, may_have_phone) if next(iter(PHONE.find(text)), None) is not None
    ]


def _with_dots(texts: Sequence[str]) -> list[str]:
    """Those where four numbers stand between dots."""
    return [text for text in texts if _DOTTED.search(text) is not None]


def _with_colons(texts: Sequence[str]) -> Iterator[str]:
    """Those with an address of version 6, or the name of something secret."""
    yield from [text for text in texts if "::" in text or text.count(":") >= COLONS_MIN]
    yield from _with_name(texts)


def _with_head(texts: Sequence[str]) -> list[str]:
    """Those with a country's letters before the check digits of an account."""
    return [
        text
        for text in texts
        if len(text) >= _SHORTEST_ACCOUNT and any(head.upper() in LENGTHS for head in _HEAD.findall(text))
    ]
