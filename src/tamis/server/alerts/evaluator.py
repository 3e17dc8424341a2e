"""`Evaluator`: keeps every rule's view up to date with the store, judges it, and writes down what follows."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from tamis.clock import NS_PER_S, SYSTEM_CLOCK, Clock
from tamis.errors import ConfigError, TamisError
from tamis.metadata.alert_rows import Change, Happened, Incident, RuleRow, Silence, Waiting
from tamis.metadata.alerts import AlertBook
from tamis.metadata.rules import RuleBook
from tamis.pipeline.alerts.alert import State
from tamis.server.alerts.absence import AbsenceWatch
from tamis.server.alerts.awake import SLEPT_S_MIN, Awake
from tamis.server.alerts.counted import CountWatch
from tamis.server.alerts.counting import Counted
from tamis.server.alerts.judge import Verdict, is_forgotten, judge, settled_ns
from tamis.server.alerts.message import make_alert
from tamis.server.alerts.options import AlertOptions
from tamis.server.alerts.rule import Compiled, Rule, compile_rule
from tamis.server.alerts.silence import silence_of
from tamis.server.alerts.table import TableWatch
from tamis.server.alerts.watch import Look, Reading, Watch
from tamis.store.base import Budget, Store
from tamis.telemetry.metrics import Metrics

NOTED_EVERY_NS = 30 * NS_PER_S
"""How far rules have read is written down this often, where nothing else is to be written."""


@dataclass(slots=True)
class Active:
    """A rule at work. `taken`: its view holds everything up to this sequence; `seen`: so does what is written down."""

    row: RuleRow
    compiled: Compiled
    watch: Watch
    incidents: dict[str, Incident]
    seen: int
    taken: int
    is_open: bool = False
    kept: dict[str, Incident] = field(default_factory=dict)
    """Incidents as they are written down."""
    noted_ns: int = 0
    error: str = ""
    late: int = 0

    @property
    def rule(self) -> Rule:
        """The rule."""
        return self.compiled.rule


@dataclass(slots=True)
class Outcome:
    """What one evaluation came to, not yet written down."""

    change: Change
    incidents: dict[str, Incident]
    is_urgent: bool
    told: list[State]

    @property
    def is_news(self) -> bool:
        """Whether it cannot wait."""
        return self.is_urgent or bool(self.change.forgotten or self.change.happened)


class Evaluator:
    """For one thread; `load` and `tick` block. A rule that fails is tried again with the next tick, from where it was:
    no record is passed over, and what was told is written down together with how far the rule has read.
    """

    def __init__(
        self,
        store: Store,
        rules: RuleBook,
        book: AlertBook,
        options: AlertOptions,
        *,
        metrics: Metrics,
        clock: Clock = SYSTEM_CLOCK,
        looked_every_s: float = 1.0,
    ) -> None:
        self._store, self._rules, self._book, self._options = store, rules, book, options
        self._metrics, self._clock = metrics, clock
        self.active: dict[str, Active] = {}
        self.broken: dict[str, str] = {}
        """Rules that cannot be read, by their names, and why: an older release's, or a library is missing."""
        self._silences: list[Silence] = []
        self._budget: Budget | None = None
        last = max((row.evaluated_ns for row in rules.rules() if row.evaluated_ns is not None), default=None)
        gap_s = max(SLEPT_S_MIN, 3 * looked_every_s)
        self._awake = Awake(clock, grace_s=options.grace_s, last_ns=last, gap_s=gap_s)

    def cancel(self) -> None:
        """Call off the question that runs now; from any thread."""
        budget = self._budget
        if budget is not None:
            budget.cancel()

    def load(self) -> None:
        """Read the rules anew; what is known of those that did not change stays."""
        rows = {row.name: row for row in self._rules.rules()}
        kept = {
            name: one for name, one in self.active.items() if name in rows and rows[name].data == one.row.data
        }
        for name, one in kept.items():
            one.row = rows[name]
        self.broken, fresh = {}, {}
        for name, row in rows.items():
            if name not in kept:
                made = self._made(row)
                if made is not None:
                    fresh[name] = made
        self.active = {name: one for name, one in sorted({**kept, **fresh}.items()) if one.rule.enabled}
        self._metrics.set("tamis_alerts_rules", len(self.active))

    def _made(self, row: RuleRow) -> Active | None:
        try:
            compiled = compile_rule(msgspec.json.decode(row.data, type=Rule))
        except (ConfigError, msgspec.MsgspecError) as error:
            self.broken[row.name] = str(error)
            return None
        newest = self._store.moment()[-1]
        seen = newest if row.seen_seq is None else min(row.seen_seq, newest)
        incidents = {one.key: one for one in self._book.incidents(row.name)}
        return Active(row, compiled, self._watch(compiled, row), incidents, seen, seen, kept=dict(incidents))

    def _watch(self, compiled: Compiled, row: RuleRow) -> Watch:
        most = self._options.groups_max
        if compiled.stats is not None:
            return TableWatch(compiled, most, evaluated_ns=row.evaluated_ns)
        if compiled.rule.kind == "absence":
            return AbsenceWatch(compiled, most, awake=self._awake, since_ns=row.changed_ns)
        return CountWatch(compiled, most, judged_ns=row.evaluated_ns)

    def tick(self) -> list[State]:
        """Look at everything that came, judge every rule, write down what follows; what was told."""
        now_ns, as_of = self._awake.look(), self._store.moment()[-1]
        self._silences = self._rules.silences() if self.active else []
        done: list[tuple[Active, Outcome]] = []
        shared: dict[Any, list[Counted]] = {}
        for active in self.active.values():
            outcome = self._try(active, now_ns, as_of, shared)
            if outcome is not None:
                done.append((active, outcome))
        noted = [
            (active, outcome)
            for active, outcome in done
            if outcome.is_news or now_ns - active.noted_ns >= NOTED_EVERY_NS or active.noted_ns > now_ns
        ]
        if noted:
            self._book.keep([outcome.change for _, outcome in noted])
        for active, outcome in noted:
            active.noted_ns, active.kept = now_ns, outcome.incidents
        for active, outcome in done:
            active.seen, active.incidents = active.taken, outcome.incidents
            active.watch.settle(now_ns)
        return self._counted([outcome for _, outcome in done])

    def _counted(self, outcomes: Sequence[Outcome]) -> list[State]:
        told = [state for outcome in outcomes for state in outcome.told]
        for state in told:
            self._metrics.add("tamis_alerts_told_total", 1, state)
        firing = sum(not one.is_over for active in self.active.values() for one in active.incidents.values())
        self._metrics.set("tamis_alerts_firing", firing)
        return told

    def _try(
        self, active: Active, now_ns: int, as_of: int, shared: dict[Any, list[Counted]]
    ) -> Outcome | None:
        began = time.perf_counter()
        try:
            outcome = self._evaluate(active, now_ns, as_of, shared)
        except TamisError as error:
            self._metrics.add("tamis_alerts_evaluations_total", 1, "failed")
            is_new, active.error = not active.error, str(error)
            if is_new:
                what = Happened(
                    at_ns=now_ns, rule=active.rule.name, what="failed", detail={"error": str(error)}
                )
                self._book.add_happened(what)
            return None
        active.error = ""
        self._metrics.add("tamis_alerts_evaluations_total", 1, "ok")
        self._metrics.observe("tamis_alerts_evaluation_seconds", time.perf_counter() - began)
        late, active.late = active.watch.seen.late - active.late, active.watch.seen.late
        self._metrics.add("tamis_alerts_late_records_total", late)
        return outcome

    def _evaluate(self, active: Active, now_ns: int, as_of: int, shared: dict[Any, list[Counted]]) -> Outcome:
        self._budget = Budget(self._options.query_timeout_s)
        look = Look(self._store, self._budget, now_ns, as_of, active.taken, shared)
        if not active.is_open:
            active.watch.open(replace(look, as_of=active.taken, after_seq=None))
            active.is_open = True
        active.watch.take(look)
        active.taken = as_of
        held = {key: settled_ns(one) for key, one in active.incidents.items()}
        return self._judged(active, active.watch.readings(now_ns, held), look)

    def _judged(self, active: Active, readings: Sequence[Reading] | None, look: Look) -> Outcome:
        incidents, is_urgent = dict(active.incidents), False
        waiting: list[Waiting] = []
        happened: list[Happened] = []
        told: list[State] = []
        for reading in readings or ():
            known = incidents.get(reading.key)
            labels = known.labels if known and not known.is_over else reading.labels
            silence = silence_of(self._silences, active.rule, labels, look.now_ns)
            verdict = judge(active.rule, known, reading, look.now_ns, silent=silence is not None)
            if verdict.incident is None or verdict.incident == known:
                continue
            incidents[reading.key] = verdict.incident
            is_urgent = is_urgent or _is_worth_keeping(known, verdict)
            happened += _happened(active.rule, known, verdict, silence, look.now_ns)
            if verdict.told is not None:
                told.append(verdict.told)
                made, notices = self._notices(active, verdict.incident, verdict.told, look, reading)
                incidents[reading.key] = made
                waiting += notices
        gone = [one for one in incidents.values() if is_forgotten(active.rule, one, look.now_ns)]
        for one in gone:
            del incidents[one.key]
        change = Change(
            rule=active.rule.name,
            changed_ns=active.row.changed_ns,
            seen_seq=look.as_of,
            evaluated_ns=self._evaluated_ns(active, readings, look.now_ns),
            incidents=[one for key, one in incidents.items() if active.kept.get(key) != one],
            forgotten=[one.id for one in gone],
            waiting=waiting,
            happened=happened,
        )
        return Outcome(change, incidents, is_urgent, told)

    def _evaluated_ns(self, active: Active, readings: Sequence[Reading] | None, now_ns: int) -> int:
        """Up to when it was judged; a rule that is asked on schedule was not judged between."""
        if readings is None and isinstance(active.watch, TableWatch) and active.watch.asked_ns is not None:
            return active.watch.asked_ns
        return now_ns

    def _notices(
        self, active: Active, incident: Incident, state: State, look: Look, reading: Reading
    ) -> tuple[Incident, list[Waiting]]:
        """What is to be told, and the incident with the beginning that is told."""
        if not active.rule.notify:
            return incident, []
        alert = make_alert(
            active.compiled, incident, state, look,
            reading=reading, url=self._options.url, lines_max=self._options.lines_max,
        )  # fmt: skip
        payload = msgspec.json.encode(alert)
        return msgspec.structs.replace(incident, began_ns=alert.began), [
            Waiting(
                id=f"{incident.id}-{incident.told}", rule=active.rule.name, channel=channel,
                payload=payload, created_ns=look.now_ns, next_ns=look.now_ns,
            )
            for channel in active.rule.notify
        ]  # fmt: skip


def _is_worth_keeping(known: Incident | None, verdict: Verdict) -> bool:
    """Whether a crash must not undo it. That an incident holds a little longer is found again from the records."""
    new = verdict.incident
    return (
        verdict.told is not None
        or known is None
        or new is None
        or known.id != new.id
        or known.is_over != new.is_over
    )


def _happened(
    rule: Rule, known: Incident | None, verdict: Verdict, silence: Silence | None, now_ns: int
) -> list[Happened]:
    """What the history says of it: never the records' texts."""
    incident = verdict.incident
    assert incident is not None
    what: str | None = verdict.told
    detail: dict[str, object] = {"incident": incident.id, "labels": incident.labels, "value": incident.value}
    if what is None and silence is not None and (known is None or known.id != incident.id):
        what, detail["silence"] = "silenced", silence.id
    elif what is None and incident.is_over and known is not None and not known.is_over:
        what = "over_untold"
    if what is None:
        return []
    detail["notice"] = f"{incident.id}-{incident.told}"
    return [Happened(at_ns=now_ns, rule=rule.name, what=what, detail=detail)]
