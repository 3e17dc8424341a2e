"""Which silence, if any, holds back what a rule would tell of a group."""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from tamis.metadata.alert_rows import Silence
from tamis.query.values import canonical_text
from tamis.server.alerts.rule import Rule


def silence_of(
    silences: Iterable[Silence], rule: Rule, labels: Mapping[str, Any], now_ns: int
) -> Silence | None:
    """The first that is on now, for rules of this name and groups with these labels; None when there is none."""
    for one in silences:
        is_on = one.from_ns <= now_ns < one.until_ns
        if is_on and _fits(one.rule, rule.name) and _has_all(one.labels, labels):
            return one
    return None


def _fits(pattern: str, name: str) -> bool:
    """Whether a name fits a pattern in which ``*`` stands for any text."""
    return fnmatchcase(name, pattern.replace("[", "[[]").replace("?", "[?]"))


def _has_all(wanted: Mapping[str, str], labels: Mapping[str, Any]) -> bool:
    return all(
        labels.get(field) is not None and canonical_text(labels[field]) == text
        for field, text in wanted.items()
    )
