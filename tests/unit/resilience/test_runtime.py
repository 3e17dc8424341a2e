"""What people do with two engines, of which one may fail."""

import asyncio
import contextvars
import gc
import os
import threading

import pytest

from tamis.errors import BreakerOpenError, CallTimeoutError, TaskRejectedError
from tamis.resilience.breaker import CircuitBreaker
from tamis.resilience.executor import ExecutorLimits, TaskExecutor
from tamis.resilience.limits import BreakerLimits
from tamis.resilience.machine import Verdict
from tamis.resilience.runtime import TRIALS_MAX, RuntimeManager
from tamis.resilience.runtime_calls import Calls
from tamis.telemetry.status import StatusBoard
from tests.support.hand_clock import HandClock

WAIT_S = 60


class Gpu:
    """An engine that works or fails as a test says."""

    def __init__(self, name: str = "gpu") -> None:
        self.name = name
        self.error: Exception | None = ConnectionError() if name == "broken" else None
        self.calls = 0

    def embed(self, text: str) -> str:
        self.calls += 1
        if self.error is not None:
            raise self.error
        return f"{text} by {self.name}"


def embed(engine: Gpu) -> str:
    return engine.embed("a")


async def aembed(engine: Gpu) -> str:
    await asyncio.sleep(0)
    return engine.embed("a")


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def gpu() -> Gpu:
    return Gpu()


@pytest.fixture
def manager(gpu: Gpu, clock: HandClock) -> RuntimeManager[Gpu]:
    return RuntimeManager(gpu, Gpu("cpu"), name="embedding", clock=clock, board=StatusBoard(clock=clock))


def fail_over(manager: RuntimeManager[Gpu], gpu: Gpu) -> None:
    gpu.error = ConnectionError("gone")
    for _ in range(3):
        assert manager.run(embed) == "a by cpu"
    assert manager.is_in_fallback_mode()


def test_a_call_that_fails_is_made_again_on_the_fallback(manager: RuntimeManager[Gpu], gpu: Gpu) -> None:
    """Three failures, each answered by the fallback; then the primary is left alone until sixty seconds are over."""
    assert manager.run(embed) == "a by gpu"
    fail_over(manager, gpu)
    before = gpu.calls
    for _ in range(10):
        assert manager.run(embed) == "a by cpu"
    assert gpu.calls == before


def test_two_trials_that_work_bring_the_primary_back(
    manager: RuntimeManager[Gpu], gpu: Gpu, clock: HandClock
) -> None:
    """One that fails does not, and is answered by the fallback as well."""
    fail_over(manager, gpu)
    clock.pass_s(60)
    assert manager.run(embed) == "a by cpu"
    assert manager.get_metrics()["state"] == "open"
    gpu.error = None
    clock.pass_s(60)
    assert manager.run(embed) == "a by gpu"
    assert manager.is_in_fallback_mode()
    assert manager.run(embed) == "a by gpu"
    assert not manager.is_in_fallback_mode()


def test_coroutines_have_the_same_rules(manager: RuntimeManager[Gpu], gpu: Gpu, clock: HandClock) -> None:
    """Fallback within the call, and back after two trials."""

    async def everything() -> list[str]:
        found = [await manager.arun(aembed)]
        gpu.error = ConnectionError("gone")
        found += [await manager.arun(aembed) for _ in range(4)]
        assert gpu.calls == 4
        gpu.error = None
        clock.pass_s(60)
        return [*found, *[await manager.arun(aembed) for _ in range(2)]]

    assert asyncio.run(everything()) == ["a by gpu", *["a by cpu"] * 4, *["a by gpu"] * 2]
    assert not manager.is_in_fallback_mode()


def test_without_retrying_the_error_is_the_callers(gpu: Gpu, clock: HandClock) -> None:
    """What must not be done twice is not; the next calls go to the fallback all the same."""
    manager = RuntimeManager(gpu, Gpu("cpu"), is_retrying=False, clock=clock)
    gpu.error = ConnectionError("gone")
    for _ in range(3):
        with pytest.raises(ConnectionError):
            manager.run(embed)
    assert manager.run(embed) == "a by cpu"


def test_the_callers_own_mistake_says_nothing_about_the_engine(gpu: Gpu, clock: HandClock) -> None:
    """It is not tried again, and counts neither way."""

    def judge(error: Exception) -> Verdict:
        return Verdict.NONE if isinstance(error, ValueError) else Verdict.FAILURE

    cpu = Gpu("cpu")
    manager = RuntimeManager(gpu, cpu, classify=judge, clock=clock)
    gpu.error = ValueError("no text")
    for _ in range(10):
        with pytest.raises(ValueError, match="no text"):
            manager.run(embed)
    assert not manager.is_in_fallback_mode()
    assert cpu.calls == 0
    assert manager.get_metrics()["engines"]["primary"]["abandoned"] == 10


def test_where_both_fail_the_caller_sees_both_errors(manager: RuntimeManager[Gpu], gpu: Gpu) -> None:
    """The fallback's error, raised while the primary's was being handled."""
    gpu.error = ConnectionError("gpu is gone")

    def work(engine: Gpu) -> str:
        if engine is not gpu:
            raise OSError("no memory")
        return embed(engine)

    with pytest.raises(OSError, match="no memory"):
        manager.run(work)
    assert manager.get_metrics()["engines"]["fallback"]["failures"] == 1
    manager.register_rejection()
    for _ in range(2):
        manager.handle_failure()
    for _ in range(3):
        with pytest.raises(OSError, match="no memory"):
            manager.run(work)
    assert manager.get_metrics()["engines"]["fallback"]["calls"] == 4


def test_without_a_fallback_an_open_breaker_refuses(gpu: Gpu, clock: HandClock) -> None:
    """With the time to come back at."""
    manager = RuntimeManager(gpu, clock=clock)
    gpu.error = ConnectionError("gone")
    for _ in range(3):
        with pytest.raises(ConnectionError):
            manager.run(embed)
    with pytest.raises(BreakerOpenError) as refused:
        manager.run(embed)
    assert refused.value.retry_after_s == 60


def test_a_trial_that_hangs_is_answered_by_the_fallback_at_its_limit(gpu: Gpu) -> None:
    """On a thread, which cannot be stopped: its late answer changes nothing, and nobody waits for it."""
    clock = HandClock()
    limits = BreakerLimits(half_open_call_s=0.05)
    manager = RuntimeManager(gpu, Gpu("cpu"), limits=limits, clock=clock)
    fail_over(manager, gpu)
    gpu.error = None
    clock.pass_s(60)
    go = threading.Event()

    def hang(engine: Gpu) -> str:
        if engine is gpu:
            assert go.wait(WAIT_S)
        return embed(engine)

    assert manager.run(hang) == "a by cpu"
    assert manager.get_metrics()["state"] == "open"
    assert manager.get_metrics()["trying"] == 1
    go.set()
    for thread in threading.enumerate():
        if thread.name.startswith("tamis-try"):
            thread.join(WAIT_S)
    found = manager.get_metrics()
    assert (found["state"], found["trying"], found["engines"]["primary"]["under_way"]) == ("open", 0, 0)


def test_there_is_an_end_to_trials_that_hang(gpu: Gpu) -> None:
    """So many threads and no more; when they end, the primary is tried again."""
    clock = HandClock()
    manager = RuntimeManager(gpu, Gpu("cpu"), limits=BreakerLimits(half_open_call_s=0.01), clock=clock)
    fail_over(manager, gpu)
    gpu.error = None
    go = threading.Event()

    def hang(engine: Gpu) -> str:
        if engine is gpu:
            assert go.wait(WAIT_S)
        return embed(engine)

    for _ in range(TRIALS_MAX + 3):
        clock.pass_s(60)
        assert manager.run(hang) == "a by cpu"
    assert manager.get_metrics()["trying"] == TRIALS_MAX
    go.set()
    for thread in threading.enumerate():
        if thread.name.startswith("tamis-try"):
            thread.join(WAIT_S)
    clock.pass_s(60)
    assert manager.run(embed) == "a by gpu"


def test_a_trial_without_a_thread_is_no_trial_that_hangs(
    manager: RuntimeManager[Gpu], gpu: Gpu, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While no thread is to be had the fallback answers; as soon as there is one, the primary is tried again."""
    fail_over(manager, gpu)
    gpu.error = None

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as short:
        short.setattr(threading.Thread, "start", refuse)
        for _ in range(TRIALS_MAX + 1):
            clock.pass_s(60)
            assert manager.run(embed) == "a by cpu"
    assert manager.get_metrics()["trying"] == 0
    clock.pass_s(60)
    assert manager.run(embed) == "a by gpu"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork: this system has none")
def test_a_child_process_tries_the_primary_whatever_hangs_in_its_parent(gpu: Gpu) -> None:
    """The threads that hang stayed with the parent, which goes on waiting for them."""
    clock = HandClock()
    manager = RuntimeManager(gpu, Gpu("cpu"), limits=BreakerLimits(half_open_call_s=0.01), clock=clock)
    fail_over(manager, gpu)
    go = threading.Event()
    for _ in range(TRIALS_MAX):
        clock.pass_s(60)
        assert manager.run(lambda engine: "cpu" if engine.name == "cpu" else str(go.wait(WAIT_S))) == "cpu"
    gpu.error = None
    child = os.fork()
    if child == 0:
        clock.pass_s(60)
        fits = manager.get_metrics()["trying"] == 0 and manager.run(embed) == "a by gpu"
        os._exit(0 if fits else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert manager.get_metrics()["trying"] == TRIALS_MAX
    go.set()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork: this system has none")
def test_a_trial_that_forks_is_no_trial_of_the_child(gpu: Gpu, clock: HandClock) -> None:
    """It ends in both processes, and is counted in the one that began it."""
    manager = RuntimeManager(gpu, Gpu("cpu"), clock=clock)
    fail_over(manager, gpu)
    gpu.error = None
    clock.pass_s(60)
    begun = manager._counts.trial_begins()
    child = os.fork()
    begun()
    if child == 0:
        os._exit(0 if manager.get_metrics()["trying"] == 0 else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert manager.get_metrics()["trying"] == 0


def test_an_engine_whose_own_breaker_is_open_refuses(clock: HandClock) -> None:
    """The call is made on the fallback, and says nothing against the engine; without a second try the caller hears."""
    own = CircuitBreaker("http", BreakerLimits(failures_to_open=1), clock=clock)

    def ask(engine: str) -> str:
        return engine if engine == "local" else own.call(fail)

    def fail() -> str:
        raise ConnectionError("gone")

    async def aask(engine: str) -> str:
        return ask(engine)

    manager = RuntimeManager("remote", "local", clock=clock)
    for _ in range(5):
        assert manager.run(ask) == "local"
        assert asyncio.run(manager.arun(aask)) == "local"
    found = manager.get_metrics()
    assert (found["state"], found["engines"]["primary"]["abandoned"], found["repeated"]) == ("closed", 9, 10)
    with pytest.raises(BreakerOpenError, match="http"):
        RuntimeManager("remote", "local", is_retrying=False, clock=clock).run(ask)


def test_a_trial_has_the_callers_context_and_raises_on_its_thread(
    manager: RuntimeManager[Gpu], gpu: Gpu, clock: HandClock
) -> None:
    """What the caller bound is bound there, and an error comes with its trace."""
    bound = contextvars.ContextVar("bound", default="")
    fail_over(manager, gpu)
    clock.pass_s(60)
    bound.set("here")
    assert manager.run(lambda engine: f"{bound.get()} {engine.name}") == "here gpu"


def test_a_coroutine_that_hangs_on_trial_is_cancelled(gpu: Gpu, clock: HandClock) -> None:
    """Its caller has the fallback's answer; without one CallTimeoutError."""
    limits = BreakerLimits(failures_to_open=1, half_open_call_s=0.02)
    cancelled: list[str] = []

    async def hang(engine: Gpu) -> str:
        if engine is not gpu:
            return engine.name
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(engine.name)
            raise
        return "never"

    for fallback in (Gpu("cpu"), None):
        manager = RuntimeManager(gpu, fallback, limits=limits, clock=clock)
        manager.handle_failure()
        clock.pass_s(60)
        if fallback is not None:
            assert asyncio.run(manager.arun(hang)) == "cpu"
        else:
            with pytest.raises(CallTimeoutError):
                asyncio.run(manager.arun(hang))
        assert manager.get_metrics()["state"] == "open"
    assert cancelled == ["gpu", "gpu"]


def test_a_cancelled_caller_says_nothing_about_the_engine(manager: RuntimeManager[Gpu]) -> None:
    """It counts as abandoned, and is not made again on the fallback."""

    async def cancel() -> None:
        begun = asyncio.Event()

        async def hang(engine: Gpu) -> None:
            begun.set()
            await asyncio.Event().wait()

        for _ in range(5):
            begun.clear()
            task = asyncio.create_task(manager.arun(hang))
            await asyncio.wait_for(begun.wait(), WAIT_S)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(cancel())
    found = manager.get_metrics()
    assert not manager.is_in_fallback_mode()
    assert (found["engines"]["primary"]["abandoned"], found["engines"]["fallback"]["calls"]) == (5, 0)


def test_calls_told_by_their_task(manager: RuntimeManager[Gpu], gpu: Gpu, clock: HandClock) -> None:
    """Who calls an engine in their own way asks for it and says how it went, in any order of tasks."""
    for number in range(3):
        assert manager.get_engine_for(number) is gpu
    for number in (2, 0, 1):
        manager.handle_failure(number, OSError())
    assert manager.is_in_fallback_mode()
    assert manager.get_engine_for({"not": "hashable"}).name == "cpu"
    manager.handle_success({"another": "object"})  # unknown, and the breaker is open: it changes nothing
    assert manager.get_metrics()["state"] == "open"
    clock.pass_s(60)
    task = ["unhashable"]
    assert manager.get_engine_for(task) is gpu
    assert manager.get_engine_for("another").name == "cpu"
    manager.handle_success(task)
    manager.handle_success("another")
    assert manager.get_engine_for() is gpu
    manager.handle_success()
    assert not manager.is_in_fallback_mode()


def test_verdicts_without_a_call_speak_of_the_primary(manager: RuntimeManager[Gpu], clock: HandClock) -> None:
    """Three failures, less the successes between; an error may be the only argument."""
    manager.handle_failure()
    manager.handle_failure(OSError())
    manager.handle_success()
    manager.handle_failure()
    assert not manager.is_in_fallback_mode()
    manager.handle_failure()
    assert manager.is_in_fallback_mode()
    assert manager.get_metrics()["counts"]["refused"] == 0
    clock.pass_s(60)
    manager.handle_success()
    manager.handle_success()
    assert not manager.is_in_fallback_mode()


def test_five_rejections_open_it_hard(manager: RuntimeManager[Gpu], gpu: Gpu, clock: HandClock) -> None:
    """Whoever tells of them; then only a reset brings the primary back."""
    for number in range(3):
        manager.get_engine_for(number)
        manager.register_rejection(number)
    manager.register_rejection()
    gpu.error = TaskRejectedError("gpu", "embed", "100 tasks wait")
    assert manager.run(embed) == "a by cpu"
    assert manager.get_metrics()["state"] == "hard_open"
    gpu.error = None
    clock.pass_s(10**6)
    assert manager.run(embed) == "a by cpu"
    manager.reset()
    assert manager.run(embed) == "a by gpu"


def test_a_full_executor_opens_it_hard(manager: RuntimeManager[Gpu]) -> None:
    """The queue before the engine tells its breaker."""
    go = threading.Event()
    with TaskExecutor(
        "gpu", ExecutorLimits(waiting_max=1, workers_max=1), breaker=manager.breaker
    ) as executor:
        executor.enqueue_task(go.wait, WAIT_S)
        refused = 0
        while refused < 5:
            try:
                executor.enqueue_task(int)
            except TaskRejectedError:
                refused += 1
        go.set()
    assert manager.get_metrics()["state"] == "hard_open"


def test_an_engine_may_be_a_manager(clock: HandClock) -> None:
    """A server, else the GPU, else the CPU; each with its own breaker, and what it guards fails by itself."""
    server, gpu, cpu = Gpu("server"), Gpu("gpu"), Gpu("cpu")
    inner = RuntimeManager(gpu, cpu, name="inner", clock=clock)
    manager: RuntimeManager[Gpu] = RuntimeManager(server, inner, name="outer", clock=clock)
    assert manager.run(embed) == "a by server"
    server.error = gpu.error = ConnectionError("gone")
    for _ in range(5):
        assert manager.run(embed) == "a by cpu"
    assert (server.calls, gpu.calls) == (4, 3)
    assert manager.get_engine_for("x") is cpu
    manager.handle_success("x")
    assert inner.get_metrics()["engines"]["fallback"]["successes"] == 6
    clock.pass_s(60)
    server.error = gpu.error = None
    assert asyncio.run(manager.arun(aembed)) == "a by server"
    with manager.choose() as choice:
        assert (choice.engine, choice.limit_s) == (server, 5)


def test_a_primary_manager_with_no_engine_left_is_no_failure_of_it(clock: HandClock) -> None:
    """Its breaker is open: nothing was tried, the outer one goes to its own fallback, however it is asked."""
    gpu, cpu = Gpu("broken"), Gpu("cpu")
    inner: RuntimeManager[Gpu] = RuntimeManager(gpu, name="inner", clock=clock)
    for _ in range(3):
        inner.handle_failure()
    manager: RuntimeManager[Gpu] = RuntimeManager(inner, cpu, name="outer", is_retrying=False, clock=clock)
    for _ in range(5):
        assert manager.run(embed) == "a by cpu"
        assert manager.get_engine_for(1) is cpu
        manager.handle_success(1)
    assert gpu.calls == 0
    assert not manager.is_in_fallback_mode()


def test_every_call_and_second_is_in_the_metrics(
    manager: RuntimeManager[Gpu], gpu: Gpu, clock: HandClock
) -> None:
    """By engine and verdict, by state, and how often a call was made again."""

    def slow(engine: Gpu) -> str:
        clock.pass_s(2 if engine is gpu else 3)
        return embed(engine)

    manager.run(slow)
    gpu.error = ConnectionError("gone")
    for _ in range(4):
        manager.run(slow)
    found = manager.get_metrics()
    primary, fallback = found["engines"]["primary"], found["engines"]["fallback"]
    assert (primary["calls"], primary["successes"], primary["failures"], primary["seconds"]) == (4, 1, 3, 8)
    assert (fallback["calls"], fallback["successes"], fallback["seconds"]) == (4, 4, 12)
    assert (found["repeated"], found["entered"]["open"], found["seconds"]["open"]) == (3, 1, 6)
    assert found["last_failure"] == "ConnectionError"
    assert found["retry_after_s"] == 54


def test_the_status_board_says_so_while_the_fallback_works(gpu: Gpu, clock: HandClock) -> None:
    """Degraded from the first failure that opens it until it is closed, or gone."""
    board = StatusBoard(clock=clock)
    manager = RuntimeManager(gpu, Gpu("cpu"), name="embedding", clock=clock, board=board)
    fail_over(manager, gpu)
    (found,) = board.look().degraded
    assert (found.name, found.text) == ("engine embedding", "calls go to the fallback engine (3 failures)")
    manager.reset()
    assert board.look().degraded == []
    fail_over(manager, gpu)
    gpu.error = None  # its trace holds the manager
    del manager
    gc.collect()
    assert board.look().degraded == []


def test_calls_that_nobody_ends_are_forgotten(gpu: Gpu, clock: HandClock) -> None:
    """The oldest make room and count as given up."""
    manager = RuntimeManager(gpu, clock=clock)
    calls: Calls[Gpu] = Calls(calls_max=10)
    manager._calls = calls
    for number in range(100):
        manager.get_engine_for(number % 20)
    assert len(calls) == 10
    assert manager.get_metrics()["engines"]["primary"]["abandoned"] == 90


def test_a_call_is_ended_by_the_thread_that_made_it(manager: RuntimeManager[Gpu], gpu: Gpu) -> None:
    """Without a name for the task, each thread speaks of its own call."""
    seen: list[str] = []
    manager.get_engine_for()

    def other() -> None:
        fail_over(manager, gpu)
        seen.append(manager.get_engine_for().name)
        manager.handle_success()

    thread = threading.Thread(target=other)
    thread.start()
    thread.join(WAIT_S)
    assert seen == ["cpu"]
    found = manager.get_metrics()["engines"]
    assert (found["fallback"]["under_way"], found["primary"]["under_way"]) == (0, 1)


def test_a_verdict_without_a_task_ends_no_call_of_another_thread(manager: RuntimeManager[Gpu]) -> None:
    """It speaks of the primary engine, as where no call is known; a named task may end on any thread."""
    manager.get_engine_for()
    manager.get_engine_for("named")
    thread = threading.Thread(target=manager.handle_failure)
    thread.start()
    thread.join(WAIT_S)
    found = manager.get_metrics()["engines"]["primary"]
    assert (found["under_way"], found["failures"]) == (2, 1)
    thread = threading.Thread(target=manager.handle_success, args=("named",))
    thread.start()
    thread.join(WAIT_S)
    manager.handle_success()
    found = manager.get_metrics()["engines"]["primary"]
    assert (found["under_way"], found["successes"]) == (0, 2)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork: this system has none")
def test_a_child_process_waits_for_no_lock_of_its_parent(manager: RuntimeManager[Gpu]) -> None:
    """Another thread may hold it at the fork."""
    held, go = threading.Event(), threading.Event()

    def hold() -> None:
        with manager._counts._lock, manager._calls._lock:
            held.set()
            go.wait(WAIT_S)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(WAIT_S)
    child = os.fork()
    if child == 0:
        manager.get_engine_for()
        manager.handle_success()
        os._exit(0 if manager.run(embed) == "a by gpu" else 1)
    assert os.waitpid(child, 0)[1] == 0
    go.set()
    thread.join(WAIT_S)
