"""Times that move with the clock: counted from whole seconds, so that a question asked again within one is the same.

A beginning counts from the second before, an end from the one after: what lies within the range as the clock shows it
is always found.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from tamis.clock import NS_PER_S
from tamis.query.ast import And, Compare, Filter, Query, TimeRange
from tamis.query.fields import CORE_TIMES
from tamis.query.resolve import resolve
from tamis.query.times import parse_instant


@dataclass(frozen=True, slots=True)
class Now:
    """An instant, and the whole seconds around it."""

    exact_ns: int

    @property
    def before_ns(self) -> int:
        """The second that began last: what beginnings count from."""
        return self.exact_ns // NS_PER_S * NS_PER_S

    @property
    def after_ns(self) -> int:
        """The second that begins next: what ends count from."""
        return -(-self.exact_ns // NS_PER_S) * NS_PER_S


def resolved(query: Query, now: Now) -> Query:
    """The query with absolute times: beginnings from the second before, ends from the one after; where a filter's
    alternatives or negations say a time, from the very instant."""
    exact = resolve(query, now.exact_ns)
    early, late = resolve(query, now.before_ns), resolve(query, now.after_ns)
    return replace(exact, filter=_outward(exact.filter, early.filter, late.filter))


def moves_of(query: Query, ends: Iterable[str | None], now_ns: int) -> bool | None:
    """Whether the times of a question move with the clock; None when they do so between seconds too.

    Raises QueryError for what is no time.
    """
    now, later_ns = Now(now_ns), now_ns + NS_PER_S
    first = resolved(query, Now(now.before_ns + 1))
    if first != resolved(query, Now(now.before_ns + 2)):
        return None
    instants = [
        (parse_instant(text, now_ns), parse_instant(text, later_ns)) for text in ends if text is not None
    ]
    return first != resolved(query, Now(later_ns)) or any(one != other for one, other in instants)


def _outward(exact: Filter, early: Filter, late: Filter) -> Filter:
    match exact, early, late:
        case And(items), And(before), And(after):
            return And(tuple(map(_outward, items, before, after)))
        case TimeRange(), TimeRange(start), TimeRange(_, end):
            return TimeRange(start, end)
        case Compare(field, operator), Compare(), Compare() if field in CORE_TIMES:
            return early if operator in (">", ">=") else late
        case _:
            return exact
