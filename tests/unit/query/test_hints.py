"""Slips in a query that is valid all the same."""

import pytest

from tamis.query.hints import hints
from tamis.query.parser import parse
from tamis.query.resolve import resolve

NOW = 1_795_262_400 * 10**9


def said(text: str, *, is_found: bool = False) -> tuple[str, ...]:
    return hints(resolve(parse(text), NOW), text, is_found=is_found)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("timeout not shop", "the word not is searched; write NOT to exclude"),
        ("not timeout", "write NOT to exclude"),
        ("a OR (b not c)", "write NOT to exclude"),
        ("a and b", "the word and is searched; write AND"),
        ("a or b", "the word or is searched; write OR"),
        ("level:(error or warning)", "write OR"),
        ("service=mix", "did you mean service:mix or service:=mix?"),
        ("service==mix", "did you mean service:mix or service:=mix?"),
        ("NOT service=mi*", "did you mean service:mi*?"),
        ('service="a b"', 'did you mean service:"…" or service:="…"?'),
        ("a == b", "did you mean a:b?"),
        ("a = b", "did you mean a:b?"),
        ("a != b", "did you mean NOT a:b?"),
        ("service : mix", "did you mean service:mix?"),
        ("a && b", "the text && is searched; write AND"),
        ("level:error&&shop", "write AND"),
        ("!foo", "write NOT foo to exclude"),
        ("!foo*", "write NOT foo* to exclude"),
        ("!service:mix", "write NOT service:mix to exclude"),
        ("level:!error", "write NOT level:error to exclude"),
        ("!(a b)", "write NOT (…) to exclude"),
        ("x:[5 TO 1]", "x:[5 TO 1] is empty"),
        ("x:{5 TO 5}", "is empty"),
        ("x:[b TO a]", "is empty"),
        ("level:[error TO info]", "is empty"),
        ("received:[-1h TO -2h]", "is empty"),
        ("_time:[-1h TO -2h]", "the range of time is empty"),
        ("_time>=-1h _time<-2h", "exclude each other"),
        ("level:wraning", "did you mean level:WARNING?"),
        ("level:audit", "known are TRACE"),
        ("level:=warning", "write level:WARNING"),
    ],
)
def test_a_slip_is_told_once(text: str, part: str) -> None:
    """One sentence, with what to write instead."""
    found = said(text)
    assert len(found) == 1, found
    assert part in found[0]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not",
        "a AND NOT b OR c",
        'a "not" b "and" c "or" d',
        "a message:not b",
        '"service=mix"',
        "message:service=mix",
        "http://shop/?a=b&c=d",
        "Zm9vYg==",
        "-> = x",
        '"a && b"',
        '"!foo"',
        "done!",
        "x:[1 TO 5]",
        "x:[5 TO 5]",
        "x:[9 TO 10]",
        "x:[5 TO a]",
        "service:[10 TO 9]",
        "received:[-2h TO -1h]",
        "_time:[-2h TO -1h]",
        "level:warn level:Fatal",
        "level:=WARNING",
        "level>=warning",
    ],
)
def test_what_is_meant_brings_no_hint(text: str) -> None:
    """Quoted words, pasted texts, ranges with values in them, known levels."""
    assert said(text) == ()


def test_a_level_of_ones_own_brings_no_hint_when_it_is_found() -> None:
    """Only one that looks like a known one does."""
    assert said("level:audit", is_found=True) == ()
    assert said("level:wraning", is_found=True)


def test_each_slip_of_a_query_is_told() -> None:
    """In the order they are found, equal ones once."""
    assert len(said("a not b not service=mix x:[2 TO 1]")) == 3
