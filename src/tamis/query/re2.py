"""Words as RE2 expressions: the same meaning as `match`, for engines that look at whole columns.

An expression is made for an alphabet: the characters beyond ASCII that the texts have. With None it holds for any
text, by the whole generated Unicode table, but is slow to compile (some 50 ms). Folding is spelled out in classes.
"""

from collections.abc import Iterable, Sequence

from tamis.record.shape import MASK
from tamis.record.tokens import TOKEN, TOKEN_CLASS, unfolds

ASCII_CLASS = "0-9A-Za-z_"


ALPHABET_MAX = 256
"""Texts with more different characters beyond ASCII have no alphabet (None)."""


def alphabet_of(texts: Iterable[str]) -> str | None:
    """The characters beyond ASCII in some texts, in order; None when there are too many."""
    found: set[str] = set()
    for text in texts:
        if not text.isascii():
            found.update(char for char in text if not char.isascii())
            if len(found) > ALPHABET_MAX:
                return None
    return "".join(sorted(found))


def joint_alphabet(alphabets: Iterable[str | None]) -> str | None:
    """The alphabet of several collections of texts together."""
    known = list(alphabets)
    return None if None in known else alphabet_of(text for text in known if text is not None)


def token_class(alphabet: str | None) -> str:
    """The inside of a class of all token characters."""
    if alphabet is None:
        return TOKEN_CLASS
    return ASCII_CLASS + "".join(_literal(char) for char in alphabet if TOKEN.match(char))


def char_source(char: str, alphabet: str | None) -> str:
    """One folded character in every case it may have."""
    variants = char + unfolds().get(char, "")
    if alphabet is not None:
        variants = "".join(c for c in variants if c.isascii() or c in alphabet)
        if not variants:
            return "[^\\x00-\\x{10FFFF}]"
    if len(variants) == 1:
        return _literal(variants)
    return "[" + "".join(_literal(c) for c in variants) + "]"


def _literal(char: str) -> str:
    return char if char.isascii() and char.isalnum() else f"\\x{{{ord(char):X}}}"


def text_source(folded: str, alphabet: str | None) -> str:
    """A folded text in every case it may have."""
    return "".join(char_source(char, alphabet) for char in folded)


def substring_source(folded: str, alphabet: str | None) -> str:
    """Texts that contain `folded`, whatever the case."""
    return text_source(folded, alphabet)


def phrase_source(tokens: Sequence[str], alphabet: str | None, *, prefix: bool, gap_without: str = "") -> str:
    """Texts in which these folded tokens stand next to each other.

    `prefix`: the last one only begins a token. `gap_without`: characters that must not stand between them.
    """
    inside = token_class(alphabet)
    gap = f"[^{inside}{gap_without}]+"
    words = gap.join(text_source(token, alphabet) for token in tokens)
    end = "" if prefix else f"(?:$|[^{inside}])"
    return f"(?:^|[^{inside}]){words}{end}"


def masked_phrase_source(tokens: Sequence[str], alphabet: str | None) -> str:
    """Shapes of messages that may hold these tokens in a row: those with an ASCII digit stand masked."""
    inside = token_class(alphabet)
    mask = MASK.replace("*", "\\*")
    source = ""
    masked_before: bool | None = None
    for token in tokens:
        masked = has_digit(token)
        if masked_before is not None:
            source += f"[^{inside}]*" if masked or masked_before else f"[^{inside}]+"
        source += mask if masked else text_source(token, alphabet)
        masked_before = masked
    start = "" if has_digit(tokens[0]) else f"(?:^|[^{inside}])"
    end = "" if has_digit(tokens[-1]) else f"(?:$|[^{inside}])"
    return start + source + end


def has_digit(text: str) -> bool:
    """Whether an ASCII digit is in it."""
    return any("0" <= char <= "9" for char in text)
