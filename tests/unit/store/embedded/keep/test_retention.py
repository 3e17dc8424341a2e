"""Retention: by age of receipt, by rule, by bytes; batch ids outlive their records."""

from tamis.query.ast import Phrase
from tamis.store.embedded.options import RetentionRule
from tests.support.embedded import DAY_S, HOUR_S, HandClock, batch, messages, open_quiet

DEBUG = Phrase("level", "debug")


def test_records_go_by_age_of_receipt(tmp_path):
    """Old logs that came today stay; what came long ago goes, whatever its timestamp says."""
    clock = HandClock()
    store = open_quiet(tmp_path / "data", clock=clock, retention_s=7 * DAY_S)
    store.append(batch("came early", timestamp=clock.now + 10**18))
    store.seal_now()
    clock.pass_s(6 * DAY_S)
    store.append(batch("came late", timestamp=0))
    store.seal_now()
    assert store.expire_now() == 0
    clock.pass_s(DAY_S + HOUR_S)
    assert store.expire_now() == 1
    assert messages(store) == ["came late"]
    assert [path.name for path in (tmp_path / "data/segments").iterdir()] == ["2026-11-27"]
    store.close()


def test_without_limits_records_stay(tmp_path):
    """For ever is the default."""
    clock = HandClock()
    store = open_quiet(tmp_path / "data", clock=clock)
    store.append(batch("old"))
    store.seal_now()
    clock.pass_s(10_000 * DAY_S)
    assert store.expire_now() == 0
    assert messages(store) == ["old"]
    store.close()


def test_a_rule_keeps_its_records_shorter_or_longer(tmp_path):
    """Each class has its own time; one that no rule names any more has the general one."""
    clock = HandClock()
    rule = RetentionRule("level:debug", DEBUG, 3 * DAY_S)
    store = open_quiet(tmp_path / "data", clock=clock, rules=(rule,), retention_s=30 * DAY_S)
    store.append(batch("d", level="DEBUG"))
    store.append(batch("i"))
    store.seal_now()
    clock.pass_s(4 * DAY_S)
    assert store.expire_now() == 1
    assert messages(store) == ["i"]
    assert store.health().facts["expired_records"] == 1
    store.append(batch("d2", level="DEBUG"))
    store.close()
    store = open_quiet(tmp_path / "data", clock=clock, retention_s=30 * DAY_S)
    clock.pass_s(4 * DAY_S)
    assert store.expire_now() == 0
    clock.pass_s(30 * DAY_S)
    assert store.expire_now() == 2
    assert messages(store) == []
    store.close()


def test_the_oldest_received_go_when_the_disk_budget_is_reached(tmp_path):
    """Whole segments, until the rest fits."""
    clock = HandClock()
    store = open_quiet(tmp_path / "data", clock=clock)
    for number in range(4):
        store.append(batch(f"m{number}"))
        store.seal_now()
        clock.pass_s(1)
    size = store.health().bytes_on_disk
    store.close()
    store = open_quiet(tmp_path / "data", clock=clock, disk_bytes_max=size * 6 // 10)
    assert store.expire_now() == 2
    assert messages(store) == ["m2", "m3"]
    assert store.health().bytes_on_disk <= size * 6 // 10
    store.close()


def test_an_expired_batch_is_not_taken_again_within_its_day(tmp_path):
    """The id outlives the records, here and after the next start."""
    clock = HandClock()
    store = open_quiet(tmp_path / "data", clock=clock, retention_s=HOUR_S)
    store.append(batch("m"), batch_id="x", receipt=b"r")
    store.seal_now()
    clock.pass_s(2 * HOUR_S)
    assert store.expire_now() == 1
    store.close()
    store = open_quiet(tmp_path / "data", clock=clock)
    assert store.append(batch("m"), batch_id="x").receipt == b"r"
    assert messages(store) == []
    clock.pass_s(DAY_S)
    assert store.find_batch("x") is None
    store.append(batch("m"))
    store.seal_now()
    assert store.parts.shop.catalog.manifest.batches == ()
    store.close()
