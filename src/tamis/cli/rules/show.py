"""Rules and what became of them, for people."""

from collections.abc import Iterable, Mapping
from typing import Any

from tamis.cli.terminal import visible

_SHOWN = {"at", "rule", "what", "labels", "incident"}


def print_list(rules: Iterable[Mapping[str, Any]]) -> None:
    """One line a rule: how it stands, its name, what it asks."""
    for rule in rules:
        status = rule["status"]
        print(visible(f"{status['state']:8}  {rule['name']}  {rule['kind']}  {rule['query'] or '*'}"))
        if "problem" in status:
            print(visible(f"          {status['problem']}"))


def print_rule(rule: Mapping[str, Any]) -> None:
    """A line for each of its fields, then what holds now."""
    status = rule["status"]
    for name, value in rule.items():
        if name != "status" and value not in (None, "", []):
            print(visible(f"{name:12} {', '.join(map(str, value)) if isinstance(value, list) else value}"))
    print(visible(f"{'state':12} {status['state']} {status.get('problem', '')}".rstrip()))
    for one in status.get("firing", ()):
        print(visible(f"  since {one['since']}: {one['value']:g} {print_labels(one['labels'])}".rstrip()))


def print_told(run: Mapping[str, Any]) -> None:
    """What a dry run came to."""
    for one in run["told"]:
        print(
            visible(
                f"{one['at']}  {one['state']:8}  {one['value']:g}  {print_labels(one['labels'])}".rstrip()
            )
        )
    firing = sum(one["state"] == "firing" for one in run["told"])
    print(visible(f"{run['rule']}: would have fired {firing} times from {run['start']} to {run['end']}"))


def print_history(entries: Iterable[Mapping[str, Any]]) -> None:
    """One line an entry."""
    for one in entries:
        more = " ".join(f"{name}={value}" for name, value in one.items() if name not in _SHOWN)
        labels = print_labels(one.get("labels", {}))
        print(visible(f"{one['at']}  {one['rule'] or '-'}  {one['what']}  {labels}  {more}".rstrip()))


def print_silences(silences: Iterable[Mapping[str, Any]]) -> None:
    """One line a silence: its id, what it means, until when, who and why."""
    for one in silences:
        what = f"{one['rule']} {print_labels(one['labels'])}".rstrip()
        print(visible(f"{one['id']}  {what}  until {one['until']}  {one['by']}: {one['reason']}"))


def print_labels(labels: Mapping[str, Any]) -> str:
    """``service=shop, status=500``."""
    return ", ".join(f"{name}={'-' if value is None else value}" for name, value in labels.items())
