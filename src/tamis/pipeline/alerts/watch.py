"""`Watch`: sees every record, and decides what is told and when. No I/O, no thread, no lock."""

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tamis.clock import NS_PER_S, SYSTEM_CLOCK, Clock
from tamis.pipeline.alerts.alert import Alert, Group, Line, State, line_of
from tamis.pipeline.alerts.rules import ERRORS, Rule
from tamis.record.model import Record
from tamis.record.severity import severity
from tamis.record.shape import pattern_id, shape, shape_id

_SHAPED_CHARS_MAX = 2_000
"""The shape of a longer message is that of its beginning."""
_SHOWN_CHARS_MAX = 160
_REPEATS_MAX = 1_000
"""A record that stands for more counts as so many."""
GROUPS_MAX = 20
TROUBLES_MAX = 50
"""Troubles of one rule told apart; further shapes join the newest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertLimits:
    """In which time records are counted together; how long nothing more is said about a trouble after a notice;
    how many lines a notice carries.
    """

    window_s: float = 60.0
    cooldown_s: float = 300.0
    lines_max: int = 10


@dataclass(slots=True)
class _Trouble:
    """One trouble that was told of: the shapes it is about, and how it goes on."""

    rule: Rule
    key: str
    shapes: Counter[str]
    told_s: float
    began: int
    last: int
    level: str
    times: deque[float]
    lines: deque[Line] = field(default_factory=deque)

    @property
    def count(self) -> int:
        return self.shapes.total()


@dataclass(slots=True)
class _Watched:
    """A rule, what met it lately, and the troubles it told of."""

    rule: Rule
    lately: deque[tuple[float, str, Line]] = field(default_factory=deque)
    troubles: list[_Trouble] = field(default_factory=list)
    by_shape: dict[str, _Trouble] = field(default_factory=dict)


class Watch:
    """Counts what meets each rule in the window. When that reaches the threshold, one alert tells of all of it,
    grouped by shape; further records of these shapes belong to it. When the cool-down after a notice is over, the
    next says either that it is going on or that it is over; so there is at most one notice about a trouble in a
    cool-down, and none says "over" of something that came back meanwhile. What comes back later is a new trouble,
    told at once, under the same key.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        limits: AlertLimits,
        *,
        service: str,
        host: str,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._limits, self._service, self._host, self._clock = limits, service, host, clock
        self._watched = [_Watched(rule) for rule in rules]

    def look(self, record: Record) -> list[Alert]:
        """The alerts that a record fires; mostly none."""
        fired = [
            self._add(watched, record)
            for watched in self._watched
            if watched.rule.meets(record)
            for _ in range(_stands_for(record))
        ]
        return [alert for alert in fired if alert is not None]

    def due(self) -> list[Alert]:
        """What is to be told now of troubles whose cool-down is over."""
        now_s = self._clock.monotonic_s()
        return [alert for watched in self._watched for alert in self._due(watched, now_s)]

    def due_in_s(self) -> float | None:
        """Seconds until `due` has something to tell; None: not before another record fires."""
        told = [trouble.told_s for watched in self._watched for trouble in watched.troubles]
        if not told:
            return None
        return max(min(told) + self._limits.cooldown_s - self._clock.monotonic_s(), 0.0)

    def _add(self, watched: _Watched, record: Record) -> Alert | None:
        now_s = self._clock.monotonic_s()
        kind = shape(record.message[:_SHAPED_CHARS_MAX])
        trouble = watched.by_shape.get(kind)
        if trouble is None and len(watched.troubles) >= TROUBLES_MAX:
            trouble = watched.troubles[-1]
        if trouble is not None:
            self._go_on(trouble, kind, record, now_s)
            return None
        lately = watched.lately
        lately.append((now_s, kind, line_of(record)))
        while lately[0][0] <= now_s - self._limits.window_s:
            lately.popleft()
        if len(lately) < watched.rule.threshold:
            return None
        return self._fire(watched, now_s)

    def _fire(self, watched: _Watched, now_s: float) -> Alert:
        rule, lately = watched.rule, watched.lately
        shapes = Counter(kind for _, kind, _ in lately)
        main = shapes.most_common(1)[0][0]
        lines = [line for _, _, line in lately]
        trouble = _Trouble(
            rule=rule,
            key=f"{self._service}/{rule.name}/{pattern_id(shape_id(main))}",
            shapes=shapes,
            told_s=now_s,
            began=min(line.timestamp for line in lines),
            last=max(line.timestamp for line in lines),
            level=max((line.level for line in lines), key=severity),
            times=deque((time_s for time_s, _, _ in lately), maxlen=rule.threshold),
            lines=deque(lines[-self._limits.lines_max :], maxlen=self._limits.lines_max),
        )
        lately.clear()
        watched.troubles.append(trouble)
        watched.by_shape.update(dict.fromkeys(shapes, trouble))
        return self._tell(trouble, "firing")

    def _go_on(self, trouble: _Trouble, kind: str, record: Record, now_s: float) -> None:
        is_known = kind in trouble.shapes or len(trouble.shapes) < GROUPS_MAX
        trouble.shapes[kind if is_known else next(iter(trouble.shapes))] += 1
        trouble.times.append(now_s)
        trouble.last = max(trouble.last, record.timestamp)
        trouble.level = max(trouble.level, record.level or "", key=severity)
        trouble.lines.append(line_of(record))

    def _due(self, watched: _Watched, now_s: float) -> Iterator[Alert]:
        for trouble in list(watched.troubles):
            if now_s - trouble.told_s < self._limits.cooldown_s:
                continue
            trouble.told_s = now_s
            is_full = len(trouble.times) >= trouble.rule.threshold
            if is_full and trouble.times[0] > now_s - self._limits.window_s:
                yield self._tell(trouble, "going_on")
                continue
            watched.troubles.remove(trouble)
            for kind in [kind for kind, one in watched.by_shape.items() if one is trouble]:
                del watched.by_shape[kind]
            yield self._tell(trouble, "over")

    def _tell(self, trouble: _Trouble, state: State) -> Alert:
        groups = trouble.shapes.most_common(GROUPS_MAX)
        alert = Alert(
            key=trouble.key,
            state=state,
            rule=trouble.rule.name,
            summary=_summary(self._service, trouble, state, self._limits.window_s),
            level=trouble.level,
            service=self._service,
            host=self._host,
            count=trouble.count,
            threshold=trouble.rule.threshold,
            window_s=self._limits.window_s,
            repeat_s=self._limits.cooldown_s,
            began=trouble.began,
            last=trouble.last,
            groups=tuple(
                Group(shape=kind, pattern=pattern_id(shape_id(kind)), count=count) for kind, count in groups
            ),
            lines=tuple(trouble.lines),
        )
        trouble.lines.clear()
        return alert


def _stands_for(record: Record) -> int:
    """How many records it is: repeats that were held back arrive as one."""
    repeats = record.attributes.get("repeat_count")
    return min(max(repeats, 1), _REPEATS_MAX) if type(repeats) is int else 1


def _summary(service: str, trouble: _Trouble, state: State, window_s: float) -> str:
    """One line: what, how many, since when."""
    what = "errors" if trouble.rule.name == ERRORS else f"records of the rule {_short(trouble.rule.name)}"
    main = _short(trouble.shapes.most_common(1)[0][0])
    more = len(trouble.shapes) - 1
    about = main + (f" (and {more} more)" if more else "")
    took_s = (trouble.last - trouble.began) / NS_PER_S
    if state == "firing":
        return f"{service}: {trouble.count:,} {what} within {window_s:g} s: {about}"
    if state == "going_on":
        return f"{service}: going on for {took_s:,.0f} s, {trouble.count:,} {what}: {about}"
    return f"{service}: over after {took_s:,.0f} s and {trouble.count:,} {what}: {about}"


def _short(text: str) -> str:
    """On one line, and not a long one."""
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN_CHARS_MAX else line[:_SHOWN_CHARS_MAX] + "…"
