"""Entries of a journal out of a body in pieces: the same however it is cut, within a limit, going on after damage."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from tamis.wire.base import DecodeOptions
from tamis.wire.journal_export import decode
from tamis.wire.journal_stream import Entries, cursor_of

VALUE = st.one_of(
    st.binary(max_size=12), st.text("ab=\n\0", max_size=40).map(str.encode), st.just(b"x" * 400)
)
FIELDS = st.lists(st.tuples(st.sampled_from(["MESSAGE", "_PID", "A1"]), VALUE), max_size=4)
LIMIT = 300


def encoded(number: int, fields: list[tuple[str, bytes]]) -> bytes:
    """An entry; values with line feeds in binary."""
    entry = b"__CURSOR=%d\n" % number
    for name, value in fields:
        if b"\n" in value:
            entry += name.encode() + b"\n" + len(value).to_bytes(8, "little") + value + b"\n"
        else:
            entry += name.encode() + b"=" + value + b"\n"
    return entry + b"\n"


def read(body: bytes, cuts: list[int], limit: int = LIMIT) -> tuple[list[bytes], list[str]]:
    entries = Entries(limit)
    edges = sorted({0, len(body), *(cut % (len(body) + 1) for cut in cuts)})
    found = [one for a, b in itertools.pairwise(edges) for one in entries.feed(body[a:b])]
    return [*found, *entries.finish()], entries.rejected


@settings(max_examples=300)
@given(st.lists(FIELDS, max_size=6), st.lists(st.integers(0, 5_000), max_size=20))
def test_entries_are_the_same_however_the_body_is_cut(
    given_fields: list[list[tuple[str, bytes]]], cuts: list[int]
) -> None:
    """Those within the limit come whole, with their cursors; each of the others is rejected once."""
    entries = [encoded(number, fields) for number, fields in enumerate(given_fields)]
    kept = [(number, entry) for number, entry in enumerate(entries) if len(entry) - 1 <= LIMIT]
    found, rejected = read(b"".join(entries), cuts)
    assert found == [entry for _, entry in kept]
    assert [cursor_of(entry) for entry in found] == [b"%d" % number for number, _ in kept]
    assert len(rejected) == len(entries) - len(kept)


def test_the_last_entry_may_lack_its_blank_line() -> None:
    """`journalctl -o export` ends with one, others do not."""
    body = encoded(1, [("MESSAGE", b"one")]) + encoded(2, [("MESSAGE", b"two")])
    assert read(body[:-1], [])[0] == [encoded(1, [("MESSAGE", b"one")]), encoded(2, [("MESSAGE", b"two")])]


def test_after_damage_the_next_entry_is_read() -> None:
    """An entry with a wrong length, or no names, is rejected with its reason, alone."""
    wrong = b"__CURSOR=1\nMESSAGE\n" + (3).to_bytes(8, "little") + b"four\n\n"
    good = encoded(2, [("MESSAGE", b"good")])
    found, rejected = read(wrong + good + b"no name here\n\n" + good, [5, 40])
    assert found == [good, good]
    assert rejected == ["a field has a wrong length", "no field name where one should be"]


def test_a_body_that_ends_within_an_entry_says_so() -> None:
    """What is no whole entry is not kept."""
    found, rejected = read(encoded(1, []) + b"__CURSOR=2\nMESSAGE=cu", [])
    assert found == [encoded(1, [])]
    assert rejected == ["the body ended within an entry"]


def test_a_value_that_never_ends_takes_no_memory() -> None:
    """A length beyond any, or a line without an end: let go as it comes."""
    for head in (b"MESSAGE\n" + b"\xff" * 8, b"MESSAGE="):
        entries = Entries(LIMIT)
        entries.feed(b"__CURSOR=1\n" + head)
        for _ in range(1_000):
            assert entries.feed(b"x" * 1_000) == []
            assert len(entries._held) <= LIMIT


@settings(max_examples=300)
@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=8))
def test_any_bytes_are_taken(body: bytes, cuts: list[int]) -> None:
    """No body raises; no entry is longer than its limit."""
    found, _ = read(body, cuts, limit=50)
    assert all(len(entry) <= 52 for entry in found)


def test_an_entry_with_a_wrong_field_is_one_rejection() -> None:
    """Whatever its binary values hold: the next entry begins behind it."""
    value = b"\n\n__CURSOR=0\nMESSAGE=no entry\n\n"
    wrong = b"__CURSOR=1\nnotAName=x\nMESSAGE\n" + len(value).to_bytes(8, "little") + value + b"\n\n"
    found = decode(wrong + encoded(2, [("MESSAGE", b"good")]), DecodeOptions())
    assert [one.message for one in found.columns.records(0)] == ["good"]
    assert [(one.line, one.reason) for one in found.rejected] == [(1, "no field name where one should be")]


def test_an_entry_with_too_many_fields_is_rejected() -> None:
    """At once, also where all are of one name."""
    found = decode(b"A=\n" * 300_000 + b"\nMESSAGE=good\n\n", DecodeOptions())
    assert (found.columns.length, [one.reason for one in found.rejected]) == (1, ["more than 1,024 fields"])
