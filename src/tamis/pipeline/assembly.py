"""Records put together a batch at a time: what `to_record` makes of each, but quicker, and with what they say."""

from collections.abc import Mapping, Sequence
from typing import Final

from tamis.pipeline.captured import (
    FIELDS,
    FIELDS_MAX,
    LEVELS,
    NO_IDS,
    TEXT_CHARS_MAX,
    Captured,
    Origin,
    add_outer,
    odd_names,
    safe_name,
    start_of,
    to_record,
)
from tamis.pipeline.contents import Contents, are_usual
from tamis.record.attributes import Value
from tamis.record.context import EMPTY
from tamis.record.model import Record

_NOBODY: Final = object()


def to_records(taken: Sequence[Captured], origin: Origin) -> list[Record]:
    """The record of each, in order."""
    return put_together(taken, origin)[0]


def put_together(taken: Sequence[Captured], origin: Origin) -> tuple[list[Record], Contents]:
    """The record of each, in order, and what they say. A record that says more than a message and plain fields, or
    has something in it that not every sink can carry, is made by `to_record`.
    """
    own_names: set[str] = set()
    contents = Contents()
    records, places, is_bare = _add_all(taken, origin, contents, own_names)
    odd = odd_names(own_names, bare=is_bare)
    if odd:
        for place, captured in enumerate(taken):
            fields = captured[FIELDS]
            if fields and any(name in fields for name in odd):
                records[place] = to_record(captured, origin)
                places.add(place)
    contents.names |= own_names
    contents.places = sorted(places)
    contents.others = [records[place] for place in contents.places]
    if contents.are_texts_safe(TEXT_CHARS_MAX):
        return records, contents
    records = [to_record(captured, origin) for captured in taken]
    return records, Contents(others=records, places=range(len(records)))


def _add_all(
    taken: Sequence[Captured], origin: Origin, contents: Contents, names: set[str]
) -> tuple[list[Record], set[int], bool]:
    """All records, the places of those that `to_record` made, and whether none has anything round it. That is made
    once for all.
    """
    records: list[Record] = []
    others: set[int] = set()
    texts, numbers = contents.texts, contents.numbers
    given: list[Mapping[str, object]] = []
    add, add_text, add_fields, level_of = records.append, texts.append, given.append, LEVELS.get
    service, host = origin.service, origin.host
    base: dict[str, Value] = {}
    attributes: dict[str, Value]
    of_logger, name = None, ""
    ids, of_thread, of_context, of_bound, is_usual, is_bare = NO_IDS, _NOBODY, _NOBODY, _NOBODY, False, True
    for captured in taken:
        stamp, number, logger, message, arguments, fields, bound, thread, context, code, more = captured
        level = level_of(number)
        if thread is not of_thread or context is not of_context or bound is not of_bound:
            of_thread, of_context, of_bound = thread, context, bound
            base = start_of(thread, origin)
            ids = add_outer(base, context, bound)
            is_bare = is_bare and context is EMPTY and not bound
            contents.names.update(base)
            is_usual = are_usual(base.values(), texts, numbers)
        is_other = level is None or code is not None or more is not None or not (
            is_usual and (not fields or (are_usual(fields.values(), texts, numbers) and len(fields) <= FIELDS_MAX))
        )  # fmt: skip
        if arguments and not is_other:
            try:
                message = message % arguments
            except Exception:  # templates are the user's: the record is kept and marked
                is_other = True
        if is_other:
            others.add(len(records))
            add(to_record(captured, origin))
            continue
        if logger is not of_logger:
            of_logger, name = logger, safe_name(logger)
        if fields:
            add_fields(fields)
            attributes = base | fields  # type: ignore[operator]  # looked at above
        else:
            attributes = base.copy()
        add_text(message)
        # By place, which takes a quarter less time.
        add(Record(stamp, message, level, service, host, name, ids[1], ids[2], ids[0], attributes))
    names.update(*given)
    return records, others, is_bare
