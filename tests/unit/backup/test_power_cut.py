"""Killed, or without power, at any operation of create, prune and restore: the repository stays whole."""

from collections.abc import Callable
from contextlib import closing, suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tamis.backup.bring_back import Asked, restore_to
from tamis.backup.create import CreateOptions
from tamis.backup.folder import FolderTarget
from tamis.backup.locks import EXPIRY_S
from tamis.backup.prune import prune
from tamis.backup.restore import Span, restore_folder
from tamis.backup.retention import Keep
from tamis.backup.verify import verify
from tamis.clock import NS_PER_S
from tamis.disk.real import RealDisk
from tamis.errors import FormatError
from tests.support.backups import QUICK, BackupPlace
from tests.support.embedded import DAY_S, NOON, HandClock, batch, messages, open_quiet
from tests.support.fragile_disk import FragileDisk, Mode, PowerCut

DAY_NS = int(DAY_S) * NS_PER_S
ONLY_LAST = Keep(last=1, daily=0, weekly=0, monthly=0)


def filled(tmp_path: Path, snapshots: int) -> BackupPlace:
    """A repository with some snapshots, of which each has segments that no other has."""
    place = BackupPlace(tmp_path / "home", tmp_path / "outer/repository")
    (tmp_path / "outer").mkdir()
    with closing(open_quiet(place.data, disk=QUICK, merge_count=2)) as store:
        for number in range(snapshots + 1):
            store.append(batch(*(f"batch {number} record {n}" for n in range(40))))
            store.seal_now()
            store.merge_now()
            if number < snapshots:
                place.back_up(store)
    return place


def on(place: BackupPlace, disk: FragileDisk) -> BackupPlace:
    """The same repository, over a disk that fails."""
    return BackupPlace(place.home, place.folder, target=FolderTarget(disk, place.folder))


def create(place: BackupPlace) -> None:
    place.back_up(options=CreateOptions(wait_s=0))


def remove(place: BackupPlace) -> None:
    prune(place.open(), ONLY_LAST, wait_s=0)


WORKS: dict[str, Callable[[BackupPlace], None]] = {"create": create, "prune": remove}


def cut_and_check(tmp_path: Path, work: Callable[[BackupPlace], None], cut_at: int, mode: Mode) -> bool:
    """Whether the cut came before the work was done. Afterwards all snapshots come back, and work goes on."""
    place = filled(tmp_path, 3)
    disk = FragileDisk(tmp_path / "outer", cut_at)
    names = set(place.open().snapshots())
    with suppress(PowerCut):
        work(on(place, disk))
    was_cut = disk.was_cut
    disk.after_power_cut(mode, seed=cut_at)
    place.clock.sleep(EXPIRY_S + 1)  # the lock is that of this process, which lives on
    report = verify(place.open(), wait_s=0)
    assert report.is_whole, report.findings
    left = place.open().snapshots()
    assert max(names, key=lambda name: left[name].number if name in left else 0) in left
    newest = list(left)[-1]
    assert not restore_folder(place.open(), newest, tmp_path / "back", QUICK).lost
    create(place)
    remove(place)
    again = verify(place.open(), wait_s=0)
    assert again.is_whole
    assert not again.notes
    assert len(place.open().snapshots()) == 1
    return was_cut


@cache
def operations_of(name: str) -> int:
    """How many operations a work takes."""
    with TemporaryDirectory() as folder:
        return operations(Path(folder), WORKS[name])


def operations(tmp_path: Path, work: Callable[[BackupPlace], None]) -> int:
    place = filled(tmp_path, 3)
    disk = FragileDisk(tmp_path / "outer")
    work(on(place, disk))
    return disk.operations


@pytest.mark.parametrize("name", WORKS)
@pytest.mark.parametrize("part", [0.2, 0.5, 0.85])
def test_a_power_cut_leaves_every_snapshot_whole(tmp_path: Path, name: str, part: float) -> None:
    """At some operations of making and of pruning."""
    assert cut_and_check(tmp_path, WORKS[name], 1 + int(part * operations_of(name)), "random")


@pytest.mark.full
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", WORKS)
@pytest.mark.parametrize("mode", ["forget", "keep", "random"])
def test_a_power_cut_at_every_operation(tmp_path: Path, name: str, mode: Mode) -> None:
    """Each of them, in each way in which a disk forgets."""
    for cut_at in range(1, operations_of(name) + 1):
        folder = tmp_path / str(cut_at)
        folder.mkdir()
        assert cut_and_check(folder, WORKS[name], cut_at, mode)


def restore_cut_at(tmp_path: Path, cut_at: int | None) -> FragileDisk:
    """Restore until the cut; what is left is no store, or all of it; the same again makes it whole."""
    place = filled(tmp_path, 1)
    name = next(iter(place.open().snapshots()))
    (tmp_path / "target").mkdir()
    disk = FragileDisk(tmp_path / "target", cut_at)
    folder = tmp_path / "target/back"
    try:
        restore_folder(place.open(), name, folder, disk)
    except PowerCut:
        disk.after_power_cut("random", seed=cut_at or 0)
        has_manifest = (folder / "manifest.json").exists()
        if (folder / "restore.json").exists():
            with pytest.raises(FormatError, match="was interrupted"):
                open_quiet(folder, disk=RealDisk())
        if not has_manifest or (folder / "restore.json").exists():
            restore_folder(place.open(), name, folder, QUICK)
    with closing(open_quiet(folder, disk=QUICK)) as store:
        assert len(messages(store)) == 40
        assert store.health().state == "ready"
    assert verify(place.open(), wait_s=0).is_whole
    return disk


@cache
def operations_of_restore() -> int:
    with TemporaryDirectory() as folder:
        return restore_cut_at(Path(folder), None).operations


@pytest.mark.parametrize("part", [0.2, 0.6, 0.95])
def test_an_interrupted_restore_goes_on(tmp_path: Path, part: float) -> None:
    """No server takes half of it for a store, and the same command again brings back the rest."""
    assert restore_cut_at(tmp_path, 1 + int(part * operations_of_restore())).was_cut


@pytest.mark.full
@pytest.mark.timeout(900)
def test_a_restore_interrupted_at_every_operation_goes_on(tmp_path: Path) -> None:
    """Each of them."""
    for cut_at in range(1, operations_of_restore() + 1):
        folder = tmp_path / str(cut_at)
        folder.mkdir()
        assert restore_cut_at(folder, cut_at).was_cut


def part_cut_at(tmp_path: Path, kind: str, cut_at: int | None) -> FragileDisk:
    """Bring one day, or an instant between two snapshots, back until the cut; refused until the same is done again."""
    place = BackupPlace(tmp_path / "home", tmp_path / "repository")
    assert isinstance(place.clock, HandClock)
    with closing(open_quiet(place.data, disk=QUICK, clock=place.clock)) as store:
        for day in range(3):
            store.append(batch(f"day {day}", timestamp=NOON + day * DAY_NS))
        store.seal_now()
        place.back_up(store)
        place.clock.pass_s(60)
        store.append(batch("between"))
        at_ns = place.clock.now_ns() + 1
        place.clock.pass_s(60)
        store.append(batch("after"))
        place.back_up(store)
    span = Span(NOON + DAY_NS - 1, NOON + DAY_NS + 1)
    asked = Asked(span=span) if kind == "day" else Asked(at_ns=at_ns)
    wanted = ["day 1"] if kind == "day" else ["between", "day 0", "day 1", "day 2"]
    (tmp_path / "target").mkdir()
    disk, folder = FragileDisk(tmp_path / "target", cut_at), tmp_path / "target/back"
    try:
        restore_to(place.open(), asked, folder, disk, place.clock)
    except PowerCut:
        disk.after_power_cut("random", seed=cut_at or 0)
        if (folder / "restore.json").exists():
            with pytest.raises(FormatError, match="again"):
                open_quiet(folder, disk=QUICK)
        if (folder / "restore.json").exists() or not (folder / "manifest.json").exists():
            restore_to(place.open(), asked, folder, QUICK, place.clock)
    with closing(open_quiet(folder, disk=QUICK)) as store:
        assert messages(store) == wanted
        assert store.health().state == "ready"
    return disk


@cache
def operations_of_part(kind: str) -> int:
    with TemporaryDirectory() as folder:
        return part_cut_at(Path(folder), kind, None).operations


@pytest.mark.parametrize("part", [0.5, 0.7, 0.8, 0.9, 0.97])
@pytest.mark.parametrize("kind", ["day", "instant"])
def test_an_interrupted_restore_of_a_part_holds_no_more_than_was_asked(
    tmp_path: Path, kind: str, part: float
) -> None:
    """Nor less: no server takes the folder before, and the same command again goes on."""
    assert part_cut_at(tmp_path, kind, 1 + int(part * operations_of_part(kind))).was_cut


@pytest.mark.full
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["day", "instant"])
def test_a_restore_of_a_part_interrupted_at_every_operation_goes_on(tmp_path: Path, kind: str) -> None:
    """Each of them."""
    for cut_at in range(1, operations_of_part(kind) + 1):
        folder = tmp_path / str(cut_at)
        folder.mkdir()
        assert part_cut_at(folder, kind, cut_at).was_cut
