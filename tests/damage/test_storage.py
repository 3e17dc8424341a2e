"""Files that are kept by a manifest, after damage: actions × files × what is left to mend them from; and a crash at
every write. Afterwards everything is whole, or it is said what is not; never is a file half of one and half of another.
"""

import errno
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tamis.clock import SYSTEM_CLOCK
from tamis.disk.lock import lock_folder
from tamis.errors import DiskError, IntegrityError, LockedError, UnmendedError
from tamis.integrity.options import StorageOptions
from tamis.integrity.publish import publish
from tamis.integrity.report import StorageState
from tests.support.fragile_disk import FragileDisk, Mode, PowerCut
from tests.support.hand_clock import HandClock
from tests.support.mirror_places import (
    BIG,
    CONTENT,
    EDITION,
    EMPTY,
    SIGNER,
    SMALL,
    STRANGER,
    FileServer,
    Flaky,
    Place,
    make_mirror,
)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A folder that is whole, and a mirror that has everything."""
    made = Place(tmp_path)
    made.fill()
    yield made
    made.close()


def nothing(place: Place) -> Flaky:
    """A mirror that has no file."""
    return Flaky(place.folder.parent / "nothing")


def flip(folder: Path, path: str) -> None:
    data = bytearray((folder / path).read_bytes())
    data[len(data) // 2] ^= 0x10
    (folder / path).write_bytes(data)


def cut(folder: Path, path: str) -> None:
    data = (folder / path).read_bytes()
    (folder / path).write_bytes(data[: len(data) // 3])


def grow(folder: Path, path: str) -> None:
    with (folder / path).open("ab") as file:
        file.write(b"more" * 50)


def zero(folder: Path, path: str) -> None:
    (folder / path).write_bytes(bytes((folder / path).stat().st_size))


def swap(folder: Path, path: str) -> None:
    other = SMALL if path == BIG else BIG
    mine, theirs = (folder / path).read_bytes(), (folder / other).read_bytes()
    (folder / path).write_bytes(theirs)
    (folder / other).write_bytes(mine)


def delete(folder: Path, path: str) -> None:
    (folder / path).unlink()


def delete_folder(folder: Path, path: str) -> None:
    shutil.rmtree((folder / path).parent)


def become_folder(folder: Path, path: str) -> None:
    (folder / path).unlink()
    (folder / path).mkdir()
    (folder / path / "x").write_bytes(b"x")


def forbid(folder: Path, path: str) -> None:
    (folder / path).unlink()
    (folder / path).symlink_to("/etc/hostname")


DAMAGE: dict[str, Callable[[Path, str], None]] = {
    "flip": flip,
    "cut": cut,
    "grow": grow,
    "zero": zero,
    "swap": swap,
    "delete": delete,
    "delete the folder": delete_folder,
    "a link": forbid,
}


@pytest.mark.parametrize("mirror", ["folder", "server"])
@pytest.mark.parametrize("path", [BIG, SMALL])
@pytest.mark.parametrize("damage", DAMAGE)
def test_every_damage_is_mended(place: Place, damage: str, path: str, mirror: str) -> None:
    """From a folder or a server, byte for byte, and a second look finds nothing."""
    DAMAGE[damage](place.folder, path)
    with FileServer(place.mirror) as server:
        manager = place.manager(place.mirror if mirror == "folder" else server.url)
        assert path in [finding.path for finding in manager.verify(full=True).findings]
        report = manager.initialize_and_verify()
        assert report.is_whole, report
        assert path in report.mended
        assert server.bytes_sent <= 1_600_000
    assert place.content() == CONTENT
    assert place.manager(nothing(place)).verify(full=True).is_whole


@pytest.mark.parametrize("path", [BIG, SMALL])
@pytest.mark.parametrize("damage", [*DAMAGE, "a folder"])
def test_what_cannot_be_mended_is_named(place: Place, damage: str, path: str) -> None:
    """With no mirror that has it: degraded when it is required, its name and what is wrong, never a wrong byte."""
    if damage == "swap":
        return  # is mended from the other file: see below
    DAMAGE.get(damage, become_folder)(place.folder, path)
    manager = place.manager(nothing(place))
    report = manager.initialize_and_verify()
    assert [finding.path for finding in report.findings] == [path]
    assert report.state is (StorageState.DEGRADED if path == BIG else StorageState.READY)
    with pytest.raises(UnmendedError, match=path):
        manager.place(path)
    for other in {BIG, SMALL, EMPTY} - {path}:
        assert manager.read(other) == CONTENT[other]


def test_files_that_changed_places_are_mended_from_each_other(place: Place) -> None:
    """All bytes are here: no mirror is asked."""
    swap(place.folder, BIG)
    source = nothing(place)
    assert place.manager(source).initialize_and_verify().is_whole
    assert source.reads == []
    assert place.content() == CONTENT


def test_a_copy_under_another_name_mends_nothing_and_harms_nothing(place: Place) -> None:
    """A file that nobody lists stays, and is not counted."""
    shutil.copy(place.folder / BIG, place.folder / "models/copy.bin")
    report = place.manager(nothing(place)).initialize_and_verify()
    assert (report.is_whole, report.files) == (True, 3)
    assert (place.folder / "models/copy.bin").read_bytes() == CONTENT[BIG]


def stale(place: Place) -> None:
    """The manifest and the files of an older version are put back, signature and all."""
    old = place.folder.parent / "old"
    shutil.copytree(place.folder, old, ignore=shutil.ignore_patterns(".tamis"))
    make_mirror(place.mirror, {**CONTENT, SMALL: b"a hole is closed"})
    assert place.manager().update().version == 2
    shutil.copytree(old, place.folder, dirs_exist_ok=True)


def foreign(place: Place) -> None:
    """Somebody else's files, listed and signed by them."""
    (place.folder / SMALL).write_bytes(b"evil")
    (place.folder / "manifest.json").unlink()
    publish(place.folder, EDITION, signer=STRANGER, clock=HandClock())


def unsigned(place: Place) -> None:
    (place.folder / SMALL).write_bytes(b"evil")
    (place.folder / "manifest.json").unlink()
    publish(place.folder, EDITION, clock=HandClock())


def torn(place: Place) -> None:
    cut(place.folder, "manifest.json")


def flipped(place: Place) -> None:
    flip(place.folder, "manifest.json")


def gone(place: Place) -> None:
    (place.folder / "manifest.json").unlink()


def linked(place: Place) -> None:
    (place.folder / "manifest.json").rename(place.folder.parent / "elsewhere.json")
    (place.folder / "manifest.json").symlink_to(place.folder.parent / "elsewhere.json")


MANIFESTS = [stale, foreign, unsigned, torn, flipped, gone, linked]


@pytest.mark.parametrize("damage", MANIFESTS)
def test_a_manifest_that_is_not_ours_is_replaced(place: Place, damage: Callable[[Place], None]) -> None:
    """Older, foreign, unsigned, torn or away: the mirror's is taken, and the files are what that says."""
    damage(place)
    report = place.manager().initialize_and_verify()
    assert report.is_whole, report
    right = {**CONTENT, SMALL: (place.mirror / SMALL).read_bytes()}
    assert place.content() == right
    assert not (place.folder / "manifest.json").is_symlink()


@pytest.mark.parametrize("damage", MANIFESTS)
def test_without_a_mirror_no_wrong_manifest_is_believed(
    place: Place, damage: Callable[[Place], None]
) -> None:
    """Degraded, with the reason; no file is given out by a list that nobody vouches for."""
    damage(place)
    manager = place.manager(nothing(place))
    report = manager.initialize_and_verify()
    assert report.state is StorageState.DEGRADED
    assert "manifest.json" in report.modes[0].text
    with pytest.raises(UnmendedError):
        manager.read(SMALL)


def test_a_mirror_that_offers_an_older_or_a_foreign_manifest_is_refused(place: Place, tmp_path: Path) -> None:
    """Each with its reason, and everything stays as it was."""
    make_mirror(place.mirror, {**CONTENT, SMALL: b"2"})
    assert place.manager().update().version == 2
    for name, signer in (("older", SIGNER), ("foreign", STRANGER)):
        make_mirror(tmp_path / name, {**CONTENT, SMALL: b"evil"}, signer=signer)
    for version in range(3):
        make_mirror(tmp_path / "foreign", {**CONTENT, SMALL: str(version).encode()}, signer=STRANGER)
    manager = place.manager(tmp_path / "older", tmp_path / "foreign")
    with pytest.raises(UnmendedError, match=r"older than version 2(?s:.)*not by a trusted key"):
        manager.update()
    assert manager.verify().is_whole
    assert place.content()[SMALL] == b"2"


def test_a_manifest_from_the_past_is_not_taken_from_a_mirror(place: Place, tmp_path: Path) -> None:
    """Who holds back the newest version can do so only until the one before expires."""
    mirror = tmp_path / "late"
    make_mirror(mirror)
    make_mirror(mirror, {**CONTENT, SMALL: b"2"}, edition=replace(EDITION, valid_s=3_600.0))
    place.clock.pass_s(7_200)
    with pytest.raises(UnmendedError, match="expired"):
        place.manager(mirror).update()
    assert place.content() == CONTENT


def test_a_manifest_that_expires_here_goes_on_with_a_word(place: Place) -> None:
    """Nobody has a newer one: no reason to stop working."""
    make_mirror(place.mirror, {**CONTENT, SMALL: b"2"}, edition=replace(EDITION, valid_s=3_600.0))
    place.manager().update()
    place.clock.pass_s(7_200)
    report = place.manager(nothing(place)).initialize_and_verify()
    assert report.is_whole
    assert "expired" in report.notes[0]


@pytest.mark.parametrize("call", ["write", "sync", "rename", "create", "sync_folder"])
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_a_disk_that_refuses_leaves_the_old_file_or_the_new(place: Place, call: str, error: int) -> None:
    """At each step of mending, whatever it refuses: said, and the next time it works."""
    cut(place.folder, BIG)
    damaged = (place.folder / BIG).read_bytes()
    for after in range(4):
        disk = FragileDisk(place.folder)
        disk.refuse(call, error, after=after)
        manager = place.manager(disk=disk)
        report = manager.initialize_and_verify()
        assert (place.folder / BIG).read_bytes() in (damaged, CONTENT[BIG])
        if not report.is_whole:
            assert BIG in str(report.findings)
            assert len(str(report.notes)) + len(report.findings[0].problem) > 40
    assert place.manager().initialize_and_verify().is_whole
    assert place.content() == CONTENT


def test_a_folder_that_may_only_be_read_works_as_far_as_it_is_whole(place: Place) -> None:
    """Whole: ready. Damaged: degraded, with the reason."""

    class ReadOnly(FragileDisk):
        """Every change is refused, as on a file system that is mounted read-only."""

    disk = ReadOnly(place.folder)

    def refuse(*args: object, **more: object) -> int:
        raise OSError(errno.EROFS, "Read-only file system")

    for call in ("create", "open_append", "write", "rename", "unlink", "make_folder", "truncate"):
        setattr(disk.calls, call, refuse)
    assert place.manager(disk=disk).initialize_and_verify().is_whole
    cut(place.folder, BIG)
    shutil.rmtree(place.folder / ".tamis")
    report = place.manager(disk=disk).initialize_and_verify()
    assert report.state is StorageState.DEGRADED
    assert "read-only" in str(report.notes).lower()


def test_two_repairs_at_once_mend_it_once(place: Place) -> None:
    """The second waits for the first, and finds nothing left to do."""
    cut(place.folder, BIG)
    (place.folder / SMALL).unlink()
    sources = [Flaky(place.mirror) for _ in range(4)]
    managers = [place.manager(source, clock=SYSTEM_CLOCK) for source in sources]
    reports = []
    threads = [
        threading.Thread(target=lambda manager=manager: reports.append(manager.initialize_and_verify()))
        for manager in managers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [report.is_whole for report in reports] == [True] * 4
    assert sorted(path for report in reports for path in report.mended) == [BIG, SMALL]
    assert place.content() == CONTENT
    assert sum(bool(source.reads) for source in sources) == 1


def test_who_cannot_wait_for_the_other_is_told_who_it_is(place: Place) -> None:
    """A repair that hangs elsewhere does not hang this one for ever."""
    cut(place.folder, BIG)
    options = replace(StorageOptions(), reserve_bytes=0, lock_timeout_s=5)
    with lock_folder(place.folder / ".tamis", "mending files"):
        manager = place.manager(options=options)
        with pytest.raises(LockedError, match="mending files"):
            manager.repair()
        assert manager.initialize_and_verify().state is StorageState.DEGRADED
    assert place.manager().initialize_and_verify().is_whole


TEXTS = {"a.bin": b"a" * 9_000, "b/b.bin": b"b" * 9_000, "c.bin": b"c" * 5}
NEWER = {"a.bin": b"A" * 9_000, "b/b.bin": b"b" * 9_000, "d/d.bin": b"d" * 7}


def crash_place(root: Path) -> Place:
    """A folder at version 1 with small files, and a mirror at version 2; copied from one that was made before."""
    first = root.parent / "first"
    if not first.exists():
        place = Place(first, TEXTS)
        place.fill()
        place.close()
        for path in TEXTS:
            (place.mirror / path).unlink()
        make_mirror(place.mirror, NEWER)
    shutil.copytree(first, root)
    return Place(root, None)


def steps(tmp_path: Path) -> int:
    """How many operations an update makes."""
    place = crash_place(tmp_path / "count")
    disk = FragileDisk(place.folder)
    place.manager(disk=disk).update()
    return disk.operations


@pytest.mark.parametrize("mode", ["forget", "keep", "random"])
def test_a_crash_at_any_write_of_an_update_leaves_each_file_whole(tmp_path: Path, mode: Mode) -> None:
    """Power cut or kill: each file is the old one or the new one, and the next start ends what was begun."""
    total = steps(tmp_path)
    assert total > 15
    for cut_at in range(1, total + 1):
        place = crash_place(tmp_path / str(cut_at))
        disk = FragileDisk(place.folder, cut_at)
        manager = place.manager(disk=disk)
        with pytest.raises(PowerCut):
            manager.update()
        disk.after_power_cut(mode, seed=cut_at)
        for path, data in place.content().items():
            if ".tamis-" not in path:
                assert data in (TEXTS.get(path), NEWER.get(path)), (cut_at, path)
        report = place.manager().initialize_and_verify()
        assert report.is_whole, (cut_at, report)
        whole = place.content()
        assert {path: whole[path] for path in (TEXTS, NEWER)[report.version - 1]} == (TEXTS, NEWER)[
            report.version - 1
        ]
        assert place.manager().update().is_whole
        after = place.content()
        assert {path: after.get(path) for path in NEWER} == NEWER
        assert not [path for path in after if ".tamis-" in path], cut_at
        place.close()


def test_after_a_crash_an_update_that_had_everything_ends_without_a_mirror(tmp_path: Path) -> None:
    """Once the new manifest stands, all its files were staged: nothing is fetched again."""
    total = steps(tmp_path)
    ended = 0
    for cut_at in range(1, total + 1):
        place = crash_place(tmp_path / f"offline-{cut_at}")
        disk = FragileDisk(place.folder, cut_at)
        with pytest.raises(PowerCut):
            place.manager(disk=disk).update()
        disk.after_power_cut("keep")
        manager = place.manager(nothing(place))
        report = manager.initialize_and_verify()
        if report.version == 2:
            ended += 1
            assert report.is_whole, (cut_at, report)
        place.close()
    assert ended > 3


def test_errors_name_what_and_where(place: Place) -> None:
    """A file that no mirror has: its path, each mirror and what it said."""
    delete(place.folder, BIG)
    report = place.manager(nothing(place), place.folder.parent / "none.tar").initialize_and_verify()
    problem = report.findings[0].problem
    assert BIG in problem
    assert "there is no such file" in problem
    assert "none.tar" in problem


def test_no_exception_but_ours_leaves_it(place: Place) -> None:
    """A folder in the place of the manifest, a file in the place of what we remember: told, not raised."""
    (place.folder / "manifest.json").unlink()
    (place.folder / "manifest.json").mkdir()
    shutil.rmtree(place.folder / ".tamis")
    (place.folder / ".tamis").write_bytes(b"")
    manager = place.manager()
    assert manager.initialize_and_verify().state is StorageState.DEGRADED
    with pytest.raises((DiskError, IntegrityError)):
        manager.repair()
