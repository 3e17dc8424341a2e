"""Retention rules: which records are kept how long."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from tamis.settings.fields import Spec, special
from tamis.settings.kinds import Kind, parse_seconds, parse_text, show_seconds


@dataclass(frozen=True, slots=True)
class RetentionRule:
    """Records that `query` finds are kept `keep_s` seconds after their receipt."""

    query: str
    keep_s: float


def parse_rules(value: object) -> tuple[RetentionRule, ...]:
    """Tables `{query = "level:debug", keep = "3d"}`; in the environment the same as JSON."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except json.JSONDecodeError:
            raise ValueError("must be JSON such as " + '[{"query": "level:debug", "keep": "3d"}]') from None
    if not isinstance(value, list | tuple):
        raise ValueError("must be a list of tables with query and keep")
    return tuple(_parse_rule(item, place) for place, item in enumerate(value, start=1))


def _parse_rule(item: object, place: int) -> RetentionRule:
    if isinstance(item, RetentionRule):
        return item
    if not isinstance(item, Mapping) or set(item) != {"query", "keep"}:
        raise ValueError(f"rule {place} must be a table with query and keep")
    try:
        query, keep_s = parse_text(item["query"]), parse_seconds(item["keep"])
    except ValueError as error:
        raise ValueError(f"rule {place}: {error}") from None
    if keep_s <= 0:
        raise ValueError(f"rule {place}: keep must be more than 0")
    return RetentionRule(query, keep_s)


def show_rules(value: object) -> str:
    """As JSON, which is also how the environment takes it."""
    rules = cast("tuple[RetentionRule, ...]", value)
    return (
        json.dumps([{"query": rule.query, "keep": show_seconds(rule.keep_s)} for rule in rules])
        if rules
        else ""
    )


def retention_rules(doc: str) -> tuple[RetentionRule, ...]:
    """A setting that holds retention rules; none by default."""
    return cast("tuple[RetentionRule, ...]", special((), Spec(Kind("rules", parse_rules, show_rules), doc)))
