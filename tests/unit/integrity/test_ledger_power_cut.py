"""The ledger when the power goes: every operation is a place to cut."""

from pathlib import Path

import pytest

from tamis.disk.real import RealDisk
from tamis.integrity.ledger import LedgerOptions, read_ledger
from tests.support.fragile_disk import FragileDisk, Mode, PowerCut
from tests.support.ledgers import LedgerPlace

OPTIONS = LedgerOptions(checkpoint_entries=3, part_bytes=1_200, sync_interval_s=5)


def work(place: LedgerPlace, promised: list[int]) -> None:
    """Three runs: entries of which some are promised to be safe, parts that follow each other, clean ends."""
    for run in range(3):
        with place.open() as ledger:
            for step in range(5):
                place.clock.pass_s(1)
                number = run * 5 + step
                durable = step % 2 == 0
                ledger.append({"number": number}, durable=durable)
                if durable:
                    promised.append(number)
        promised.extend(range(run * 5, run * 5 + 5))


def run_until(root: Path, cut_at: int | None) -> tuple[LedgerPlace, FragileDisk, list[int]]:
    root.mkdir(parents=True)
    disk = FragileDisk(root, cut_at=cut_at)
    place = LedgerPlace(root, disk=disk, options=OPTIONS)
    promised: list[int] = []
    try:
        work(place, promised)
    except PowerCut:
        assert disk.was_cut
    return place, disk, promised


def violations(place: LedgerPlace, promised: list[int], mode: Mode) -> list[str]:
    """What was broken of what was promised, before the next writer and after it."""
    place.disk = RealDisk()
    broken = []
    for moment in ("before", "after"):
        there = [entry.entry["number"] for entry in read_ledger(place.disk, place.layout)]
        if not set(promised) <= set(there):
            broken.append(f"{moment}: promised entries are gone: {sorted(set(promised) - set(there))}")
        if len(there) != len(set(there)):
            broken.append(f"{moment}: entries are doubled")
        # Pages written out of order are damage to what was not promised; that may be told.
        if mode != "random" and not place.verify().is_whole:
            broken.append(f"{moment}: a power cut taken for damage: {place.problems()}")
        with place.open() as ledger:
            ledger.append({"number": 1_000 if moment == "before" else 1_001}, durable=True)
    return broken


@pytest.mark.parametrize("mode", ["forget", "keep", "random"])
def test_promised_entries_survive_every_cut(tmp_path: Path, mode: Mode) -> None:
    """After a cut at any operation durable entries are there, a head vouches for nothing that is not, and the
    next writer goes on.
    """
    _, disk, _ = run_until(tmp_path / "whole", None)
    assert disk.operations > 40
    broken = []
    for cut_at in range(1, disk.operations + 2):
        place, cut_disk, promised = run_until(tmp_path / str(cut_at), cut_at)
        cut_disk.after_power_cut(mode, seed=cut_at)
        broken += [f"cut at {cut_at}: {words}" for words in violations(place, promised, mode)]
    assert broken == []
