"""Messages out of streams: RFC 6587's two framings, NULs, limits; any bytes, in any pieces."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tamis.wire.frames import Framed, Frames

MESSAGE = st.binary(max_size=60).map(lambda one: b"<13>" + one.replace(b"\n", b" ").replace(b"\0", b" "))


def read(frames: Frames, data: bytes, cuts: list[int]) -> Framed:
    """Feed the data in pieces; all that came of it."""
    found = Framed()
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    pieces = [frames.feed(data[a:b]) for a, b in itertools.pairwise(edges)]
    for framed in (*pieces, frames.finish()):
        found.cut.update((len(found.messages) + at, count) for at, count in framed.cut.items())
        found.messages.extend(framed.messages)
    return found


def counted(message: bytes) -> bytes:
    return b"%d %b" % (len(message), message)


@given(st.lists(MESSAGE), st.lists(st.integers(0, 1_000)))
def test_lines_come_out_as_they_went_in(messages: list[bytes], cuts: list[int]) -> None:
    """However the network cuts a stream of lines, the lines are the same; the last may lack its end."""
    found = read(Frames(1_000), b"\n".join(messages), cuts)
    assert found.messages == messages
    assert found.cut == {}


@given(
    st.lists(st.binary(max_size=60).map(lambda one: b"<13>" + one + b".")), st.lists(st.integers(0, 1_000))
)
def test_counted_messages_hold_any_bytes(messages: list[bytes], cuts: list[int]) -> None:
    """Line feeds and NULs within a counted message belong to it."""
    assert read(Frames(1_000), b"".join(map(counted, messages)), cuts).messages == messages


@given(st.lists(st.tuples(st.booleans(), MESSAGE)), st.lists(st.integers(0, 1_000)))
def test_each_message_is_framed_as_it_says(messages: list[tuple[bool, bytes]], cuts: list[int]) -> None:
    """Lines and counted messages may take turns in one connection."""
    data = b"".join(counted(one) if is_counted else one + b"\n" for is_counted, one in messages)
    assert read(Frames(1_000), data, cuts).messages == [one for _, one in messages]


def test_a_nul_ends_messages_of_several_lines() -> None:
    """Python's SysLogHandler: line feeds belong to the message from the first NUL on."""
    frames = Frames(1_000)
    assert frames.feed(b"<11>one\ntwo\0<11>three\n").messages == [b"<11>one\ntwo"]
    assert frames.feed(b"four\0").messages == [b"<11>three\nfour"]


def test_a_line_that_begins_with_a_number_is_a_line() -> None:
    """Only a count before `<` is a count."""
    found = read(Frames(1_000), b"2026-11-21T10:00:00Z up\n12 monkeys\n5 <13>x\n7\n", [])
    assert found.messages == [b"2026-11-21T10:00:00Z up", b"12 monkeys", b"<13>x", b"7"]


def test_line_feeds_behind_counted_messages_are_no_messages() -> None:
    """Some senders count, and end with a line feed as well."""
    assert read(Frames(1_000), b"5 <13>a\n5 <13>b\n", [3, 9]).messages == [b"<13>a", b"<13>b"]


@pytest.mark.parametrize("framing", ["lines", "counted", "nul"])
@given(st.integers(101, 5_000), st.lists(st.integers(0, 6_000)))
def test_a_message_that_is_too_long_is_cut(framing: str, size: int, cuts: list[int]) -> None:
    """Its beginning is kept, what was left out is counted, and the next message is whole."""
    long, short = b"<13>" + b"x" * (size - 4), b"<13>next"
    if framing == "counted":
        data = counted(long) + counted(short)
    else:
        mark = b"\n" if framing == "lines" else b"\0"
        data = long + mark + short + mark
    frames = Frames(100, counted=framing != "nul", lines=framing != "nul")
    found = read(frames, data, cuts)
    assert found.messages == [long[:100], short]
    assert found.cut == {0: size - 100}


def test_a_character_is_not_cut_in_two() -> None:
    """What is kept of a long message is text still."""
    found = read(Frames(10), "<13>äöüßäöüß\n".encode(), [])
    assert found.messages == ["<13>äöü".encode()]
    assert found.cut == {0: 10}


@settings(max_examples=300)
@given(st.binary(max_size=3_000), st.lists(st.integers(0, 3_000), max_size=10), st.booleans(), st.booleans())
def test_no_bytes_are_too_much(data: bytes, cuts: list[int], has_counts: bool, has_lines: bool) -> None:
    """Whatever comes: messages within the limit, never more in memory than a message and what was fed."""
    frames = Frames(64, counted=has_counts, lines=has_lines)
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for a, b in itertools.pairwise(edges):
        framed = frames.feed(data[a:b])
        assert all(len(message) <= 64 for message in framed.messages)
        assert frames.held_bytes <= 64 + 11
    assert all(len(message) <= 64 for message in frames.finish().messages)
    assert frames.held_bytes == 0
