"""Two engines whatever happens in whatever order, and from many threads."""

import asyncio
import random
import sys
import threading
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, rule

from tamis.resilience.limits import BreakerLimits
from tamis.resilience.machine import Verdict
from tamis.resilience.runtime import RuntimeManager
from tamis.resilience.runtime_choice import Choice
from tests.support.hand_clock import HandClock

THREADS = 8


class Model:
    """When the primary is called, from the sentences of the specification alone; calls end in the state they began in
    or are forgotten."""

    def __init__(self) -> None:
        self.state, self.failures, self.rejections, self.successes, self.age = "closed", 0, 0, 0, 0
        self.round = 0
        self.trial_age: int | None = None

    def go(self, state: str) -> None:
        if state == "closed":
            self.rejections = 0
        self.state, self.failures, self.successes, self.age, self.trial_age = state, 0, 0, 0, None
        self.round += 1

    def is_primary(self) -> bool:
        return self.state == "closed" or (self.state == "half_open" and self.trial_age is None)

    def begin(self) -> int:
        if self.state == "half_open":
            self.trial_age = 0
        return self.round

    def end(self, begun: int, how: str) -> None:
        if begun != self.round:
            return
        self.trial_age = None
        if how == "success" and self.state == "closed":
            self.failures, self.rejections = max(0, self.failures - 1), max(0, self.rejections - 1)
        elif how == "success":
            self.successes += 1
            if self.successes == 2:
                self.go("closed")
        elif how == "failure":
            self.failures += 1
            if self.state == "half_open" or self.failures == 3:
                self.go("open")
        elif how == "rejection":
            self.reject()
            if self.state == "half_open":
                self.go("open")

    def reject(self) -> None:
        if self.state == "hard_open":
            return
        self.rejections += 1
        if self.rejections == 5:
            self.go("hard_open")

    def second(self) -> None:
        self.age += 1
        if self.state == "half_open" and self.trial_age is not None:
            self.trial_age += 1
            if self.trial_age > 5:
                self.go("open")
                self.age = 1
        elif self.state == "open" and self.age == 60:
            self.go("half_open")


class ManagerAgainstModel(RuleBasedStateMachine):
    """Calls begin and end in all the ways there are; both engines fail at will."""

    calls = Bundle("calls")

    @initialize()
    def begin(self) -> None:
        self.clock, self.model = HandClock(), Model()
        self.manager = RuntimeManager("gpu", "cpu", clock=self.clock, board=None)
        self.asked: Counter[str] = Counter()
        self.number = 0

    def expected(self) -> tuple[str, int | None]:
        engine = "gpu" if self.model.is_primary() else "cpu"
        self.asked[engine] += 1
        return engine, self.model.begin() if engine == "gpu" else None

    @rule(target=calls, is_named=st.booleans())
    def call_begins(self, is_named: bool) -> tuple[int, Choice[str] | None, int | None]:  # a rule's argument
        engine, begun = self.expected()
        self.number += 1
        if is_named:
            assert self.manager.get_engine_for(self.number) == engine
            return self.number, None, begun
        choice = self.manager.choose()
        assert choice.engine == engine
        assert (choice.limit_s == 5) == (engine == "gpu" and self.model.state == "half_open")
        return self.number, choice, begun

    @rule(call=consumes(calls), how=st.sampled_from(["success", "failure", "rejection"]))
    def call_ends(self, call: tuple[int, Choice[str] | None, int | None], how: str) -> None:
        number, choice, begun = call
        if choice is not None:
            choice.end(Verdict(how))
        elif how == "rejection":
            self.manager.register_rejection(number)
        else:
            getattr(self.manager, f"handle_{how}")(number)
        if begun is not None:
            self.model.end(begun, how)

    @rule(is_failing=st.booleans(), is_async=st.booleans())
    def call_is_run(self, is_failing: bool, is_async: bool) -> None:  # a rule's arguments
        engine, begun = self.expected()
        seen: list[str] = []

        def work(one: str) -> str:
            seen.append(one)
            if one == "gpu" and is_failing:
                raise OSError
            return one

        async def awork(one: str) -> str:
            return work(one)

        result = asyncio.run(self.manager.arun(awork)) if is_async else self.manager.run(work)
        if engine == "gpu" and is_failing:
            self.asked["cpu"] += 1
        assert seen == ["gpu", "cpu"][engine == "cpu" : 1 + (is_failing or engine == "cpu")]
        assert result == seen[-1]
        if begun is not None:
            self.model.end(begun, "failure" if is_failing else "success")

    @rule()
    def work_is_rejected(self) -> None:
        self.manager.register_rejection()
        self.model.reject()

    @rule(seconds=st.sampled_from([1, 4, 6, 30, 60]))
    def time_goes_by(self, seconds: int) -> None:
        self.clock.pass_s(seconds)
        for _ in range(seconds):
            self.model.second()

    @rule()
    def somebody_resets(self) -> None:
        self.manager.reset()
        if self.model.state != "closed":
            self.model.go("closed")
        self.model.failures = self.model.rejections = 0

    @rule()
    def somebody_looks(self) -> None:
        found = self.manager.get_metrics()
        assert found["state"] == self.model.state
        assert self.manager.is_in_fallback_mode() == (self.model.state != "closed")
        for role, engine in (("primary", "gpu"), ("fallback", "cpu")):
            counts = found["engines"][role]
            assert counts["calls"] == self.asked[engine]
            ended = sum(counts[name] for name in ("successes", "failures", "rejections", "abandoned"))
            assert counts["under_way"] == counts["calls"] - ended >= 0

    def teardown(self) -> None:
        if hasattr(self, "manager"):
            self.somebody_looks()


TestManagerAgainstModel = ManagerAgainstModel.TestCase
TestManagerAgainstModel.settings = settings(max_examples=60, stateful_step_count=40)


@pytest.fixture
def _switching_all_the_time() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("_switching_all_the_time")
def test_many_threads_lose_no_call() -> None:
    """Whatever fails when: each call has one answer, by the engine that the counts say."""
    limits = BreakerLimits(open_s=0.001, rejections_to_hard_open=10**6)
    manager = RuntimeManager("gpu", "cpu", limits=limits, board=None)
    seen: list[Counter[str]] = [Counter() for _ in range(THREADS)]

    def run(number: int) -> None:
        draw, mine = random.Random(number), seen[number]
        for step in range(300):
            how = draw.choice(["run", "named", "anonymous"])
            is_failing = draw.random() < 0.4

            def work(engine: str, *, fails: bool = is_failing) -> str:
                mine[engine] += 1
                if engine == "gpu" and fails:
                    raise OSError
                return engine

            if how == "run":
                answer = manager.run(work)
                assert answer == "cpu" or not is_failing
                continue
            task = (number, step) if how == "named" else None
            engine = manager.get_engine_for(task)
            mine[engine] += 1
            if engine == "gpu" and is_failing:
                manager.handle_failure(task, OSError())
            else:
                manager.handle_success(task)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    total: Counter[str] = sum(seen, Counter())
    engines = manager.get_metrics()["engines"]
    assert (engines["primary"]["calls"], engines["fallback"]["calls"]) == (total["gpu"], total["cpu"])
    assert engines["primary"]["under_way"] == engines["fallback"]["under_way"] == 0
    assert manager.get_metrics()["trying"] == 0
    assert total["cpu"] > 0
