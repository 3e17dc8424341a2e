"""Server-sent events, however the body was cut."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamis.errors import WireError
from tamis.wire import sse
from tamis.wire.sse import Event, decode_events, encode_event

TEXTS = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=20)
NAMES = st.text("abcdefgh", min_size=1, max_size=8)
EVENTS = st.lists(
    st.builds(Event, data=TEXTS, name=NAMES, id=st.text("0123456789-ab", min_size=1)), max_size=5
)


@given(EVENTS, st.lists(st.integers(0, 200), max_size=8))
def test_what_is_encoded_is_decoded(events: list[Event], cuts: list[int]) -> None:
    """In any pieces, a character cut in two included."""
    whole = b"".join(encode_event(one.data.encode(), name=one.name, id=one.id) for one in events)
    places = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    pieces = [whole[start:end] for start, end in itertools.pairwise(places)]
    assert list(decode_events(pieces)) == events


def test_what_others_write_is_read() -> None:
    """Comments, several lines of data, ids alone, carriage returns, no space behind the colon."""
    body = b": hello\n\nid: 7\n\nretry: 5\nevent:x\r\ndata:a\r\ndata: b\r\n\r\ndata: cut off"
    assert list(decode_events([body])) == [Event(id="7"), Event("a\nb", "x")]


def test_an_event_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who never ends a line does not fill the memory."""
    monkeypatch.setattr(sse, "EVENT_BYTES_MAX", 100)
    with pytest.raises(WireError, match="100"):
        list(decode_events([b"data: " + b"x" * 60] * 3))
