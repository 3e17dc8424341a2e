"""The ledger: what it promises while nobody attacks it."""

import json
import multiprocessing
import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from tamis.disk.real import RealDisk
from tamis.errors import JournalClosedError, LedgerError
from tamis.integrity.ledger import Layout, LedgerOptions, export_ledger, options_from, read_ledger
from tamis.settings import AuditSettings
from tests.support.fragile_disk import FragileDisk
from tests.support.ledgers import LedgerPlace


@pytest.fixture
def place(tmp_path: Path) -> LedgerPlace:
    return LedgerPlace(tmp_path)


def entries(place: LedgerPlace) -> list[dict[str, object]]:
    return [entry.entry for entry in read_ledger(place.disk, place.layout)]


def test_entries_come_out_as_they_went_in(place: LedgerPlace) -> None:
    """In order, numbered from 1, with their time; what JSON can hold comes out as it was."""
    given: list[dict[str, object]] = [
        {"text": 'é\u2028"', "number": 2.5, "deep": {"list": [1, None, True]}},
        {},
        {"x": 2**70},
    ]
    with place.open() as ledger:
        assert [ledger.append(entry) for entry in given] == [1, 2, 3]
    read = list(read_ledger(place.disk, place.layout))
    assert [entry.entry for entry in read] == given
    assert {entry.at_ns for entry in read} == {place.clock.now_ns()}
    assert place.verify().is_whole


@pytest.mark.parametrize(
    "entry",
    [{"x": object()}, {"x": "y" * 70_000}, {"x": "\ud800"}],
    ids=["object", "large", "surrogate"],
)
def test_what_no_ledger_can_hold_is_refused_and_nothing_else(
    place: LedgerPlace, entry: dict[str, object]
) -> None:
    """LedgerError; the entries before and after are there."""
    with place.open() as ledger:
        ledger.append({"n": 1})
        with pytest.raises(LedgerError):
            ledger.append(entry)
        assert ledger.append({"n": 2}) == 2
    assert entries(place) == [{"n": 1}, {"n": 2}]
    assert place.verify().is_whole


def test_the_promised_numbers_are_the_defaults() -> None:
    """365 days, and what the settings say is what the ledger does by itself."""
    assert options_from(AuditSettings()) == LedgerOptions()
    assert LedgerOptions().keep_s == 365 * 86_400


def test_a_durable_entry_is_safe_on_return(tmp_path: Path) -> None:
    """After a power cut it is there; one that was not durable need not be."""
    disk = FragileDisk(tmp_path)
    place = LedgerPlace(tmp_path, disk=disk)
    ledger = place.open()
    ledger.append({"n": 1}, durable=True)
    ledger.append({"n": 2})
    disk.after_power_cut("forget")
    place.disk = RealDisk()
    assert entries(place) == [{"n": 1}]
    assert place.verify().is_whole


def test_what_is_due_is_done(tmp_path: Path) -> None:
    """Entries are synced after their time by the next append or tick, and vouched for after theirs."""
    disk = FragileDisk(tmp_path)
    options = LedgerOptions(sync_interval_s=5, checkpoint_interval_s=20, checkpoint_entries=100)
    place = LedgerPlace(tmp_path, disk=disk, options=options)
    ledger = place.open()
    ledger.append({"n": 1})
    before = disk.operations
    ledger.tick()
    assert disk.operations == before
    place.clock.pass_s(5)
    ledger.tick()
    assert [line.split()[0] for line in disk.calls.log[before:]] == ["sync"]
    head = place.head.read_bytes()
    place.clock.pass_s(15)
    ledger.tick()
    assert place.head.read_bytes() != head


def test_a_disk_that_refuses_closes_the_ledger(tmp_path: Path) -> None:
    """From the failed sync on every call says so, and a ledger opened anew goes on with what is safe."""
    disk = FragileDisk(tmp_path)
    place = LedgerPlace(tmp_path, disk=disk)
    ledger = place.open()
    ledger.append({"n": 1}, durable=True)
    disk.refuse("sync")
    with pytest.raises(JournalClosedError):
        ledger.append({"n": 2}, durable=True)
    with pytest.raises(JournalClosedError, match="takes nothing more"):
        ledger.append({"n": 3})
    ledger.close()
    with place.open() as again:
        again.append({"n": 4})
    assert entries(place) == [{"n": 1}, {"n": 4}]
    assert place.verify().is_whole


def test_a_closed_ledger_takes_nothing(place: LedgerPlace) -> None:
    """Closing twice is fine, appending afterwards an error."""
    ledger = place.open()
    ledger.close()
    ledger.close()
    with pytest.raises(JournalClosedError, match="it was closed"):
        ledger.append({})


def test_writers_have_chains_of_their_own_and_leave_them_to_the_next(place: LedgerPlace) -> None:
    """Three at a time make three chains; three later ones go on with these."""
    for _ in range(2):
        ledgers = [place.open() for _ in range(3)]
        for number, ledger in enumerate(ledgers):
            ledger.append({"writer": number})
        for ledger in ledgers:
            ledger.close()
    report = place.verify()
    assert (report.chains, report.entries, report.findings) == (3, 6, [])


def test_threads_share_a_ledger(place: LedgerPlace) -> None:
    """Eight threads, durable and not: every entry once, no gap, whole."""
    with place.open() as ledger:

        def work(thread: int) -> None:
            for number in range(40):
                ledger.append({"thread": thread, "number": number}, durable=number % 3 == 0)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len({json.dumps(entry) for entry in entries(place)}) == 320
    assert place.verify().is_whole


def test_a_forked_child_writes_a_chain_of_its_own(place: LedgerPlace) -> None:
    """Parent and child both go on, and neither writes into the other's."""
    with place.open() as ledger:
        ledger.append({"who": "parent"})
        pid = os.fork()
        if pid == 0:
            ledger.append({"who": "child"}, durable=True)
            ledger.close()
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        ledger.append({"who": "parent"})
    report = place.verify()
    assert (report.chains, report.entries, report.findings) == (2, 3, [])


def write_from_process(root: Path, number: int) -> None:
    place = LedgerPlace(root)
    ledger = place.open()
    for step in range(50):
        ledger.append({"process": number, "step": step}, durable=step == 49)
    if number % 2:
        os._exit(9)  # without a clean end
    ledger.close()


def test_processes_share_a_folder_and_may_die(place: LedgerPlace) -> None:
    """Four at once, two of them killed without a clean end: every promised entry is there, all is whole."""
    context = multiprocessing.get_context("spawn")
    children = [context.Process(target=write_from_process, args=(place.root, number)) for number in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    assert place.verify().findings == []
    assert len(entries(place)) == 200
    place.write(1)
    assert place.verify().findings == []


def test_verify_finds_nothing_while_a_writer_is_at_work(place: LedgerPlace) -> None:
    """Looked at between any two entries, before and after checkpoints and new parts: whole."""
    place.options = replace(place.options, part_bytes=2_000)
    with place.open() as ledger:
        for number in range(40):
            ledger.append({"number": number})
            assert place.verify().findings == []
    assert len(place.layout.parts(place.disk, "0001")) > 2


def test_parts_carry_the_chain_on(place: LedgerPlace) -> None:
    """A part that is taken out, or swapped for another, shows."""
    place.options = replace(place.options, part_bytes=2_000)
    place.write(40)
    second, third = place.part(2), place.part(3)
    content, other = second.read_bytes(), third.read_bytes()
    second.unlink()
    assert "part 2 is gone" in place.problems()
    second.write_bytes(other)
    third.write_bytes(content)
    assert not place.verify().is_whole


def test_retention_removes_whole_parts_and_anchors_the_rest(place: LedgerPlace) -> None:
    """What is older than it is kept goes, also in chains that nobody writes to; the rest still is whole."""
    place.options = LedgerOptions(keep_s=100, part_age_s=10)
    first, second = place.open(), place.open()
    for step in range(30):
        place.clock.pass_s(10)
        for ledger in (first, second):
            ledger.append({"step": step})
    second.close()
    place.clock.pass_s(50)
    assert first.prune() > 20
    assert place.verify().findings == []
    assert {entry["step"] for entry in entries(place)} == set(range(23, 30))
    first.close()
    place.clock.pass_s(1_000)
    with place.open() as ledger:
        ledger.prune()
        place.clock.pass_s(1_000)
        ledger.append({"step": "later"})
        ledger.prune()
    assert entries(place) == [{"step": "later"}]
    assert place.verify().findings == []


def test_removed_parts_without_an_anchor_show(place: LedgerPlace) -> None:
    """Who removes the beginning by hand is found, and so is who forges or drops the anchor."""
    place.options = LedgerOptions(keep_s=100, part_age_s=10)
    ledger = place.open()
    for step in range(30):
        place.clock.pass_s(10)
        ledger.append({"step": step})
    ledger.prune()
    ledger.close()
    anchor = place.layout.anchor("0001")
    good = anchor.read_bytes()
    anchor.unlink()
    assert "part 1 is gone" in place.problems()
    anchor.write_bytes(good.replace(b'"entries":', b'"entries":1'))
    assert "its anchor" in place.problems()
    anchor.write_bytes(good)
    assert place.verify().is_whole
    place.part(place.layout.parts(place.disk, "0001")[0]).unlink()
    assert not place.verify().is_whole


def test_export_merges_chains_by_time(place: LedgerPlace) -> None:
    """Oldest first, whoever wrote it; each line is JSON with the entry's place."""
    one, two = place.open(), place.open()
    for number in range(6):
        place.clock.pass_s(0.5)
        (one if number % 2 else two).append({"number": number})
    one.close()
    two.close()
    lines = [json.loads(line) for line in export_ledger(place.disk, place.layout)]
    assert [line["entry"]["number"] for line in lines] == list(range(6))
    assert lines[0]["at"] == "2026-11-21T12:00:00.500Z"
    assert lines[1]["at"] == "2026-11-21T12:00:01Z"
    assert {line["chain"] for line in lines} == {"0001", "0002"}


def test_without_a_signer_entries_are_chained_all_the_same(tmp_path: Path) -> None:
    """Blind changes show; a note says that signatures were not checked."""
    place = LedgerPlace(tmp_path, signer=None)
    place.write(7)
    report = place.verify()
    assert report.is_whole
    assert report.notes == ["signatures were not checked: no key was given"]
    frames = [(frame.kind, frame.payload.replace(b"thing 3", b"thing 9")) for frame in place.frames()]
    place.rewrite(frames)
    assert not place.verify().is_whole


def test_an_interrupted_write_does_not_break_the_chain(place: LedgerPlace) -> None:
    """Ctrl-C in the middle of an append: the next one goes on, and all is whole."""
    with place.open() as ledger:
        ledger.append({"n": 1})
        calls = ledger._chain
        assert calls is not None
        calls._journal._file.append = interrupt  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt):
            ledger.append({"n": 2})
        assert ledger.append({"n": 3}) == 2
    assert entries(place) == [{"n": 1}, {"n": 3}]
    assert place.verify().is_whole


def interrupt(data: object) -> int:
    raise KeyboardInterrupt


def test_an_empty_place_has_nothing_to_verify(tmp_path: Path) -> None:
    """No folder, no finding, and a note."""
    place = LedgerPlace(tmp_path)
    assert place.verify().notes == ["there is no chain"]
    assert list(read_ledger(place.disk, Layout(tmp_path / "a", tmp_path / "b"))) == []
