"""What a batch of records says, gathered while they are put together, so that nobody looks through them again."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tamis.record.model import Record

LARGE: Final = 10**12
"""Numbers below this are not worth a look: a card's number is larger."""
_LEAST, _LARGE_FLOAT, _LEAST_FLOAT = -LARGE, float(LARGE), -float(LARGE)
"""A float is compared with a float three times as fast as with an integer."""
_RECORD_BYTES, _TEXT_BYTES = 160, 12


@dataclass(slots=True)
class Contents:
    """All texts (messages, and values of attributes), numbers from `LARGE` on and names of attributes of a batch's
    records. `others` are those that are not in it, and `places` where in the batch they stood. It may hold more than
    the records do, never less.
    """

    texts: list[str] = field(default_factory=list)
    numbers: list[float] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    others: Sequence[Record] = ()
    places: Sequence[int] = ()
    text_bytes: int = 0

    def are_texts_safe(self, chars_max: int) -> bool:
        """Whether UTF-8 can carry all texts and none is longer than that; measures them."""
        together = "".join(self.texts)
        try:
            self.text_bytes = len(together) if together.isascii() else len(together.encode())
        except UnicodeEncodeError:  # lone surrogates
            return False
        return self.text_bytes <= chars_max or max(map(len, self.texts)) <= chars_max

    def bytes_of(self, records: int) -> int:
        """About what the records take anywhere; so many they are with `others`, which are not counted."""
        return self.text_bytes + len(self.texts) * _TEXT_BYTES + (records - len(self.others)) * _RECORD_BYTES


def are_usual(values: Collection[Any], texts: list[str], numbers: list[float]) -> bool:
    """Whether all values are attributes as they are (texts are to be looked at together); adds them."""
    for value in values:
        kind = type(value)
        if kind is str:
            texts.append(value)
        elif kind is int:
            if not _LEAST < value < LARGE:
                numbers.append(value)
        elif kind is float:
            if not _LEAST_FLOAT < value < _LARGE_FLOAT:
                if value - value != 0:
                    return False
                numbers.append(value)
        elif kind is not bool:
            return False
    return True
