"""Which names say that their value is sensitive."""

from collections.abc import Iterable
from typing import Final
from unicodedata import normalize

SENSITIVE: Final = ("password", "token", "apikey", "secret", "creditcard")
"""Parts of names, without capitals and separators: those that are promised."""
_MORE: Final = ("passwd", "passphrase", "privatekey", "accesskey")
_WHOLE: Final = frozenset(
    (
        "authorization",
        "proxyauthorization",
        "cookie",
        "setcookie",
        "cookies",
        "pwd",
        "cvv",
        "cvc",
        "cvv2",
        "cvc2",
    )
)
"""Names that are sensitive as a whole; as parts of others they say nothing."""
COUNTED: Final = ("tokens", "tokencount")
"""A number of such a name is a count: what a language model read and wrote."""


def squeezed(name: str) -> str:
    """A name without capitals and whatever else is no letter and no digit: `apiKey`, `api_key` and `API-KEY` are one,
    in letters of any width.
    """
    if not name.isascii():
        name = normalize("NFKC", name)
    return "".join(filter(str.isalnum, name)).lower()


class SensitiveNames:
    """Decides over names. `further` are parts of names beside the usual ones."""

    def __init__(self, further: Iterable[str] = ()) -> None:
        self._parts = (*SENSITIVE, *_MORE, *filter(None, map(squeezed, further)))
        self._without_token = tuple(part for part in self._parts if part != "token")

    def has(self, name: str) -> bool:
        """Whether the value of a name is sensitive."""
        flat = squeezed(name)
        return flat in _WHOLE or any(part in flat for part in self._parts)

    def may_count(self, name: str) -> bool:
        """Whether a number of this sensitive name is a count, and no secret."""
        flat = squeezed(name)
        return any(part in flat for part in COUNTED) and not any(part in flat for part in self._without_token)
