"""The two engines of shapes agree on every string."""

import sys

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamis.query.re2 import ALPHABET_MAX
from tamis.record.shape import shape, shape_id
from tamis.store.embedded.format.shape import numbers_of, shape_ids_of, shapes_of

NASTY = [
    "",
    "İstanbul 42 ΣΊΣΥΦΟΣ9 σίσυφος",
    "cafe\u0301 x1 na\u0308ive2",
    "“quoted” ‘5’ – 6—7 … 8%",
    "٣ 3٣ ٣3",
    "a" * 1000 + "1",
    "_1_ __ 1_ _",
    "<*> <*>1 1<*>",
    "tab\t1\nline2\x00nul3",
    "𝟘𝟙 x𝟚3 🙂4",
]


def agree(messages: list[str]) -> None:
    """Both engines give the same shapes."""
    assert shapes_of(pa.array(messages, pa.string())).to_pylist() == [shape(text) for text in messages]


def test_both_engines_agree_on_every_character_of_unicode() -> None:
    """Each code point alone, beside a digit and beside a letter is masked alike by Python and by Arrow."""
    points = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code <= 0xDFFF]
    agree([f"{char} {char}1 1{char} a{char}" for char in points])


@pytest.mark.parametrize("text", NASTY)
def test_both_engines_agree_on_known_trouble(text: str) -> None:
    """Dotted İ, final Σ, combining marks, typographic punctuation and foreign digits make no difference."""
    agree([text])


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=20))
def test_both_engines_agree_on_any_texts(messages: list[str]) -> None:
    """Whatever texts come together in a batch, their shapes are those that each has alone."""
    agree(messages)


def test_a_batch_with_more_characters_than_an_alphabet_takes_the_whole_table() -> None:
    """Beyond the alphabet's limit the expression holds for all of Unicode, with the same result."""
    agree([f"x{chr(0x4E00 + place)}1 {chr(0x4E00 + place)}" for place in range(ALPHABET_MAX * 2)])


def test_numbers_are_those_of_the_texts() -> None:
    """The number of a shape is the hash of its text, in a column as alone."""
    messages = ["took 5 ms", "took 7 ms", "started"]
    expected = [shape_id(shape(text)) for text in messages]
    assert shape_ids_of(pa.array(messages)).to_pylist() == expected
    assert numbers_of(["took <*> ms"]).tolist() == expected[:1]
    assert expected[0] == expected[1] != expected[2]
