"""The breaker does what the specification says, whatever happens in whatever order."""

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, rule

from tamis.resilience.breaker import CircuitBreaker, Permit
from tamis.resilience.limits import BreakerLimits
from tamis.resilience.machine import BreakerState
from tests.support.hand_clock import HandClock

QUANTUM_S = 0.25
QUANTA = st.integers(1, 12)


@dataclass
class Model:
    """The sentences of the specification, one quantum of time after the other.

    3 failures open it (a success in CLOSED takes one failure off), 60 s later HALF_OPEN with a 5 s limit per call,
    2 successes close it, one failure opens it again; 5 rejections open it hard.
    """

    limits: BreakerLimits
    state: str = "closed"
    age: int = 0
    failures: int = 0
    successes: int = 0
    rejections: int = 0
    period: int = 0
    calls: set[int] = field(default_factory=set)
    probes: dict[int, int] = field(default_factory=dict)
    ages: dict[str, int] = field(default_factory=lambda: dict.fromkeys(BreakerState, 0))
    changes: list[tuple[str, str]] = field(default_factory=list)

    def go(self, state: str, *, age: int = 0) -> None:
        self.changes.append((self.state, state))
        self.ages[self.state] -= age
        self.ages[state] += age
        if state == "closed" or self.state == "hard_open":
            self.rejections = 0
        self.state, self.age = state, age
        self.failures = self.successes = 0
        self.probes, self.calls = {}, set()
        self.period += 1

    def pass_one(self) -> None:
        self.age += 1
        self.ages[self.state] += 1
        self.probes = {name: age + 1 for name, age in self.probes.items()}
        self.probe_is_late()
        if self.state == "open" and self.age * QUANTUM_S == self.limits.open_s:
            self.go("half_open")
        if self.state == "hard_open" and self.age * QUANTUM_S == self.limits.hard_open_s:
            self.go("half_open")

    def probe_is_late(self) -> None:
        if any(age * QUANTUM_S > self.limits.half_open_call_s for age in self.probes.values()):
            self.go("open", age=1)

    def may_call(self) -> bool:
        if self.state == "half_open":
            return len(self.probes) < self.limits.probes_max
        return self.state == "closed"

    def success(self) -> None:
        if self.state == "closed":
            self.failures = max(0, self.failures - 1)
            self.rejections = max(0, self.rejections - 1)
        else:
            self.successes += 1
            if self.successes == self.limits.successes_to_close:
                self.go("closed")

    def failure(self) -> None:
        if self.state == "closed":
            self.failures += 1
            if self.failures < self.limits.failures_to_open:
                return
        self.go("open")

    def rejection(self, *, was_a_call: bool) -> None:
        if self.state == "hard_open":
            return
        self.rejections += 1
        if self.rejections == self.limits.rejections_to_hard_open:
            self.go("hard_open")
        elif was_a_call and self.state == "half_open":
            self.go("open")


class BreakerAgainstModel(RuleBasedStateMachine):
    """Calls begin, end in any order and late; work is rejected; time goes by; somebody resets."""

    permits = Bundle("permits")

    @initialize(
        limits=st.builds(
            BreakerLimits,
            failures_to_open=st.integers(1, 4),
            open_s=st.sampled_from([QUANTUM_S, 1.0, 2.0]),
            half_open_call_s=st.sampled_from([QUANTUM_S, 0.5, 1.5]),
            successes_to_close=st.integers(1, 3),
            probes_max=st.integers(1, 3),
            rejections_to_hard_open=st.integers(1, 5),
            hard_open_s=st.sampled_from([None, 2.0, 3.0]),
        )
    )
    def begin(self, limits: BreakerLimits) -> None:
        self.clock = HandClock()
        self.breaker = CircuitBreaker("it", limits, clock=self.clock)
        self.model = Model(limits)
        self.told: list[tuple[str, str]] = []
        self.breaker.listen(lambda change: self.told.append((change.before.value, change.after.value)))
        self.answers = dict.fromkeys(("permitted", "refused"), 0)
        self.names = 0

    @rule(target=permits)
    def call_begins(self) -> tuple[Permit | None, int, int]:
        permit = self.breaker.allow()
        assert (permit is not None) == self.model.may_call()
        self.answers["permitted" if permit else "refused"] += 1
        self.names += 1
        if permit is not None:
            self.model.calls.add(self.names)
            if self.model.state == "half_open":
                self.model.probes[self.names] = 0
        return permit, self.model.period, self.names

    @rule(begun=permits, how=st.sampled_from(["success", "failure", "rejected", "release"]))
    def call_ends(self, begun: tuple[Permit | None, int, int], how: str) -> None:
        permit, period, name = begun
        if permit is None or permit._ticket is None:
            return
        getattr(permit, how)()
        if period != self.model.period:
            return
        self.model.calls.remove(name)
        self.model.probes.pop(name, None)
        if how == "success":
            self.model.success()
        elif how == "failure":
            self.model.failure()
        elif how == "rejected":
            self.model.rejection(was_a_call=True)

    @rule(begun=permits)
    def call_ends_twice(self, begun: tuple[Permit | None, int, int]) -> None:
        if begun[0] is not None and begun[0]._ticket is None:
            begun[0].failure()
            begun[0].success()

    @rule()
    def work_is_rejected(self) -> None:
        self.breaker.register_rejection()
        self.model.rejection(was_a_call=False)

    @rule(quanta=QUANTA)
    def time_goes_by(self, quanta: int) -> None:
        self.clock.pass_s(quanta * QUANTUM_S)
        for _ in range(quanta):
            self.model.pass_one()

    @rule()
    def somebody_resets(self) -> None:
        self.breaker.reset()
        if self.model.state != "closed":
            self.model.go("closed")
        self.model.failures = self.model.rejections = 0

    @rule()
    def somebody_looks(self) -> None:
        assert self.breaker.state == self.model.state
        assert self.told == self.model.changes
        metrics = self.breaker.metrics()
        assert {state: quanta * QUANTUM_S for state, quanta in self.model.ages.items()} == metrics.seconds
        assert sum(metrics.entered.values()) == len(self.told)
        counts = metrics.counts
        assert (counts.permitted, counts.refused) == (self.answers["permitted"], self.answers["refused"])
        settled = counts.successes + counts.failures + counts.rejected_calls + counts.abandoned + counts.stale
        assert counts.permitted == settled + metrics.under_way
        assert metrics.under_way == len(self.model.calls)
        assert counts.expired <= counts.failures
        assert metrics.listener_errors == 0

    def teardown(self) -> None:
        if hasattr(self, "breaker"):
            self.somebody_looks()


TestBreakerAgainstModel = BreakerAgainstModel.TestCase
TestBreakerAgainstModel.settings = settings(max_examples=200, stateful_step_count=60)
