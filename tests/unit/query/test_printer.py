"""The printer: canonical text that parses to the same query."""

import pytest
from hypothesis import given, settings

from tamis.query import ast
from tamis.query.parser import parse
from tamis.query.printer import print_filter, print_query
from tamis.query.resolve import resolve
from tests.support.strategies import BASE_NS, queries

NOW_NS = BASE_NS + 86_400 * 10**9


@settings(deadline=None)  # the first regular expression imports pyarrow
@given(queries(wild=True))
def test_a_printed_query_parses_to_itself(query: ast.Query) -> None:
    """parse(print_query(q)) is q for every query that the parser can make."""
    assert parse(print_query(query)) == query


@settings(deadline=None)
@given(queries())
def test_printing_is_canonical(query: ast.Query) -> None:
    """The text of a query is the text of what it parses to."""
    text = print_query(query)
    assert print_query(parse(text)) == text


@settings(deadline=None)
@given(queries())
def test_a_resolved_filter_prints_as_what_resolves_to_the_same(query: ast.Query) -> None:
    """What resolve made can be printed, parsed and resolved again without a change in meaning."""
    resolved = resolve(query, NOW_NS).filter
    again = resolve(parse(print_filter(resolved)), NOW_NS).filter
    assert resolve(parse(print_filter(again)), 0).filter == again


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("", "*"),
        ("  a   AND b ", "a b"),
        ("a b OR c", "a b OR c"),
        ("a (b OR c)", "a (b OR c)"),
        ("(a b) OR (c)", "a b OR c"),
        ("NOT (a b)", "NOT (a b)"),
        ("-a", "NOT a"),
        ("message:a", "a"),
        ("status:(404 OR 5*)", "status:404 OR status:5*"),
        ("status:>=500", "status>=500"),
        ("x:[* TO *]", "x:*"),
        ("x:[1 to 2}", "x:[1 TO 2}"),
        ("/a\\/b/", "message:/a\\/b/"),
        ('"AND"', '"AND"'),
        ('field:"plain"', "field:plain"),
        ('"\\u0041\\n"', '"A\\n"'),
        (
            'a|stats count() as n by "by",bin( 5m )|sort n asc|limit 5',
            'a | stats count() as n by "by", bin(5m) | sort n | limit 5',
        ),
    ],
)
def test_the_canonical_text(text: str, canonical: str) -> None:
    """One query has one text, whatever way it was written."""
    assert print_query(parse(text)) == canonical


def test_shapes_print_as_their_patterns() -> None:
    """A filter over shapes prints as the patterns it stands for, and none of them as nothing."""
    assert (
        print_filter(ast.Shapes(frozenset({2, 1})))
        == "(pattern:p_0000000000000001 OR pattern:p_0000000000000002)"
    )
    assert print_filter(ast.Not(ast.Shapes(frozenset({1, 2})))).startswith("NOT (pattern:")
    assert print_filter(ast.Not(ast.Shapes(frozenset()))) == "NOT NOT *"
