"""Scrubbing: damage is found and named before anybody reads the bytes, at a pace that leaves others alone."""

import pytest

from tamis.query.ast import All
from tamis.store.base import Budget, Question
from tamis.telemetry import status
from tests.support.embedded import DAY_S, HandClock, batch, messages, open_quiet

NUMBERS = ("00000001", "00000002")


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def store(tmp_path, clock):
    store = open_quiet(tmp_path, clock=clock, merge_count=2, scrub_bytes_per_s=100, scrub_interval_s=DAY_S)
    for name in "ab":
        store.append(batch(*(f"{name} {number}" for number in range(40))))
        store.seal_now()
    yield store
    store.close()


def spoil(tmp_path, name):
    path = tmp_path / "segments/2026-11-21" / name
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 1
    path.write_bytes(data)


def counted(store):
    answer = store.count(Question(All()), Budget())
    return answer.count, answer.warnings


def test_damage_is_named_in_answers_that_read_no_byte_of_it(store, tmp_path):
    """Counts come from tallies, so only scrubbing can tell that the records behind them are gone."""
    spoil(tmp_path, "00000001.parquet")
    assert counted(store) == (80, ())
    store.scrub_now()
    count, (warning,) = counted(store)
    assert count == 40
    assert "00000001.parquet" in warning
    assert store.health().facts["lost_segments"] == 1
    assert store.health().state == "degraded"


def test_a_damaged_tally_is_counted_anew(store, tmp_path):
    """Nothing is lost, so nothing warns."""
    spoil(tmp_path, "00000002.tally")
    store.scrub_now()
    assert counted(store) == (80, ())
    spoiled = (tmp_path / "segments/2026-11-21/00000002.tally").read_bytes()
    store.scrub_now()
    assert (tmp_path / "segments/2026-11-21/00000002.tally").read_bytes() == spoiled
    assert store.health().facts["lost_segments"] == 0


def test_a_file_that_vanished_is_named(store, tmp_path):
    """Also while the store runs."""
    (tmp_path / "segments/2026-11-21/00000002.parquet").unlink()
    store.scrub_now()
    assert counted(store)[0] == 40
    assert "00000002" in counted(store)[1][0]


def test_a_round_takes_its_time_and_begins_again(store, clock, tmp_path):
    """At each step no more than the pace allows and one piece; the next round begins when its time has come."""
    scrubber = store.parts.upkeep.scrubber
    sizes = [path.stat().st_size for path in (tmp_path / "segments").rglob("*.*")]
    steps = 0
    while not scrubber.rounds:
        assert scrubber.due()
        clock.pass_s(1)
        before = scrubber.bytes
        scrubber.step()
        assert scrubber.bytes - before <= max(sizes)
        steps += 1
    assert scrubber.bytes == sum(sizes)
    assert steps >= len(sizes)
    assert not scrubber.due()
    spoil(tmp_path, "00000001.parquet")
    clock.pass_s(DAY_S)
    while scrubber.due():
        clock.pass_s(1)
        scrubber.step()
    assert scrubber.rounds == 2
    assert counted(store)[0] == 40


def test_segments_that_leave_meanwhile_are_no_damage(store, clock):
    """A merge removes files that a round has still before it."""
    scrubber = store.parts.upkeep.scrubber
    clock.pass_s(1)
    scrubber.step()
    store.merge_now()
    while scrubber.due():
        clock.pass_s(1)
        scrubber.step()
    assert scrubber.rounds == 1
    assert counted(store) == (80, ())
    assert len(messages(store)) == 80


def test_a_pace_of_nothing_reads_nothing(tmp_path):
    """It can be turned off."""
    store = open_quiet(tmp_path / "other", scrub_bytes_per_s=0)
    assert not store.parts.upkeep.scrubber.due()
    store.close()


def test_a_round_is_shown_while_it_lasts_and_what_it_found_until_it_is_mended(store, clock, tmp_path):
    """Who looks at the status board sees how far the scrub is; what is lost stands there with what still works."""
    scrubber = store.parts.upkeep.scrubber
    clock.pass_s(1)
    scrubber.step()
    (work,) = [one for one in status.look().works if one.name == "scrub" and one.state == "running"]
    assert work.total == sum(path.stat().st_size for path in tmp_path.glob("segments/*/*"))
    assert 0 < work.done < (work.total or 0)
    while scrubber.due():
        clock.pass_s(1)
        scrubber.step()
    assert [one.state for one in status.look().works if one.id == work.id] == ["done"]
    name = f"records of store {store.store_id}"
    spoil(tmp_path, "00000001.parquet")
    good = (tmp_path / "segments/2026-11-21/00000001.parquet").read_bytes()
    store.scrub_now()
    (degraded,) = [one for one in status.look().degraded if one.name == name]
    assert "40 records" in degraded.text
    assert store.health().facts["lost_records"] == 40
    spoil(tmp_path, "00000001.parquet")
    assert good != (tmp_path / "segments/2026-11-21/00000001.parquet").read_bytes()
    assert store.repair().is_whole
    assert name not in [one.name for one in status.look().degraded]
