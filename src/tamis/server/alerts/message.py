"""From a verdict to an `Alert`: how many, which patterns, ten of the records, and where to look."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlencode

from msgspec.structs import replace

from tamis.clock import NS_PER_S
from tamis.errors import TamisError
from tamis.metadata.alert_rows import Incident
from tamis.pipeline.alerts.alert import Alert, Group, State, line_of
from tamis.query.ast import Filter, Query, Shapes
from tamis.query.printer import print_query
from tamis.query.times import print_instant
from tamis.query.values import canonical_text
from tamis.record.model import StoredRecord
from tamis.record.shape import pattern_id
from tamis.server.alerts.groups import both, narrowed, plain, print_labels
from tamis.server.alerts.judge import began_ns
from tamis.server.alerts.rule import Compiled, shown_level
from tamis.server.alerts.watch import Look, Reading
from tamis.server.questions.answers import record_id
from tamis.store.base import PatternFacts, Question

GROUPS_MAX = 20
_SHOWN_CHARS_MAX = 160
_BEFORE_ABSENCE_NS = 3_600 * NS_PER_S


@dataclass(frozen=True, slots=True)
class Found:
    """The records of an alert, as far as it tells of them."""

    count: int = 0
    patterns: tuple[PatternFacts, ...] = ()
    shapes: int = 0
    first_ns: int | None = None
    last_ns: int | None = None
    records: tuple[StoredRecord, ...] = ()


def make_alert(
    compiled: Compiled,
    incident: Incident,
    state: State,
    look: Look,
    *,
    reading: Reading,
    url: str,
    lines_max: int,
) -> Alert:
    """What is told. A store that does not answer in time costs the lines, not the alert."""
    rule, is_missing = compiled.rule, compiled.rule.kind == "absence"
    question = _question(compiled, incident, state, look, reading)
    found = _find(look, question, lines_max)
    incident = replace(incident, began_ns=_began_ns(compiled, incident, found))
    labels = {
        field: "" if value is None else canonical_text(value) for field, value in incident.labels.items()
    }
    return Alert(
        key=f"{rule.name}/{incident.key}",
        state=state,
        rule=rule.name,
        summary=_summary(compiled, incident, state, found, now_ns=look.now_ns),
        level=shown_level(rule),
        service=labels.get("service") or _most(one.record.service for one in found.records) or "",
        host=labels.get("host") or _most(one.record.host for one in found.records) or "",
        count=0 if is_missing else found.count,
        threshold=plain(rule.threshold),
        window_s=rule.window_s,
        repeat_s=max(rule.repeat_s, rule.cooldown_s),
        began=began_ns(incident),
        last=min(incident.held_ns, look.now_ns) if found.last_ns is None else found.last_ns,
        groups=tuple(
            Group(shape=one.template, pattern=pattern_id(one.shape_id), count=one.count)
            for one in (() if is_missing else found.patterns)
        ),
        lines=tuple(line_of(one.record) for one in reversed(found.records)),
        labels=labels,
        link=_link(_missed(incident, question, look) if is_missing else question, look, url),
    )


def _began_ns(compiled: Compiled, incident: Incident, found: Found) -> int:
    """The time of the first record that counted; of what is no count, or was told before, when it began to hold."""
    is_count = compiled.stats is None and compiled.rule.kind != "absence"
    if not is_count or incident.told > 1 or found.first_ns is None:
        return began_ns(incident)
    return found.first_ns


def _missed(incident: Incident, question: Question, look: Look) -> Question:
    """Of what did not come: the time in which nothing came."""
    end_ns = incident.held_ns if incident.is_over else look.now_ns
    return Question(question.filter, incident.first_ns + 1, end_ns + 1, look.as_of)


def _question(compiled: Compiled, incident: Incident, state: State, look: Look, reading: Reading) -> Question:
    """Which records the alert is about: of its group, from the first window that met the rule to the last."""
    wanted: Filter = narrowed(compiled.filter, incident.labels)
    if compiled.rule.kind == "new_pattern":
        return Question(both(wanted, Shapes(reading.shapes)), as_of=look.as_of)
    start, end = incident.first_ns, max(incident.held_ns, incident.first_ns) + 1
    if compiled.rule.kind == "absence":
        start, end = incident.first_ns - _BEFORE_ABSENCE_NS, look.now_ns + 1
    elif state == "going_on" and reading.is_met:
        end = max(end, look.now_ns + 1)
    return Question(wanted, start, end, look.as_of)


def _find(look: Look, question: Question, lines_max: int) -> Found:
    try:
        count = look.store.count(question, look.budget).count
        if not count:
            return Found()
        patterns = look.store.patterns(question, look.budget).patterns
        first_ns = min((one.first_seen for one in patterns), default=None)
        last_ns = max((one.last_seen for one in patterns), default=None)
        page = look.store.search(question, look.budget, limit=lines_max) if lines_max else None
    except TamisError:
        return Found()
    records = page.records if page else ()
    return Found(count, patterns[:GROUPS_MAX], len(patterns), first_ns, last_ns, records)


def _link(question: Question, look: Look, url: str) -> str:
    """The search that shows these records, as they stand now; of a table those that it was made of."""
    if not url:
        return ""
    asked = {"q": print_query(Query(question.filter))}
    for name, instant in (("start", question.start_ns), ("end", question.end_ns)):
        if instant is not None:
            asked[name] = print_instant(instant)
    asked["as_of"] = record_id(look.store.store_id, look.as_of)
    return f"{url}/?{urlencode(asked)}"


def _most(values: Iterable[str | None]) -> str | None:
    """The most frequent text."""
    counted = Counter(value for value in values if value)
    return counted.most_common(1)[0][0] if counted else None


def _summary(compiled: Compiled, incident: Incident, state: State, found: Found, *, now_ns: int) -> str:
    """One line: which rule, what, how many, about what."""
    rule = compiled.rule
    where = f" ({print_labels(incident.labels)})" if incident.labels else ""
    took_s = max((incident.held_ns if state == "over" else now_ns) - began_ns(incident), 0) / NS_PER_S
    said = {
        "firing": "",
        "going_on": f"going on for {took_s:,.0f} s: ",
        "over": f"over after {took_s:,.0f} s: ",
    }
    about = ""
    if found.patterns and rule.kind != "absence":
        more = f" (and {found.shapes - 1} more)" if found.shapes > 1 else ""
        about = f": {_short(found.patterns[0].template)}{more}"
    return f"{rule.name}{where}: {said[state]}{_what(compiled, incident, found)}{about}"


def _what(compiled: Compiled, incident: Incident, found: Found) -> str:
    rule = compiled.rule
    if compiled.stats is not None:
        return (
            f"{compiled.stats.aggregates[-1].name} is {incident.value:g} ({rule.compare} {rule.threshold:g})"
        )
    if rule.kind == "absence":
        last = "" if found.last_ns is None else f"; the last came at {print_instant(found.last_ns)}"
        return f"no record for {rule.window_s:g} s{last}"
    if rule.kind == "new_pattern":
        return f"{incident.value:,.0f} new pattern{'s' if incident.value != 1 else ''}"
    if rule.of is not None:
        return f"{incident.value:.1%} of the records within {rule.window_s:g} s"
    if rule.kind == "rate":
        return f"{incident.value:g} records/s over {rule.window_s:g} s"
    return f"{incident.value:,.0f} record{'s' if incident.value != 1 else ''} within {rule.window_s:g} s"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN_CHARS_MAX else line[:_SHOWN_CHARS_MAX] + "…"
