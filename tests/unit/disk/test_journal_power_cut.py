"""The journal when the power goes: every operation is a place to cut."""

import random
from pathlib import Path

import pytest

from tamis.disk.journal import TORN_TAIL, Frame, Gap, Journal, read_journal
from tamis.disk.real import RealDisk
from tamis.errors import JournalClosedError
from tests.support.fragile_disk import FragileCalls, FragileDisk, Mode, PowerCut


class Work:
    """Appends, syncs and reopenings in random order; knows what was appended and how much is promised."""

    def __init__(self, disk: FragileDisk, path: Path, seed: int) -> None:
        self.disk, self.path, self.rng = disk, path, random.Random(seed)
        self.appended: list[bytes] = []
        self.promised = 0
        self.opened = False

    def run(self) -> None:
        journal = Journal.create_journal(self.disk, self.path)
        self.opened = True
        for step in range(14):
            match self.rng.choice(("append", "append", "append", "sync", "reopen")):
                case "append":
                    payload = f"{step}:".encode() + self.rng.randbytes(self.rng.choice((0, 10, 3000)))
                    self.appended.append(payload)
                    journal.append(1, [payload[:5], payload[5:]])
                case "sync":
                    journal.sync()
                    self.promised = len(self.appended)
                case _:
                    journal.close()
                    self.promised = len(self.appended)
                    journal = Journal.open_journal(self.disk, self.path)
        journal.close()
        self.promised = len(self.appended)


def work_until(root: Path, seed: int, *, cut_at: int | None, kind: type[FragileCalls] = FragileCalls) -> Work:
    root.mkdir(parents=True)
    work = Work(FragileDisk(root, calls=kind(root, cut_at)), root / "journal", seed)
    try:
        work.run()
    except PowerCut:
        assert work.disk.was_cut
    return work


def violations(work: Work) -> list[str]:
    """Open what is left; say which promise was broken."""
    if not work.path.exists():
        return ["the journal is gone"] if work.opened else []
    items: list[Frame | Gap] = []
    journal = Journal.open_journal(RealDisk(), work.path, visit=items.append)
    payloads = [item.payload for item in items if isinstance(item, Frame)]
    broken = []
    if payloads[: work.promised] != work.appended[: work.promised]:
        broken.append("a promised frame is missing")
    rest = iter(work.appended[work.promised :])
    if not all(payload in rest for payload in payloads[work.promised :]):
        broken.append("a frame out of order, or one never appended")
    journal.append(2, [b"goes on"])
    journal.close()
    last = list(read_journal(RealDisk(), work.path))[-1]
    if not isinstance(last, Frame) or last.payload != b"goes on":
        broken.append("the journal does not go on")
    return broken


def cut_everywhere(folder: Path, seed: int, kind: type[FragileCalls] = FragileCalls) -> list[str]:
    whole = work_until(folder / "whole", seed, cut_at=None, kind=kind)
    broken = []
    fates: list[tuple[Mode, int]] = [("forget", 0), ("keep", 0), *(("random", s) for s in range(4))]
    for cut_at in range(1, whole.disk.operations + 2):
        for mode, fate in fates:
            work = work_until(folder / f"{cut_at}-{mode}-{fate}", seed, cut_at=cut_at, kind=kind)
            work.disk.after_power_cut(mode, fate)
            if mode != "random":
                broken += [f"cut at {cut_at}, {mode}: {b}" for b in unordered(work)]
            broken += [f"cut at {cut_at}, {mode} {fate}: {b}" for b in violations(work)]
    return broken


def unordered(work: Work) -> list[str]:
    """Without pages written out of order, what was not promised is a prefix, and only the tail is torn."""
    if not work.path.exists():
        return []
    items = list(read_journal(RealDisk(), work.path))
    payloads = [item.payload for item in items if isinstance(item, Frame)]
    broken = [] if payloads == work.appended[: len(payloads)] else ["not a prefix of what was appended"]
    gaps = [item for item in items if isinstance(item, Gap)]
    if [gap.reason for gap in gaps] not in ([], [TORN_TAIL]):
        broken.append(f"a power cut taken for damage: {gaps}")
    return broken


@pytest.mark.parametrize("seed", range(4))
def test_promised_frames_survive_every_cut(tmp_path: Path, seed: int) -> None:
    """After a cut at any operation all frames of the last sync are there, in order, and none made up."""
    assert cut_everywhere(tmp_path, seed) == []


class NoSync(FragileCalls):
    def sync(self, handle: int) -> None:
        pass


class NoFolderSync(FragileCalls):
    def sync_folder(self, path: Path) -> None:
        pass


@pytest.mark.parametrize("kind", [NoSync, NoFolderSync])
def test_a_journal_that_does_not_sync_is_caught(tmp_path: Path, kind: type[FragileCalls]) -> None:
    """The test above fails on a disk whose syncs do nothing."""
    assert cut_everywhere(tmp_path, 1, kind) != []


def test_frames_read_after_a_kill_survive_the_next_power_cut(tmp_path: Path) -> None:
    """What `open_journal` showed is safe, although the process that wrote it was killed before its sync."""
    disk = FragileDisk(tmp_path)
    journal = Journal.create_journal(disk, tmp_path / "journal")
    journal.append(1, [b"never synced by its writer"])
    disk.restart()
    shown: list[Frame | Gap] = []
    Journal.open_journal(disk, tmp_path / "journal", visit=shown.append)
    disk.after_power_cut("forget")
    assert list(read_journal(RealDisk(), tmp_path / "journal")) == shown
    assert len(shown) == 1


def test_frames_whose_sync_failed_are_not_shown_to_the_next_process(tmp_path: Path) -> None:
    """After a failed sync memory still shows the frames, but not the disk: who opens then sees what is safe."""
    disk = FragileDisk(tmp_path)
    journal = Journal.create_journal(disk, tmp_path / "journal")
    journal.append(1, [b"safe"])
    journal.sync()
    journal.append(1, [b"refused"])
    disk.refuse("sync")
    with pytest.raises(JournalClosedError):
        journal.sync()
    assert b"refused" in (tmp_path / "journal").read_bytes()
    disk.restart()
    shown: list[Frame | Gap] = []
    journal = Journal.open_journal(disk, tmp_path / "journal", visit=shown.append)
    assert [item.payload for item in shown if isinstance(item, Frame)] == [b"safe"]
    assert journal.torn is not None
    disk.after_power_cut("forget")
    assert list(read_journal(RealDisk(), tmp_path / "journal")) == shown[:1]


def test_a_journals_name_survives_when_its_maker_was_killed(tmp_path: Path) -> None:
    """A journal created before a kill, its name not yet safe, does not vanish after it was opened."""
    disk = FragileDisk(tmp_path, cut_at=5)
    with pytest.raises(PowerCut):
        Journal.create_journal(disk, tmp_path / "journal")
    assert disk.calls.log[-1] == "rename journal", "the cut is between the rename and the sync of the folder"
    disk.restart()
    journal = Journal.open_journal(disk, tmp_path / "journal")
    journal.append(1, [b"promised"])
    journal.sync()
    disk.after_power_cut("forget")
    assert [
        item.payload for item in read_journal(RealDisk(), tmp_path / "journal") if isinstance(item, Frame)
    ]


def test_a_cut_off_tail_does_not_come_back(tmp_path: Path) -> None:
    """Opening makes the truncation of a torn tail safe before anything is written after it."""
    disk = FragileDisk(tmp_path)
    Journal.create_journal(disk, tmp_path / "journal").close()
    file = disk.open_append(tmp_path / "journal")
    file.append([b"torn" * 50])
    file.sync()
    journal = Journal.open_journal(disk, tmp_path / "journal")
    assert journal.torn is not None
    journal.append(1, [b"x"])
    disk.after_power_cut("forget")
    assert list(read_journal(RealDisk(), tmp_path / "journal")) == []
