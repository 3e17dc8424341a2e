"""Texts as patterns read them: without what nobody sees; wide letters, spaces and hyphens of Unicode as ASCII's."""

import re
from typing import Final

_WIDE: Final = {0xFF01 + place: 0x21 + place for place in range(94)}
_SPACES: Final = dict.fromkeys((0xA0, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000), 0x20)
_HYPHENS: Final = dict.fromkeys((*range(0x2010, 0x2016), 0x2212, 0xFE63), 0x2D)
_UNSEEN: Final = dict.fromkeys((0xAD, *range(0x200B, 0x2010), 0x2060, 0xFEFF), 0x2D)
"""Characters of no width: between the groups of a number they are as good as hyphens."""
_FOLDED: Final = {**_WIDE, **_SPACES, **_HYPHENS, **_UNSEEN}
_FOLDABLE: Final = re.compile("[" + "".join(map(chr, _FOLDED)) + "]")
_HIDDEN: Final = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|[\x00-\x08\x0e-\x1f\x7f" + "".join(map(chr, _UNSEEN)) + "]"
)
"""What a terminal shows nothing of: its colours, control characters that are no space, characters of no width."""
FIRST_BYTES: Final = tuple(sorted({chr(code).encode()[:2] for code in _FOLDED}))
"""One of them stands in the UTF-8 of every text that is not the same folded."""


def folded(text: str) -> str:
    """The text, character for character; the same object when nothing is unusual."""
    if text.isascii() or _FOLDABLE.search(text) is None:
        return text
    return text.translate(_FOLDED)


def visible(text: str) -> str:
    """The text without what nobody sees, folded; the same object when nothing is unusual."""
    return folded(text if text.isprintable() else _HIDDEN.sub("", text))


def is_all_seen(text: str) -> bool:
    """Whether nothing in it is hidden."""
    return text.isprintable() or _HIDDEN.search(text) is None


def seen_places(text: str) -> list[int]:
    """Where in a text each character of `visible` stands."""
    places: list[int] = []
    at = 0
    for match in _HIDDEN.finditer(text):
        places += range(at, match.start())
        at = match.end()
    return [*places, *range(at, len(text))]
