"""Words as RE2 expressions: the same meaning as `match`, for engines that look at whole columns.

Expressions come in two kinds: for any text, with the token classes of the generated Unicode table, and for text
that is all ASCII (`ascii_only`), which compiles and runs faster. Folding is spelled out in character classes.
"""

from collections.abc import Sequence

from tamis.record.shape import MASK
from tamis.record.tokens import TOKEN_CLASS, unfolds

ASCII_CLASS = "0-9A-Za-z_"


def token_class(*, ascii_only: bool) -> str:
    """The inside of a class of all token characters."""
    return ASCII_CLASS if ascii_only else TOKEN_CLASS


def char_source(char: str, *, ascii_only: bool) -> str:
    """One folded character in every case it may have."""
    variants = char + unfolds().get(char, "")
    if ascii_only:
        variants = "".join(c for c in variants if c.isascii())
        if not variants:
            return "[^\\x00-\\x{10FFFF}]"
    if len(variants) == 1:
        return _literal(variants)
    return "[" + "".join(_literal(c) for c in variants) + "]"


def _literal(char: str) -> str:
    return char if char.isascii() and char.isalnum() else f"\\x{{{ord(char):X}}}"


def text_source(folded: str, *, ascii_only: bool) -> str:
    """A folded text in every case it may have."""
    return "".join(char_source(char, ascii_only=ascii_only) for char in folded)


def substring_source(folded: str, *, ascii_only: bool) -> str:
    """Texts that contain `folded`, whatever the case."""
    return text_source(folded, ascii_only=ascii_only)


def phrase_source(tokens: Sequence[str], *, prefix: bool, ascii_only: bool, gap_without: str = "") -> str:
    """Texts in which these folded tokens stand next to each other.

    `prefix`: the last one only begins a token. `gap_without`: characters that must not stand between them.
    """
    inside = token_class(ascii_only=ascii_only)
    gap = f"[^{inside}{gap_without}]+"
    words = gap.join(text_source(token, ascii_only=ascii_only) for token in tokens)
    end = "" if prefix else f"(?:$|[^{inside}])"
    return f"(?:^|[^{inside}]){words}{end}"


def masked_phrase_source(tokens: Sequence[str], *, ascii_only: bool) -> str:
    """Shapes of messages that may hold these tokens in a row: those with an ASCII digit stand masked."""
    inside = token_class(ascii_only=ascii_only)
    mask = MASK.replace("*", "\\*")
    source = ""
    masked_before: bool | None = None
    for token in tokens:
        masked = has_digit(token)
        if masked_before is not None:
            source += f"[^{inside}]*" if masked or masked_before else f"[^{inside}]+"
        source += mask if masked else text_source(token, ascii_only=ascii_only)
        masked_before = masked
    start = "" if has_digit(tokens[0]) else f"(?:^|[^{inside}])"
    end = "" if has_digit(tokens[-1]) else f"(?:$|[^{inside}])"
    return start + source + end


def has_digit(text: str) -> bool:
    """Whether an ASCII digit is in it."""
    return any("0" <= char <= "9" for char in text)
