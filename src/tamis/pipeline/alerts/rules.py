"""Rules: what an alert is about, as a test of records."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.errors import ConfigError, MissingExtraError, QueryError
from tamis.query.match import compile_match
from tamis.query.parser import parse
from tamis.query.resolve import resolve_filter
from tamis.record.model import Record, StoredRecord
from tamis.record.severity import severity

ERRORS = "errors"
"""The name of the rule that counts errors."""
_ERROR = severity("ERROR")
KEY = "alert.rules"


@dataclass(frozen=True, slots=True)
class Rule:
    """Fires when `threshold` records that meet its test come within the window."""

    name: str
    meets: Callable[[Record], bool]
    threshold: int


def error_rule(threshold: int) -> Rule:
    """Records of ERROR and above."""
    return Rule(ERRORS, _is_error, threshold)


def _is_error(record: Record) -> bool:
    return severity(record.level or "") >= _ERROR


def query_rule(text: str, *, clock: Clock = SYSTEM_CLOCK) -> Rule:
    """Records that a query finds, from the first on; ConfigError when it is none, or one with stages."""
    try:
        query = parse(text)
        if query.stages:
            raise ConfigError(KEY, text, "settings", "an alert's rule is a filter, without | stages")
        matches = compile_match(resolve_filter(query.filter, clock.now_ns()))
        matches(StoredRecord(seq=0, received=0, record=Record(timestamp=0)))
    except (QueryError, MissingExtraError) as error:
        raise ConfigError(KEY, text, "settings", str(error)) from error
    return Rule(
        text, lambda record: matches(StoredRecord(seq=0, received=record.timestamp, record=record)), 1
    )


def make_rules(threshold_errors: int, queries: Sequence[str], *, clock: Clock = SYSTEM_CLOCK) -> list[Rule]:
    """The rule that counts errors, unless its threshold is 0, and one for each query."""
    errors = [error_rule(threshold_errors)] if threshold_errors > 0 else []
    return [*errors, *(query_rule(text, clock=clock) for text in queries)]
