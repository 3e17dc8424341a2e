"""Suppression: repeats arrive as one, and none is lost."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tamis.clock import NS_PER_S
from tamis.pipeline.processors.suppress import Suppress
from tamis.record.model import INSTANT_MAX, Record
from tests.support.strategies import BASE_NS


def record(message: str, at_s: float = 0.0, level: str = "INFO") -> Record:
    return Record(timestamp=BASE_NS + int(at_s * NS_PER_S), level=level, message=message, logger="shop")


def at(seconds: float) -> int:
    return BASE_NS + int(seconds * NS_PER_S)


def test_repeats_arrive_as_one_record_with_their_number() -> None:
    """The first at once, the rest when 300 s are over: the last of them, with `repeat_count`."""
    suppress = Suppress()
    assert suppress.process(record("x")) is not None
    assert [suppress.process(record("x", n)) for n in (1, 2, 299)] == [None] * 3
    assert list(suppress.due(at(299.9))) == []
    (found,) = suppress.due(at(300))
    assert (found.message, found.timestamp, found.attributes) == ("x", at(299), {"repeat_count": 3})


def test_logger_level_and_message_make_a_repeat() -> None:
    """Another level is another record."""
    suppress = Suppress()
    assert suppress.process(record("x")) is not None
    assert suppress.process(record("x", 1, "ERROR")) is not None


def test_what_repeats_more_is_held_back_for_longer() -> None:
    """After a time with repeats the next is twice as long, eight times at most; without, it is forgotten."""
    suppress = Suppress(keep_s=10)
    assert suppress.process(record("x")) is not None
    now, lasts = 0.0, []
    for _ in range(5):
        assert suppress.process(record("x", now + 0.5)) is None
        begun, now = now, now + 1
        while not suppress.due(at(now)):
            now += 1
        lasts.append(now - begun)
    assert lasts == [10, 20, 40, 80, 80]
    assert list(suppress.due(at(now + 80))) == []
    assert suppress.process(record("x", now + 81)) is not None


def test_a_repeat_after_its_time_without_due_is_not_lost() -> None:
    """Also when nobody asked what is due in between."""
    suppress = Suppress(keep_s=10)
    suppress.process(record("x"))
    suppress.process(record("x", 1))
    assert suppress.process(record("x", 11)) is None
    assert [one.attributes["repeat_count"] for one in suppress.due(INSTANT_MAX)] == [1, 1]


messages = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 400)), max_size=80)


@settings(max_examples=200, deadline=None)
@given(given_=messages, asks=st.integers(1, 9))
def test_no_repeat_is_ever_lost(given_: list[tuple[int, int]], asks: int) -> None:
    """Whatever is evicted, due or at the end: what arrived stands for everything that was logged."""
    suppress = Suppress(entries_max=5, keep_s=30)
    arrived = 0
    now = 0
    for place, (message, later) in enumerate(given_):
        now += later
        arrived += suppress.process(record(f"m{message}", now)) is not None
        if place % asks == 0:
            arrived += sum(one.attributes["repeat_count"] for one in suppress.due(at(now)))  # type: ignore[misc]  # ints
    arrived += sum(one.attributes["repeat_count"] for one in suppress.due(INSTANT_MAX))  # type: ignore[misc]  # ints
    assert arrived == len(given_)
