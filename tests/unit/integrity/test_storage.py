"""Keeping files as a manifest says."""

import os
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from tamis.clock import SYSTEM_CLOCK
from tamis.disk.base import ReadFile
from tamis.errors import NoSpaceError, UnmendedError
from tamis.integrity.manifest import parse_manifest, print_manifest
from tamis.integrity.options import StorageOptions
from tamis.integrity.report import StorageState
from tamis.telemetry.status_model import WorkState
from tests.support.faulty_server import cut, garble, refuse_with
from tests.support.fragile_disk import FragileDisk
from tests.support.mirror_places import (
    BIG,
    CONTENT,
    EMPTY,
    SMALL,
    FileServer,
    Flaky,
    Place,
    make_mirror,
    no_network,
)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """An empty folder and a mirror that has everything."""
    made = Place(tmp_path)
    yield made
    made.close()


def test_an_empty_folder_is_filled(place: Place) -> None:
    """The manifest and every file come from the mirror, and are there at the next start."""
    report = place.manager().initialize_and_verify()
    assert (report.state, report.version, report.files) == (StorageState.READY, 1, 3)
    assert set(report.mended) == set(CONTENT)
    assert place.content() == CONTENT
    again = place.manager().initialize_and_verify()
    assert again.is_whole
    assert again.mended == ()


def test_everything_here_is_ready_without_a_look_at_the_network(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mirror that is away does not delay a start at which nothing is missing."""
    place.fill()
    flaky = Flaky(place.mirror)
    manager = place.manager("http://mirror.example", "tamis+http://t@other.example:4817", flaky)
    with no_network(monkeypatch):
        assert manager.initialize_and_verify().is_whole
        assert manager.verify(full=True).is_whole
        assert place.clock.waited == []
        assert manager.scrub().is_whole
    assert manager.read(SMALL) == CONTENT[SMALL]
    assert flaky.reads == []


def test_local_mirrors_come_first_and_the_next_has_what_one_lacks(place: Place, tmp_path: Path) -> None:
    """The network is asked for what no folder of this machine has, and for nothing else."""
    part = tmp_path / "part"
    make_mirror(part)
    (part / BIG).unlink()
    far = Flaky(place.mirror)
    assert place.manager(far, part).initialize_and_verify().is_whole
    assert {path for path, _, _ in far.reads} <= {BIG, "manifest.json"}
    assert any(path == BIG for path, _, _ in far.reads)


def test_a_mirror_that_fails_is_tried_three_times_more(place: Place) -> None:
    """After 2, 4 and 8 s."""
    place.fill()
    (place.folder / BIG).unlink()
    flaky = Flaky(place.mirror)
    flaky.fail(3)
    assert place.manager(flaky).initialize_and_verify().is_whole
    assert place.clock.waited == [2.0, 4.0, 8.0]


def test_a_mirror_that_is_away_is_given_up(place: Place) -> None:
    """Its breaker opens: other files do not wait for it again, and after a minute it may be asked."""
    place.fill()
    (place.folder / BIG).unlink()
    (place.folder / SMALL).unlink()
    flaky = Flaky(place.mirror)
    flaky.fail(4)
    manager = place.manager(flaky)
    report = manager.initialize_and_verify()
    assert place.clock.waited == [2.0, 4.0, 8.0]
    assert len(flaky.reads) == 4
    assert {finding.path for finding in report.findings} == {BIG, SMALL}
    assert manager.initialize_and_verify().state is StorageState.DEGRADED
    assert len(flaky.reads) == 4
    place.clock.pass_s(61)
    assert manager.initialize_and_verify().is_whole


def test_a_required_file_that_cannot_be_mended_leaves_a_named_mode(place: Place) -> None:
    """It says what is wrong and what still works, the board shows it, and it goes when the file is back."""
    place.fill()
    (place.folder / BIG).write_bytes(b"?")
    manager = place.manager(Flaky(place.folder.parent / "nothing"))
    report = manager.initialize_and_verify()
    assert report.state is StorageState.DEGRADED
    (mode,) = report.modes
    assert mode.name == "search by meaning"
    assert BIG in mode.text
    assert "words are searched" in mode.text
    assert [one.name for one in place.board.look().degraded] == ["search by meaning"]
    with pytest.raises(UnmendedError, match=r"models/big\.bin has 1 bytes"):
        manager.place(BIG)
    assert manager.read(SMALL) == CONTENT[SMALL]
    (place.folder / BIG).write_bytes(CONTENT[BIG])
    assert manager.initialize_and_verify().is_whole
    assert place.board.look().degraded == []


def test_a_file_that_is_not_required_leaves_it_ready(place: Place) -> None:
    """What is missing is said all the same."""
    place.fill()
    (place.folder / SMALL).unlink()
    report = place.manager(Flaky(place.folder.parent / "nothing")).initialize_and_verify()
    assert report.state is StorageState.READY
    assert [finding.path for finding in report.findings] == [SMALL]
    assert not report.is_whole
    assert place.board.look().degraded == []


def test_without_any_manifest_nothing_is_said_to_be_whole(place: Place) -> None:
    """No mirror, no manifest: degraded, with the reason; no wrong answer."""
    manager = place.manager(Flaky(place.folder.parent / "nothing"))
    report = manager.initialize_and_verify()
    assert report.state is StorageState.DEGRADED
    assert "manifest" in report.modes[0].text
    with pytest.raises(UnmendedError, match="not listed"):
        manager.place(BIG)
    with pytest.raises(UnmendedError, match="manifest"):
        manager.update()


def test_no_room_is_said_before_anything_is_written(place: Place) -> None:
    """With what is needed and what is available."""
    place.fill()
    (place.folder / BIG).unlink()
    disk = FragileDisk(place.folder)
    disk.calls.free = 1_000_000
    manager = place.manager(disk=disk)
    with pytest.raises(NoSpaceError) as told:
        manager.repair()
    assert (told.value.needed, told.value.available) == (len(CONTENT[BIG]), 1_000_000)
    assert list((place.folder / BIG).parent.iterdir()) == []
    report = manager.initialize_and_verify()
    assert "1,500,000 bytes needed, 1,000,000 available" in "; ".join(report.notes)
    assert report.state is StorageState.DEGRADED


def test_the_reserve_of_the_disk_is_left_alone(place: Place) -> None:
    """It counts as needed."""
    place.fill()
    (place.folder / SMALL).unlink()
    disk = FragileDisk(place.folder)
    disk.calls.free = 1_000
    options = replace(StorageOptions(), reserve_bytes=2_000)
    with pytest.raises(NoSpaceError, match=f"{2_000 + len(CONTENT[SMALL]):,} bytes needed"):
        place.manager(disk=disk, options=options).repair()


def test_a_fetch_that_was_broken_off_is_gone_on_with(place: Place) -> None:
    """What had come is compared, kept, and not fetched again; its room is not asked for twice."""
    place.fill()
    (place.folder / BIG).unlink()
    disk = FragileDisk(place.folder)
    disk.refuse("write", 5, after=8)  # EIO amid the file
    source = Flaky(place.mirror)
    assert not place.manager(source, disk=disk).initialize_and_verify().is_whole
    (part,) = (place.folder / BIG).parent.iterdir()
    had = part.stat().st_size
    assert 0 < had < len(CONTENT[BIG])
    disk.calls.free = len(CONTENT[BIG]) - had
    source.reads.clear()
    report = place.manager(source, disk=disk).initialize_and_verify()
    assert report.is_whole
    assert place.content() == CONTENT
    assert sum(length for _, _, length in source.reads) <= len(CONTENT[BIG]) - had + 300_000


def test_bytes_that_are_wrong_are_not_written(place: Place, tmp_path: Path) -> None:
    """A mirror's damaged chunk comes from the next mirror, and a damaged beginning of a fetch is cut off."""
    bad = tmp_path / "bad"
    make_mirror(bad)
    damaged = bytearray(CONTENT[BIG])
    damaged[700_000] ^= 1
    (bad / BIG).write_bytes(damaged)
    place.fill()
    (place.folder / BIG).unlink()
    far = Flaky(place.mirror)
    assert place.manager(bad, far).initialize_and_verify().is_whole
    assert place.content() == CONTENT
    assert sum(length for path, _, length in far.reads if path == BIG) < 300_000


def test_two_damaged_mirrors_have_one_whole_file_between_them(place: Place, tmp_path: Path) -> None:
    """Each chunk comes from whoever has it."""
    mirrors = []
    for number, at in enumerate((200_000, 1_200_000)):
        folder = tmp_path / str(number)
        make_mirror(folder)
        damaged = bytearray(CONTENT[BIG])
        damaged[at] ^= 1
        (folder / BIG).write_bytes(damaged)
        mirrors.append(folder)
    place.fill()
    (place.folder / BIG).unlink()
    assert place.manager(*mirrors).initialize_and_verify().is_whole
    assert place.content() == CONTENT


def test_only_what_changed_travels(place: Place) -> None:
    """Bytes put into the middle: the rest comes from the file that is here."""
    place.fill()
    changed = CONTENT[BIG][:600_000] + b"put in" + CONTENT[BIG][600_000:]
    make_mirror(place.mirror, {**CONTENT, BIG: changed})
    with FileServer(place.mirror) as server:
        report = place.manager(server.url).update()
        assert server.bytes_sent < 400_000
        assert report.bytes_fetched <= server.bytes_sent
    assert report.version == 2
    assert report.mended == (BIG,)
    assert report.bytes_reused > 1_000_000
    assert place.content() == {**CONTENT, BIG: changed}


def test_a_mirror_behind_helps_with_what_it_has(place: Place, tmp_path: Path) -> None:
    """A mirror whose file has the chunks elsewhere gives them; the newer one is asked for the rest alone."""
    behind = tmp_path / "behind"
    make_mirror(behind)
    changed = b"a new beginning" + CONTENT[BIG]
    make_mirror(place.mirror, {**CONTENT, BIG: changed})
    far = Flaky(place.mirror)
    report = place.manager(behind, far).initialize_and_verify()
    assert report.is_whole, report
    report = place.manager(behind, far).update()
    assert report.is_whole
    assert place.content()[BIG] == changed
    assert sum(length for path, _, length in far.reads if path == BIG) < 300_000


def test_a_file_that_went_is_removed_and_a_strange_one_is_not(place: Place) -> None:
    """An update removes what the version before had; what nobody listed is nobody's business."""
    place.fill()
    (place.folder / "mine.txt").write_bytes(b"mine")
    (place.mirror / SMALL).unlink()
    make_mirror(place.mirror, {BIG: CONTENT[BIG], EMPTY: b""})
    report = place.manager().update()
    assert report.removed == (SMALL,)
    assert place.content() == {BIG: CONTENT[BIG], EMPTY: b"", "mine.txt": b"mine"}


def test_an_update_that_is_not_complete_changes_nothing(place: Place) -> None:
    """The old version stays in force and whole; what had come is used when the rest can be had."""
    place.fill()
    make_mirror(place.mirror, {**CONTENT, BIG: CONTENT[BIG][::-1], EMPTY: b"no more"})
    (place.mirror / EMPTY).unlink()
    manager = place.manager()
    with pytest.raises(UnmendedError, match="version 1 stays"):
        manager.update()
    assert manager.verify(full=True).is_whole
    assert manager.manifest is not None
    assert manager.manifest.version == 1
    (place.mirror / EMPTY).write_bytes(b"no more")
    source = Flaky(place.mirror)
    assert place.manager(source).update().version == 2
    assert {path for path, _, _ in source.reads} == {"manifest.json", EMPTY}


def test_an_update_without_news_changes_nothing(place: Place) -> None:
    """The same version again."""
    place.fill()
    report = place.manager().update()
    assert (report.version, report.mended, report.removed) == (1, (), ())


def test_pieces_are_five_megabytes_at_most(place: Place) -> None:
    """However large the file is."""
    large = random.Random(9).randbytes(11_000_000)
    make_mirror(place.mirror, {BIG: large})
    source = Flaky(place.mirror)
    assert place.manager(source).initialize_and_verify().is_whole
    lengths = [length for path, _, length in source.reads if path == BIG]
    assert max(lengths) <= 5_000_000
    assert sum(lengths) == len(large)
    assert len(lengths) == 3


def test_a_file_without_chunks_is_fetched_whole(place: Place) -> None:
    """Other programs' manifests need none: the file is compared at its end."""
    path = place.mirror / "manifest.json"
    manifest = parse_manifest(path.read_bytes(), "it")
    files = tuple(msgspec.structs.replace(entry, chunks=()) for entry in manifest.files)
    path.write_bytes(print_manifest(msgspec.structs.replace(manifest, files=files)))
    wrong = Flaky(place.mirror.parent / "wrong", name="wrong")
    make_mirror(wrong.folder, {**CONTENT, BIG: CONTENT[BIG][::-1]})
    (wrong.folder / "manifest.json").unlink()
    report = place.manager(wrong, place.mirror, trust=None).initialize_and_verify()
    assert report.is_whole, report
    assert place.content() == CONTENT


@pytest.mark.parametrize("ranges", [True, False])
def test_a_web_server_that_breaks_off_is_gone_on_with(place: Place, ranges: bool) -> None:
    """Over real sockets: an answer cut amid the file, an error, and then the rest."""
    with FileServer(place.mirror, ranges=ranges) as server:
        server.script(cut(700_000, where=BIG), refuse_with(503, where=BIG))
        assert place.manager(server.url).initialize_and_verify().is_whole
    assert place.content() == CONTENT
    assert place.clock.waited == [2.0, 4.0]


def test_what_was_shipped_is_mended_beside_it(place: Place) -> None:
    """What came with the program is only read; a damaged file of it is kept in the folder, and taken from there."""
    shipped = place.folder.parent / "shipped"
    make_mirror(shipped, signer=None)
    manager = place.manager(shipped=shipped)
    report = manager.initialize_and_verify()
    assert report.is_whole
    assert report.mended == ()
    assert not place.folder.exists()
    assert manager.place(BIG) == shipped / BIG
    (shipped / BIG).write_bytes(CONTENT[BIG][:-1] + b"?")
    report = manager.initialize_and_verify()
    assert report.mended == (BIG,)
    assert manager.place(BIG) == place.folder / BIG
    assert place.content() == {BIG: CONTENT[BIG]}
    assert report.bytes_reused > 1_000_000


def test_a_newer_program_brings_newer_files(place: Place) -> None:
    """The newest manifest counts, whether it was pulled or shipped."""
    shipped = place.folder.parent / "shipped"
    make_mirror(shipped, signer=None)
    make_mirror(place.mirror, {**CONTENT, SMALL: b"2"})
    pulled = place.manager(shipped=shipped).update()
    assert (pulled.version, pulled.mended) == (2, (SMALL,))
    for text in (b"2", b"3"):
        make_mirror(shipped, {**CONTENT, SMALL: text}, signer=None)
    manager = place.manager(Flaky(place.folder / "nothing"), shipped=shipped)
    assert manager.initialize_and_verify().version == 3
    assert manager.read(SMALL) == b"3"


def test_a_large_file_is_known_by_size_and_time(place: Place) -> None:
    """A quick look does not read it again; one whose time changed is read, and a full look reads all."""
    place.fill()
    disk = FragileDisk(place.folder)
    reads: list[str] = []
    place.manager().verify()
    place.clock.pass_s(10 * 365 * 86_400)  # long after the files were made
    manager = place.manager(disk=disk)
    assert manager.verify().is_whole
    opened = disk.open_read

    def watched(path: Path) -> ReadFile:
        reads.append(path.name)
        return opened(path)

    disk.open_read = watched  # type: ignore[method-assign]
    assert place.manager(disk=disk).verify().is_whole
    assert "big.bin" not in reads
    assert place.manager(disk=disk).verify(full=True).is_whole
    assert reads.count("big.bin") == 1
    (place.folder / BIG).touch()
    assert place.manager(disk=disk).verify().is_whole
    assert reads.count("big.bin") == 2


def test_progress_is_told_while_it_goes_on(place: Place) -> None:
    """The board knows the bytes, how many are done, and how it ended."""
    seen: list[tuple[str, float, float | None]] = []
    place.board.listen(lambda change: seen.append((change.name, change.done, change.total)))  # type: ignore[union-attr]
    place.manager().initialize_and_verify()
    total = sum(map(len, CONTENT.values()))
    assert seen[0] == ("mend files", 0, total)
    works = [work for work in place.board.look().works if work.name == "mend files"]
    assert [(work.state, work.done) for work in works] == [(WorkState.DONE, total)]
    assert any(event.kind == "files mended" for event in place.board.look().events)
    place.manager().verify(full=True)
    works = [work for work in place.board.look().works if work.name == "verify files"]
    assert [(work.state, work.done) for work in works] == [(WorkState.DONE, total)]


def test_the_scrub_finds_what_a_quick_look_cannot(place: Place) -> None:
    """Bytes that changed under an unchanged time and size; read at the pace that was set, and mended."""
    place.fill()
    place.clock.pass_s(10 * 365 * 86_400)
    manager = place.manager(options=replace(StorageOptions(), reserve_bytes=0, scrub_bytes_per_s=500_000))
    assert manager.verify().is_whole
    path = place.folder / BIG
    facts = path.stat()
    path.write_bytes(CONTENT[BIG][:-1] + bytes([CONTENT[BIG][-1] ^ 1]))
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert manager.verify().is_whole
    before_s = place.clock.now_s
    report = manager.scrub()
    assert place.clock.now_s - before_s >= len(CONTENT[BIG]) / 500_000 - 0.1
    assert report.mended == (BIG,)
    assert place.content() == CONTENT


def test_the_scrub_goes_round_and_round_until_it_is_closed(place: Place) -> None:
    """In a thread of its own, with waiting between the rounds that `close` ends."""
    place.fill()
    options = replace(StorageOptions(), reserve_bytes=0, scrub_bytes_per_s=1 << 40, scrub_interval_s=0.01)
    manager = place.manager(options=options, clock=SYSTEM_CLOCK)
    manager.verify()
    manager.start_scrub()
    manager.start_scrub()
    deadline = time.monotonic() + 60
    while sum(work.name == "scrub assets" for work in place.board.look().works) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    manager.close()
    manager.close()
    assert not any(thread.name == "tamis-scrub-assets" for thread in threading.enumerate())


def test_closing_ends_the_waiting_for_a_mirror(place: Place) -> None:
    """Nobody who stops waits for 14 s."""
    flaky = Flaky(place.mirror)
    flaky.fail(100)
    manager = place.manager(flaky, clock=SYSTEM_CLOCK)
    thread = threading.Thread(target=manager.initialize_and_verify)
    thread.start()
    deadline = time.monotonic() + 60
    while not flaky.reads and len(flaky.failures) == 100:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    manager.close()
    thread.join(60)
    assert not thread.is_alive()
    assert flaky.is_closed


def test_a_file_that_changes_after_the_look_is_not_given_out(place: Place) -> None:
    """Reading compares once more."""
    place.fill()
    manager = place.manager()
    manager.initialize_and_verify()
    (place.folder / SMALL).write_bytes(b"something else")
    with pytest.raises(UnmendedError, match="changed"):
        manager.read(SMALL)


def test_links_are_never_followed_out_of_the_folder(place: Place, tmp_path: Path) -> None:
    """A link in the place of a file is replaced by the file; one in the place of a folder stops the mending."""
    place.fill()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "big.bin").write_bytes(CONTENT[BIG])
    (place.folder / SMALL).unlink()
    (place.folder / SMALL).symlink_to(outside / "big.bin")
    (place.folder / BIG).unlink()
    (place.folder / "models").rmdir()
    (place.folder / "models").symlink_to(outside, target_is_directory=True)
    report = place.manager().initialize_and_verify()
    assert [finding.path for finding in report.findings] == [BIG]
    assert "symbolic link" in report.findings[0].problem
    assert sorted(path.name for path in outside.iterdir()) == ["big.bin"]
    assert (outside / "big.bin").read_bytes() == CONTENT[BIG]


def test_bytes_that_were_garbled_on_their_way_are_asked_for_again(place: Place) -> None:
    """A mirror whose own manifest says otherwise may do better at the next try."""
    with FileServer(place.mirror) as server:
        server.script(garble(b"x" * 900_000, where=BIG), garble(b"y", where=BIG))
        assert place.manager(server.url).initialize_and_verify().is_whole
    assert place.content() == CONTENT
