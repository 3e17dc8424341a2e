"""Rules and what became of them, as the HTTP interface shows them; nothing secret is among it."""

from typing import Any

import msgspec

from tamis.metadata.alert_rows import Happened, RuleRow, Silence
from tamis.query.ast import Query
from tamis.query.printer import print_query
from tamis.query.times import print_instant
from tamis.server.alerts.evaluator import Active
from tamis.server.alerts.groups import narrowed
from tamis.server.alerts.judge import began_ns
from tamis.server.alerts.replay import DryRun
from tamis.server.alerts.rule import Compiled
from tamis.server.questions.answers import record_id


def show_rule(row: RuleRow, active: Active | None, broken: str) -> dict[str, Any]:
    """A rule, and how it stands: `state` is firing, ok, disabled, starting or broken."""
    body: dict[str, Any] = msgspec.json.decode(row.data)
    status: dict[str, Any] = {"state": _state(body, active, broken), "changed": print_instant(row.changed_ns)}
    status["changed_by"] = row.changed_by
    if active is not None:
        seen = active.watch.seen
        status |= {
            "firing": [
                {
                    "labels": one.labels,
                    "since": print_instant(began_ns(one)),
                    "value": one.value,
                    "told": one.told,
                }
                for one in active.incidents.copy().values()
                if not one.is_over
            ],
            "groups_left_out": seen.groups_left_out,
            "late_records": seen.late,
        }
    problem = broken or (active.error if active else "")
    if problem:
        status["problem"] = problem
    return {**body, "status": status}


def _state(body: dict[str, Any], active: Active | None, broken: str) -> str:
    if broken or (active is not None and active.error):
        return "broken"
    if active is None:
        return "starting" if body.get("enabled", True) else "disabled"
    return "firing" if any(not one.is_over for one in active.incidents.copy().values()) else "ok"


def show_happened(one: Happened) -> dict[str, Any]:
    """An entry of the history."""
    return {"at": print_instant(one.at_ns), "rule": one.rule, "what": one.what, **one.detail}


def show_silence(one: Silence) -> dict[str, Any]:
    """A silence: what, from when until when, who and why."""
    return {
        "id": one.id,
        "rule": one.rule,
        "labels": one.labels,
        "start": print_instant(one.from_ns),
        "until": print_instant(one.until_ns),
        "reason": one.reason,
        "by": one.made_by,
        "made": print_instant(one.made_ns),
    }


def show_dry_run(
    compiled: Compiled, run: DryRun, store_id: str, *, start_ns: int, end_ns: int
) -> dict[str, Any]:
    """What would have been told, each with the query that finds its records."""
    warnings = [f"there would have been more; these are the first {len(run.told):,}"] if run.is_cut else []
    return {
        "rule": compiled.name,
        "start": print_instant(start_ns),
        "end": print_instant(end_ns),
        "as_of": record_id(store_id, run.as_of),
        "warnings": warnings,
        "told": [
            {
                "at": print_instant(one.at_ns),
                "state": one.state,
                "labels": one.labels,
                "value": one.value,
                "q": print_query(Query(narrowed(compiled.filter, one.labels))),
            }
            for one in run.told
        ],
    }
