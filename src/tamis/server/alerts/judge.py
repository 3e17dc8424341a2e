"""From what is the case to what is told: when an incident begins, goes on, is over. A pure function."""

import secrets
from dataclasses import dataclass

from msgspec.structs import replace

from tamis.clock import NS_PER_S
from tamis.metadata.alert_rows import Incident
from tamis.pipeline.alerts.alert import State
from tamis.server.alerts.rule import Rule
from tamis.server.alerts.watch import Reading


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of an incident: how it stands now (None: there is none), and what is told of it (None: nothing)."""

    incident: Incident | None
    told: State | None = None


def judge(rule: Rule, known: Incident | None, reading: Reading, now_ns: int, *, silent: bool) -> Verdict:
    """A group that newly meets the rule has an incident, told at once. When `cooldown_s` after a notice is over, the
    next says that it is over, or, `repeat_s` after it, that it goes on; a rule on new patterns tells the next then.
    What comes back meanwhile belongs to it. A silent one is told when the silence ends, unless it is over by then; that
    it is over is always told, if it was told before.
    """
    incident = _brought_up(rule, known, reading)
    if incident is None or incident.is_over:
        return Verdict(incident)
    if incident.told == 0:
        return _first(incident, reading, now_ns, silent=silent)
    if incident.told_ns > now_ns:  # the calendar was turned back
        incident = replace(incident, told_ns=now_ns)
    since_s = (now_ns - incident.told_ns) / NS_PER_S
    if since_s < rule.cooldown_s:
        return Verdict(incident)
    is_news = rule.kind == "new_pattern" and incident.held_ns > incident.told_ns
    if not reading.is_met and not is_news:
        return _told(replace(incident, is_over=True), "over", reading, now_ns)
    is_due = is_news or (0 < rule.repeat_s <= since_s and rule.kind != "new_pattern")
    return _told(incident, "going_on", reading, now_ns) if is_due and not silent else Verdict(incident)


def _brought_up(rule: Rule, known: Incident | None, reading: Reading) -> Incident | None:
    """The incident with what the reading adds; a new one when it begins with it."""
    if reading.first_ns is None or reading.last_ns is None or reading.begins_ns is None:
        if known is None or known.is_over or reading.peak is None:
            return known
        return replace(known, value=_worse(rule, known.value, reading.peak))
    if known is None or known.is_over:
        return Incident(
            id=secrets.token_hex(8),
            rule=rule.name,
            key=reading.key,
            labels=reading.labels,
            first_ns=reading.begins_ns,
            held_ns=reading.last_ns,
            began_ns=reading.first_ns,
            value=reading.value,
        )
    value = reading.value if reading.peak is None else reading.peak
    return replace(known, held_ns=max(known.held_ns, reading.last_ns), value=_worse(rule, known.value, value))


def _worse(rule: Rule, one: float, other: float) -> float:
    return min(one, other) if rule.compare.startswith("<") else max(one, other)


def _first(incident: Incident, reading: Reading, now_ns: int, *, silent: bool) -> Verdict:
    if not silent:
        return _told(incident, "firing", reading, now_ns)
    return Verdict(incident if reading.is_met else replace(incident, is_over=True))


def _told(incident: Incident, state: State, reading: Reading, now_ns: int) -> Verdict:
    value = reading.value if state == "going_on" and reading.is_met else incident.value
    return Verdict(replace(incident, told=incident.told + 1, told_ns=now_ns, value=value), state)


def settled_ns(incident: Incident) -> int:
    """Windows that end up to then are no news: of an incident that is over, all until that was said."""
    return max(incident.held_ns, incident.told_ns) if incident.is_over else incident.held_ns


def began_ns(incident: Incident) -> int:
    """When it began; an older release's incident knows only its first window."""
    return incident.first_ns if incident.began_ns is None else incident.began_ns


def is_forgotten(rule: Rule, incident: Incident, now_ns: int) -> bool:
    """Whether an incident that is over means nothing to any window that may still change."""
    if not incident.is_over:
        return False
    return now_ns - settled_ns(incident) > (rule.late_s + 2 * rule.window_s) * NS_PER_S
