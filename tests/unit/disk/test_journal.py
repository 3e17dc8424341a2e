"""The journal in its everyday use, at its limits, and when the disk refuses."""

import errno
import mmap
import threading
import tracemalloc
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tamis.disk.base import Disk
from tamis.disk.calls import SystemCalls
from tamis.disk.frame import MARKER, PAYLOAD_BYTES_MAX, encode_first
from tamis.disk.journal import TORN_TAIL, UNREADABLE, Frame, Gap, Journal, read_journal
from tamis.disk.real import RealDisk
from tamis.errors import DiskError, FormatError, JournalClosedError, NoSpaceError
from tests.support.fragile_disk import FragileDisk

DISK = RealDisk()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    journal = Journal.create_journal(DISK, path)
    yield journal
    journal.close()


def payloads(path: Path, disk: Disk = DISK) -> list[bytes]:
    return [item.payload for item in read_journal(disk, path) if isinstance(item, Frame)]


def test_frames_are_read_as_they_were_appended(journal: Journal, path: Path) -> None:
    """Kind, payload, position and order come back, for empty payloads and for any kind of buffer."""
    positions = [
        journal.append(1, [b"one"]),
        journal.append(255, []),
        journal.append(2, [b"", memoryview(b"two"), bytearray(b" more"), memoryview(b"xyz")[::1], b""]),
    ]
    journal.sync()
    assert list(read_journal(DISK, path)) == [
        Frame(positions[0], 1, b"one", 1),
        Frame(positions[1], 255, b"", 2),
        Frame(positions[2], 2, b"two morexyz", 3),
    ]
    assert journal.size == path.stat().st_size


def test_a_payload_in_more_pieces_than_one_write_takes(journal: Journal, path: Path) -> None:
    """The number of pieces has no limit that a caller can see."""
    pieces = [str(number).encode() for number in range(5_000)]
    journal.append(1, pieces)
    assert payloads(path) == [b"".join(pieces)]


def test_numbers_go_on_after_reopening(path: Path) -> None:
    """Frames of several openings are one sequence."""
    Journal.create_journal(DISK, path).close()
    for number in range(3):
        journal = Journal.open_journal(DISK, path)
        assert journal.torn is None
        journal.append(1, [bytes([number])])
        journal.close()
    assert [item.number for item in read_journal(DISK, path) if isinstance(item, Frame)] == [1, 2, 3]


@pytest.mark.parametrize("kind", [-1, 0, 256])
def test_a_kind_outside_its_range_is_refused_and_the_journal_goes_on(
    journal: Journal, path: Path, kind: int
) -> None:
    """A caller's mistake is a ValueError before anything is written."""
    with pytest.raises(ValueError, match="kind"):
        journal.append(kind, [b"x"])
    journal.append(1, [b"y"])
    assert payloads(path) == [b"y"]


def test_a_payload_over_the_limit_is_refused_and_the_journal_goes_on(journal: Journal, path: Path) -> None:
    """The limit is checked before anything is written."""
    with mmap.mmap(-1, PAYLOAD_BYTES_MAX + 1) as huge, pytest.raises(ValueError, match="1,073,741,824 bytes"):
        journal.append(1, [huge])
    journal.append(1, [b"y"])
    assert payloads(path) == [b"y"]


def test_create_refuses_a_name_that_is_taken(journal: Journal, path: Path) -> None:
    """A journal is never overwritten by a new one."""
    journal.append(1, [b"precious"])
    with pytest.raises(DiskError, match="is there already"):
        Journal.create_journal(DISK, path)
    assert payloads(path) == [b"precious"]


def test_a_closed_journal_takes_nothing(path: Path) -> None:
    """After `close` everything is JournalClosedError, and closing again is nothing."""
    journal = Journal.create_journal(DISK, path)
    journal.append(1, [b"x"])
    journal.close()
    journal.close()
    with pytest.raises(JournalClosedError):
        journal.append(1, [b"y"])
    with pytest.raises(JournalClosedError):
        journal.sync()
    assert payloads(path) == [b"x"]


def append_and_sync(journal: Journal, payload: bytes) -> None:
    journal.append(1, [payload])
    journal.sync()


@pytest.mark.parametrize("call", ["write", "sync"])
def test_a_failed_write_or_sync_closes_the_journal_for_good(tmp_path: Path, path: Path, call: str) -> None:
    """Nothing is accepted after a failure, although the disk would work again; what was promised is there."""
    disk = FragileDisk(tmp_path)
    journal = Journal.create_journal(disk, path)
    journal.append(1, [b"promised"])
    journal.sync()
    disk.refuse(call, errno.EIO)
    with pytest.raises(JournalClosedError, match="the device failed") as raised:
        append_and_sync(journal, b"not promised")
    assert isinstance(raised.value.__cause__, DiskError)
    for again in (lambda: journal.append(1, [b"x"]), journal.sync):
        with pytest.raises(JournalClosedError, match="takes nothing more"):
            again()
    journal.close()
    disk.after_power_cut("forget")
    assert payloads(path) == [b"promised"]
    assert [type(item) for item in read_journal(DISK, path)] == [Frame]


def test_a_full_disk_closes_the_journal_and_leaves_it_readable(tmp_path: Path, path: Path) -> None:
    """Half a frame, as a full disk leaves it, is a torn tail; the error says how much was needed."""
    disk = FragileDisk(tmp_path)
    journal = Journal.create_journal(disk, path)
    journal.append(1, [b"first"])
    disk.refuse("write", errno.ENOSPC)
    with pytest.raises(JournalClosedError, match="bytes needed") as raised:
        journal.append(1, [b"x" * 100])
    assert isinstance(raised.value.__cause__, NoSpaceError)
    assert raised.value.__cause__.needed > 100
    *_, last = read_journal(DISK, path)
    assert isinstance(last, Gap)
    assert last.reason == TORN_TAIL
    journal = Journal.open_journal(DISK, path)
    assert journal.torn == last
    journal.append(1, [b"second"])
    journal.close()
    assert payloads(path) == [b"first", b"second"]


class Interrupted(SystemCalls):
    """Ctrl-C in the middle of a write."""

    armed = False

    def write(self, handle: int, data: object) -> int:
        if self.armed:
            raise KeyboardInterrupt
        return super().write(handle, data)  # type: ignore[arg-type]  # as given


def test_an_interrupted_write_closes_the_journal(path: Path) -> None:
    """When nobody knows how much of a frame was written, no other follows it."""
    calls = Interrupted()
    journal = Journal.create_journal(RealDisk(calls), path)
    calls.armed = True
    with pytest.raises(KeyboardInterrupt):
        journal.append(1, [b"x"])
    calls.armed = False
    with pytest.raises(JournalClosedError):
        journal.append(1, [b"y"])
    journal.close()


def test_a_journal_of_a_newer_format_is_refused(path: Path) -> None:
    """FormatError, and not a byte is changed."""
    newer = encode_first(b"saltsalt", version=2)
    path.write_bytes(newer)
    with pytest.raises(FormatError, match="newer"):
        list(read_journal(DISK, path))
    with pytest.raises(FormatError):
        Journal.open_journal(DISK, path)
    assert path.read_bytes() == newer


@pytest.mark.parametrize(
    "content", [b"hello", b"x" * 56, b"2026-11-21 INFO started\n" * 100, b"PAR1" * 9], ids=range(4)
)
def test_a_foreign_file_is_refused(path: Path, content: bytes) -> None:
    """FormatError, and not a byte is changed."""
    path.write_bytes(content)
    with pytest.raises(FormatError, match="is not a journal"):
        list(read_journal(DISK, path))
    with pytest.raises(FormatError):
        Journal.open_journal(DISK, path)
    assert path.read_bytes() == content


FIRST = encode_first(b"saltsalt")


@pytest.mark.parametrize(
    "content", [FIRST[:length] + bytes(zeros) for length in (0, 1, 7, 8, 30, 54) for zeros in (0, 3, 100)]
)
def test_a_torn_first_frame_is_an_empty_journal(path: Path, content: bytes) -> None:
    """What a crash at creation leaves, cut or filled with zeros, is opened as an empty journal."""
    path.write_bytes(content)
    assert list(read_journal(DISK, path)) == ([Gap(0, len(content), TORN_TAIL)] if content else [])
    journal = Journal.open_journal(DISK, path)
    journal.append(1, [b"x"])
    journal.close()
    assert [type(item) for item in read_journal(DISK, path)] == [Frame]


def test_a_journal_that_is_not_there_is_an_error(path: Path) -> None:
    """Absence is not emptiness."""
    with pytest.raises(DiskError, match="check that the path is right"):
        list(read_journal(DISK, path))
    with pytest.raises(DiskError):
        Journal.open_journal(DISK, path)
    assert not path.exists()


def test_appends_go_on_while_others_sync(journal: Journal, path: Path) -> None:
    """Many threads: each frame whole, and each thread's frames in its order."""

    def work(name: bytes) -> None:
        for number in range(100):
            journal.append(1, [name, b"%d" % number, b"." * 500])
            if number % 10 == 0:
                journal.sync()

    threads = [threading.Thread(target=work, args=(name,)) for name in (b"a", b"b", b"c", b"d")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    items = list(read_journal(DISK, path))
    frames = [item for item in items if isinstance(item, Frame)]
    assert len(frames) == len(items) == 400
    for name in b"abcd":
        mine = [int(frame.payload[1:-500]) for frame in frames if frame.payload[0] == name]
        assert mine == list(range(100))


class CountingCalls(SystemCalls):
    """How many bytes were read; and blocks that cannot be."""

    def __init__(self, bad: range = range(0)) -> None:
        self.bytes_read, self.bad = 0, bad

    def read_at(self, handle: int, length: int, position: int) -> bytes:
        if position < self.bad.stop and self.bad.start < position + length:
            raise OSError(errno.EIO, "Input/output error")
        data = super().read_at(handle, length, position)
        self.bytes_read += len(data)
        return data


def test_reading_holds_one_frame_at_a_time(journal: Journal, path: Path) -> None:
    """Memory does not grow with the journal."""
    for _ in range(64):
        journal.append(1, [bytes(1 << 20)])
    tracemalloc.start()
    try:
        for item in read_journal(DISK, path):
            assert isinstance(item, Frame)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 6 << 20


@pytest.mark.parametrize(
    "rubbish", [MARKER * 50_000, b"\0" * 3_000_000, encode_first(b"saltsalt")[:40] * 10_000]
)
def test_the_search_after_damage_is_linear(path: Path, rubbish: bytes) -> None:
    """However much the damage looks like frames, each byte is read a few times at most."""
    calls = CountingCalls()
    disk = RealDisk(calls)
    journal = Journal.create_journal(disk, path)
    journal.append(1, [b"before"])
    journal.close()
    with path.open("ab") as file:
        file.write(rubbish)
    raw = path.read_bytes()
    copy = Journal.open_journal(disk, path)
    position = copy.append(1, [b"after"])
    copy.close()
    path.write_bytes(raw + path.read_bytes()[position:])
    calls.bytes_read = 0
    assert payloads(path, disk) == [b"before", b"after"]
    headers = 40 * rubbish.count(MARKER)
    assert calls.bytes_read < 2 * len(rubbish) + 2 * headers + 10_000


@pytest.mark.parametrize("before_end", range(-1, 10))
def test_the_search_misses_no_marker_at_a_windows_edge(path: Path, before_end: int) -> None:
    """The next whole frame is found also where its marker lies across two reads of the search."""
    journal = Journal.create_journal(DISK, path)
    damaged = journal.append(1, [bytes((1 << 20) - 39 - before_end)])
    journal.append(1, [b"found"])
    journal.close()
    with path.open("r+b") as file:
        file.seek(damaged)
        file.write(b"?")
    assert payloads(path) == [b"found"]


def bad_block(path: Path, block: int) -> RealDisk:
    return RealDisk(CountingCalls(range(block * 4096, block * 4096 + 4096)))


def test_a_block_that_cannot_be_read_hides_only_its_frames(journal: Journal, path: Path) -> None:
    """A bad place on the disk is a Gap like other damage, named as unreadable; reading goes on behind it."""
    written = [bytes([number]) * 3000 for number in range(40)]
    for payload in written:
        journal.append(1, [payload])
    items = list(read_journal(bad_block(path, 12), path))
    gaps = [item for item in items if isinstance(item, Gap)]
    assert [gap.reason for gap in gaps] == [UNREADABLE]
    assert gaps[0].position <= 12 * 4096
    assert gaps[0].position + gaps[0].length >= 13 * 4096
    read = [item.payload for item in items if isinstance(item, Frame)]
    assert read == [payload for payload in written if payload in read]
    assert len(read) in (37, 38)
    spans = [(item.position, item.length if isinstance(item, Gap) else 3040) for item in items]
    assert all(start + length == following for (start, length), (following, _) in pairwise(spans))


def test_an_end_that_cannot_be_read_is_not_cut_off(journal: Journal, path: Path) -> None:
    """What a device refuses today may be readable tomorrow: opening is refused, and nothing is changed."""
    for number in range(40):
        journal.append(1, [bytes([number]) * 3000])
    journal.sync()
    before = path.read_bytes()
    last_block = (len(before) - 1) // 4096
    with pytest.raises(DiskError, match="cannot be read; keep it for repair"):
        Journal.open_journal(bad_block(path, last_block), path)
    assert path.read_bytes() == before


def test_an_abandoned_journal_takes_nothing_more(path: Path) -> None:
    """Who lets go of a journal that is another process's can neither write to it nor close it for the other."""
    journal = Journal.create_journal(DISK, path)
    journal.abandon()
    with pytest.raises(JournalClosedError):
        journal.append(1, [b"x"])
    journal.close()
    assert payloads(path) == []
