"""A regular expression asked of shapes never misses the shape of a message that it is found in."""

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tamis.record.shape import shape
from tamis.store.embedded.ask.shape_regex import shape_regex

ATOMS = ["a", "b", "ab", "1", "2", " ", "-", ".", "é"]
CLASSES = [r"\d", r"\w", r"\s", r"\.", r"\S", "[ab]", "[0-9]", "[a-c1]", "[ -]"]
REPEATS = ["", "", "", "", "+", "*", "?", "{2}", "{1,}", "{0,2}", "+?"]
PATTERNS = st.lists(
    st.tuples(st.sampled_from(ATOMS + CLASSES), st.sampled_from(REPEATS)), min_size=1, max_size=6
).map(lambda parts: "".join(atom + repeat for atom, repeat in parts))
MESSAGES = st.lists(
    st.sampled_from(["a", "b", "c", "1", "2", " ", "-", ".", "é", "<", "\n"]), max_size=10
).map("".join)


def found(pattern: str, text: str) -> bool:
    """Whether RE2 finds it."""
    return bool(pc.match_substring_regex(pa.array([text]), pattern)[0].as_py())


@settings(max_examples=500, deadline=None)
@given(PATTERNS, st.lists(MESSAGES, min_size=1, max_size=10))
def test_no_message_is_missed(pattern: str, messages: list[str]) -> None:
    """Whenever a message matches, its shape is found by the rewritten expression."""
    rewritten = shape_regex(pattern)
    for message in messages:
        if rewritten is not None and found(pattern, message):
            assert found(rewritten, shape(message)), (pattern, rewritten, message, shape(message))


@pytest.mark.parametrize(
    ("pattern", "rewritten"),
    [
        ("took [1-9][0-9]{3} ms", r"(?:took|<\*>) <\*> (?:ms|<\*>)"),
        (r"blk_-?\d+", r"(?:(?:blk_|<\*>)(?s:.*)<\*>|<\*>)"),
        (r"user \w+ left", r"(?:user|<\*>) (?:\w+|<\*>) (?:left|<\*>)"),
        (" timed out ", " timed out "),
        ("a|b", None),
        ("(?i)a", None),
        ("^a", None),
        (".*", None),
        ("[[:alpha:]]x", None),
        (r"\pLx", None),
    ],
)
def test_known_expressions(pattern: str, rewritten: str | None) -> None:
    """What is said of the usual expressions, and that others are left alone."""
    assert shape_regex(pattern) == rewritten
