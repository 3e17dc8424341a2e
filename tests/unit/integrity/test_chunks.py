"""Chunks that content defines."""

import hashlib
import io
import random
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tamis.disk.real import RealDisk
from tamis.integrity.chunks import (
    CHUNK_BYTES_MAX,
    CHUNK_BYTES_MIN,
    Chunk,
    split,
    split_file,
    split_with_bytes,
)

KNOWN_SIZES = [71_794, 118_188, 21_316, 66_540, 40_445, 105_752]
SOME = random.Random(11).randbytes(3_000_000)


def sizes(chunks: list[Chunk]) -> list[int]:
    return [chunk.length for chunk in chunks]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 999), length=st.integers(0, 900_000), kind=st.sampled_from(["random", "same"]))
def test_chunks_cover_every_byte_once(seed: int, length: int, kind: str) -> None:
    """Whatever the bytes: no gap, no overlap, digests of the very bytes, sizes within their limits."""
    data = random.Random(seed).randbytes(length) if kind == "random" else bytes([seed % 256]) * length
    chunks = list(split(data))
    assert sum(sizes(chunks)) == length
    assert all(left.end == right.offset for left, right in pairwise(chunks))
    assert all(chunk.sha256 == hashlib.sha256(data[chunk.offset : chunk.end]).hexdigest() for chunk in chunks)
    assert all(CHUNK_BYTES_MIN <= size <= CHUNK_BYTES_MAX for size in sizes(chunks)[:-1])
    assert all(0 < size <= CHUNK_BYTES_MAX for size in sizes(chunks))


class _Dribble(io.BytesIO):
    """Gives fewer bytes than asked for, as pipes do."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(size or 0, 1_013))


def test_bytes_streams_and_files_are_cut_alike(tmp_path: Path) -> None:
    """Where the bytes come from changes no cut."""
    path = tmp_path / "some"
    path.write_bytes(SOME)
    expected = list(split(SOME))
    assert len(expected) > 10
    assert list(split(io.BytesIO(SOME))) == expected
    assert list(split(_Dribble(SOME))) == expected
    assert list(split(memoryview(SOME).cast("H"))) == expected
    assert split_file(RealDisk(), path) == expected
    joined = b"".join(bytes(view) for _, view in split_with_bytes(io.BytesIO(SOME)))
    assert joined == SOME


@pytest.mark.parametrize("place", [0, 1_234_567, 2_999_999])
@pytest.mark.parametrize("change", ["insert", "delete", "flip"])
def test_a_change_in_one_place_leaves_other_chunks(place: int, change: str) -> None:
    """Few chunks are new after a byte was put in, taken out or changed, though all behind it moved."""
    new = bytearray(SOME)
    if change == "insert":
        new[place:place] = b"!"
    elif change == "delete":
        del new[place]
    else:
        new[place] ^= 0xFF
    before = {chunk.sha256 for chunk in split(SOME)}
    fresh = [chunk for chunk in split(bytes(new)) if chunk.sha256 not in before]
    assert 1 <= len(fresh) <= 3


def test_cuts_stay_where_they_were() -> None:
    """Another release that cuts elsewhere would let everything travel and be stored again: nobody should choose
    that unaware."""
    assert sizes(list(split(SOME)))[:6] == KNOWN_SIZES
