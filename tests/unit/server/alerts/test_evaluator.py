"""Rules at work: what is told when, over a store that records come into."""

from collections.abc import Iterator
from urllib.parse import parse_qsl, urlsplit

import pytest

from tamis.pipeline.alerts.channels.text import print_alert
from tamis.query.times import parse_instant
from tests.support.alert_bench import AlertBench, S


@pytest.fixture
def bench() -> Iterator[AlertBench]:
    made = AlertBench()
    yield made
    made.close()


def test_so_many_within_the_window_are_told_once(bench: AlertBench) -> None:
    """At the threshold, at once; with the records, their pattern, the count and a link."""
    bench.rule(query="level>=error", threshold=3, window="1m")
    bench.put("pay 1 failed", "pay 2 failed", service="shop", host="h1")
    assert bench.tick(5) == []
    bench.put("pay 3 failed", service="shop", host="h1")
    assert bench.tick() == ["firing"]
    (alert,) = bench.told()
    assert (alert.state, alert.count, alert.threshold, alert.window_s) == ("firing", 3, 3, 60)
    assert (alert.rule, alert.level, alert.service, alert.host) == ("r", "ERROR", "shop", "h1")
    assert [line.message for line in alert.lines] == ["pay 1 failed", "pay 2 failed", "pay 3 failed"]
    assert [(group.shape, group.count) for group in alert.groups] == [("pay <*> failed", 3)]
    assert alert.summary == "r: 3 records within 60 s: pay <*> failed"
    store_id = bench.store.store_id
    assert alert.link.startswith("http://tamis/?q=level%3E%3D")
    assert alert.link.endswith(f"as_of={store_id}-3")
    assert bench.tick(1) == []


def test_records_that_lie_apart_are_not_counted_together(bench: AlertBench) -> None:
    """A window is as long as it says."""
    bench.rule(query="level>=error", threshold=2, window="1m")
    for _ in range(4):
        bench.put("pay failed")
        assert bench.run(70) == []


def test_it_is_over_after_the_cool_down(bench: AlertBench) -> None:
    """One notice within the cool-down; then that it is over; what comes back later is told anew."""
    bench.rule(query="pay", threshold=1, window="10s", cooldown="60s")
    bench.put("pay")
    assert bench.tick() == ["firing"]
    bench.put("pay")
    assert bench.run(59) == []
    assert bench.run(2) == ["over"]
    assert bench.run(200) == []
    bench.put("pay")
    assert bench.tick() == ["firing"]
    ids = [one.id for one in bench.outbox()]
    assert len(set(ids)) == 3
    assert ids[0].rpartition("-")[0] == ids[1].rpartition("-")[0] != ids[2].rpartition("-")[0]


def test_what_goes_on_is_said_again(bench: AlertBench) -> None:
    """Every repeat_s while it holds, and not when that is 0."""
    bench.rule(query="pay", threshold=1, window="30s", cooldown="10s", repeat="60s")
    bench.rule("quiet", query="pay", threshold=1, window="30s", cooldown="10s", repeat=0)
    told = []
    for _ in range(130):
        bench.put("pay")
        told += bench.tick(1)
    assert told == ["firing", "firing", "going_on", "going_on"]
    assert {alert.rule for alert in bench.told() if alert.state == "going_on"} == {"r"}


def test_groups_are_told_apart(bench: AlertBench) -> None:
    """Each value of the fields has its own count, alert and lines; no value is one too."""
    bench.rule(query="pay", threshold=2, window="1m", by=["service", "status"])
    bench.put("pay a", service="a", status=500)
    bench.put("pay b", service="b", status=500)
    assert bench.tick() == []
    bench.put("pay aa", service="a", status=500.0)
    bench.put("pay c", "pay cc")
    assert bench.tick() == ["firing", "firing"]
    first, second = sorted(bench.told(), key=lambda one: one.key)
    assert (first.labels, first.count) == ({"service": "a", "status": "500"}, 2)
    assert (second.labels, second.count) == ({"service": "", "status": ""}, 2)
    assert [line.message for line in first.lines] == ["pay a", "pay aa"]
    assert [line.message for line in second.lines] == ["pay c", "pay cc"]


def test_groups_beyond_the_limit_are_left_out(bench: AlertBench) -> None:
    """So that a field with endless values costs no endless memory; how many is known."""
    bench = AlertBench(groups_max=2)
    bench.rule(query="pay", by=["user"])
    for user in range(5):
        bench.put("pay", user=user)
    assert bench.tick() == ["firing"] * 2
    assert bench.evaluator.active["r"].watch.seen.groups_left_out == 3
    bench.close()


def test_records_that_come_late_count_at_their_own_time(bench: AlertBench) -> None:
    """Two that are an hour apart are not two at once, though they come together; two that were at once are."""
    bench.rule(query="pay", threshold=2, window="1m", late="2h")
    bench.put("pay", at_s=-3_600)
    bench.put("pay", at_s=-1_800)
    bench.put("pay")
    assert bench.tick() == []
    bench.put("pay", at_s=-1_790)
    assert bench.tick() == ["firing"]
    (alert,) = bench.told()
    assert alert.count == 2


def test_records_that_come_too_late_are_counted_as_such(bench: AlertBench) -> None:
    """Older than `late`: they are for searches, not for alerts."""
    bench.rule(query="pay", late="10m")
    bench.put("pay", "pay", at_s=-700)
    assert bench.tick() == []
    assert bench.metrics.value("tamis_alerts_late_records_total") == 2


def test_records_late_for_an_incident_that_is_over_belong_to_it(bench: AlertBench) -> None:
    """No second alert about the same minute."""
    bench.rule(query="pay", threshold=2, window="10s", cooldown="60s", late="10m")
    bench.put("pay", "pay")
    assert bench.tick() == ["firing"]
    assert bench.run(70) == ["over"]
    bench.put("pay", "pay", at_s=-70)
    assert bench.run(100) == []
    bench.put("pay", "pay")
    assert bench.tick() == ["firing"]


def test_a_senders_clock_that_is_ahead_hides_nothing(bench: AlertBench) -> None:
    """A record from the future counts when it comes, and not again when its time has come."""
    bench.rule(query="pay", threshold=1, window="10s", cooldown="20s")
    bench.put("pay", at_s=120)
    assert bench.tick() == ["firing"]
    assert bench.run(200) == ["over"]


def test_a_rate_is_by_the_second(bench: AlertBench) -> None:
    """Records a second over the window."""
    bench.rule(kind="rate", query="pay", threshold=0.5, window="10s")
    bench.put("pay", "pay", "pay", "pay")
    assert bench.tick() == []
    bench.put("pay")
    assert bench.tick() == ["firing"]
    (alert,) = bench.told()
    assert alert.summary == "r: 0.5 records/s over 10 s: pay"


def test_a_share_needs_enough_records(bench: AlertBench) -> None:
    """One of one is no alarm; a fifth of twenty is. The last is what others change."""
    bench.rule(kind="rate", query="level>=error", of="service:shop", threshold=0.2, window="1m")
    bench.put("pay", service="shop")
    assert bench.tick() == []
    bench.put(*["ok"] * 16, level="INFO", service="shop")
    bench.put("pay", "pay", service="shop")
    assert bench.tick() == []
    bench.put("pay", service="shop")
    assert bench.tick() == ["firing"]
    (alert,) = bench.told()
    assert alert.summary == "r: 20.0% of the records within 60 s: pay"


def test_what_does_not_come_is_told(bench: AlertBench) -> None:
    """After a whole window without any; over when it is back; the alert shows what came last."""
    bench.rule(kind="absence", query='"backup done"', window="60s", cooldown="10s")
    assert bench.run(30) == []
    bench.put("backup done 1", level="INFO")
    assert bench.run(59) == []
    assert bench.run(2) == ["firing"]
    assert bench.run(100) == []
    bench.put("backup done 2", level="INFO")
    assert bench.run(2) == ["over"]
    first, _ = bench.told()
    assert first.summary == "r: no record for 60 s; the last came at 2026-11-21T12:00:30Z"
    assert [line.message for line in first.lines] == ["backup done 1"]


def test_each_group_can_be_missing(bench: AlertBench) -> None:
    """A service that was there before; one that never was cannot be missed."""
    bench.put("alive", service="a")
    bench.put("alive", service="b")
    bench.rule(kind="absence", query="alive", by=["service"], window="60s")
    told = []
    for _ in range(70):
        bench.put("alive", service="a")
        told += bench.tick(1)
    assert told == ["firing"]
    assert [alert.labels for alert in bench.told()] == [{"service": "b"}]


def test_nothing_counts_as_missing_while_the_server_was_away() -> None:
    """The time in which nobody could come in is no part of the window, and what was kept is waited for."""
    bench = AlertBench(grace_s=30.0)
    bench.rule(kind="absence", query="alive", window="120s")
    bench.put("alive")
    bench.run(60)
    bench.clock.pass_s(7_200)
    bench.restart()
    assert bench.run(29) == []
    assert bench.run(20) == []
    assert bench.run(40) == ["firing"]
    bench.close()


def test_a_machine_that_slept_misses_nothing() -> None:
    """A gap between two looks, or a calendar that jumps, is no silence of others."""
    bench = AlertBench(grace_s=10.0)
    bench.rule(kind="absence", query="alive", window="60s")
    bench.put("alive")
    assert bench.run(20) == []
    assert bench.tick(3_600) == []
    bench.put("alive")
    assert bench.run(30) == []
    assert bench.run(40) == ["firing"]
    bench.close()


def test_a_pattern_that_never_was_is_told(bench: AlertBench) -> None:
    """Once; known are those of the whole store; the alert holds its records alone."""
    bench.put("user 1 came", level="INFO")
    bench.rule(kind="new_pattern", query="", window="60s", cooldown="60s")
    bench.put("user 2 came", level="INFO")
    assert bench.tick(1) == []
    bench.put("disk 7 burns", "disk 8 burns", "user 3 came")
    assert bench.tick(1) == ["firing"]
    (alert,) = bench.told()
    assert [(group.shape, group.count) for group in alert.groups] == [("disk <*> burns", 2)]
    assert alert.count == 2
    assert alert.summary == "r: 1 new pattern: disk <*> burns"
    bench.put("moon 1 falls")
    assert bench.run(58) == []
    assert bench.run(2) == ["going_on"]
    assert bench.run(70) == ["over"]
    bench.restart()
    bench.put("disk 9 burns", "moon 2 falls")
    assert bench.run(5) == []


def test_a_column_of_a_table_is_asked_for_on_schedule(bench: AlertBench) -> None:
    """`| stats` over the window, each multiple of every_s; groups are its `by`; the last column decides."""
    bench.rule(
        query="GET | stats count() as n, p95(ms) as slow by service", compare=">", threshold=200, window="60s",
        every="30s", cooldown="0s",
    )  # fmt: skip
    bench.put("GET", service="a", ms=100)
    bench.put("GET", service="b", ms=300)
    bench.put("GET", service="c")
    assert bench.run(29) == []
    assert bench.run(2) == ["firing"]
    (alert,) = bench.told()
    assert alert.labels == {"service": "b"}
    assert alert.summary == "r (service=b): slow is 300 (> 200): GET"
    assert bench.run(59) == ["over"]


def test_a_schedule_that_was_missed_is_caught_up_once(bench: AlertBench) -> None:
    """The server was down at several instants: the last of them is asked for, and told."""
    bench.rule(
        query="pay | stats count() as n", compare="<", threshold=1, window="1h", every="1h", cooldown="0s"
    )
    bench.put("pay")
    bench.run(1)
    bench.clock.pass_s(3 * 3_600 + 1_800)
    bench.restart()
    assert bench.run(60) == ["firing"]
    assert bench.told()[0].began % (3_600 * 10**9) == 0


def test_what_came_before_a_crash_is_told_after_it(bench: AlertBench) -> None:
    """Records that were stored, and not looked at yet, are news to the next start; what was told is not."""
    bench.rule(query="pay", threshold=3, window="60s")
    bench.put("pay", "pay")
    bench.tick()
    bench.put("pay")
    bench.restart()
    assert bench.tick() == ["firing"]
    bench.restart()
    assert bench.run(100) == []


def test_what_was_told_before_a_crash_goes_on_after_it(bench: AlertBench) -> None:
    """The incident, its cool-down and its end."""
    bench.rule(query="pay", window="60s", cooldown="100s")
    bench.put("pay")
    assert bench.tick() == ["firing"]
    bench.run(50)
    bench.restart()
    assert bench.run(48) == []
    assert bench.run(4) == ["over"]


def test_a_change_of_meaning_begins_anew(bench: AlertBench) -> None:
    """A rule that says something else has told nothing yet."""
    bench.rule(query="pay", window="600s")
    bench.put("pay")
    assert bench.tick() == ["firing"]
    bench.rule(query="pay", window="300s")
    assert [alert.window_s for alert in bench.told()] == [600, 300]


def test_a_silence_holds_back_and_then_tells(bench: AlertBench) -> None:
    """Nothing while it lasts; what still holds at its end is told then; that something is over always."""
    from tamis.metadata.alert_rows import Silence

    bench.rule("checkout", query="pay", by=["service"], window="100s", cooldown="10s")
    now = bench.clock.now_ns()
    silence = Silence(
        id="s1", rule="check*", labels={"service": "a"}, from_ns=now, until_ns=now + 60 * 10**9, reason="works",
        made_by="ann", made_ns=now,
    )  # fmt: skip
    bench.rules.add_silence(silence)
    bench.put("pay", service="a")
    assert bench.run(58) == []
    bench.put("pay", service="b")
    assert bench.tick() == ["firing"]
    assert bench.run(5) == ["firing"]
    assert [alert.labels for alert in bench.told()] == [{"service": "b"}, {"service": "a"}]
    assert "silenced" in bench.history("checkout")


def test_what_was_silent_to_its_end_is_never_told(bench: AlertBench) -> None:
    """But stands in the history."""
    from tamis.metadata.alert_rows import Silence

    bench.rule(query="pay", window="10s", cooldown="10s")
    now = bench.clock.now_ns()
    bench.rules.add_silence(
        Silence(
            id="s",
            rule="*",
            labels={},
            from_ns=now,
            until_ns=now + 3_600 * 10**9,
            reason="x",
            made_by="a",
            made_ns=now,
        )
    )
    bench.put("pay")
    assert bench.run(60) == []
    assert bench.history("r") == ["made", "silenced", "over_untold"]


def test_the_history_holds_no_text_of_records(bench: AlertBench) -> None:
    """What is deleted from the store is then nowhere else."""
    bench.rule(query="pay", window="10s", cooldown="10s")
    bench.put("pay for ann@example.org")
    assert bench.run(60) == ["firing", "over"]
    assert "ann" not in bench.history_text()
    assert bench.history("r") == ["made", "firing", "over"]


def test_a_rule_that_cannot_be_asked_loses_nothing(bench: AlertBench) -> None:
    """A store that refuses once: the next look sees everything; the failure is said once."""
    from unittest.mock import patch

    from tamis.errors import QueryTimeoutError

    bench.rule(query="pay", threshold=2)
    bench.put("pay")
    bench.tick()
    bench.put("pay")
    with patch.object(bench.store, "stats", side_effect=QueryTimeoutError("too slow")):
        assert bench.run(3) == []
    assert bench.evaluator.active["r"].error == "too slow"
    assert bench.tick() == ["firing"]
    assert bench.history("r") == ["made", "failed", "firing"]


def test_a_message_without_an_answer_is_told_without_lines(bench: AlertBench) -> None:
    """The alert matters more than what it shows."""
    from unittest.mock import patch

    from tamis.errors import QueryTimeoutError

    bench.rule(query="pay")
    bench.put("pay")
    with patch.object(bench.store, "count", side_effect=QueryTimeoutError("too slow")):
        assert bench.tick() == ["firing"]
    (alert,) = bench.told()
    assert alert.lines == ()
    assert alert.summary == "r: 1 record within 60 s"


def test_what_an_older_form_of_a_rule_saw_is_dropped(bench: AlertBench) -> None:
    """A look that was under way while the rule was changed or removed leaves neither incident nor notice."""
    bench.rule(query="pay", threshold=1)
    bench.clock.pass_s(1)
    bench.put("pay")
    bench.rules.set_rule("r", bench.rules.rules()[0].data, by="another", fresh=True)
    assert bench.tick() == ["firing"]
    assert bench.outbox() == []
    assert bench.book.incidents() == []
    bench.evaluator.load()
    bench.rules.remove_rule("r", by="another")
    bench.put("pay")
    bench.tick(400)
    assert bench.outbox() == []
    assert bench.book.incidents() == []
    bench.evaluator.load()
    assert bench.evaluator.active == {}


def test_rules_that_ask_the_same_ask_it_once(bench: AlertBench) -> None:
    """Each distinct question once in a look, however many rules it is for; each with its own threshold."""
    from unittest.mock import patch

    for threshold in (1, 2, 3):
        bench.rule(f"r{threshold}", query="pay", threshold=threshold)
    bench.rule("share", kind="rate", query="pay", of="pay", threshold=1, of_min=1)
    bench.put("pay", "pay")
    with patch.object(bench.store, "stats", wraps=bench.store.stats) as stats:
        assert bench.tick(1) == ["firing"] * 3
    assert stats.call_count == 1
    assert sorted(alert.rule for alert in bench.told()) == ["r1", "r2", "share"]


def _asked(link: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(link).query))


def test_a_message_says_when_the_first_record_came(bench: AlertBench) -> None:
    """Not where its window begins; later messages say the same, also after a restart."""
    bench.rule(query="pay", threshold=2, window="1h", cooldown="10s")
    began_ns = bench.clock.now_ns() + 5 * S
    bench.run(10)
    bench.put("pay 1", at_s=-5)
    bench.put("pay 2")
    assert bench.tick() == ["firing"]
    bench.restart()
    bench.put("pay 3", at_s=-300)
    bench.run(3_700)
    firing, over = bench.told()
    assert (firing.began, over.began) == (began_ns, began_ns)
    assert firing.last == began_ns + 5 * S
    took_s = int(over.summary.partition("over after ")[2].partition(" s")[0].replace(",", ""))
    assert 3_500 <= took_s <= 3_700


def test_a_message_about_a_table_says_since_when_it_holds(bench: AlertBench) -> None:
    """The instant that was asked for; its link opens the records, not the table."""
    bench.rule(query="GET | stats max(ms) as slow", compare=">", threshold=200, window="1h", every="30s")
    bench.put("GET", ms=300)
    bench.run(31)
    (alert,) = bench.told()
    assert alert.began % (30 * S) == 0
    assert alert.began > bench.clock.now_ns() - 60 * S
    assert _asked(alert.link)["q"] == "GET"


def test_a_message_about_what_is_missing_opens_the_time_without(bench: AlertBench) -> None:
    """It says when the last record came, counts none, and its link finds none."""
    bench.rule(kind="absence", query="backup", window="60s", cooldown="10s")
    bench.put("backup 1", "backup 2")
    last_ns = bench.clock.now_ns()
    bench.run(70)
    (alert,) = bench.told()
    assert (alert.count, alert.groups, alert.last) == (0, (), last_ns)
    assert alert.began >= last_ns + 60 * S
    assert alert.summary == "r: no record for 60 s; the last came at 2026-11-21T12:00:00Z"
    assert "so far" not in print_alert(alert)
    asked = _asked(alert.link)
    start_ns, end_ns = (parse_instant(asked[name], None) for name in ("start", "end"))
    assert (start_ns, end_ns) == (last_ns + 1, alert.began + 1)
