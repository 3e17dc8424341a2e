"""Secrets that can be told by what stands before them: userinfo of URLs, bearer tokens, `password=…`."""

import re
from collections.abc import Iterator
from typing import Final

from tamis.pipeline.processors.patterns.base import AT, NAMED, Pattern, Span

KIND: Final = "credential"
MASK: Final = "***REDACTED***"
_USERINFO: Final = re.compile(r"://([^\s/?#@\"'<>:]*+):([^\s/\"'<>]*+)")
_SCHEME: Final = re.compile(
    r"(?:authorization[\"']?\s{0,2}[:=]\s{0,2}[\"']?(?:basic|digest|negotiate|token|apikey|api-key|bearer)\s{1,2}"
    r"|(?<![a-z0-9])bearer\s{1,2}[\"']?)([0-9a-z._~+/=-]{8,}+)",
    re.IGNORECASE | re.ASCII,
)
_LOOKS_RANDOM: Final = re.compile(r"\d|[a-z][A-Z]|[=+/~]")
_NAMED: Final = re.compile(
    r"(?i:(?:passw(?:or)?d|passphrase|secret|api[_-]?key|access[_-]?key|private[_-]?key|credit[_-]?card|pwd|token)"
    r"(?P<rest>[\w-]{0,40}+))(?P<close>\\?[\"'])?\s{0,2}(?P<sign>[:=])(?P<gap>\s{0,2})(?P<open>\\?[\"'])?"
)
_WORDS: Final = (
    *(
        "passw",
        "passphrase",
        "secret",
        "pwd",
        "token",
        "api_key",
        "api-key",
        "apikey",
        "access_key",
        "access-key",
    ),
    *("accesskey", "private_key", "private-key", "privatekey", "credit_card", "credit-card", "creditcard"),
)
_QUOTED: Final = re.compile(r"(?:[^\"'\\\n]|\\[^\"'\n])*+")
_BARE: Final = re.compile(r"[^\s,;&\"'<>)\]}|]++")
_ODD: Final = re.compile(r"\d|[^\w\s.:-]")
_WORD_MIN: Final = 6


def find_userinfo(text: str) -> Iterator[Span]:
    """The password in `scheme://user:password@host`."""
    if "://" not in text:
        return
    for match in _USERINFO.finditer(text):
        at = match[2].rfind("@")
        if at > 0:
            yield match.start(2), match.start(2) + at


def find_credential(text: str) -> Iterator[Span]:
    """Tokens after their scheme, and values after a name that says that they are secret."""
    lower = text.lower()
    if "bearer" in lower or "authorization" in lower:
        yield from _after_scheme(text)
    for word in _WORDS:  # far cheaper than the expression, which seldom finds anything
        if word in lower:
            yield from _after_name(text)
            break


def _after_scheme(text: str) -> Iterator[Span]:
    for match in _SCHEME.finditer(text):
        if match[0][0] in "aA" or len(match[1]) >= 20 or _LOOKS_RANDOM.search(match[1]):
            yield match.span(1)


def _after_name(text: str) -> Iterator[Span]:
    end = 0
    for match in _NAMED.finditer(text):
        if match.start() < end:  # within a value, or what was no value
            continue
        start, end, is_secret = _value(text, match)
        if is_secret:
            yield start, end


def _value(text: str, name: re.Match[str]) -> tuple[int, int, bool]:
    """From where to where what follows a name needs no second look, and whether it is a secret.

    `name=value` and `"name": value` are; of `name: value`, which is also how sentences go on ("token: expected )"),
    only what does not look like a word.
    """
    found = (_QUOTED if name["open"] else _BARE).match(text, name.end())
    if found is None or not found[0]:
        return 0, 0, False
    value = found[0]
    if "tokens" in name[0].lower() and value.replace(".", "").isdigit():  # how many there were
        return 0, 0, False
    if name["open"] or name["close"] or (name["sign"] == "=" and not name["gap"]):
        return *found.span(), True
    is_odd = _ODD.search(value) is not None
    return (*found.span(), is_odd) if len(value) >= _WORD_MIN or not is_odd else (0, 0, False)


USERINFO: Final = Pattern(KIND, MASK, AT, find_userinfo)
CREDENTIAL: Final = Pattern(KIND, MASK, NAMED, find_credential)
