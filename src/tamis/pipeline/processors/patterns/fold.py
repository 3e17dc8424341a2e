"""Texts as patterns read them: wide letters and digits, the many spaces and hyphens of Unicode as those of ASCII."""

import re
from typing import Final

_WIDE: Final = {0xFF01 + place: 0x21 + place for place in range(94)}
_SPACES: Final = dict.fromkeys((0xA0, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000), 0x20)
_HYPHENS: Final = dict.fromkeys((*range(0x2010, 0x2016), 0x2212, 0xFE63), 0x2D)
_UNSEEN: Final = dict.fromkeys((0xAD, *range(0x200B, 0x2010), 0x2060, 0xFEFF), 0x2D)
"""Characters of no width: between the groups of a number they are as good as hyphens."""
_FOLDED: Final = {**_WIDE, **_SPACES, **_HYPHENS, **_UNSEEN}
_FOLDABLE: Final = re.compile("[" + "".join(map(chr, _FOLDED)) + "]")
FIRST_BYTES: Final = tuple(sorted({chr(code).encode()[:2] for code in _FOLDED}))
"""One of them stands in the UTF-8 of every text that is not the same folded."""


def folded(text: str) -> str:
    """The text, character for character; the same object when nothing is unusual."""
    if text.isascii() or _FOLDABLE.search(text) is None:
        return text
    return text.translate(_FOLDED)
