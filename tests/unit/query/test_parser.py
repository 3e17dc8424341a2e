"""The parser: what a text means, and what it says about a text that means nothing."""

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tamis.errors import QueryError
from tamis.query import regex
from tamis.query.ast import (
    Aggregate,
    All,
    And,
    Bin,
    By,
    Compare,
    Exact,
    Exists,
    Fields,
    Filter,
    Limit,
    Not,
    Or,
    Pattern,
    Patterns,
    Phrase,
    Prefix,
    Query,
    Range,
    Regex,
    Sort,
    SortKey,
    Stage,
    Stats,
    Substring,
    Time,
)
from tamis.query.limits import QueryLimits
from tamis.query.parser import parse

MINUTE_NS = 60 * 10**9


def word(text: str) -> Phrase:
    return Phrase("message", text)


FILTERS: list[tuple[str, Filter]] = [
    ("", All()),
    ("  \t\n", All()),
    ("*", All()),
    ("timeout", word("timeout")),
    ("checkout timeout", And((word("checkout"), word("timeout")))),
    ('"connection refused"', word("connection refused")),
    ("time*", Prefix("message", "time")),
    ('"connection ref"*', Prefix("message", "connection ref")),
    ('message:~"tion ref"', Substring("message", "tion ref")),
    ("message:~tion", Substring("message", "tion")),
    (r"message:/blk_-?\d+/", Regex("message", r"blk_-?\d+")),
    ("/a b/", Regex("message", "a b")),
    (r"x:/a\/b\\/", Regex("x", "a/b\\\\")),
    ("level>=warning", Compare("level", ">=", "warning")),
    ("service:shop", Phrase("service", "shop")),
    ("service:=Shop", Exact("service", "Shop")),
    ('service:="a b"', Exact("service", "a b")),
    ('x:=""', Exact("x", "")),
    ("duration_ms>250", Compare("duration_ms", ">", "250")),
    ("duration_ms <= 250", Compare("duration_ms", "<=", "250")),
    ('x<"a b"', Compare("x", "<", "a b")),
    ("x:>=5", Compare("x", ">=", "5")),
    ("status:[500 TO 599]", Range("status", "500", "599")),
    ("status:{500 TO 599}", Range("status", "500", "599", False, False)),
    ("status:[500 TO 599}", Range("status", "500", "599", True, False)),
    ("status:[500 TO *]", Range("status", "500", None)),
    ("status:{* TO 5}", Range("status", None, "5", True, False)),
    ('x:["a b" TO "*"]', Range("x", "a b", "*")),
    ("x:[-5 TO -1]", Range("x", "-5", "-1")),
    ("x:[* TO *]", Exists("x")),
    ("status:(404 OR 410)", Or((Phrase("status", "404"), Phrase("status", "410")))),
    ("x:(a b* NOT /c/)", And((Phrase("x", "a"), Prefix("x", "b"), Not(Regex("x", "c"))))),
    (
        "x:(>1 (<5 OR =7) ~z *)",
        And(
            (
                Compare("x", ">", "1"),
                Or((Compare("x", "<", "5"), Exact("x", "7"))),
                Substring("x", "z"),
                Exists("x"),
            )
        ),
    ),
    ("user_id:*", Exists("user_id")),
    ("NOT user_id:*", Not(Exists("user_id"))),
    ("-user_id:*", Not(Exists("user_id"))),
    ("NOT NOT a", Not(Not(word("a")))),
    ("NOT(a)", Not(word("a"))),
    ("NOT a b", And((Not(word("a")), word("b")))),
    ("NOT (a b)", Not(And((word("a"), word("b"))))),
    ("pattern:p_3f9a", Pattern("p_3f9a")),
    ("(a OR b) NOT c", And((Or((word("a"), word("b"))), Not(word("c"))))),
    ("a b OR c", Or((And((word("a"), word("b"))), word("c")))),
    ("a AND b OR c AND d", Or((And((word("a"), word("b"))), And((word("c"), word("d")))))),
    ("(a b) (c d)", And((word("a"), word("b"), word("c"), word("d")))),
    ("(a OR b) OR c", Or((word("a"), word("b"), word("c")))),
    ("((a))", word("a")),
    ("_time:-15m", Time("-15m", None)),
    ("_time:[-2h TO -1h]", Time("-2h", "-1h")),
    ("_time:[* TO 2026-01-01}", Time(None, "2026-01-01")),
    ('_time:"2026-01-01 10:00"', Time("2026-01-01 10:00", None)),
    ("_time>=-15m", Compare("timestamp", ">=", "-15m")),
    ("_time:*", Time(None, None)),
    # what people paste
    ("10.0.0.1", word("10.0.0.1")),
    ("foo-bar", word("foo-bar")),
    ("/var/log/x", word("/var/log/x")),
    ("path:/var/log/", Phrase("path", "/var/log/")),
    ("a@b.c", word("a@b.c")),
    ("2026-11-21T10:00:00Z", word("2026-11-21T10:00:00Z")),
    ("10:00:00", word("10:00:00")),
    ("http://host:80/x?y=z", word("http://host:80/x?y=z")),
    ("std::vector", word("std::vector")),
    ("C:\\temp", word("C:\\temp")),
    ("status=404", word("status=404")),
    ("a->b", word("a->b")),
    ("[main]", word("[main]")),
    ("{x}", word("{x}")),
    ("-15m", word("-15m")),
    ("--verbose", word("--verbose")),
    ("and or not to", And((word("and"), word("or"), word("not"), word("to")))),
    ("ORDER NOTE", And((word("ORDER"), word("NOTE")))),
    ('"AND"', word("AND")),
    ("größe:x", Phrase("größe", "x")),
    ("тест", word("тест")),
    # names
    ("a.b-c:x", Phrase("a.b-c", "x")),
    ("@timestamp:x", Phrase("@timestamp", "x")),
    ("$ref:x", Phrase("$ref", "x")),
    ("k8s.io/name:x", Phrase("k8s.io/name", "x")),
    ('"weird field":x', Phrase("weird field", "x")),
    ('"weird field">5', Compare("weird field", ">", "5")),
    ('"_time":x', Phrase("_time", "x")),
    ('"pattern":(x OR y)', Or((Phrase("pattern", "x"), Phrase("pattern", "y")))),
    ("attributes.level:x", Phrase("attributes.level", "x")),
    ("a:b:c", Phrase("a", "b:c")),
    # quotes
    (r'"a \"b\" \\ \n\t\r\/"', word('a "b" \\ \n\t\r/')),
    (r'"\u00e9\ud83e\udd89"', word("é🦉")),
    ('"a\nb"', word("a\nb")),
    ('""', word("")),
]


@pytest.mark.parametrize(("text", "expected"), FILTERS)
def test_filters_mean_what_they_say(text: str, expected: Filter) -> None:
    """Each form of condition becomes its node."""
    assert parse(text) == Query(expected)


STAGES: list[tuple[str, tuple[Stage, ...]]] = [
    ("a", ()),
    ("a | patterns", (Patterns(),)),
    ("a|patterns|limit 5", (Patterns(), Limit(5))),
    ("a | fields timestamp, message", (Fields(("timestamp", "message")),)),
    ("a | sort x desc, y asc, z | limit 10", (Sort((SortKey("x", True), SortKey("y", False), SortKey("z", False))), Limit(10))),  # noqa: E501
    (
        "a | stats count(), p95(duration_ms) by service, bin(5m) | sort count desc | limit 10",
        (
            Stats(
                (Aggregate("count", None, "count"), Aggregate("p95", "duration_ms", "p95_duration_ms")),
                (By("service"), Bin(5 * MINUTE_NS, "5m")),
            ),
            Sort((SortKey("count", True),)),
            Limit(10),
        ),
    ),
    ("a | stats count ( x ) as n", (Stats((Aggregate("count", "x", "n"),)),)),
    ('a | stats sum("weird field") as "a b" by "by"', (Stats((Aggregate("sum", "weird field", "a b"),), (By("by"),)),)),
    ("a | stats p99.9(x), rate() by bin(1h30m)", (Stats((Aggregate("p99.9", "x", "p99.9_x"), Aggregate("rate", None, "rate")), (Bin(90 * MINUTE_NS, "1h30m"),)),)),  # noqa: E501
    ("| stats count() by bin", (Stats((Aggregate("count", None, "count"),), (By("bin"),)),)),
    ("| stats avg(a) by b | fields b, avg_a", (Stats((Aggregate("avg", "a", "avg_a"),), (By("b"),)), Fields(("b", "avg_a")))),  # noqa: E501
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), STAGES)
def test_stages_mean_what_they_say(text: str, expected: tuple[Stage, ...]) -> None:
    """Each stage becomes its node; columns have their default names."""
    assert parse(text).stages == expected


ERRORS: list[tuple[str, int, str]] = [
    # text, column, a part of what is said
    ('a "b', 3, "quote is not closed"),
    (r'"a\x"', 3, r"Write \\"),
    (r'"\ud800"', 2, "surrogate"),
    (r'"\u12"', 2, "four hexadecimal digits"),
    ("a\ud800", 2, "surrogate"),
    ("a | stat count()", 5, "Did you mean stats?"),
    ("a | STATS count()", 5, "Did you mean stats?"),
    ("a |", 4, "The stages are stats"),
    ("a || b", 4, "Write OR"),
    ("message:/(/", 9, "RE2"),
    ("message:/(?=a)b/", 9, "look-around"),
    ("message:/a(b", 9, "not closed"),
    ("message:/a[/]b/", 9, r"\/"),
    ("level>=wraning", 6, "Did you mean WARNING?"),
    ("level:[info TO erorr]", 7, "Did you mean ERROR?"),
    ("level>=xyzzy", 6, "are known"),
    ("level>=99", 6, "level>=WARNING"),
    ("a AND", 6, "condition is missing"),
    ("a OR OR b", 6, "the first is missing"),
    ("AND a", 1, '"AND"'),
    ("NOT", 4, "condition is missing"),
    ("(a", 1, "( is not closed"),
    ("a)", 2, ") closes nothing"),
    ("()", 2, "condition is missing"),
    ("x:", 3, "Write x:value without a space"),
    ("x: a", 3, "nothing stands after x:"),
    ("x>", 3, "nothing stands after >"),
    ("x:~", 4, "nothing stands after :~"),
    ("*foo", 1, 'message:~"foo"'),
    ("x:fo*o", 5, 'x:~"fo"'),
    ("**", 1, "end of a word"),
    ("a!=b", 1, "Write NOT a:b"),
    ("x:[1 TO", 3, "lacks an end"),
    ("x:[1 TO 2", 3, "not closed"),
    ("x:[1, 2]", 3, "no TO"),
    ("x:[1 2]", 3, "no TO"),
    ("x:[]", 3, "lacks an end"),
    ('"":x', 1, "name is empty"),
    ("timestamp:foo", 11, "timestamp>="),
    ("received:=5", 10, "received>="),
    ("timestamp>=foo", 10, "not a time"),
    ("_time:5m", 7, "-5m"),
    ("_time:-15", 7, "15s, 15m or 15h"),
    ("_time:2026-13-01", 7, "no such day"),
    ("_time:2026-01-01T25:00", 7, "time of day"),
    ("_time:3000-01-01", 7, "1677 to 2262"),
    ("_time:{-2h TO -1h]", 7, "timestamp:{a TO b}"),
    ("pattern:foo", 9, "attributes.pattern:foo"),
    ("pattern:(p_1 OR p_2)", 9, "(pattern:p_1 OR pattern:p_2)"),
    ("a | stats", 10, "aggregate is missing"),
    ("a | stats count", 11, "Write count()"),
    ("a | stats mean(x)", 11, "Did you mean avg?"),
    ("a | stats median(x)", 11, "p50"),
    ("a | stats cuont()", 11, "Did you mean count?"),
    ("a | stats p100(x)", 11, "p99.9"),
    ("a | stats sum()", 11, "sum(duration_ms)"),
    ("a | stats rate(x)", 11, "takes no field"),
    ("a | stats count(x", 11, "not closed"),
    ("a | stats count(), count()", 27, "with as"),
    ("a | stats count() by bin(5)", 26, "5s, 5m or 5h"),
    ("a | stats count() by bin(0s)", 26, "longer than nothing"),
    ("a | stats count() by bin(5m", 22, "bin(5m)"),
    ("a | stats count() by", 21, "name of a field is missing"),
    ("a | stats count() | sort cuont", 26, "Did you mean count?"),
    ("a | stats count() by x | fields y", 33, "columns are x, count"),
    ("a | limit", 10, "lacks its number"),
    ("a | limit x", 11, "takes a number"),
    ("a | limit 99999999", 11, "limit_max"),
    ("a | limit 5 | sort x", 15, "sort stands before limit"),
    ("a | limit 5 | limit 6", 15, "twice"),
    ("a | sort x | stats count()", 14, "stats stands first"),
    ("a | patterns | sort x", 16, "only be limit"),
    ("a | fields a b", 14, "commas"),
    ("a | sort", 9, "name of a column is missing"),
]


@pytest.mark.parametrize(("text", "column", "said"), ERRORS)
def test_errors_tell_where_and_what_to_write(text: str, column: int, said: str) -> None:
    """Every wrong text has a column and a hint."""
    with pytest.raises(QueryError) as caught:
        parse(text)
    assert said in str(caught.value)
    assert caught.value.column == column


def test_limits_have_names() -> None:
    """A query that is too long, too deep or too large says which limit it passed."""
    for text, name in (
        ("x" * 32_769, "chars_max"),
        ("(" * 60 + "a" + ")" * 60, "depth_max"),
        ("a " * 3_000, "nodes_max"),
    ):
        with pytest.raises(QueryError, match=name):
            parse(text)
    with pytest.raises(QueryError, match="nodes_max"):
        parse("a b c", QueryLimits(nodes_max=2))


@pytest.mark.parametrize(
    ("text", "name", "column"),
    [
        ("a /b.c/ OR (x:/d.e/) OR y:(/f.g/)", "regexes_max = 2", 28),
        ("* | stats count(), sum(x), max(x)", "aggregates_max = 2", 28),
        ("* | stats count() by a, b, c, d", "columns_max = 3", 31),
        ("* | sort a, b desc, c, d", "columns_max = 3", 24),
        ("* | fields a, b, c, d", "columns_max = 3", 21),
        ("a b.c.d.e:1", "name_parts_max = 3", 3),
        ('a "b.c.d.e":1', "name_parts_max = 3", 3),
        ("* | sort a, b.c.d.e", "name_parts_max = 3", 13),
        ("* | stats sum(b.c.d.e)", "name_parts_max = 3", 15),
    ],
)
def test_costly_queries_say_where_they_pass_their_limit(text: str, name: str, column: int) -> None:
    """The limit's name and the first thing beyond it; one less is fine."""
    limits = QueryLimits(regexes_max=2, aggregates_max=2, columns_max=3, name_parts_max=3)
    with pytest.raises(QueryError, match=name) as caught:
        parse(text, limits)
    assert caught.value.column == column
    parse(text, QueryLimits(regexes_max=3, aggregates_max=3, columns_max=4, name_parts_max=4))


@pytest.mark.parametrize("opening", ["(", "NOT ", "-(", "x:(", "NOT ("])
def test_depth_never_ends_in_a_recursion_error(opening: str) -> None:
    """However deep a text is nested, it is a QueryError; at the limit it still parses."""
    with pytest.raises(QueryError, match="depth_max"):
        parse(opening * 5_000 + "a")
    closing = ")" * opening.count("(")
    assert parse(opening * 20 + "a" + closing * 20)


@settings(deadline=None)
@given(st.text(st.sampled_from(list("ab:\"'()[]{}<>=~/*|-\\ .,TOANDRNu0é_@$\n")), max_size=40))
def test_any_text_parses_or_is_a_query_error(text: str) -> None:
    """No text makes the parser fail in another way, and the column lies in the text or right behind it."""
    column = 1
    try:
        parse(text)
    except QueryError as error:
        column = error.column
    assert 1 <= column <= len(text) + 1


def test_without_pyarrow_regular_expressions_are_refused_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An application without pyarrow is told what to install, at parse time; all else works."""
    regex._engine.cache_clear()
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    try:
        with pytest.raises(QueryError, match=r"tamis\[store\]"):
            parse("message:/a/")
        assert parse("a b") == Query(And((word("a"), word("b"))))
    finally:
        regex._engine.cache_clear()
