"""Filters as JSON: what is read is what was written."""

import msgspec
import pytest
from hypothesis import given

from tamis.errors import FormatError
from tamis.query import ast
from tamis.query.ast import Filter, Pattern, Phrase, Shapes, Time
from tamis.query.resolve import resolve
from tamis.store.embedded.format.filters import filter_from_json, filter_to_json
from tests.support.strategies import filters


@given(filters())
def test_every_filter_comes_back_as_it_was(given_filter: Filter):
    """Through JSON, for every filter that a store can be asked."""
    resolved = resolve(ast.Query(given_filter), 1_700_000_000_000_000_000).filter
    text = msgspec.json.encode(filter_to_json(resolved))
    assert filter_from_json(msgspec.json.decode(text)) == resolved


def test_shapes_come_back():
    """Sets of 63-bit numbers."""
    given_filter = Shapes(frozenset({0, 2**63 - 1}))
    assert (
        filter_from_json(msgspec.json.decode(msgspec.json.encode(filter_to_json(given_filter))))
        == given_filter
    )


@pytest.mark.parametrize("unresolved", [Time("-15m", None), Pattern("p_1")])
def test_what_changes_its_meaning_is_refused(unresolved):
    """A deletion "of the last 15 minutes" must not mean other minutes tomorrow."""
    with pytest.raises(FormatError):
        filter_to_json(unresolved)


def test_an_unknown_kind_is_refused():
    """A filter of a later release is not guessed at."""
    with pytest.raises(FormatError, match="Telepathy"):
        filter_from_json({"kind": "Telepathy"})
    assert filter_from_json({"kind": "Phrase", "field": "message", "text": "x"}) == Phrase("message", "x")
