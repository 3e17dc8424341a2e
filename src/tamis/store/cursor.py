"""Cursors: where a page of a search ended, as an opaque text."""

import base64
import hashlib
from dataclasses import dataclass

import msgspec

from tamis.errors import QueryError
from tamis.query.ast import All, And, Compare, Filter, Not, Or, Range, TimeRange
from tamis.query.fields import CORE_TIMES
from tamis.query.printer import print_filter
from tamis.store.base import Order, Question

_VERSION = 1
_TEXT_CHARS_MAX = 200


@dataclass(frozen=True, slots=True)
class Cursor:
    """After the record of this (timestamp, seq), seen as of an ingest sequence."""

    as_of: int
    timestamp: int
    seq: int


def encode_cursor(cursor: Cursor, question: Question, order: Order) -> str:
    """The cursor as a text for URLs; it remembers its question and order."""
    values = (_VERSION, cursor.as_of, cursor.timestamp, cursor.seq, _digest(question, order))
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(values)).rstrip(b"=").decode()


def decode_cursor(text: str, question: Question, order: Order) -> Cursor:
    """The cursor of a text. Raises QueryError when it is none, or of another question, order or `as_of`."""
    try:
        padded = text[:_TEXT_CHARS_MAX].encode("ascii") + b"=" * (-len(text) % 4)
        data = base64.b64decode(padded, altchars=b"-_", validate=True)
        values = msgspec.msgpack.decode(data, type=tuple[int, int, int, int, bytes])
    except (ValueError, msgspec.MsgspecError):
        raise QueryError("this is no cursor", 1, "Take next_cursor of the page before.") from None
    version, as_of, timestamp, seq, digest = values
    if version != _VERSION:
        raise QueryError("this cursor is of another release", 1, "Begin again without a cursor.")
    if digest != _digest(question, order) or question.as_of not in (None, as_of):
        raise QueryError(
            "this cursor is of another search", 1, "Keep the query, the order and as_of, or leave it out."
        )
    return Cursor(as_of, timestamp, seq)


def _digest(question: Question, order: Order) -> bytes:
    after = "" if question.after_seq is None else f" {question.after_seq}"
    text = f"{order} {print_filter(_timeless(question.filter))}{after}"
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def _timeless(given: Filter) -> Filter:
    """The filter without its times: what was relative to now has moved since the page before, and that is
    no other search."""
    match given:
        case And(items):
            return And(tuple(map(_timeless, items)))
        case Or(items):
            return Or(tuple(map(_timeless, items)))
        case Not(item):
            return Not(_timeless(item))
        case TimeRange():
            return All()
        case Compare(field) | Range(field) if field in CORE_TIMES:
            return All()
        case _:
            return given
