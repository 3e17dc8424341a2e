"""`CountWatch`: rules that count: so many, so many a second, such a share, so many new shapes."""

from collections.abc import Iterable, Mapping

from tamis.clock import NS_PER_S
from tamis.query.ast import Filter
from tamis.server.alerts.counting import Counted, Span, count_steps, shapes
from tamis.server.alerts.groups import ALL, key_of, labels_of
from tamis.server.alerts.rule import Compiled
from tamis.server.alerts.watch import Look, Reading, Watchfulness
from tamis.server.alerts.windows import STEPS, Windows

SHAPES_MAX = 500_000
"""Shapes that a rule on new ones knows; with more nothing is new any more, and its state says so."""


class CountWatch:
    """Windows over counts. A record counts at its own time; one whose sender's clock is ahead counts when it comes,
    one that comes `late_s` after its time or later does not count. `judged_ns`: up to then an earlier run judged what
    came, so that what it left is not too late because of a restart.
    """

    def __init__(self, compiled: Compiled, groups_max: int, *, judged_ns: int | None = None) -> None:
        self.compiled = compiled
        self.seen = Watchfulness(groups_max)
        self.windows, self.totals = Windows(compiled.window_ns), Windows(compiled.window_ns)
        self._judged_ns = judged_ns
        self._late_ns = round(compiled.rule.late_s * NS_PER_S)
        self._touched: dict[str, set[int]] = {}
        self.known_shapes: set[int] = set()
        self._new_shapes: dict[int, int] = {}

    @property
    def is_about_shapes(self) -> bool:
        """Whether it counts shapes that are new."""
        return self.compiled.rule.kind == "new_pattern"

    def _horizon(self, now_ns: int) -> int:
        since_ns = now_ns if self._judged_ns is None else min(self._judged_ns, now_ns)
        return self.windows.step_of(since_ns - self._late_ns)

    def open(self, look: Look) -> None:
        """Read the windows that may still change; the one that ends now is judged."""
        if self.is_about_shapes:
            everything = Span(None, look.as_of)
            known = shapes(look.store, self.compiled.filter, everything, look.budget)
            self.known_shapes = set(known)
            return
        first = (self._horizon(look.now_ns) - STEPS + 1) * self.windows.step_ns
        span = Span(None, look.as_of, first, self.windows.end_ns(self.windows.step_of(look.now_ns)))
        found, of = self._read(look, span)
        last = self.windows.step_of(look.now_ns)
        for counted, windows in ((found, self.windows), (of, self.totals)):
            for key, _ in self._add(counted, windows, look.now_ns, first // self.windows.step_ns):
                self._touched[key] = {last}

    def take(self, look: Look) -> None:
        """Add what came since."""
        if look.after_seq == look.as_of:
            return
        span = Span(look.after_seq, look.as_of)
        if self.is_about_shapes:
            self._take_shapes(look, span)
            return
        found, of = self._read(look, span)
        self.add(found, of, look.now_ns)

    def add(self, found: Iterable[Counted], of: Iterable[Counted], now_ns: int) -> None:
        """Put counts of records that came now into their windows."""
        for windows, counted in ((self.windows, found), (self.totals, of)):
            for key, step in self._add(counted, windows, now_ns, self._horizon(now_ns)):
                self._touched.setdefault(key, set()).add(step)

    def _read(self, look: Look, span: Span) -> tuple[list[Counted], list[Counted]]:
        of = self.compiled.of
        return self._count(look, span, self.compiled.filter), [] if of is None else self._count(
            look, span, of
        )

    def _count(self, look: Look, span: Span, found: Filter) -> list[Counted]:
        """Counts by group and step; each question is asked once in a look, however many rules ask it."""
        fields, step_ns = self.compiled.fields, self.windows.step_ns
        asked = (found, fields, span, step_ns)
        if asked not in look.shared:
            look.shared[asked] = count_steps(look.store, found, fields, span, look.budget, step_ns=step_ns)
        return look.shared[asked]

    def _add(
        self, counted: Iterable[Counted], windows: Windows, now_ns: int, horizon: int
    ) -> list[tuple[str, int]]:
        """Put counts into windows; where they went."""
        last, places = windows.step_of(now_ns), []
        for one in counted:
            step = min(one.step, last)
            if step < horizon:
                self.seen.late += one.count
                continue
            key = key_of(one.values)
            if self.seen.admit(key, labels_of(self.compiled.fields, one.values)):
                windows.add(key, step, one.count)
                places.append((key, step))
        return places

    def _take_shapes(self, look: Look, span: Span) -> None:
        self.add_shapes(shapes(look.store, self.compiled.filter, span, look.budget), look.now_ns)

    def add_shapes(self, found: Iterable[int], now_ns: int) -> None:
        """A shape counts once, when its first record comes, wherever that record's time lies."""
        step = self.windows.step_of(now_ns)
        for shape in found:
            if shape in self.known_shapes or len(self.known_shapes) >= SHAPES_MAX:
                continue
            self.known_shapes.add(shape)
            self._new_shapes[shape] = step
            self.seen.admit(ALL, {})
            self.windows.add(ALL, step, 1)
            self._touched.setdefault(ALL, set()).add(step)

    def readings(self, now_ns: int, held: Mapping[str, int]) -> list[Reading]:
        """Groups that something came of, and those with an incident; with a share all of them: others may change it."""
        keys = {*self._touched, *held}
        if self.compiled.of is not None:
            keys.update(self.windows.keys())
        return [self._reading(key, now_ns, held.get(key)) for key in sorted(keys)]

    def _reading(self, key: str, now_ns: int, held: int | None) -> Reading:
        last = self.windows.step_of(now_ns)
        now = self._value(key, last)
        ends = {window.end for window in self.windows.around(key, self._touched.get(key, ()), last)}
        ends |= set() if self.is_about_shapes else {last}
        values = {end: self._value(key, end) for end in sorted(ends)}
        news = [end for end, value in values.items() if self._meets(value) and self._is_news(end, held)]
        return Reading(
            key,
            self.seen.labels.get(key, {}),
            max((values[end] for end in news), default=now),
            self._meets(now),
            first_ns=min(self.windows.end_ns(news[0]), now_ns) if news else None,
            last_ns=min(self.windows.end_ns(news[-1]), now_ns) if news else None,
            begins_ns=self.windows.start_ns(news[0]) if news else None,
            peak=max(values.values(), default=now),
            shapes=frozenset(self._new_shapes) if self.is_about_shapes else frozenset(),
        )

    def _is_news(self, end: int, held: int | None) -> bool:
        return held is None or self.windows.end_ns(end) > held

    def _value(self, key: str, end: int) -> float:
        """What the rule compares, for the window that ends at a step."""
        count = self.windows.total(key, end)
        if self.compiled.of is not None:
            total = self.totals.total(key, end)
            return count / total if total >= self.compiled.rule.of_min else 0.0
        return count / self.compiled.rule.window_s if self.compiled.rule.kind == "rate" else count

    def _meets(self, value: float) -> bool:
        return value >= self.compiled.rule.threshold and value > 0

    def settle(self, now_ns: int) -> None:
        """Forget what no window can hold any more."""
        self._touched.clear()
        self._judged_ns = None
        oldest = self._horizon(now_ns) - STEPS + 1
        self.windows.forget_before(oldest)
        self.totals.forget_before(oldest)
        self._new_shapes = {shape: step for shape, step in self._new_shapes.items() if step >= oldest}
        self.seen.keep_only({*self.windows.keys(), *self.totals.keys()})
