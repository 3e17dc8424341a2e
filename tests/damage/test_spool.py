"""The spool after damage and after the power or the process went: actions × places, and a cut at every write.

What was whole arrives once and in order; what was not is counted and kept aside; nothing stops a replay.
"""

import contextlib
import errno
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tamis.disk.calls import SystemCalls
from tamis.disk.frame import HEADER_BYTES
from tamis.disk.journal import Frame, read_journal
from tamis.disk.real import RealDisk
from tamis.errors import DiskError, FormatError
from tamis.pipeline.delivery.replay import replay
from tamis.pipeline.limits import SpoolLimits
from tamis.pipeline.parcel import Parcel, encode_records
from tamis.pipeline.spool import frames
from tamis.pipeline.spool.place import DAMAGED, folders
from tamis.pipeline.spool.store import SpoolStore
from tamis.record.model import Record
from tests.support.fragile_disk import FragileDisk, Mode, PowerCut
from tests.support.sinks import QUICK, SPOOLED, Gathering

LIMITS = SpoolLimits(part_bytes=1_500, reserve_bytes=0, adopt_interval_s=0.0)


class Unsynced(SystemCalls):
    """Damage has nothing to do with syncs, and they take time."""

    def sync(self, handle: int) -> None:
        pass

    def sync_folder(self, path: Path) -> None:
        pass


DISK = RealDisk(Unsynced())


def parcel(first: int, count: int) -> Parcel:
    records = [
        Record(
            timestamp=n,
            message=f"record {n}",
            attributes={"n": n, "sequence": n + 1, "huge": 2**80 if n == 7 else n},
        )
        for n in range(first, first + count)
    ]
    form, payload = encode_records(records)
    return Parcel(records, form, payload, 9, 0.0)


def sink() -> Gathering:
    return Gathering("far", SPOOLED, spooled=True)


def store(state: Path, disk: Any = DISK) -> SpoolStore:
    return SpoolStore(state, "far", limits=LIMITS, disk=disk)


class Work:
    """A process that logs 60 records; it knows what it was told to be kept, sent and settled."""

    def __init__(self, state: Path, disk: Any = DISK, *, sync: bool = False) -> None:
        self.spool = store(state, disk).create("0a1b2c3d")
        self.sync = sync
        self.kept: list[int] = []
        self.settled: set[int] = set()
        self.under_way: set[int] = set()

    def run(self) -> None:
        for first in range(0, 30, 5):
            self.append(first, 5)
        self.settle("b-1", range(0, 7))
        self.spool.prepare()
        for first in range(30, 60, 3):
            self.append(first, 3)
        self.settle("b-2", range(7, 20))
        self.spool.seal()
        self.settle("b-3", [20, 22, 24])
        self.append(60, 1)
        self.spool.mark("b-4", [21, 23, 25, 26])

    def append(self, first: int, count: int) -> None:
        self.under_way = set(range(first, first + count))
        assert self.spool.append(parcel(first, count), sync=self.sync) == first
        self.kept += range(first, first + count)
        self.under_way = set()

    def settle(self, name: str, ordinals: Any) -> None:
        self.spool.mark(name, ordinals)
        self.under_way = set(ordinals)
        self.spool.settle(ordinals)
        self.settled |= set(ordinals)
        self.under_way = set()


def arrived(got: Gathering) -> list[Any]:
    return [record.attributes["n"] for record in got.records]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the process left when it was killed."""
    state = tmp_path_factory.mktemp("whole")
    work = Work(state)
    work.run()
    work.spool.abandon()
    return state


def parts(state: Path) -> list[Path]:
    return sorted(state.glob("spool/*/*/*.journal"))


def test_whole_it_arrives_under_its_ids(whole: Path, tmp_path: Path) -> None:
    """Without damage: everything that was not settled, once, in order; the batch under way with its id."""
    state = tmp_path / "state"
    shutil.copytree(whole, state)
    assert len(parts(state)) > 2
    got = sink()
    counts = replay(got, store(state), limits=QUICK)
    assert arrived(got) == [21, 23, *range(25, 61)]
    assert (got.batches[0].id, arrived_in(got, 0)) == ("b-4", [21, 23, 25, 26])
    assert counts.delivered == counts.adopted == 38
    assert got.records[0].attributes["huge"] == 21
    assert folders(DISK, state / "spool") == []
    assert parts(state) == []


def arrived_in(got: Gathering, place: int) -> list[Any]:
    return [record.attributes["n"] for record in got.batches[place].records]


def over(data: bytes, position: int, new: bytes) -> bytes:
    return data[:position] + new[: len(data) - position] + data[position + len(new) :]


def frame_at(data: bytes, position: int, spans: list[tuple[int, int]]) -> tuple[int, int]:
    return next((span for span in spans if span[0] <= position < span[1]), spans[-1])


ACTIONS: dict[str, Callable[[bytes, int, tuple[int, int]], bytes]] = {
    "cut": lambda data, at, span: data[:at],
    "flip": lambda data, at, span: over(data, at, bytes([data[at] ^ 4])) if at < len(data) else data,
    "zero 1": lambda data, at, span: over(data, at, bytes(1)),
    "zero 100": lambda data, at, span: over(data, at, bytes(100)),
    "zero the rest": lambda data, at, span: over(data, at, bytes(max(len(data) - at, 0))),
    "rubbish over": lambda data, at, span: over(data, at, b"\xff\x00tamis" * 9),
    "rubbish between": lambda data, at, span: data[:at] + b"\xff\x00tamis" * 9 + data[at:],
    "duplicate the frame": lambda data, at, span: data[: span[1]] + data[span[0] : span[1]] + data[span[1] :],
    "remove the frame": lambda data, at, span: data[: span[0]] + data[span[1] :],
}


def places(path: Path) -> Iterator[tuple[str, int]]:
    """Of each frame: its header, its payload's start, middle and end; and the file's end."""
    for frame in read_journal(DISK, path):
        assert isinstance(frame, Frame)
        start, end = frame.position, frame.position + HEADER_BYTES + len(frame.payload)
        for name, at in (
            ("marker", start),
            ("length", start + 28),
            ("payload", start + HEADER_BYTES),
            ("ordinals", start + HEADER_BYTES + 5),
            ("middle", (start + end) // 2),
            ("last byte", end - 1),
        ):
            yield f"{frame.number} {name}", at
    yield "first frame", 3
    yield "end", path.stat().st_size


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("part", range(3))
def test_a_damaged_spool_gives_what_is_whole_once_and_in_order(
    whole: Path, tmp_path: Path, action: str, part: int
) -> None:
    """Whatever happens to a file: no error, no record twice, none made up, the order stays, and every record whose
    frame is whole arrives, unless a note that it was settled is whole too.
    """
    for name, at in places(parts(whole)[part]):
        state = tmp_path / name
        shutil.copytree(whole, state)
        path = parts(state)[part]
        data = path.read_bytes()
        spans = [
            (frame.position, frame.position + HEADER_BYTES + len(frame.payload))
            for frame in read_journal(DISK, path)
            if isinstance(frame, Frame)
        ]
        path.write_bytes(ACTIONS[action](data, at, frame_at(data, at, spans)))
        present = whole_records(state)
        got = sink()
        counts = replay(got, store(state), limits=QUICK)
        found = arrived(got)
        where = f"{action} at {name}"
        assert found == sorted(set(found)), where
        assert set(found) <= set(range(61)), where
        assert present - set(found) <= SETTLED, where
        assert counts.delivered == len(found), where
        assert counts.sent == counts.accounted, where
        assert parts(state) == [], where
        assert len({batch.id for batch in got.batches}) == len(got.batches), where
        shutil.rmtree(state)


SETTLED = {*range(21), 22, 24}


def whole_records(state: Path) -> set[int]:
    """The records that stand in whole frames, read by other means."""
    found: set[int] = set()
    for path in parts(state):
        try:
            for item in read_journal(DISK, path):
                if isinstance(item, Frame) and item.kind in frames.RECORD_KINDS:
                    place = frames.decode_place(item)
                    found |= set(range(place.first, place.end))
        except FormatError:
            continue  # nothing of a journal is left
    return found


def test_damaged_bytes_are_kept_aside_and_counted(whole: Path, tmp_path: Path) -> None:
    """Records that were lost to damage are in the counts, and the bytes are there for people."""
    state = tmp_path / "state"
    shutil.copytree(whole, state)
    path = parts(state)[1]
    frame = next(
        item
        for item in read_journal(DISK, path)
        if isinstance(item, Frame) and item.kind in frames.RECORD_KINDS
    )
    place = frames.decode_place(frame)
    data = path.read_bytes()
    path.write_bytes(over(data, frame.position + HEADER_BYTES + 20, b"\x00" * 8))
    got = sink()
    told: list[str] = []
    counts = replay(got, store(state), limits=QUICK, tell=lambda _topic, sentence: told.append(sentence))
    lost = {n for n in range(place.first, place.end) if n not in SETTLED}
    assert counts.dropped == {"damaged": len(lost)}
    assert set(range(61)) - SETTLED - set(arrived(got)) == lost
    [kept] = list(state.glob(f"spool/*/{DAMAGED}/*"))
    assert kept.read_bytes() in path.read_bytes() if path.exists() else kept.stat().st_size > 0
    assert any("damaged" in line for line in told)


def run_until(disk: FragileDisk, state: Path, *, sync: bool = False) -> Work | None:
    """The work, until the disk is cut; None when it did not even begin."""
    work = None
    try:
        work = Work(state, disk, sync=sync)
        work.run()
    except PowerCut:
        assert disk.was_cut
    return work


def count_operations(root: Path, *, sync: bool = False) -> int:
    root.mkdir()
    disk = FragileDisk(root)
    run_until(disk, root / "state", sync=sync)
    return disk.operations


def check(work: Work | None, got: Gathering, *, certain: bool) -> None:
    found = arrived(got)
    assert found == sorted(set(found))
    if work is None:
        assert found == []
        return
    assert set(found) <= set(work.kept) | work.under_way
    if certain:
        missing = set(work.kept) - work.settled - set(found)
        assert missing <= work.under_way
        assert not (set(found) & work.settled)


def test_a_process_killed_at_any_write_loses_nothing_it_kept(tmp_path: Path) -> None:
    """Whatever operation it dies at: what `append` returned for arrives once, what was settled does not."""
    last = count_operations(tmp_path / "whole")
    assert last > 30
    for cut_at in range(1, last + 1):
        root = tmp_path / str(cut_at)
        root.mkdir()
        disk = FragileDisk(root, cut_at)
        work = run_until(disk, root / "state")
        disk.restart()
        got = sink()
        replay(got, store(root / "state", disk), limits=QUICK)
        check(work, got, certain=True)
        assert parts(root / "state") == []


@pytest.mark.parametrize("mode", ["forget", "keep", "random"])
@pytest.mark.parametrize("sync", [False, True])
def test_a_power_cut_at_any_write(tmp_path: Path, mode: Mode, sync: bool) -> None:
    """Synced frames arrive whatever the power does; unsynced ones may be gone, but nothing is wrong or twice."""
    last = count_operations(tmp_path / "whole", sync=sync)
    for cut_at in range(1, last + 1, 1 if sync else 3):
        root = tmp_path / str(cut_at)
        root.mkdir()
        disk = FragileDisk(root, cut_at)
        work = run_until(disk, root / "state", sync=sync)
        disk.after_power_cut(mode, cut_at)
        got = sink()
        replay(got, store(root / "state", FragileDisk(root)), limits=QUICK)
        check(work, got, certain=False)
        if sync and work is not None:
            assert set(work.kept) - work.settled - work.under_way <= set(arrived(got))


def test_a_replay_cut_anywhere_is_finished_by_the_next(whole: Path, tmp_path: Path) -> None:
    """Killed while it replays, the next one goes on: nothing is lost, and what comes twice has the same batch id."""
    for cut_at in range(1, 60):
        root = tmp_path / str(cut_at)
        shutil.copytree(whole, root / "state")
        disk = FragileDisk(root, cut_at)
        one, two = sink(), sink()
        one.limits = two.limits = replace(SPOOLED, records=10)
        with contextlib.suppress(PowerCut):
            replay(one, store(root / "state", disk), limits=QUICK)
        disk.restart()
        replay(two, store(root / "state", disk), limits=QUICK)
        assert sorted({*arrived(one), *arrived(two)}) == [21, 23, *range(25, 61)]
        ids = {batch.id for batch in one.batches}
        twice = set(arrived(one)) & set(arrived(two))
        for batch in two.batches:
            if batch.id not in ids:
                assert not twice & {record.attributes["n"] for record in batch.records}
        assert len(twice) <= 10


def test_no_room_is_told_and_another_file_is_begun(tmp_path: Path) -> None:
    """A write that the disk refuses leaves what was kept; when there is room again the spool goes on."""
    disk = FragileDisk(tmp_path)
    work = Work(tmp_path / "state", disk)
    work.append(0, 5)
    for _ in range(3):
        disk.refuse("write", errno.ENOSPC)
        with pytest.raises(DiskError):
            work.spool.append(parcel(5, 5))
    work.append(5, 5)
    work.spool.abandon()
    disk.restart()
    got = sink()
    replay(got, store(tmp_path / "state", disk), limits=QUICK)
    assert arrived(got) == list(range(10))
