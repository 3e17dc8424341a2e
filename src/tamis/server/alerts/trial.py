"""Tests of rules: records with times, and what is to be told of them, in a TOML file."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from tamis.clock import NS_PER_S
from tamis.errors import ConfigError
from tamis.metadata.alerts import AlertBook
from tamis.metadata.database import open_database
from tamis.metadata.rules import RuleBook
from tamis.query.values import canonical_text
from tamis.record.model import CORE_TEXT, Columns, Record
from tamis.record.severity import canonical_level
from tamis.server.alerts.evaluator import Evaluator
from tamis.server.alerts.options import AlertOptions
from tamis.server.alerts.rule import Rule, compile_rule, parse_rule
from tamis.settings.kinds import parse_seconds
from tamis.store.memory import MemoryStore
from tamis.telemetry.metrics import Metrics

BEGIN_NS = 1_795_262_400 * NS_PER_S
"""Each test begins at 2026-11-21T12:00:00Z."""
LOOKS_MAX = 10_000
RECORDS_MAX = 100_000
FILE_BYTES_MAX = 4 << 20
SECONDS_MAX = 366 * 86_400.0
_OF_SUITES = ("rules", "rule", "test")
_OF_RECORDS = frozenset({"at", "arrives", "every", "times"})


class Expected(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A notice that a test wants. What it leaves out may be anything."""

    state: Literal["firing", "going_on", "over"]
    at: str | float | None = None
    rule: str | None = None
    labels: dict[str, Any] | None = None


class Trial(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One test: records, and what is told of them, in order. Times are durations since its beginning."""

    name: str
    records: list[dict[str, Any]] = []
    expect: list[Expected]
    until: str | float | None = None
    rule: str | None = None


@dataclass(frozen=True, slots=True)
class Happened:
    """A notice that was told in a test."""

    at_s: float
    rule: str
    state: str
    labels: dict[str, Any]

    def print(self) -> str:
        """On one line."""
        labels = ", ".join(f"{name}={canonical_text(value)}" for name, value in self.labels.items())
        return f"{self.at_s:g}s {self.rule} {self.state}" + (f" ({labels})" if labels else "")


@dataclass(frozen=True, slots=True)
class Result:
    """How a test ended: `problem` is "" when everything was as expected."""

    name: str
    problem: str
    told: list[Happened]


@dataclass(frozen=True, slots=True)
class Suite:
    """A file of tests, understood."""

    rules: list[Rule]
    trials: list[Trial]


def read_rules(path: Path) -> list[Rule]:
    """The rules of a TOML file (``[[rule]]``); ConfigError says what is wrong."""
    return _rules(_toml(path), str(path))


def read_suite(path: Path) -> Suite:
    """The tests of a file, and its rules or those of the file that `rules` names."""
    given = _toml(path)
    for name, value in given.items():
        if name not in _OF_SUITES:
            reason = f"is not known; a file of tests has {', '.join(_OF_SUITES)}"
            raise ConfigError(name, value if isinstance(value, str) else "…", str(path), reason)
    rules = _rules(given, str(path))
    if "rules" in given:
        rules = [*read_rules(path.parent / str(given["rules"])), *rules]
    tables = given.get("test", [])
    if not isinstance(tables, list) or not tables:
        raise ConfigError("test", 0, str(path), "there is none; write [[test]]")
    known = {rule.name for rule in rules}
    return Suite(rules, [_trial(table, at, known, source=str(path)) for at, table in enumerate(tables, 1)])


def _trial(given: object, number: int, known: Set[str], *, source: str) -> Trial:
    """One test, checked before anything runs; ConfigError names it."""
    name = given.get("name") if isinstance(given, dict) else None
    where = f"test {name!r}" if isinstance(name, str) else f"test {number}"
    try:
        trial = msgspec.convert(given, Trial)
    except msgspec.ValidationError as error:
        raise ConfigError(where, "…", source, str(error)) from None
    for place, rule in ((where, trial.rule), *((f"{where}: expect", one.rule) for one in trial.expect)):
        if not known or (rule is not None and rule not in known):
            there = f"there are {', '.join(sorted(known))}" if known else "there is none; write [[rule]]"
            raise ConfigError(f"{place}: rule", rule, source, f"there is no such rule; {there}")
    for one in trial.expect:
        if one.at is not None:
            _seconds(one.at, f"{where}: expect: at")
    return trial


def run_suite(suite: Suite) -> Iterator[Result]:
    """Every test's result."""
    for trial in suite.trials:
        rules = [rule for rule in suite.rules if trial.rule in (None, rule.name)]
        told, step_s = _live(trial, rules)
        slack = {rule.name: max(step_s, rule.window_s / 32) for rule in rules}
        yield Result(trial.name, _problem(trial, told, slack), told)


def _toml(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
        if len(data) > FILE_BYTES_MAX:
            reason = f"is over {FILE_BYTES_MAX:,} bytes: no file of rules"
            raise ConfigError("file", str(path), "the command line", reason)
        return tomllib.loads(data.decode("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("file", str(path), "the command line", f"cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError("file", str(path), "the command line", f"is no TOML: {error}") from None


def _rules(given: Mapping[str, Any], source: str) -> list[Rule]:
    tables = given.get("rule", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ConfigError("rule", tables, source, "must be tables: write [[rule]]")
    rules = [parse_rule(table, source) for table in tables]
    for rule in rules:
        compile_rule(rule, source)
    return rules


class _Clock:
    """Stands until the test goes on."""

    def __init__(self) -> None:
        self.passed_s = 0.0

    def now_ns(self) -> int:
        """The instant."""
        return BEGIN_NS + round(self.passed_s * NS_PER_S)

    def monotonic_s(self) -> float:
        """Seconds since the beginning."""
        return self.passed_s

    def sleep(self, seconds: float) -> None:
        """Go on."""
        self.passed_s += seconds


def _live(trial: Trial, rules: Sequence[Rule]) -> tuple[list[Happened], float]:
    """What is told while the records come, looking once a second (less often in a long test); how often."""
    arrivals = sorted(_arrivals(trial), key=lambda one: one[0])
    until_s = _until_s(trial, rules, arrivals[-1][0] if arrivals else 0.0)
    step_s = max(1.0, until_s / LOOKS_MAX)
    clock = _Clock()
    store, database = MemoryStore(clock), open_database(None)
    try:
        kept, book = RuleBook(database, clock), AlertBook(database, clock)
        for rule in rules:
            kept.set_rule(rule.name, msgspec.json.encode(rule), by="test", fresh=True)
        options = AlertOptions(grace_s=0.0, lines_max=0)
        evaluator = Evaluator(
            store, kept, book, options, metrics=Metrics(), clock=clock, looked_every_s=step_s
        )
        evaluator.load()
        place = 0
        while clock.passed_s <= until_s:
            due = place
            while due < len(arrivals) and arrivals[due][0] <= clock.passed_s:
                due += 1
            if due > place:
                store.append(Columns.of(record for _, record in arrivals[place:due]))
                place = due
            evaluator.tick()
            clock.sleep(step_s)
        return _told(book), step_s
    finally:
        database.close()


def _told(book: AlertBook) -> list[Happened]:
    return [
        Happened((one.at_ns - BEGIN_NS) / NS_PER_S, one.rule, one.what, dict(one.detail.get("labels", {})))
        for one in reversed(book.history(None, limit=1_000_000))
        if one.what in ("firing", "going_on", "over")
    ]


def _arrivals(trial: Trial) -> Iterator[tuple[float, Record]]:
    """Each record with the second at which it comes."""
    made = 0
    for number, row in enumerate(trial.records, 1):
        where = f"test {trial.name!r}: record {number}"
        at_s = _seconds(row.get("at", 0), f"{where}: at")
        lag_s = _seconds(row["arrives"], f"{where}: arrives") - at_s if "arrives" in row else 0.0
        every_s, times = _seconds(row.get("every", 1), f"{where}: every"), row.get("times", 1)
        if type(times) is not int or not 1 <= times <= RECORDS_MAX - made:
            reason = f"must be a whole number from 1; a test has {RECORDS_MAX:,} records at most"
            raise ConfigError(f"{where}: times", times, "the test", reason)
        made += times
        for turn in range(times):
            stamp_s = at_s + turn * every_s
            yield stamp_s + lag_s, _record(row, stamp_s)


def _record(row: Mapping[str, Any], at_s: float) -> Record:
    core = {name: str(row[name]) for name in CORE_TEXT if name in row}
    if "level" in core:
        core["level"] = canonical_level(core["level"])
    rest = {name: value for name, value in row.items() if name not in core and name not in _OF_RECORDS}
    return Record(timestamp=BEGIN_NS + round(at_s * NS_PER_S), attributes=rest, **core)


def _until_s(trial: Trial, rules: Sequence[Rule], last_s: float) -> float:
    """To the end that the test names, or until the last record has left every window and cool-down."""
    if trial.until is not None:
        return _seconds(trial.until, f"test {trial.name!r}: until")
    return last_s + max(rule.window_s + rule.cooldown_s + rule.every_s for rule in rules)


def _seconds(given: object, key: str) -> float:
    try:
        seconds = parse_seconds(given)
    except (ValueError, OverflowError) as error:
        raise ConfigError(key, given, "the test", str(error)) from None
    if not abs(seconds) <= SECONDS_MAX:
        raise ConfigError(key, given, "the test", f"must be within {SECONDS_MAX / 86_400:g} days")
    return seconds


def _problem(trial: Trial, told: Sequence[Happened], slack: Mapping[str, float]) -> str:
    """What was not as expected, or "". `slack`: by so many seconds a rule's times may be off."""
    for number, (wanted, got) in enumerate(zip(trial.expect, told, strict=False), 1):
        for name, is_so in (
            ("state", wanted.state == got.state),
            ("rule", wanted.rule in (None, got.rule)),
            ("labels", _fits(wanted.labels or {}, got.labels)),
            ("at", wanted.at is None or _is_near(wanted, got, slack[got.rule])),
        ):
            if not is_so:
                return f"notice {number}: {name} is not as expected: {got.print()}, not {_printed(wanted)}"
    if len(told) > len(trial.expect):
        return f"told, and not expected: {told[len(trial.expect)].print()}"
    if len(told) < len(trial.expect):
        return f"expected, and not told: {_printed(trial.expect[len(told)])}"
    return ""


def _is_near(wanted: Expected, got: Happened, slack_s: float) -> bool:
    return abs(_seconds(wanted.at, "at") - got.at_s) <= slack_s


def _fits(wanted: Mapping[str, Any], labels: Mapping[str, Any]) -> bool:
    return all(
        name in labels and canonical_text(labels[name]) == canonical_text(wanted[name]) for name in wanted
    )


def _printed(wanted: Expected) -> str:
    at = "" if wanted.at is None else f"{wanted.at} "
    labels = "" if not wanted.labels else f" {wanted.labels}"
    return f"{at}{wanted.rule or ''} {wanted.state}{labels}".strip()
