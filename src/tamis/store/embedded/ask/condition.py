"""Which records of a part a question means: its filter, its times, its `as_of`, less what was deleted."""

from dataclasses import dataclass

from tamis.query.ast import And, Filter, Not, Or, TimeRange
from tamis.store.base import Question
from tamis.store.embedded.format.part import Part, Snapshot


@dataclass(frozen=True, slots=True)
class Clause:
    """Records that match `filter` in start_ns <= timestamp < end_ns, up to an ingest sequence and beyond another."""

    filter: Filter
    start_ns: int | None
    end_ns: int | None
    upto_seq: int | None
    after_seq: int | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """What is wanted, and what deletions took away from it."""

    wanted: Clause
    without: tuple[Clause, ...] = ()


def condition_of(question: Question, snapshot: Snapshot, part: Part) -> Condition:
    """The question as it concerns one part."""
    upto = seen_up_to(question, snapshot)
    start, end = bounds(question)
    wanted = Clause(question.filter, start, end, upto, question.after_seq)
    deletions = snapshot.tombstones.get(part.name, ())
    without = tuple(Clause(t.filter, t.start_ns, t.end_ns, t.upto_seq) for t in deletions)
    return Condition(wanted, without)


def seen_up_to(question: Question, snapshot: Snapshot) -> int:
    """The ingest sequence that an answer sees up to; nothing lies beyond the snapshot."""
    return snapshot.last_seq if question.as_of is None else min(question.as_of, snapshot.last_seq)


def bounds(question: Question) -> tuple[int | None, int | None]:
    """The times that the question allows: its own, narrowed by those that its filter demands."""
    start, end = question.start_ns, question.end_ns
    required = question.filter.items if isinstance(question.filter, And) else (question.filter,)
    for item in required:
        if isinstance(item, TimeRange):
            if item.start_ns is not None:
                start = item.start_ns if start is None else max(start, item.start_ns)
            if item.end_ns is not None:
                end = item.end_ns if end is None else min(end, item.end_ns)
    return start, end


def out_of_reach(condition: Condition, part: Part) -> bool:
    """Whether times and sequences alone say that no record of the part is meant."""
    facts, wanted = part.facts, condition.wanted
    if wanted.upto_seq is not None and facts.min_seq > wanted.upto_seq:
        return True
    if wanted.after_seq is not None and facts.max_seq <= wanted.after_seq:
        return True
    if wanted.start_ns is not None and facts.max_ts < wanted.start_ns:
        return True
    return wanted.end_ns is not None and facts.min_ts >= wanted.end_ns


def is_cut(condition: Condition, part: Part) -> bool:
    """Whether a time that the question or a deletion names lies within the part."""
    clauses = (condition.wanted, *condition.without)
    ends = {end for clause in clauses for end in (clause.start_ns, clause.end_ns)}
    for clause in clauses:
        for leaf in leaves(clause.filter):
            if isinstance(leaf, TimeRange):
                ends |= {leaf.start_ns, leaf.end_ns}
    return any(end is not None and part.facts.min_ts < end <= part.facts.max_ts for end in ends)


def leaves(given: Filter) -> list[Filter]:
    """Every leaf of a filter."""
    match given:
        case And(items) | Or(items):
            return [leaf for item in items for leaf in leaves(item)]
        case Not(item):
            return leaves(item)
        case _:
            return [given]
