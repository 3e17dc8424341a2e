"""`TableWatch`: rules on what ``| stats`` says, asked on schedule."""

import operator
from collections.abc import Callable, Mapping

from tamis.clock import NS_PER_S
from tamis.query.values import numeric_value
from tamis.server.alerts.groups import key_of, labels_of
from tamis.server.alerts.rule import Compiled
from tamis.server.alerts.watch import Look, Reading, Watchfulness
from tamis.store.base import Question

COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
}


class TableWatch:
    """Asks the store at whole multiples of `every_s`, for the window that ends there. Of instants that were missed
    (the server was down) the last is asked for, once.
    """

    def __init__(self, compiled: Compiled, groups_max: int, *, evaluated_ns: int | None) -> None:
        self.compiled = compiled
        self.seen = Watchfulness(groups_max)
        self._every_ns = round(compiled.rule.every_s * NS_PER_S)
        self.asked_ns = evaluated_ns
        """The instant that it was asked for last."""
        self._rows: list[Reading] | None = None
        self._due_ns = 0

    def open(self, look: Look) -> None:
        """A rule that was never asked begins with the next instant."""
        if self.asked_ns is None:
            self.asked_ns = look.now_ns

    def take(self, look: Look) -> None:
        """Ask, when it is time."""
        due_ns = look.now_ns // self._every_ns * self._every_ns
        if self.asked_ns is not None and self.asked_ns >= due_ns:
            self.asked_ns = min(self.asked_ns, look.now_ns)  # the calendar may have been turned back
            return
        stats = self.compiled.stats
        assert stats is not None
        question = Question(self.compiled.filter, due_ns - self.compiled.window_ns, due_ns, look.as_of)
        table = look.store.stats(question, look.budget, stats=stats)
        self.seen.labels.clear()
        rows = []
        for row in table.rows:
            values, value = row[: len(stats.by)], numeric_value(row[-1])
            key, labels = key_of(values), labels_of(self.compiled.fields, values)
            if value is not None and self.seen.admit(key, labels):
                rows.append(self._reading(key, labels, float(value), due_ns))
        self._rows, self._due_ns = rows, due_ns

    def _reading(self, key: str, labels: dict[str, object], value: float, due_ns: int) -> Reading:
        rule = self.compiled.rule
        if not COMPARISONS[rule.compare](value, rule.threshold):
            return Reading(key, labels, value, is_met=False)
        return Reading(key, labels, value, True, due_ns, due_ns, due_ns - self.compiled.window_ns)

    def readings(self, now_ns: int, held: Mapping[str, int]) -> list[Reading] | None:
        """The rows, and groups with an incident that have none any more."""
        if self._rows is None:
            return None
        gone = held.keys() - {row.key for row in self._rows}
        return [*self._rows, *(Reading(key, {}, 0, is_met=False) for key in sorted(gone))]

    def settle(self, now_ns: int) -> None:
        """The instant is done."""
        if self._rows is not None:
            self.asked_ns, self._rows = self._due_ns, None
