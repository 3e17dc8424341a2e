"""When an alert is told, what it says, and when it is over."""

from collections import Counter, defaultdict
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tamis.pipeline.alerts.alert import LINE_CHARS_MAX, Alert, alert_of, to_record
from tamis.pipeline.alerts.rules import make_rules
from tamis.pipeline.alerts.watch import TROUBLES_MAX, AlertLimits, Watch
from tamis.record.model import Record
from tests.support.hand_clock import HandClock


def watch(clock: HandClock, *queries: str, threshold: int = 3, lines_max: int = 10) -> Watch:
    limits = AlertLimits(window_s=60, cooldown_s=300, lines_max=lines_max)
    return Watch(make_rules(threshold, queries), limits, service="shop", host="h1", clock=clock)


def error(message: str = "payment 17 failed", level: str = "ERROR", **attributes: object) -> Record:
    return Record(
        timestamp=1_795_262_400_000_000_000,
        message=message,
        level=level,
        attributes=attributes,  # type: ignore[arg-type]
    )


def states(alerts: list[Alert]) -> list[tuple[str, int]]:
    return [(alert.state, alert.count) for alert in alerts]


def test_errors_that_reach_the_threshold_in_the_window_fire_once() -> None:
    """Not one before it, nothing more after it; what is milder than ERROR counts nothing."""
    seen = watch(HandClock())
    assert [seen.look(error(level=level)) for level in ("INFO", "WARNING")] == [[], []]
    assert states([alert for n in range(20) for alert in seen.look(error(f"payment {n} failed"))]) == [
        ("firing", 3)
    ]


def test_errors_further_apart_than_the_window_fire_nothing() -> None:
    """Two a minute are two a minute, however long."""
    clock = HandClock()
    seen = watch(clock)
    for _ in range(50):
        assert seen.look(error()) == []
        clock.pass_s(30.1)


def test_an_alert_groups_by_shape_and_carries_its_lines() -> None:
    """What differs in numbers alone is one group; the lines are those that fired it."""
    seen = watch(HandClock())
    seen.look(error("payment 1 failed"))
    seen.look(error("disk full", "CRITICAL"))
    exception = {"type": "ZeroDivisionError", "message": "by nothing", "frames": []}
    (alert,) = seen.look(error("payment 2 failed", exception=exception))
    assert [(group.shape, group.count) for group in alert.groups] == [
        ("payment <*> failed", 2),
        ("disk full", 1),
    ]
    assert [line.message for line in alert.lines] == ["payment 1 failed", "disk full", "payment 2 failed"]
    assert alert.lines[2].error == "ZeroDivisionError: by nothing"
    assert (alert.level, alert.service, alert.rule) == ("CRITICAL", "shop", "errors")
    assert alert.summary == "shop: 3 errors within 60 s: payment <*> failed (and 1 more)"


def test_lines_are_bounded() -> None:
    """So many, and none longer than its limit."""
    seen = watch(HandClock(), threshold=30, lines_max=5)
    (alert,) = [alert for n in range(30) for alert in seen.look(error(f"payment {n} " + "x" * 5_000))]
    assert len(alert.lines) == 5
    assert max(len(line.message) for line in alert.lines) == LINE_CHARS_MAX + 1
    assert len(alert.summary) < 400


def test_one_notice_a_cool_down_says_that_it_goes_on_and_then_that_it_is_over() -> None:
    """Nothing between; the counts add up."""
    clock = HandClock()
    seen = watch(clock)
    fired = [alert for _ in range(3) for alert in seen.look(error())]
    for _ in range(300):
        clock.pass_s(1)
        fired += seen.look(error()) + seen.due()
    assert states(fired) == [("firing", 3), ("going_on", 303)]
    clock.pass_s(299)
    assert seen.due() == []
    assert seen.due_in_s() == 1.0
    clock.pass_s(1)
    over = seen.due()
    assert states(over) == [("over", 303)]
    assert {alert.key for alert in [*fired, *over]} == {fired[0].key}
    assert seen.due_in_s() is None
    clock.pass_s(1_000)
    assert seen.due() == []


def test_what_was_over_may_fire_again() -> None:
    """The same trouble, after it was said to be over, is news."""
    clock = HandClock()
    seen = watch(clock)
    first = [alert for _ in range(3) for alert in seen.look(error())]
    clock.pass_s(300)
    assert states(seen.due()) == [("over", 3)]
    second = [alert for _ in range(3) for alert in seen.look(error())]
    assert states(second) == [("firing", 3)]
    assert first[0].key == second[0].key


def test_another_trouble_fires_during_the_cool_down_of_the_first() -> None:
    """Shapes that were not told of count for themselves."""
    seen = watch(HandClock())
    for _ in range(3):
        seen.look(error("payment 1 failed"))
    assert [alert.groups[0].shape for _ in range(3) for alert in seen.look(error("disk full"))] == [
        "disk full"
    ]


def test_a_rule_fires_at_the_first_record_that_it_finds() -> None:
    """Any level, any field, and each shape is a trouble of its own."""
    seen = watch(HandClock(), "level>=warning duration_ms>500", threshold=0)
    assert seen.look(error("slow 7", "WARNING", duration_ms=500)) == []
    assert seen.look(error("slow 7", "INFO", duration_ms=501)) == []
    (alert,) = seen.look(error("slow 7", "WARNING", duration_ms=501))
    assert alert.rule == "level>=warning duration_ms>500"
    assert seen.look(error("slow 8", "WARNING", duration_ms=900)) == []
    assert len(seen.look(error("slower", "WARNING", duration_ms=900))) == 1


def test_troubles_are_bounded() -> None:
    """A rule that finds messages without end tells of so many, and counts the rest with the last."""
    clock = HandClock()
    seen = watch(clock, "*", threshold=0)
    words = [f"{chr(97 + n // 26 % 26)}{chr(97 + n % 26)}" for n in range(500)]
    fired = [alert for word in words for alert in seen.look(error(word))]
    assert len(fired) == TROUBLES_MAX
    clock.pass_s(300)
    assert sum(alert.count for alert in seen.due()) == 500


def test_an_alert_survives_as_a_record() -> None:
    """It travels through queue and spool as a record, and is the same again."""
    seen = watch(HandClock())
    (fired,) = [alert for _ in range(3) for alert in seen.look(error())]
    record = to_record(fired, 5, sequence=1)
    assert (record.logger, record.level, record.message) == ("tamis.alerts", "ERROR", fired.summary)
    assert alert_of(record) == fired


def test_a_record_that_stands_for_many_counts_as_many() -> None:
    """Repeats that were held back arrive as one record with `repeat_count`."""
    seen = watch(HandClock(), threshold=10)
    assert seen.look(error()) == []
    assert states(seen.look(error(repeat_count=9))) == [("firing", 10)]


STEPS = st.lists(
    st.tuples(st.floats(0, 200), st.sampled_from(["disk full", "payment 7 failed", "no stock"])), max_size=80
)


@given(STEPS, st.integers(1, 4))
def test_every_trouble_is_told_in_order_and_not_too_often(
    steps: list[tuple[float, str]], threshold: int
) -> None:
    """Whatever comes when: a trouble fires, goes on, is over, with a cool-down between; and no error is counted
    that was not there, nor twice."""
    clock = HandClock()
    seen = watch(clock, threshold=threshold)
    told: dict[str, list[tuple[float, Alert]]] = defaultdict(list)

    def tell(alerts: list[Alert]) -> None:
        for alert in alerts:
            told[alert.key].append((clock.now_s, alert))

    for pause_s, message in steps:
        clock.pass_s(pause_s)
        tell(seen.due())
        tell(seen.look(error(message)))
    for _ in range(3):
        clock.pass_s(300)
        tell(seen.due())
    assert seen.due_in_s() is None
    counted: Counter[str] = Counter()
    for notices in told.values():
        text = "".join({"firing": "f", "going_on": "g", "over": "o"}[alert.state] for _, alert in notices)
        assert all(part.startswith("f") and set(part[1:]) <= {"g"} for part in text.split("o")[:-1])
        assert text.endswith("o")
        pairs = pairwise(notices)
        assert all(after - before >= 300 for (before, _), (after, late) in pairs if late.state != "firing")
        for _, alert in notices:
            if alert.state == "over":
                counted.update({group.shape: group.count for group in alert.groups})
                assert alert.count == sum(group.count for group in alert.groups) >= threshold
    there = Counter("payment <*> failed" if "payment" in message else message for _, message in steps)
    assert counted <= there
    if threshold == 1:
        assert counted == there
