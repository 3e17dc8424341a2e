"""Words as RE2 expressions mean what `query.match` means."""

import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import given
from hypothesis import strategies as st

from tamis.query.ast import Phrase, Prefix, Substring
from tamis.query.match import match
from tamis.query.re2 import alphabet_of, joint_alphabet, phrase_source, substring_source
from tamis.record.model import Record
from tamis.record.tokens import fold, tokens

CHARS = st.sampled_from("aAbBkK1_ .-<é\u0301\u212aſsΣσςİıß漢–")
TEXTS = st.text(CHARS, max_size=12)
WORDS = st.text(CHARS, min_size=1, max_size=4)


def found(pattern: str, text: str) -> bool:
    """Whether RE2 finds it."""
    return bool(pc.match_substring_regex(pa.array([text]), pattern)[0].as_py())


@given(TEXTS, WORDS, st.booleans())
def test_words_match_as_the_language_says(text: str, word: str, whole: bool) -> None:
    """A phrase, a prefix and a part of a text are found exactly when `match` finds them, whether the expression
    is made for the text's own alphabet or for all of Unicode."""
    record = Record(timestamp=0, message=text)
    alphabet = None if whole else alphabet_of([text])
    words = tokens(word)
    if words:
        assert found(phrase_source(words, alphabet, prefix=False), text) == match(
            Phrase("message", word), record
        )
        assert found(phrase_source(words, alphabet, prefix=True), text) == match(
            Prefix("message", word), record
        )
    assert found(substring_source(fold(word), alphabet), text) == match(Substring("message", word), record)


def test_alphabets_join_and_give_up() -> None:
    """Together, collections have the characters of each; too many characters are no alphabet."""
    assert alphabet_of(["plain", "µs é"]) == "µé"
    assert joint_alphabet(["µ", "é", ""]) == "µé"
    assert joint_alphabet(["µ", None]) is None
    assert alphabet_of([chr(0x4E00 + place) for place in range(1_000)]) is None
