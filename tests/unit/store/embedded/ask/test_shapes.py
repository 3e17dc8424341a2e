"""What is decided over shapes is what `query.match` says of every message of the shape."""

from hypothesis import given
from hypothesis import strategies as st

from tamis.query.ast import Exact, Phrase, Prefix, Regex, Substring
from tamis.query.match import match
from tamis.record.model import Columns, Record
from tamis.record.shape import shape
from tamis.store.embedded.ask.shapes import MAYBE, NO, YES, ShapeIndex, decide_shapes
from tamis.store.embedded.format.columns import to_table, with_seq
from tamis.store.embedded.format.tally import tally_table

PIECES = [
    "a",
    "ab",
    "AB",
    "b2",
    "2",
    "42",
    " ",
    "-",
    "<*>",
    "<",
    "*",
    ">",
    "é",
    "K",
    "ſ",
    "σς",
    "_",
    ".",
    "\n",
]
MESSAGES = st.lists(st.sampled_from(PIECES), max_size=8).map("".join)
TEXTS = st.lists(st.sampled_from(PIECES), min_size=1, max_size=4).map("".join)
LEAVES = st.one_of(
    TEXTS.map(lambda text: Phrase("message", text)),
    TEXTS.map(lambda text: Prefix("message", text)),
    TEXTS.map(lambda text: Substring("message", text)),
    TEXTS.map(lambda text: Exact("message", text)),
    st.sampled_from(["a", "^a", "b2", "[0-9]+", "a.b", "é", "<", "b$", "a|2"]).map(
        lambda p: Regex("message", p)
    ),
)


@given(LEAVES, st.lists(MESSAGES, min_size=1, max_size=10))
def test_a_decision_over_a_shape_holds_for_its_messages(leaf: Phrase, messages: list[str]) -> None:
    """YES means that the message matches, NO that it does not; only MAYBE leaves it open."""
    states = decide_shapes(leaf, [shape(message) for message in messages])
    for message, state in zip(messages, states, strict=True):
        holds = match(leaf, Record(timestamp=0, message=message))
        assert state == MAYBE or (state == YES) == holds, (leaf, message, state)


def test_words_without_digits_leave_nothing_open() -> None:
    """A word or phrase without digits is decided by shapes alone: no message has to be read."""
    shapes = ["payment <*> declined by bank", "payment accepted", "<*>"]
    assert decide_shapes(Phrase("message", "Payment"), shapes).tolist() == [YES, YES, NO]
    assert decide_shapes(Phrase("message", "declined by"), shapes).tolist() == [YES, NO, NO]
    assert decide_shapes(Phrase("message", "payment declined"), shapes).tolist() == [MAYBE, NO, NO]


def test_an_index_decides_shapes_that_come_later() -> None:
    """A leaf that was decided for some shapes is decided for the new ones of another part too."""
    index = ShapeIndex()
    leaf = Phrase("message", "late")
    for messages in (["early"], ["early", "late"], ["late", "too late 1"]):
        batch = Columns.of([Record(timestamp=0, message=message) for message in messages])
        tally = tally_table(with_seq(to_table(batch, received_ns=1), 1))
        expected = [YES if "late" in text else NO for text in tally.shapes]
        assert index.states(leaf, tally).tolist() == expected
