"""The journal after damage: actions × places × what is done with it later.

The yardstick is independent of the reader: a frame is whole when its bytes stand in the file, unbroken.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tamis.disk.calls import SystemCalls
from tamis.disk.frame import HEADER_BYTES, MARKER, encode_first, encode_header
from tamis.disk.journal import TORN_TAIL, Frame, Gap, Journal, read_journal
from tamis.disk.real import RealDisk
from tamis.errors import FormatError

SALT, OTHER_SALT = b"saltsalt", b"\x01other\xff\x80"


class Unsynced(SystemCalls):
    """Damage has nothing to do with syncs, and they take time."""

    def sync(self, handle: int) -> None:
        pass

    def sync_folder(self, path: Path) -> None:
        pass


DISK = RealDisk(Unsynced())


def raw_frame(number: int, payload: bytes, *, salt: bytes = SALT, kind: int = 7) -> bytes:
    return encode_header(salt, number, kind=kind, payload=[memoryview(payload)]) + payload


PAYLOADS = [
    b"the first of them, some text",
    b"",
    b"a marker within " + MARKER + b" and after " + MARKER * 3,
    b"a whole frame of another journal " + raw_frame(2, b"not mine", salt=OTHER_SALT) * 3 + b" and after",
    bytes(range(256)) * 3,
    b"x",
    b"the last of them " + MARKER[:4],
]
RAW = [encode_first(SALT), *(raw_frame(number, payload) for number, payload in enumerate(PAYLOADS, start=1))]
STARTS = [sum(map(len, RAW[:number])) for number in range(len(RAW))]
WHOLE = b"".join(RAW)

FIELDS = {
    "marker": 0,
    "marker's end": 7,
    "salt": 8,
    "number": 16,
    "kind": 24,
    "padding": 25,
    "length": 28,
    "payload crc": 32,
    "header crc": 36,
}


def places() -> Iterator[tuple[str, int]]:
    """Everywhere that means something: in the first, an empty, a middle and the last frame, at the end."""
    for number in (0, 1, 2, 3, 4, 5, len(RAW) - 1):
        start, end = STARTS[number], STARTS[number] + len(RAW[number])
        for field, offset in FIELDS.items():
            yield f"frame {number} {field}", start + offset
        if end > start + HEADER_BYTES:
            yield f"frame {number} payload's first", start + HEADER_BYTES
            yield f"frame {number} payload's middle", (start + HEADER_BYTES + end) // 2
            yield f"frame {number} payload's last", end - 1
    yield "tail", len(WHOLE)


def swap(data: bytes, position: int) -> bytes:
    """The frame at a position and the next one (before the last: the one before) change places."""
    number = max(n for n, start in enumerate(STARTS) if start <= position)
    number = min(number, len(RAW) - 2)
    raw = list(RAW)
    raw[number], raw[number + 1] = raw[number + 1], raw[number]
    return b"".join(raw)


def over(data: bytes, position: int, new: bytes) -> bytes:
    return data[:position] + new[: len(data) - position] + data[position + len(new) :]


def flip(data: bytes, position: int, bit: int) -> bytes:
    return over(data, position, bytes([data[position] ^ 1 << bit])) if position < len(data) else data


RUBBISH = random.Random(5).randbytes(90)
ACTIONS: dict[str, Callable[[bytes, int], bytes]] = {
    "cut": lambda data, at: data[:at],
    "flip the lowest bit": lambda data, at: flip(data, at, 0),
    "flip the highest bit": lambda data, at: flip(data, at, 7),
    "zero 1": lambda data, at: over(data, at, bytes(1)),
    "zero 64": lambda data, at: over(data, at, bytes(64)),
    "zero the rest": lambda data, at: over(data, at, bytes(len(data) - at)),
    "overwrite with rubbish": lambda data, at: over(data, at, RUBBISH),
    "duplicate 3": lambda data, at: data[: at + 3] + data[at : at + 3] + data[at + 3 :],
    "duplicate 500": lambda data, at: data[: at + 500] + data[at : at + 500] + data[at + 500 :],
    "insert rubbish": lambda data, at: data[:at] + RUBBISH + data[at:],
    "insert markers": lambda data, at: data[:at] + MARKER * 9 + data[at:],
    "insert another journal's frame": lambda data, at: (
        data[:at] + raw_frame(3, b"foreign", salt=OTHER_SALT) + data[at:]
    ),
    "append rubbish": lambda data, at: data + RUBBISH,
    "delete 1": lambda data, at: data[:at] + data[at + 1 :],
    "delete 70": lambda data, at: data[:at] + data[at + 70 :],
    "delete 500": lambda data, at: data[:at] + data[at + 500 :],
    "swap two frames": swap,
}


@dataclass(frozen=True)
class Expected:
    """What stands whole in a damaged file, in order, each frame once."""

    frames: list[tuple[int, int, bytes]]
    first_whole: bool

    @classmethod
    def of(cls, data: bytes, raw: list[bytes]) -> "Expected":
        at = [(data.find(frame), number, frame[HEADER_BYTES:]) for number, frame in enumerate(raw)]
        return cls(sorted(found for found in at[1:] if found[0] >= 0), at[0][0] >= 0)


def check_read(path: Path, raw: list[bytes]) -> list[Frame | Gap]:
    """Read, hold it against what stands whole, and see that frames and gaps together cover each byte once."""
    data = path.read_bytes()
    expected = Expected.of(data, raw)
    items = list(read_journal(DISK, path))
    frames = [item for item in items if isinstance(item, Frame)]
    gaps = [item for item in items if isinstance(item, Gap)]
    assert [(frame.position, frame.number, frame.payload) for frame in frames] == expected.frames
    spans = [(gap.position, gap.length) for gap in gaps if gap.length]
    spans += [(frame.position, HEADER_BYTES + len(frame.payload)) for frame in frames]
    if expected.first_whole:
        spans.append((data.find(raw[0]), len(raw[0])))
    spans.sort()
    assert sum(length for _, length in spans) == len(data)
    assert all(start + length == following for (start, length), (following, _) in pairwise(spans))
    if data not in prefixes(raw):
        assert gaps, "damage without a report"
    assert [gap for gap in items[:-1] if isinstance(gap, Gap) and gap.reason == TORN_TAIL] == []
    return items


def prefixes(raw: list[bytes]) -> list[bytes]:
    """What a clean end looks like: frames cut off between two frames cannot be missed by anyone."""
    return [b"".join(raw[:number]) for number in range(len(raw) + 1)]


def damaged(action: str, position: int) -> bytes:
    return ACTIONS[action](WHOLE, position)


PLACES = dict(places())
matrix = pytest.mark.parametrize("place", PLACES)
by_action = pytest.mark.parametrize("action", ACTIONS)


@by_action
@matrix
def test_whole_frames_are_read_and_the_rest_is_reported(tmp_path: Path, action: str, place: str) -> None:
    """Reading yields what is whole, exactly and in order, and a Gap for every other byte."""
    path = tmp_path / "journal"
    path.write_bytes(damaged(action, PLACES[place]))
    check_read(path, RAW)


@by_action
@matrix
def test_a_damaged_journal_takes_new_frames(tmp_path: Path, action: str, place: str) -> None:
    """Opening cuts the torn tail off and nothing else; what is appended then is read after what was whole."""
    path = tmp_path / "journal"
    path.write_bytes(damaged(action, PLACES[place]))
    before = list(read_journal(DISK, path))
    visited: list[Frame | Gap] = []
    journal = Journal.open_journal(DISK, path, visit=visited.append)
    assert visited == before
    assert [*journal.gaps, *([journal.torn] if journal.torn else [])] == [
        g for g in before if isinstance(g, Gap)
    ]
    position = journal.append(9, [b"new ", b"frame"])
    journal.append(10, [MARKER])
    journal.close()
    kept = before[:-1] if journal.torn else before
    after = list(read_journal(DISK, path))
    assert after[: len(kept)] == kept
    assert [(f.position, f.kind, f.payload) for f in after[len(kept) :] if isinstance(f, Frame)] == [
        (position, 9, b"new frame"),
        (position + HEADER_BYTES + 9, 10, MARKER),
    ]
    assert [item for item in after[len(kept) :] if isinstance(item, Gap)] == []


@by_action
@matrix
def test_opening_again_changes_nothing_more(tmp_path: Path, action: str, place: str) -> None:
    """A second opening finds no torn tail, and leaves every byte as it is."""
    path = tmp_path / "journal"
    path.write_bytes(damaged(action, PLACES[place]))
    Journal.open_journal(DISK, path).close()
    once = path.read_bytes()
    journal = Journal.open_journal(DISK, path)
    journal.close()
    assert journal.torn is None
    assert path.read_bytes() == once


@pytest.mark.parametrize("number", range(1, len(RAW) - 1))
def test_a_frame_removed_without_a_trace_is_missed(tmp_path: Path, number: int) -> None:
    """Frames are numbered: one taken out cleanly shows as a Gap where it should stand."""
    path = tmp_path / "journal"
    path.write_bytes(b"".join(RAW[:number] + RAW[number + 1 :]))
    gaps = [item for item in check_read(path, RAW) if isinstance(item, Gap)]
    assert gaps == [Gap(STARTS[number], 0, f"frame {number + 1} out of sequence")]


def test_a_repeated_frame_is_read_once(tmp_path: Path) -> None:
    """A copy of a frame is reported, not yielded again."""
    path = tmp_path / "journal"
    path.write_bytes(b"".join([*RAW[:3], RAW[1], *RAW[3:]]))
    items = check_read(path, RAW)
    assert Gap(STARTS[3], len(RAW[1]), "frame 1 repeated") in items
    assert len([item for item in items if isinstance(item, Frame)]) == len(PAYLOADS)


def test_another_journals_frames_do_not_take_a_damaged_journal_over(tmp_path: Path) -> None:
    """With its first frame gone, a journal is still known by its own frames, not by those a payload holds."""
    path = tmp_path / "journal"
    foreign = b"".join(raw_frame(n, b"foreign", salt=OTHER_SALT) for n in range(1, 4))
    path.write_bytes(foreign + WHOLE[len(RAW[0]) :])
    payloads = [item.payload for item in check_read(path, RAW) if isinstance(item, Frame)]
    assert payloads == PAYLOADS


PAYLOAD = st.one_of(
    st.binary(max_size=60),
    st.just(MARKER),
    st.just(raw_frame(1, b"foreign", salt=OTHER_SALT)),
    st.builds(lambda a, b: a + MARKER + b, st.binary(max_size=9), st.binary(max_size=9)),
)
HURT = st.tuples(st.sampled_from([a for a in ACTIONS if a != "swap two frames"]), st.floats(0, 1))


@given(payloads=st.lists(PAYLOAD, max_size=8), hurts=st.lists(HURT, max_size=5))
def test_nothing_is_read_that_was_not_written(
    tmp_path_factory: pytest.TempPathFactory, payloads: list[bytes], hurts: list[tuple[str, float]]
) -> None:
    """Whatever was written and whatever happened to it: what is whole is read, and nothing else.

    Only where the first frame is damaged and another journal's frames came in may those outweigh its own.
    """
    raw = [encode_first(SALT), *(raw_frame(number, payload) for number, payload in enumerate(payloads, 1))]
    data = b"".join(raw)
    for action, where in hurts:
        data = ACTIONS[action](data, int(where * len(data)))
    assume(data.startswith(raw[0]) or OTHER_SALT not in data)
    path = tmp_path_factory.getbasetemp() / "hurt-journal"
    path.write_bytes(data)
    try:
        check_read(path, raw)
    except FormatError:
        assert not any(frame in data for frame in raw)
