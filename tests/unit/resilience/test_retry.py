"""Trying again waits as long as it should, and ends."""

import asyncio
import gc
import itertools
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamis.errors import (
    BreakerOpenError,
    ConfigError,
    DeniedError,
    OverloadedError,
    RemoteError,
    UnreachableError,
)
from tamis.resilience.retry import Backoff, RetryLimits, aretry, is_passing, retry, waits
from tests.support.hand_clock import HandClock


class Flaky:
    """Fails with these errors, one a call, then answers how often it was called."""

    def __init__(self, *errors: Exception) -> None:
        self.errors, self.calls = list(errors), 0

    def __call__(self) -> int:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return self.calls


def refused() -> Exception:
    return ConnectionRefusedError("nobody there")


def test_the_waits_are_one_two_and_four_seconds() -> None:
    """Four attempts, doubling; other numbers are settings."""
    assert list(waits(RetryLimits())) == [1, 2, 4]
    assert list(waits(RetryLimits(attempts_max=3, first_s=2))) == [2, 4]
    assert list(waits(RetryLimits(attempts_max=6, wait_s_max=5))) == [1, 2, 4, 5, 5]
    assert list(waits(RetryLimits(attempts_max=1))) == []


@given(st.integers(1, 60), st.floats(0, 100), st.floats(1, 1e6), st.floats(0, 1e6), st.floats(0, 1))
def test_no_wait_is_over_its_limits(
    attempts: int, first: float, factor: float, most: float, drawn: float
) -> None:
    """Whatever the numbers: as many waits as asked for, none too long, jitter only shortens."""
    plain = RetryLimits(attempts_max=attempts, first_s=first, factor=factor, wait_s_max=most)
    jittered = RetryLimits(
        attempts_max=attempts, first_s=first, factor=factor, wait_s_max=most, jitter="full"
    )
    straight, shaken = list(waits(plain)), list(waits(jittered, lambda: drawn))
    assert len(straight) == len(shaken) == attempts - 1
    assert straight == sorted(straight)
    assert all(0 <= short <= long <= most for short, long in zip(shaken, straight, strict=True))


def test_it_tries_until_it_works() -> None:
    """Three failures, waits between them, one answer."""
    clock, flaky = HandClock(), Flaky(refused(), TimeoutError(), UnreachableError("http://x", "away"))
    assert retry(flaky, clock=clock) == 4
    assert clock.waited == [1, 2, 4]


def test_it_gives_up_and_says_how_often_it_tried() -> None:
    """The last error itself is raised, with a note."""
    clock, last = HandClock(), UnreachableError("http://x", "away")
    with pytest.raises(UnreachableError) as raised:
        retry(Flaky(refused(), refused(), refused(), last, refused()), clock=clock)
    assert raised.value is last
    assert last.__notes__ == ["Given up after 4 attempts."]
    assert clock.waited == [1, 2, 4]


def test_what_will_not_pass_is_not_tried_again() -> None:
    """Wrong tokens, wrong files, open breakers and mistakes are raised at once."""
    for error in (
        DeniedError("http://x", "no", status=401),
        RemoteError("http://x", "bad", status=400),
        FileNotFoundError("x"),
        BreakerOpenError("x", "open", 3.0),
        ZeroDivisionError(),
    ):
        flaky = Flaky(error)
        with pytest.raises(type(error)):
            retry(flaky, clock=HandClock())
        assert flaky.calls == 1
    assert all(is_passing(RemoteError("x", "y", status=status)) for status in (0, 429, 502, 503, 504))
    assert is_passing(OverloadedError("full", 1))


def test_it_is_never_asked_sooner_than_the_server_wants() -> None:
    """Retry-After lengthens a wait; one over the limit ends it; with jitter nobody comes early or all at once."""
    clock = HandClock()
    assert retry(Flaky(OverloadedError("full", 7), OverloadedError("full", 0.5)), clock=clock) == 3
    assert clock.waited == [7, 2]
    flaky = Flaky(OverloadedError("full", 61))
    with pytest.raises(OverloadedError):
        retry(flaky, clock=clock)
    assert flaky.calls == 1
    backoff = Backoff(RetryLimits(jitter="full"), clock=clock, draw=lambda: 0.5)
    assert [backoff.next_wait_s(10), backoff.next_wait_s()] == [10.5, 1]


def test_no_wait_ends_after_the_deadline() -> None:
    """The time that attempts take counts too."""
    clock = HandClock()

    def slow() -> None:
        clock.pass_s(3)
        raise refused()

    with pytest.raises(ConnectionRefusedError):
        retry(slow, RetryLimits(deadline_s=10), clock=clock)
    assert clock.waited == [1, 2]


def test_an_event_ends_the_waiting() -> None:
    """A stop does not sleep: the error comes at once, with a note that it was interrupted."""
    stop, flaky = threading.Event(), Flaky(*(refused() for _ in range(9)))
    raised: list[BaseException] = []

    def work() -> None:
        try:
            retry(flaky, RetryLimits(first_s=60), wait=stop.wait)
        except ConnectionRefusedError as error:
            raised.append(error)

    thread = threading.Thread(target=work)
    began = time.monotonic()
    thread.start()
    while not flaky.calls:
        time.sleep(0.001)
    stop.set()
    thread.join(30)
    assert time.monotonic() - began < 30
    assert flaky.calls == 1
    assert raised[0].__notes__ == ["Interrupted while waiting to try again; attempts made: 1."]


def test_coroutines_are_tried_again() -> None:
    """The same waits, slept on the loop; what is cancelled while waiting is cancelled."""
    waited: list[float] = []

    async def wait(seconds: float) -> None:
        waited.append(seconds)

    flaky = Flaky(refused(), refused())

    async def answer() -> int:
        return flaky()

    assert asyncio.run(aretry(answer, wait=wait)) == 3
    assert waited == [1, 2]
    flaky.errors = [refused() for _ in range(9)]
    with pytest.raises(ConnectionRefusedError):
        asyncio.run(aretry(answer, wait=wait))
    assert waited == [1, 2, 1, 2, 4]

    async def cancelled() -> None:
        flaky.errors = [refused()]
        before = flaky.calls
        task = asyncio.create_task(aretry(answer, RetryLimits(first_s=60)))
        while flaky.calls == before:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())


def test_errors_are_not_kept() -> None:
    """Retries leave no cycles behind for the collector to find."""
    gc.collect()
    gc.disable()
    try:
        for _ in range(10):
            with pytest.raises(ConnectionRefusedError):
                retry(Flaky(*(refused() for _ in range(9))), clock=HandClock())
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_the_jitter_differs() -> None:
    """Two clients do not come back together."""
    limits = RetryLimits(attempts_max=8, jitter="full")
    runs = [list(waits(limits)) for _ in range(5)]
    assert all(one != two for one, two in itertools.combinations(runs, 2))


@pytest.mark.parametrize(
    ("key", "value"),
    [("attempts_max", 0), ("factor", 0.5), ("first_s", -1), ("deadline_s", float("nan")), ("jitter", "some")],
)
def test_limits_that_mean_nothing_are_refused(key: str, value: object) -> None:
    """The error names the key."""
    with pytest.raises(ConfigError, match=f"{key} = "):
        RetryLimits(**{key: value})  # type: ignore[arg-type]
