"""`Rule`: a query, when it is an alert, and who is told; read from TOML or JSON, with errors that say what is wrong."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import msgspec

from tamis.clock import NS_PER_S
from tamis.errors import ConfigError, MissingExtraError, QueryError
from tamis.query import ast
from tamis.query.fields import CORE_TIMES
from tamis.query.hints import leaves
from tamis.query.match import compile_match
from tamis.query.parser import parse
from tamis.query.resolve import resolve_filter
from tamis.record.severity import canonical_level, severity
from tamis.settings.kinds import parse_seconds

Kind = Literal["threshold", "rate", "absence", "new_pattern"]
Comparison = Literal[">=", ">", "<=", "<"]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
RESERVED = frozenset({"channels", "silences", "history", "dry-run"})
"""Names of routes beside those of rules."""
BY_MAX = 4
WINDOW_S_MIN, WINDOW_S_MAX = 1.0, 31 * 86_400.0
DURATIONS = ("window_s", "every_s", "cooldown_s", "repeat_s", "late_s")
_TEXT_CHARS_MAX = 10_000


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rule. Durations are seconds; `notify` names channels.

    threshold: so many records within `window_s`; or, when the query ends in ``| stats``, what its last column says
    (`compare`), asked every `every_s`. rate: so many a second, or with `of` the share of the records that `of` finds
    (and there are `of_min`). absence: none for `window_s`. new_pattern: so many shapes that were never there before.
    """

    name: str
    query: str = ""
    kind: Kind = "threshold"
    threshold: float = 1
    compare: Comparison = ">="
    window_s: float = 60.0
    by: tuple[str, ...] = ()
    of: str | None = None
    of_min: int = 20
    every_s: float = 60.0
    cooldown_s: float = 300.0
    repeat_s: float = 14_400.0
    late_s: float = 600.0
    level: str = "ERROR"
    notify: tuple[str, ...] = ()
    description: str = ""
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Compiled:
    """A rule with its queries understood. `stats` is there when it goes by a column of a table."""

    rule: Rule
    filter: ast.Filter
    of: ast.Filter | None
    stats: ast.Stats | None

    @property
    def name(self) -> str:
        """The rule's."""
        return self.rule.name

    @property
    def window_ns(self) -> int:
        """The window."""
        return round(self.rule.window_s * NS_PER_S)

    @property
    def fields(self) -> tuple[str, ...]:
        """What groups are told apart by."""
        if self.stats is not None:
            return tuple(one.field for one in self.stats.by if isinstance(one, ast.By))
        return self.rule.by


def parse_rule(given: Mapping[str, Any], source: str) -> Rule:
    """A rule as somebody wrote it: durations may be texts such as ``5m``, with or without ``_s`` at their name.

    Raises ConfigError: what is wrong with which key, and where it came from.
    """
    name = given.get("name")
    key = f"rule {name}" if isinstance(name, str) and name else "rule"
    values = {**given}
    for field in DURATIONS:
        _take_duration(values, field, key, source)
    try:
        rule = msgspec.convert(values, Rule)
    except msgspec.ValidationError as error:
        raise ConfigError(key, _shown(given, str(error)), source, str(error)) from None
    _check(rule, source)
    return rule


def compile_rule(rule: Rule, source: str = "the rules") -> Compiled:
    """The rule with its queries understood; ConfigError when one is not."""
    stages, found = _read(rule, "query", rule.query, source)
    stats = _stats_of(rule, stages, source) if stages else None
    if stats is None and rule.compare != ">=":
        _refuse(rule, "compare", rule.compare, source, "goes with a query that ends in | stats only")
    if stats is None and rule.kind != "absence" and rule.threshold <= 0:
        _refuse(
            rule, "threshold", rule.threshold, source, "must be over 0: without any record nothing is told"
        )
    of = None
    if rule.of is not None:
        more, of = _read(rule, "of", rule.of, source)
        if more:
            _refuse(rule, "of", rule.of, source, "is a filter, without | stages")
    return Compiled(rule, found, of, stats)


def _take_duration(values: dict[str, Any], field: str, key: str, source: str) -> None:
    short = field.removesuffix("_s")
    if short in values and field in values:
        raise ConfigError(f"{key}: {short}", values[short], source, f"is there twice, as {short} and {field}")
    given = values.pop(short) if short in values else values.get(field)
    if given is None:
        values.pop(field, None)
        return
    try:
        values[field] = parse_seconds(given)
    except (ValueError, OverflowError) as error:
        raise ConfigError(f"{key}: {short}", given, source, str(error)) from None


def _shown(given: Mapping[str, Any], words: str) -> object:
    """The value that an error of msgspec speaks of, as far as it names one."""
    found = re.search(r"\$\.([a-z_]+)", words)
    return given.get(found[1], "") if found else ", ".join(sorted(map(str, given)))


def _refuse(rule: Rule, field: str, value: object, source: str, reason: str) -> None:
    raise ConfigError(f"rule {rule.name}: {field}", value, source, reason)


def _check(rule: Rule, source: str) -> None:
    """Everything that no type says."""
    if not NAME.fullmatch(rule.name) or rule.name in RESERVED:
        _refuse(
            rule,
            "name",
            rule.name,
            source,
            "must be letters, digits, _ . or -, at most 64, and none of " + ", ".join(sorted(RESERVED)),
        )
    for field, least, most in _BOUNDS:
        value = cast(float, getattr(rule, field))
        if not least <= value <= most:
            _refuse(rule, field, value, source, f"must be from {least:g} to {most:g}")
    if not severity(rule.level):
        _refuse(rule, "level", rule.level, source, "must be a level such as ERROR or warning")
    if len(rule.by) > BY_MAX or len(set(rule.by)) != len(rule.by):
        _refuse(rule, "by", list(rule.by), source, f"must be {BY_MAX} different fields at most")
    if rule.description and len(rule.description) > _TEXT_CHARS_MAX:
        _refuse(rule, "description", "…", source, f"must be {_TEXT_CHARS_MAX:,} characters at most")
    for field, reason in _misplaced(rule):
        _refuse(rule, field, getattr(rule, field), source, reason)


_BOUNDS = (
    ("window_s", WINDOW_S_MIN, WINDOW_S_MAX),
    ("every_s", 1.0, WINDOW_S_MAX),
    ("cooldown_s", 0.0, WINDOW_S_MAX),
    ("repeat_s", 0.0, WINDOW_S_MAX),
    ("late_s", 0.0, 86_400.0),
    ("threshold", -1e300, 1e300),
    ("of_min", 1, 10**12),
)


def _misplaced(rule: Rule) -> list[tuple[str, str]]:
    """What does not go with the rule's kind."""
    wrong = []
    if rule.of is not None and rule.kind != "rate":
        wrong.append(("of", "goes with kind rate only"))
    if rule.of is not None and not 0 < rule.threshold <= 1:
        wrong.append(("threshold", "of a share must be over 0 and at most 1"))
    if rule.kind == "new_pattern" and rule.by:
        wrong.append(("by", "does not go with kind new_pattern: its groups are the patterns"))
    if rule.kind == "absence" and rule.threshold != 1:
        wrong.append(("threshold", "does not go with kind absence, which is about no record at all"))
    return wrong


def _read(rule: Rule, field: str, text: str, source: str) -> tuple[tuple[ast.Stage, ...], ast.Filter]:
    """The stages and the filter of one of a rule's queries."""
    try:
        query = parse(text)
        found = resolve_filter(query.filter, 0)
        compile_match(found)
    except (QueryError, MissingExtraError) as error:
        raise ConfigError(f"rule {rule.name}: {field}", text, source, str(error)) from error
    for leaf in leaves(query.filter):
        if isinstance(leaf, ast.Time | ast.TimeRange) or getattr(leaf, "field", None) in CORE_TIMES:
            _refuse(rule, field, text, source, "names a time; the rule's window says which time is meant")
    return query.stages, found


def _stats_of(rule: Rule, stages: tuple[ast.Stage, ...], source: str) -> ast.Stats:
    first = stages[0]
    if len(stages) > 1 or not isinstance(first, ast.Stats):
        _refuse(rule, "query", rule.query, source, "may end in | stats, but in no other stage")
    stats = cast(ast.Stats, first)
    if rule.kind != "threshold":
        _refuse(rule, "query", rule.query, source, "may end in | stats with kind threshold only")
    if any(isinstance(one, ast.Bin) for one in stats.by):
        _refuse(rule, "query", rule.query, source, "needs no bin(): the window is the bin")
    if rule.by:
        _refuse(rule, "by", list(rule.by), source, "stands in the query's | stats … by")
    return stats


def shown_level(rule: Rule) -> str:
    """The rule's level by its canonical name."""
    return canonical_level(rule.level) or rule.level
