"""The queue's door under load: who waits there gets in."""

import threading
from collections import deque
from collections.abc import Callable

from tamis.pipeline.captured import Captured
from tamis.pipeline.door import Door
from tamis.pipeline.limits import QueueLimits
from tamis.testing import FakeClock
from tests.support.sinks import captured

LIMITS = QueueLimits(records_max=100, overflow="block", block_s=1.0)
YOUNG = QueueLimits(records_max=1_000, block_s=1.0, unwritten_s=0.05)


class Watched(FakeClock):
    """Tells whenever somebody sleeps."""

    told: Callable[[], object] = int

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)
        self.told()


def full() -> deque[Captured]:
    return deque(captured(f"{number}") for number in range(100))


def test_who_waits_in_vain_while_the_worker_goes_on_gives_up_for_nobody_else() -> None:
    """Others took the room: the next caller waits all the same, and gets in."""
    queue, clock = full(), Watched()
    door = Door(LIMITS, queue, presses=lambda: False, clock=clock)
    clock.told = door.took
    assert not door.admit(captured("late", 30))
    began_s = clock.monotonic_s()
    assert not door.admit(captured("later", 30))
    assert clock.monotonic_s() - began_s >= LIMITS.block_s
    queue.pop()
    assert door.admit(captured("in time", 30))


def test_who_waits_in_vain_while_nothing_goes_on_gives_up_for_all() -> None:
    """Else each record would cost the application the whole wait."""
    clock = Watched()
    door = Door(LIMITS, full(), presses=lambda: False, clock=clock)
    assert not door.admit(captured("first", 30))
    began_s = clock.monotonic_s()
    assert not door.admit(captured("second", 30))
    assert clock.monotonic_s() == began_s


def test_a_newcomer_does_not_take_the_room_of_one_who_waits() -> None:
    """It waits too, as long as others do."""
    queue, clock, sleepers, admitted = full(), Watched(), list[int](), list[bool]()

    def came() -> None:
        admitted.append(door.admit(captured("newcomer", 30)))

    def told() -> None:
        sleepers.append(threading.get_ident())
        if len(sleepers) == 1:
            queue.pop()
            newcomer = threading.Thread(target=came)
            newcomer.start()
            newcomer.join(10)

    clock.told = told
    door = Door(LIMITS, queue, presses=lambda: False, clock=clock)
    assert door.admit(captured("first", 30))
    assert admitted == [True]
    assert len(set(sleepers)) == 2


def slow_worker(door: Door) -> None:
    """It has taken a millisecond for each record."""
    for _ in range(50):
        door.pace.note(100, 0.1)


def test_callers_wait_for_a_worker_that_does_not_come_round_in_time() -> None:
    """More than it takes in time are not let in, though there is room, and the worker is called; when it has taken
    some they are.
    """
    queue, clock, called = full(), Watched(), list[bool]()
    door = Door(YOUNG, queue, presses=lambda: False, hurry=lambda: called.append(True), clock=clock)
    slow_worker(door)
    assert door.open_records(1.0) == door.pace.records < 30
    clock.told = lambda: len(queue) < 15 or queue.popleft()
    began_s = clock.monotonic_s()
    assert door.admit(captured("waits"))
    assert clock.monotonic_s() - began_s > 0.05
    assert len(queue) < 30
    assert called == [True]


def test_a_record_that_comes_late_is_let_in_all_the_same() -> None:
    """The bound on the age refuses nobody: after the limit of the policy a record is taken, while there is room."""
    clock = Watched()
    door = Door(YOUNG, full(), presses=lambda: False, clock=clock)
    slow_worker(door)
    began_s = clock.monotonic_s()
    assert door.admit(captured("late"))
    assert clock.monotonic_s() - began_s >= YOUNG.block_s


def test_finalizers_do_not_wait_for_the_worker() -> None:
    """Whoever they interrupted might be what the worker waits for."""
    clock, admitted = Watched(), list[bool]()
    door = Door(YOUNG, full(), presses=lambda: False, clock=clock)
    slow_worker(door)

    class Dying:
        def __del__(self) -> None:
            admitted.append(door.admit(captured("the end")))

    began_s = clock.monotonic_s()
    Dying()
    assert admitted == [True]
    assert clock.monotonic_s() == began_s


def test_nobody_waits_where_records_may_be_dropped() -> None:
    """Policy drop: callers go on at once, whatever the worker does."""
    clock = Watched()
    limits = QueueLimits(records_max=1_000, overflow="drop", unwritten_s=0.05)
    door = Door(limits, full(), presses=lambda: False, clock=clock)
    slow_worker(door)
    began_s = clock.monotonic_s()
    assert door.open_records(1.0) == 800
    assert door.admit(captured("at once"))
    assert clock.monotonic_s() == began_s
