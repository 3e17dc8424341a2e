"""A dry run: what a rule would have told in the past, by the records' own times, had they all come in time."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from tamis.clock import NS_PER_S
from tamis.errors import ConfigError
from tamis.metadata.alert_rows import Incident
from tamis.pipeline.alerts.alert import State
from tamis.server.alerts.absence import AbsenceWatch
from tamis.server.alerts.awake import Awake
from tamis.server.alerts.counted import CountWatch
from tamis.server.alerts.counting import Counted, Span, count_steps, shapes
from tamis.server.alerts.judge import is_forgotten, judge, settled_ns
from tamis.server.alerts.rule import Compiled
from tamis.server.alerts.table import TableWatch
from tamis.server.alerts.watch import Look, Reading, Watch
from tamis.server.alerts.windows import STEPS
from tamis.store.base import Budget, Store

TOLD_MAX = 1_000
ASKED_MAX = 5_000
"""So many times a rule on a table is asked at most."""


@dataclass(frozen=True, slots=True)
class Told:
    """What would have been told, and when."""

    at_ns: int
    state: State
    labels: dict[str, Any]
    value: float


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a dry run came to. `is_cut`: there would have been more."""

    told: list[Told]
    as_of: int
    is_cut: bool = False


class _Past:
    """A clock that stands where the run is."""

    def __init__(self, now_ns: int) -> None:
        self.instant_ns = now_ns

    def now_ns(self) -> int:
        """Where the run is."""
        return self.instant_ns

    def monotonic_s(self) -> float:
        """The same."""
        return self.instant_ns / NS_PER_S

    def sleep(self, seconds: float) -> None:
        """Go on."""
        self.instant_ns += round(seconds * NS_PER_S)


def dry_run(
    compiled: Compiled, store: Store, *, start_ns: int, end_ns: int, budget: Budget, groups_max: int
) -> DryRun:
    """Live through the time from start to end again. Raises what the store raises, and ConfigError when that would ask
    the store too often.
    """
    as_of = store.moment()[-1]
    run = _Run(compiled, store, start_ns, end_ns, budget=budget, groups_max=groups_max, as_of=as_of)
    told: list[Told] = []
    for one in run.told():
        if len(told) == TOLD_MAX:
            return DryRun(told, as_of, is_cut=True)
        told.append(one)
    return DryRun(told, as_of)


class _Run:
    def __init__(
        self,
        compiled: Compiled,
        store: Store,
        start_ns: int,
        end_ns: int,
        *,
        budget: Budget,
        groups_max: int,
        as_of: int,
    ) -> None:
        self._compiled, self._store, self._budget = compiled, store, budget
        self._start_ns, self._end_ns, self._as_of = start_ns, end_ns, as_of
        self._groups_max = groups_max
        self._incidents: dict[str, Incident] = {}
        self._step_ns = compiled.window_ns // STEPS

    def told(self) -> Iterator[Told]:
        """Everything that would have been told, oldest first."""
        if self._compiled.stats is not None:
            return self._by_table()
        if self._compiled.rule.kind == "absence":
            return self._by_absence()
        return self._by_count()

    def _look(self, now_ns: int) -> Look:
        self._budget.remaining_s()
        return Look(self._store, self._budget, now_ns, self._as_of)

    def _by_table(self) -> Iterator[Told]:
        every_ns = round(self._compiled.rule.every_s * NS_PER_S)
        span_ns = self._end_ns - self._start_ns
        if span_ns // every_ns > ASKED_MAX:
            days = math.floor(ASKED_MAX * every_ns / (86_400 * NS_PER_S) * 10) / 10
            reason = (
                f"would ask {span_ns // every_ns:,} times, over {ASKED_MAX:,}; take {days:g} days at most, or an every "
                f"of {math.ceil(span_ns / ASKED_MAX / NS_PER_S):,} s or more"
            )
            raise ConfigError(
                f"rule {self._compiled.name}: dry run", self._compiled.rule.every_s, "the request", reason
            )
        watch = TableWatch(self._compiled, self._groups_max, evaluated_ns=self._start_ns)
        for now_ns in range(-(-self._start_ns // every_ns) * every_ns, self._end_ns, every_ns):
            watch.take(self._look(now_ns))
            yield from self._judged(watch, now_ns)

    def _by_absence(self) -> Iterator[Told]:
        past = _Past(self._start_ns)
        watch = AbsenceWatch(
            self._compiled, self._groups_max, awake=Awake(past, grace_s=0.0), since_ns=self._start_ns
        )
        before = self._start_ns - max(self._compiled.window_ns, 86_400 * NS_PER_S)
        counted = self._counted(before)
        for step, some in self._steps(counted):
            now_ns = (step + 1) * self._step_ns
            watch.add([(one.values, now_ns - 1) for one in some], now_ns)
            if now_ns > self._start_ns:
                yield from self._judged(watch, now_ns)

    def _by_count(self) -> Iterator[Told]:
        watch = CountWatch(self._compiled, self._groups_max)
        if watch.is_about_shapes:
            first = shapes(self._store, self._compiled.filter, Span(None, self._as_of), self._budget)
            watch.known_shapes = {one for one, stamp in first.items() if stamp < self._start_ns}
            fresh = sorted(
                (stamp // self._step_ns, one) for one, stamp in first.items() if stamp >= self._start_ns
            )
            counted = [Counted((one,), step, 1) for step, one in fresh if step * self._step_ns < self._end_ns]
        else:
            counted = self._counted(self._start_ns - self._compiled.window_ns)
        totals = self._totals()
        for step, some in self._steps(counted, totals):
            now_ns = (step + 1) * self._step_ns - 1
            if watch.is_about_shapes:
                watch.add_shapes([one.values[0] for one in some], now_ns)
            else:
                watch.add(some, totals.get(step, ()), now_ns)
            if now_ns >= self._start_ns:
                yield from self._judged(watch, now_ns)

    def _counted(self, start_ns: int) -> list[Counted]:
        span = Span(None, self._as_of, start_ns, self._end_ns)
        found = self._compiled.filter
        return sorted(
            count_steps(self._store, found, self._compiled.fields, span, self._budget, step_ns=self._step_ns),
            key=lambda one: one.step,
        )

    def _totals(self) -> dict[int, list[Counted]]:
        """What a share is of, by step."""
        if self._compiled.of is None:
            return {}
        span = Span(None, self._as_of, self._start_ns - self._compiled.window_ns, self._end_ns)
        fields, step_ns = self._compiled.fields, self._step_ns
        found = count_steps(self._store, self._compiled.of, fields, span, self._budget, step_ns=step_ns)
        totals: dict[int, list[Counted]] = {}
        for one in found:
            totals.setdefault(one.step, []).append(one)
        return totals

    def _steps(
        self, counted: list[Counted], totals: dict[int, list[Counted]] | None = None
    ) -> Iterator[tuple[int, list[Counted]]]:
        """The steps at which something may change: where records lie, and each one while something holds or might."""
        by_step = {step: list(some) for step, some in groupby(counted, key=lambda one: one.step)}
        wanted = sorted({*by_step, *(totals or ())})
        last = (self._end_ns - 1) // self._step_ns
        step, place = (wanted[0] if wanted else self._start_ns // self._step_ns), 0
        while step <= last:
            if step % 256 == 0:
                self._budget.remaining_s()
            yield step, by_step.get(step, [])
            while place < len(wanted) and wanted[place] <= step:
                place += 1
            following = wanted[place] if place < len(wanted) else last + 1
            step = step + 1 if self._is_watched() else following

    def _is_watched(self) -> bool:
        """Whether something changes without records: an incident that is open, or what does not come."""
        is_open = any(not one.is_over for one in self._incidents.values())
        return is_open or self._compiled.rule.kind == "absence"

    def _judged(self, watch: Watch, now_ns: int) -> Iterator[Told]:
        rule = self._compiled.rule
        held = {key: settled_ns(one) for key, one in self._incidents.items()}
        readings: list[Reading] = watch.readings(now_ns, held) or []
        for reading in readings:
            known = self._incidents.get(reading.key)
            verdict = judge(rule, known, reading, now_ns, silent=False)
            if verdict.incident is None:
                continue
            self._incidents[reading.key] = verdict.incident
            if verdict.told is not None:
                yield Told(now_ns, verdict.told, verdict.incident.labels, verdict.incident.value)
        for key, incident in list(self._incidents.items()):
            if is_forgotten(rule, incident, now_ns):
                del self._incidents[key]
        watch.settle(now_ns)
