"""What people and sinks do with a breaker."""

import asyncio
import gc
import subprocess
import sys
import threading
import time
import timeit
from collections.abc import Callable

import pytest

from tamis.errors import BreakerOpenError, CallTimeoutError, ConfigError, TamisError
from tamis.resilience.breaker import CircuitBreaker
from tamis.resilience.limits import BreakerLimits
from tamis.resilience.listeners import StateChange
from tamis.resilience.machine import BreakerState, Verdict
from tests.support.hand_clock import HandClock


def fail() -> None:
    raise ConnectionRefusedError("nobody there")


def state_of(breaker: CircuitBreaker) -> BreakerState:
    """Its state now, which the type checker would take for the one before."""
    return breaker.state


def opened(clock: HandClock, **limits: float) -> CircuitBreaker:
    """A breaker that three failures have opened."""
    breaker = CircuitBreaker("it", BreakerLimits(**limits), clock=clock)  # type: ignore[arg-type]
    for _ in range(3):
        with pytest.raises(ConnectionRefusedError):
            breaker.call(fail)
    assert state_of(breaker) is BreakerState.OPEN
    return breaker


def half_opened(clock: HandClock, **limits: float) -> CircuitBreaker:
    breaker = opened(clock, **limits)
    clock.pass_s(60)
    assert state_of(breaker) is BreakerState.HALF_OPEN
    return breaker


def test_the_numbers_are_those_of_the_specification() -> None:
    """3 failures, 60 s, 5 s, 2 successes, 5 rejections, and hard open until reset."""
    assert BreakerLimits() == BreakerLimits(
        failures_to_open=3,
        open_s=60,
        half_open_call_s=5,
        successes_to_close=2,
        probes_max=1,
        rejections_to_hard_open=5,
        hard_open_s=None,
    )


def test_it_opens_waits_tries_and_closes() -> None:
    """Three failures, sixty seconds, two successes."""
    clock = HandClock()
    breaker = opened(clock)
    with pytest.raises(BreakerOpenError) as refused:
        breaker.call(fail)
    assert (refused.value.name, refused.value.state) == ("it", "open")
    assert refused.value.retry_after_s == 60
    assert "it is open; try again in 60 s" in str(refused.value)
    clock.pass_s(59.9)
    assert breaker.allow() is None
    clock.pass_s(0.1)
    assert breaker.call(lambda: 1) == 1
    assert state_of(breaker) is BreakerState.HALF_OPEN
    assert breaker.call(lambda: 2) == 2
    assert state_of(breaker) is BreakerState.CLOSED


def test_a_success_takes_one_failure_off() -> None:
    """Two of three calls that fail open it, one of two does not."""
    breaker = CircuitBreaker("it", clock=HandClock())
    for _ in range(50):
        with pytest.raises(ConnectionRefusedError):
            breaker.call(fail)
        breaker.call(int)
    assert state_of(breaker) is BreakerState.CLOSED
    for _ in range(2):
        breaker.permit().failure()
    breaker.permit().success()
    breaker.permit().failure()
    assert state_of(breaker) is BreakerState.CLOSED
    breaker.permit().failure()
    assert state_of(breaker) is BreakerState.OPEN


def test_one_failure_while_half_open_opens_it_for_the_whole_time_again() -> None:
    """The sixty seconds begin anew, and so does the count of successes."""
    clock = HandClock()
    breaker = half_opened(clock)
    breaker.call(int)
    clock.pass_s(1)
    with pytest.raises(ConnectionRefusedError):
        breaker.call(fail)
    clock.pass_s(59)
    assert state_of(breaker) is BreakerState.OPEN
    clock.pass_s(1)
    breaker.call(int)
    assert state_of(breaker) is BreakerState.HALF_OPEN
    breaker.call(int)
    assert state_of(breaker) is BreakerState.CLOSED


def test_half_open_lets_a_quota_through() -> None:
    """As many calls at once as `probes_max`; the others learn when it is worth asking again."""
    clock = HandClock()
    breaker = half_opened(clock, probes_max=2)
    first, second = breaker.permit(), breaker.permit()
    clock.pass_s(2)
    with pytest.raises(BreakerOpenError) as refused:
        breaker.permit()
    assert (refused.value.state, refused.value.retry_after_s) == ("half_open", 3)
    first.release()
    third = breaker.permit()
    assert breaker.allow() is None
    second.success()
    third.success()
    assert state_of(breaker) is BreakerState.CLOSED


def test_a_call_that_hangs_is_a_failure_and_its_late_answer_is_ignored() -> None:
    """After five seconds it is open again, counted from the limit; the answer changes nothing."""
    clock = HandClock()
    breaker = half_opened(clock)
    permit = breaker.permit()
    assert permit.limit_s == 5
    clock.pass_s(5)
    assert state_of(breaker) is BreakerState.HALF_OPEN
    clock.pass_s(2)
    assert state_of(breaker) is BreakerState.OPEN
    permit.success()
    assert state_of(breaker) is BreakerState.OPEN
    counts = breaker.metrics().counts
    assert (counts.failures, counts.expired, counts.late) == (4, 1, 1)
    clock.pass_s(57.9)
    assert state_of(breaker) is BreakerState.OPEN
    clock.pass_s(0.1)
    assert state_of(breaker) is BreakerState.HALF_OPEN


def test_the_caller_of_a_late_call_gets_its_answer() -> None:
    """What was done was done: only the breaker ignores it."""
    clock = HandClock()
    breaker = half_opened(clock)

    def slow() -> str:
        clock.pass_s(6)
        return "done"

    assert breaker.call(slow) == "done"
    assert state_of(breaker) is BreakerState.OPEN


def test_answers_from_before_it_opened_say_nothing_about_now() -> None:
    """A call begun while closed neither closes, opens nor burdens a later period."""
    clock = HandClock()
    breaker = CircuitBreaker("it", clock=clock)
    old = [breaker.permit() for _ in range(6)]
    for permit in old[:3]:
        permit.failure()
    clock.pass_s(60)
    assert state_of(breaker) is BreakerState.HALF_OPEN
    old[3].failure()
    assert state_of(breaker) is BreakerState.HALF_OPEN
    old[4].success()
    breaker.call(int)
    assert state_of(breaker) is BreakerState.HALF_OPEN
    breaker.call(int)
    old[5].failure()
    for _ in range(2):
        breaker.permit().failure()
    assert state_of(breaker) is BreakerState.CLOSED
    assert breaker.metrics().counts.late == 3


def test_rejections_open_it_hard_until_reset() -> None:
    """Five, from closed too; a year does not open it."""
    clock = HandClock()
    breaker = CircuitBreaker("it", clock=clock)
    for _ in range(4):
        breaker.register_rejection()
    assert state_of(breaker) is BreakerState.CLOSED
    breaker.permit().rejected()
    assert state_of(breaker) is BreakerState.HARD_OPEN
    clock.pass_s(365 * 86_400)
    with pytest.raises(BreakerOpenError, match=r"hard open; it stays so until it is reset") as refused:
        breaker.permit()
    assert refused.value.retry_after_s is None
    breaker.reset()
    assert breaker.call(lambda: 1) == 1
    assert breaker.metrics().counts.rejections == 5


def test_calls_it_refuses_itself_are_no_rejections() -> None:
    """Many callers who meet an open breaker do not make it hard."""
    clock = HandClock()
    breaker = opened(clock)
    for _ in range(100):
        assert breaker.allow() is None
    assert breaker.metrics().counts.refused == 100
    clock.pass_s(60)
    assert state_of(breaker) is BreakerState.HALF_OPEN


def test_rejections_count_while_open_and_rejected_probes_open_it_again() -> None:
    """A queue that stays full is no recovery."""
    clock = HandClock()
    breaker = half_opened(clock)
    breaker.permit().rejected()
    assert state_of(breaker) is BreakerState.OPEN
    for _ in range(4):
        breaker.register_rejection()
    assert state_of(breaker) is BreakerState.HARD_OPEN


def test_a_success_takes_one_rejection_off() -> None:
    """Five rejections in a year are no overload."""
    breaker = CircuitBreaker("it", clock=HandClock())
    for _ in range(20):
        breaker.register_rejection()
        breaker.call(int)
    assert state_of(breaker) is BreakerState.CLOSED


def test_hard_open_may_end_by_itself() -> None:
    """With `hard_open_s` it tries again then, and has forgotten the rejections."""
    clock = HandClock()
    breaker = CircuitBreaker("it", BreakerLimits(hard_open_s=600), clock=clock)
    for _ in range(5):
        breaker.register_rejection()
    clock.pass_s(599)
    assert state_of(breaker) is BreakerState.HARD_OPEN
    assert breaker.metrics().retry_after_s == 1
    clock.pass_s(1)
    assert state_of(breaker) is BreakerState.HALF_OPEN
    breaker.register_rejection()
    assert state_of(breaker) is BreakerState.HALF_OPEN


def test_a_permit_counts_once() -> None:
    """What is said after the first word changes nothing."""
    breaker = CircuitBreaker("it", clock=HandClock())
    permit = breaker.permit()
    for _ in range(5):
        permit.failure()
    permit.success()
    counts = breaker.metrics().counts
    assert (counts.permitted, counts.failures, counts.successes) == (1, 1, 0)


def test_a_permit_is_a_context() -> None:
    """It tells how its block ended, unless that was told inside."""
    breaker = CircuitBreaker("it", clock=HandClock())
    with breaker.permit():
        pass
    with pytest.raises(ConnectionRefusedError), breaker.permit():
        fail()
    with pytest.raises(KeyboardInterrupt), breaker.permit():
        raise KeyboardInterrupt
    with breaker.permit() as permit:
        permit.rejected()
    metrics = breaker.metrics()
    counts = metrics.counts
    assert (counts.successes, counts.failures, counts.abandoned, counts.rejected_calls) == (1, 1, 1, 1)
    assert metrics.last_failure == "ConnectionRefusedError"


def test_errors_are_judged_by_who_knows_them() -> None:
    """`classify` may say that an error is a good answer; when it fails itself, the call failed."""

    def judge(error: Exception) -> Verdict:
        verdicts = {KeyError: Verdict.SUCCESS, BlockingIOError: Verdict.REJECTION}
        return verdicts[type(error)]

    breaker = CircuitBreaker("it", clock=HandClock(), classify=judge)
    for kind in (KeyError, BlockingIOError, ZeroDivisionError):
        with pytest.raises(kind):
            breaker.call(next, iter(map(_raiser(kind), [1])))
    counts = breaker.metrics().counts
    assert (counts.successes, counts.rejections, counts.failures) == (1, 1, 1)


def _raiser(kind: type[Exception]) -> Callable[[int], int]:
    def raise_it(_: int) -> int:
        raise kind("x")

    return raise_it


def test_breakers_nest() -> None:
    """An open breaker further in is no failure of the outer: nothing was tried."""
    clock = HandClock()
    inner = opened(clock)
    outer = CircuitBreaker("outer", clock=clock)
    for _ in range(10):
        with pytest.raises(BreakerOpenError) as refused:
            outer.call(inner.call, int)
        assert refused.value.name == "it"
    assert state_of(outer) is BreakerState.CLOSED
    clock.pass_s(60)
    assert outer.call(inner.call, int) == 0


def test_a_decorated_function_keeps_its_face() -> None:
    """Name, arguments and result, for functions and coroutine functions."""
    breaker = CircuitBreaker("it", clock=HandClock())

    @breaker
    def add(a: int, *, b: int) -> int:
        """Adds."""
        return a + b

    @breaker
    async def later(a: int) -> int:
        return a

    assert (add(1, b=2), add.__name__, add.__doc__) == (3, "add", "Adds.")
    assert asyncio.run(later(4)) == 4
    assert asyncio.iscoroutinefunction(later)
    assert breaker.metrics().counts.successes == 2
    with pytest.raises(TypeError, match=r"with breaker\.permit"):
        breaker(lambda: (yield 1))


def test_a_coroutine_is_cancelled_at_the_limit_while_half_open() -> None:
    """The caller gets an error of its own, and it is open again."""
    breaker = CircuitBreaker("it", BreakerLimits(open_s=0.001, half_open_call_s=0.01))
    cancelled = []

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    async def scene() -> None:
        for _ in range(3):
            breaker.permit().failure()
        while state_of(breaker) is not BreakerState.HALF_OPEN:
            await asyncio.sleep(0.001)
        with pytest.raises(CallTimeoutError, match=r"it gave no answer within 0\.01 s") as late:
            await breaker.acall(hang)
        assert isinstance(late.value, TimeoutError)
        assert isinstance(late.value, TamisError)

    asyncio.run(scene())
    assert cancelled == [True]
    assert breaker.metrics().entered[BreakerState.OPEN] == 2
    assert breaker.metrics().counts.failures == 4


def test_a_cancelled_coroutine_says_nothing() -> None:
    """The caller went away: no failure, and the probe's place is free again."""
    clock = HandClock()
    breaker = half_opened(clock)

    async def scene() -> None:
        started = asyncio.Event()

        async def hang() -> None:
            started.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(breaker.acall(hang))
        await started.wait()
        assert breaker.allow() is None
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await breaker.acall(asyncio.sleep, 0, 7) == 7

    asyncio.run(scene())
    assert breaker.metrics().counts.abandoned == 1


def test_a_time_out_of_the_call_itself_stays_what_it_is() -> None:
    """Only the breaker's own limit becomes CallTimeoutError."""
    breaker = half_opened(HandClock())

    async def times_out() -> None:
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        asyncio.run(breaker.acall(times_out))
    assert state_of(breaker) is BreakerState.OPEN


def test_listeners_are_told_in_order_and_never_in_the_way() -> None:
    """Each change once, with its reason; one that raises is counted; one may use the breaker; one may leave."""
    clock = HandClock()
    breaker = CircuitBreaker("it", clock=clock)
    told: list[StateChange] = []

    def curious(change: StateChange) -> None:
        if change.after is BreakerState.OPEN:
            breaker.reset()

    def broken(change: StateChange) -> None:
        raise RuntimeError(change.reason)

    leave = breaker.listen(broken)
    breaker.listen(curious)
    breaker.listen(told.append)
    for _ in range(3):
        breaker.permit().failure()
    assert [(change.before, change.after, change.reason) for change in told] == [
        (BreakerState.CLOSED, BreakerState.OPEN, "3 failures"),
        (BreakerState.OPEN, BreakerState.CLOSED, "reset by hand"),
    ]
    assert breaker.metrics().listener_errors == 2
    leave()
    leave()
    for _ in range(3):
        breaker.permit().failure()
    assert breaker.metrics().listener_errors == 2


def test_metrics_tell_states_and_times() -> None:
    """Seconds in each state add up to the time it has lived."""
    clock = HandClock()
    breaker = CircuitBreaker("it", clock=clock)
    clock.pass_s(10)
    for _ in range(3):
        breaker.permit().failure(OSError("secret"))
    clock.pass_s(90)
    metrics = breaker.metrics()
    assert metrics.state is BreakerState.HALF_OPEN
    assert metrics.seconds == {"closed": 10, "open": 60, "half_open": 30, "hard_open": 0}
    assert metrics.entered == {"closed": 0, "open": 1, "half_open": 1, "hard_open": 0}
    assert (metrics.last_failure, metrics.retry_after_s, metrics.under_way) == ("OSError", 0, 0)
    breaker.permit()
    assert metrics.counts.permitted == 3, "what was read does not change"
    assert breaker.metrics().under_way == 1


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("failures_to_open", 0),
        ("failures_to_open", True),
        ("successes_to_close", 1.5),
        ("probes_max", 0),
        ("rejections_to_hard_open", -1),
        ("open_s", 0),
        ("half_open_call_s", float("inf")),
        ("open_s", float("nan")),
        ("hard_open_s", 59),
    ],
)
def test_limits_that_mean_nothing_are_refused(key: str, value: float) -> None:
    """The error names the key and what it may be."""
    with pytest.raises(ConfigError, match=f"{key} = ") as wrong:
        BreakerLimits(**{key: value})  # type: ignore[arg-type]
    assert wrong.value.key == key


class Interrupting(HandClock):
    """A clock in which, as in a signal's handler, the same thread uses the breaker again."""

    def __init__(self) -> None:
        super().__init__()
        self.interrupt: Callable[[], object] | None = None

    def monotonic_s(self) -> float:
        interrupt, self.interrupt = self.interrupt, None
        if interrupt:
            interrupt()
        return super().monotonic_s()


def test_a_signal_in_the_middle_does_not_lock_it() -> None:
    """A handler that calls the same breaker on the same thread gets through."""
    clock = Interrupting()
    breaker = CircuitBreaker("it", clock=clock)
    clock.interrupt = lambda: breaker.call(int)
    done = threading.Thread(target=breaker.metrics, daemon=True)
    done.start()
    done.join(10)
    assert not done.is_alive()
    assert breaker.metrics().counts.successes == 1


FORK = """
import os, sys, threading, warnings
warnings.simplefilter("ignore")
from tamis.resilience.breaker import CircuitBreaker
breaker = CircuitBreaker("it")
held, told = threading.Event(), []
def hold(change):
    if os.getpid() == parent:
        held.set()
        threading.Event().wait()
    told.append(change.after.value)
parent = os.getpid()
breaker.listen(hold)
def trip():
    for _ in range(3):
        breaker.permit().failure()
def keep():
    with breaker._lock:
        locked.set()
        threading.Event().wait()
locked = threading.Event()
threading.Thread(target=trip, daemon=True).start()
held.wait(10)
threading.Thread(target=keep, daemon=True).start()
locked.wait(10)
child = os.fork()
if child == 0:
    breaker.reset()
    breaker.call(int)
    os._exit(0 if told == ["closed"] else 1)
for _ in range(100):
    done, status = os.waitpid(child, os.WNOHANG)
    if done:
        os._exit(os.waitstatus_to_exitcode(status))
    threading.Event().wait(0.1)
os.kill(child, 9)
os._exit(2)
"""


def test_a_child_is_not_held_by_locks_of_its_parent() -> None:
    """Forked while other threads hold the breaker and tell its listeners, it goes on in the child."""
    done = subprocess.run(
        [sys.executable, "-c", FORK], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_breaker_goes_when_nobody_has_it() -> None:
    """The hook for forks keeps none alive."""
    import weakref

    breaker = CircuitBreaker("it")
    gone = weakref.ref(breaker)
    del breaker
    gc.collect()
    assert gone() is None


def test_round_a_call_it_costs_little_while_closed() -> None:
    """At most eight times what two locked counters by hand cost (about 1 µs at most)."""
    breaker, lock, counts = CircuitBreaker("it"), threading.RLock(), [0, 0]

    def bare() -> None:
        pass

    def by_hand() -> None:
        with lock:
            counts[0] += 1
        bare()
        with lock:
            counts[1] += 1

    def measure(function: Callable[[], object]) -> float:
        return min(timeit.repeat(function, number=5_000, repeat=20, timer=time.thread_time))

    call = breaker.call
    yardstick, guarded = measure(by_hand), measure(lambda: call(bare))
    assert guarded - measure(bare) < 8 * yardstick
