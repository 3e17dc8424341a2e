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
