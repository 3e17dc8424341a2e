"""Compressed input: read whole, within limits, and refused with a reason."""

import bz2
import contextlib
import gzip
import lzma
import zlib
from collections.abc import Callable

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from tamis.errors import TooLargeError, WireError
from tamis.wire.compressed import inflate, read_file

TEXT = b"".join(b"line %d of a log\n" % n for n in range(50_000))


def raw_deflate(data):
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstd.compress,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
    "identity": bytes,
}


def pieces(data, size):
    return [data[at : at + size] for at in range(0, len(data), size)]


@pytest.mark.parametrize("encoding", PACKERS)
@pytest.mark.parametrize("size", [7_777, 1 << 20])
def test_every_encoding_comes_back_whole(encoding, size):
    """Whatever the pieces, the output is what was compressed; two members are one stream."""
    packed = PACKERS[encoding](TEXT)
    assert b"".join(inflate(pieces(packed, size), encoding)) == TEXT
    assert b"".join(inflate(pieces(packed + packed, size), encoding.upper())) == TEXT + TEXT


def test_deflate_without_its_wrapper_is_read():
    """Some clients send the bare stream."""
    assert b"".join(inflate([raw_deflate(TEXT)], "deflate")) == TEXT


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd", "xz", "bzip2"])
def test_a_bomb_is_stopped(encoding):
    """A gigabyte from a megabyte ends at the limit, by size and by ratio, after bounded output."""
    bomb = PACKERS[encoding](b"\0" * (1 << 25))
    for limits in ({"bytes_max": 1 << 20}, {"ratio_max": 100}):
        seen: list[int] = []
        with pytest.raises(TooLargeError):
            seen.extend(map(len, inflate([bomb], encoding, **limits)))
        assert sum(seen) < 1 << 23
    with pytest.raises(TooLargeError):
        list(inflate([b"abc"], "", bytes_max=2))


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd", "xz", "bzip2"])
def test_a_cut_or_damaged_stream_is_said(encoding):
    """What was whole has come; then a WireError."""
    packed = PACKERS[encoding](TEXT)
    got: list[bytes] = []
    with pytest.raises(WireError):
        got.extend(inflate([packed[: len(packed) // 2]], encoding))
    assert TEXT.startswith(b"".join(got))
    with pytest.raises(WireError):
        list(inflate([b"this is not compressed at all"], encoding))


def test_an_unknown_encoding_is_named():
    """The error says what was asked and what is known."""
    with pytest.raises(WireError, match="brotli"):
        list(inflate([b""], "brotli"))


@given(st.lists(st.binary(max_size=40), max_size=4), st.sampled_from(sorted(PACKERS)))
def test_any_bytes_raise_nothing_else(chunks, encoding):
    """Garbage is a WireError or output, never another error."""
    with contextlib.suppress(WireError):
        list(inflate(chunks, encoding, bytes_max=1000))


@pytest.mark.parametrize("encoding", ["gzip", "zstd", "xz", "bzip2", "identity"])
def test_a_file_is_read_by_its_first_bytes(encoding, tmp_path):
    """The name does not matter; an offset leaves out what was read before."""
    path = tmp_path / "some.log"
    path.write_bytes(PACKERS[encoding](TEXT))
    assert b"".join(read_file(path)) == TEXT
    assert b"".join(read_file(path, offset=300_001)) == TEXT[300_001:]
