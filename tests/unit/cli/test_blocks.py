"""Blocks: every byte in exactly one of them, cut between records."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamis.cli.intake import blocks
from tamis.cli.intake.blocks import BLOCK_BYTES, RECORD_BYTES_MAX, Block, Cutter


def indented(lines: bytes) -> int:
    """Whole records of a made-up format: indented lines belong to the line before them."""
    end = lines.rfind(b"\n", 0, len(lines) - 1) + 1
    while end and lines[end : end + 1] == b" ":
        end = lines.rfind(b"\n", 0, end - 1) + 1
    return end


def cut(cutter: Cutter, pieces: list[bytes]) -> list[Block]:
    made = [block for piece in pieces for block in cutter.feed(piece)]
    last = cutter.finish()
    return [*made, last] if last else made


@given(
    st.lists(st.sampled_from([b"a", b" ", b"\n", b"word\n", b" more\n", b"x" * 50]), max_size=200), st.data()
)
def test_blocks_are_the_bytes_again(parts: list[bytes], data: st.DataObject) -> None:
    """Ranges follow each other without gap; lines are counted; no cut is inside a record."""
    text = b"".join(parts)
    before = blocks.BLOCK_BYTES
    blocks.BLOCK_BYTES = 64
    try:
        step = data.draw(st.integers(1, 100))
        made = cut(Cutter(indented), [text[at : at + step] for at in range(0, len(text), step)])
    finally:
        blocks.BLOCK_BYTES = before
    assert b"".join(block.data for block in made) == text
    at, line = 0, 1
    for block in made:
        assert (block.start, block.end, block.first_line) == (at, at + len(block.data), line)
        assert at == 0 or not block.data.startswith(b" ") or text[at - 1 : at] != b"\n"
        at, line = block.end, line + block.data.count(b"\n")


def test_flush_gives_whole_records_then_whole_lines() -> None:
    """What may go on is held; with `lines` only a line without its end is."""
    cutter = Cutter(indented, offset=100, line=7)
    assert list(cutter.feed(b"one\ntwo\n more\nthr")) == []
    assert cutter.flush() == Block(b"one\n", 100, 104, 7)
    assert cutter.flush() is None
    assert cutter.flush(lines=True) == Block(b"two\n more\n", 104, 114, 8)
    assert cutter.flush(lines=True) is None
    assert list(cutter.feed(b"ee\n")) == []
    assert cutter.finish() == Block(b"three\n", 114, 120, 10)


def test_an_endless_line_takes_no_memory_and_is_one_line() -> None:
    """A line of 20 MB is cut short (so that it is refused); what follows it is whole, at its right place."""
    cutter = Cutter(len)
    made = cut(cutter, [b"first\n", *[b"y" * (1 << 20)] * 20, b"\nlast\n"])
    assert b"".join(block.data for block in made).count(b"\n") == 3
    assert sum(len(block.data) for block in made) <= RECORD_BYTES_MAX + BLOCK_BYTES
    assert made[-1].end == 6 + (20 << 20) + 6
    assert made[-1].data.endswith(b"\nlast\n")
    assert [block.start for block in made[1:]] == [block.end for block in made[:-1]]


def test_a_record_without_end_is_cut_between_lines() -> None:
    """A trace that never ends does not fill the memory."""
    cutter = Cutter(indented)
    made = [block for _ in range(3_000) for block in cutter.feed(b" " + b"z" * 1_000 + b"\n")]
    assert made
    assert all(block.data.endswith(b"\n") and len(block.data) <= RECORD_BYTES_MAX + 2_000 for block in made)


def test_a_document_is_cut_nowhere() -> None:
    """An array over many lines, larger than a record may be, is one block, with or without a last newline."""
    text = b"[\n" + b",\n".join(b' {"message": "%s"}' % (b"x" * 1_000) for _ in range(4_000)) + b"\n]"
    for end in (b"", b"\n"):
        cutter = Cutter(lambda lines: 0, document=True)
        data = text + end
        half = len(data) // 2
        assert list(cutter.feed(data[:half])) == []
        assert cutter.flush(lines=True) is None
        assert list(cutter.feed(data[half:])) == []
        assert cutter.flush() is None
        assert cutter.flush(lines=True) == Block(data, 0, len(data), 1)
        assert cutter.finish() is None


def test_a_document_beyond_its_limit_is_cut_at_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be held goes on as lines; no byte is lost."""
    monkeypatch.setattr(blocks, "DOCUMENT_BYTES_MAX", 3 << 20)
    text = b"[\n" + b",\n".join(b' {"message": "%s"}' % (b"x" * 1_000) for _ in range(4_000)) + b"\n]"
    made = cut(
        Cutter(lambda lines: 0, document=True), [text[at : at + 99_999] for at in range(0, len(text), 99_999)]
    )
    assert len(made) > 1
    assert b"".join(block.data for block in made) == text
