"""E-mail addresses, also as URLs write them (`%40`)."""

import re
from collections.abc import Iterator
from typing import Final

from tamis.pipeline.processors.patterns.base import AT, Pattern, Span

KIND: Final = "email"
_AT: Final = re.compile(r"@|%40")
_LOCAL_REVERSED: Final = re.compile(r"[\w.!#$&'+/=?^`{|}~-]{1,64}+")
_DOMAIN: Final = re.compile(r"(?:\w(?:[\w-]{0,61}+)?\.){1,8}([^\W\d_][\w-]{1,62}+)")
_LEADING: Final = ".!#$&'/=?^`{|}~-"
"""Allowed within, but at the beginning they belong to the text around (`to='bob@…'`, `?mail=bob@…`)."""
_SEPARATORS: Final = re.compile(r"[=&?/{}|`!#$^]|(?<!\w)'")
_PICTURE: Final = re.compile(r"[1-4](?:\.\d)?x\.(?:png|jpe?g|gif|webp|svg|avif)", re.IGNORECASE)
"""`logo@2x.png`: the size of a picture."""


def find(text: str) -> Iterator[Span]:
    """Addresses. The local part is looked for backwards from each at sign, so every character is seen once or so."""
    end = 0
    for sign in _AT.finditer(text):
        domain = _DOMAIN.match(text, sign.end())
        if sign.start() < end or domain is None or _PICTURE.match(text, sign.end()):
            continue
        before = text[max(end, sign.start() - 64) : sign.start()]
        found = _LOCAL_REVERSED.match(before[::-1])
        if found is None:
            continue
        local = _SEPARATORS.split(before[len(before) - found.end() :])[-1].lstrip(_LEADING)
        if local:
            end = _end(text, domain)
            yield sign.start() - len(local), end


def _end(text: str, domain: re.Match[str]) -> int:
    """Where the domain ends: a hyphen or an underscore at its end is the text's."""
    return domain.start() + len(text[domain.start() : domain.end()].rstrip("-_"))


EMAIL: Final = Pattern(KIND, "***@***.***", AT, find)
