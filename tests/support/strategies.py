"""Random records with nasty attributes, and random queries of the whole language about what they hold."""

from functools import cache
from typing import Any

from hypothesis import strategies as st

from tamis.query import ast
from tamis.query.stages import default_name, group_name
from tamis.query.values import canonical_text
from tamis.record.model import Record
from tamis.record.severity import level_names
from tamis.record.shape import pattern_id, shape, shape_id

BASE_NS = 1_763_719_200_000_000_000
"""2025-11-21T10:00:00Z, a full hour: records lie on both sides of it."""

OFFSETS_NS = (
    0,
    1,
    -1,
    10**9,
    10**9 + 1,
    60 * 10**9,
    3_600 * 10**9,
    3_600 * 10**9 - 1,
    -3_601 * 10**9,
    86_400 * 10**9,
)
SMALL_TIMES = (0, 1, -1, -(10**9), 5)

WORDS = (
    "checkout",
    "timeout",
    "Time",
    "connection",
    "refused",
    "blk_-12",
    "ERROR",
    "Straße",
    "ΣΊΣΥΦΟΣ",
    "İstanbul",
    "<*>",
)
MESSAGES = (
    "",
    " ",
    "checkout timeout after 250 ms",
    "checkout timeout after 31 ms",
    "Checkout-TIMEOUT",
    "connection refused",
    "connection\nrefused",
    "connectionrefused",
    "order 42 placed by user 7",
    "order 4242 placed by user x7",
    "blk_-1234 of blk_99",
    "10.0.0.1 - GET /var/log/x 404",
    "10.0.0.12 - GET /var/log/x 4040",
    "Straße gesperrt",
    "STRASSE gesperrt",
    "ΣΊΣΥΦΟΣ σίσυφος",
    "İstanbul ıstanbul istanbul",
    "naïve cafe\u0301 café",
    'a "quoted" \\ text\t',
    "<*> is what a mask looks like",
    "user <b>7</b>",
    "404",
    "true",
)
LEVELS = (None, "INFO", "INFO", "DEBUG", "DEBUG2", "WARNING", "ERROR", "CRITICAL", "CUSTOM", "")
SERVICES = (None, "shop", "Shop", "shop-eu", "404", "")
HOSTS = (None, "h1", "h2", "10.0.0.1")
TRACES = (None, "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "not-hex id")

TEXTS = (
    "", " ", "-", "a", "Shop", "two words", "404", "404.0", "4.04e2", "007", "-0", "1e999", "0x1f", "12abc", "true",
    "FALSE", "null", "ä", "Ä", "10.0.0.1", "2025-11-21T10:00:00Z", "é\u0301", "line\nbreak", "[1]", "\u20ac 5", "🦉",
)  # fmt: skip
INTS = (0, 1, -1, 7, 404, 500, 2**53, 2**53 + 1, 2**63 - 1, -(2**63), 2**63, 2**70, -(2**70))
FLOATS = (0.0, -0.0, 0.5, 2.5, 404.0, 1e16, 1e-7, 123456.789, -1.5, 2.0**53, 1e300)
BOOLS = (True, False)

SCALARS: tuple[Any, ...] = (*TEXTS, *INTS, *FLOATS, *BOOLS)
NAMES = (
    "status", "duration_ms", "user", "user.id", "tags", "flag", "level", "timestamp", "weird field", "größe", "a/b",
    "a~b", "x#i", "_time", "pattern", "attributes.level", "AND", "k8s.io/name", "@meta", "$ref", "by",
)  # fmt: skip
INNER = ("id", "name", "a.b", "level")

CORE_TEXT_FIELDS = ("message", "level", "service", "host", "logger", "trace_id", "correlation_id")
ATTRIBUTE_FIELDS = (
    *(name for name in NAMES if name not in ("level", "timestamp", "attributes.level")),
    "attributes.level", "attributes.timestamp", "attributes.attributes.level", "attributes.status",
    "user.name", "user.a.b", "user.level", "user.id.id", "nowhere",
)  # fmt: skip
FIELDS = (*CORE_TEXT_FIELDS, *ATTRIBUTE_FIELDS)
REGEXES = (
    "a",
    "^$",
    "blk_-?\\d+",
    "(?i)SHOP",
    "4.4",
    "^\\d+$",
    "[A-Z]\\w*",
    "x|ou",
    "connection.refused",
    "/",
    "ß",
    "\\s",
)
PREFIXES = ("time", "check", "conn", "4", "40", "10.0.0.1", "blk_", "stra", "connection ref", "", "-", "t")
PARTS = ("ion", "out aft", "4", "ß", "\n", " ", "", "SHOP", "<*>", "e", "true", "í")


@cache
def timestamps() -> st.SearchStrategy[int]:
    """Instants that fall together, next to each other and on both sides of an hour; some before 1970."""
    near = st.sampled_from(OFFSETS_NS).map(lambda offset: BASE_NS + offset)
    return st.one_of(near, near, near, st.sampled_from(SMALL_TIMES))


@cache
def messages() -> st.SearchStrategy[str]:
    """Sentences that queries of `filters` speak of, some thrown together."""
    mixed = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(" ".join)
    return st.one_of(st.sampled_from(MESSAGES), st.sampled_from(MESSAGES), mixed)


@cache
def values(depth: int = 2) -> st.SearchStrategy[Any]:
    """What an attribute may hold."""
    scalars = st.sampled_from(SCALARS)
    if depth == 0:
        return scalars
    inner = values(depth - 1)
    objects = st.dictionaries(st.sampled_from(INNER), inner, max_size=2)
    return st.one_of(scalars, scalars, scalars, st.lists(inner, max_size=3), objects)


@cache
def attributes() -> st.SearchStrategy[dict[str, Any]]:
    """Attributes of one record: the same names with other types from record to record."""
    return st.dictionaries(st.sampled_from(NAMES), values(), max_size=5)


@st.composite
def records(draw: st.DrawFn) -> Record:
    """One record."""
    return Record(
        timestamp=draw(timestamps()),
        message=draw(messages()),
        level=draw(st.sampled_from(LEVELS)),
        service=draw(st.sampled_from(SERVICES)),
        host=draw(st.sampled_from(HOSTS)),
        logger=draw(st.sampled_from((None, "app.db", "app"))),
        trace_id=draw(st.sampled_from(TRACES)),
        correlation_id=draw(st.sampled_from((None, "c-1", "abc"))),
        attributes=draw(attributes()),
    )


@cache
def batches() -> st.SearchStrategy[list[list[Record]]]:
    """Some batches, empty ones among them."""
    return st.lists(st.lists(records(), max_size=8), min_size=1, max_size=4)


@cache
def _texts() -> st.SearchStrategy[str]:
    """What conditions are about: values as text, words, whole messages."""
    known = st.sampled_from([canonical_text(value) for value in SCALARS])
    return st.one_of(
        known, st.sampled_from(WORDS), st.sampled_from(MESSAGES), st.sampled_from(("shop", "c-1", "h1"))
    )


@cache
def _wild_texts() -> st.SearchStrategy[str]:
    return st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


OPERATORS: tuple[ast.Operator, ...] = (">", ">=", "<", "<=")


@cache
def _instants() -> st.SearchStrategy[str]:
    absolute = (
        "2025-11-21T10:00:00Z",
        "2025-11-21T11:00:00.000000001+01:00",
        "1763719200",
        "2025-11-22",
        "0",
    )
    return st.sampled_from((*absolute, "-1h", "now", "-15m"))


@cache
def _bounds(field: str) -> st.SearchStrategy[str]:
    if field == "level":
        return st.sampled_from((*level_names(), "warn", "error", "0", "13", "12.5", "24"))
    if field in ("timestamp", "received"):
        return _instants()
    return _texts()


def any_end(ends: tuple[str | None, str | None]) -> bool:
    """Whether a range has an end at all: without one the parser makes an Exists of it."""
    return ends != (None, None)


@st.composite
def _ranges(draw: st.DrawFn, field: str) -> ast.Filter:
    bounds = _bounds(field)
    low, high = draw(st.tuples(st.one_of(st.none(), bounds), st.one_of(st.none(), bounds)).filter(any_end))
    return ast.Range(
        field,
        low,
        high,
        low is None or draw(st.booleans()),
        high is None or draw(st.booleans()),
    )


@cache
def _times() -> st.SearchStrategy[ast.Filter]:
    ends = st.one_of(st.none(), _instants())
    ranges = st.tuples(ends, ends).map(lambda pair: ast.Time(*pair))
    field = st.sampled_from(("timestamp", "received"))
    compares = st.builds(ast.Compare, field, st.sampled_from(OPERATORS), _instants())
    return st.one_of(ranges, compares, field.flatmap(_ranges), field.map(ast.Exists))


@cache
def _patterns() -> st.SearchStrategy[ast.Filter]:
    ids = [pattern_id(shape_id(shape(message))) for message in MESSAGES]
    return st.sampled_from([*ids, "p_3f9a"]).map(ast.Pattern)


@cache
def leaves(*, wild: bool = False) -> st.SearchStrategy[ast.Filter]:
    """Conditions. `wild`: about any text in any field, for the printer."""
    field = st.one_of(st.sampled_from(FIELDS), st.sampled_from(FIELDS[:3]))
    texts, prefixes, parts = _texts(), st.sampled_from(PREFIXES), st.sampled_from(PARTS)
    if wild:
        not_empty = _wild_texts().filter(lambda name: bool(name) and name not in ("timestamp", "received"))
        field, texts, prefixes, parts = (
            st.one_of(field, not_empty),
            *(st.one_of(t, _wild_texts()) for t in (texts, prefixes, parts)),
        )
    return st.one_of(
        st.just(ast.All()),
        st.builds(ast.Phrase, field, texts),
        st.builds(ast.Phrase, st.just("message"), texts),
        st.builds(ast.Prefix, field, prefixes),
        st.builds(ast.Substring, field, st.one_of(parts, texts)),
        st.builds(ast.Exact, field, texts),
        st.builds(ast.Regex, field, st.sampled_from(REGEXES)),
        field.flatmap(
            lambda name: st.builds(ast.Compare, st.just(name), st.sampled_from(OPERATORS), _bounds(name))
        ),
        field.flatmap(_ranges),
        st.builds(ast.Exists, field),
        _times(),
        _patterns(),
    )


def _joined(kind: Any) -> Any:
    def join(items: list[ast.Filter]) -> ast.Filter:
        flat: list[ast.Filter] = []
        for item in items:
            flat.extend(item.items if isinstance(item, kind) else [item])
        return kind(tuple(flat))

    return join


@cache
def filters(*, wild: bool = False) -> st.SearchStrategy[ast.Filter]:
    """Filters as the parser makes them: no And inside an And."""
    return st.recursive(
        leaves(wild=wild),
        lambda inner: st.one_of(
            st.lists(inner, min_size=2, max_size=3).map(_joined(ast.And)),
            st.lists(inner, min_size=2, max_size=3).map(_joined(ast.Or)),
            inner.map(ast.Not),
        ),
        max_leaves=6,
    )


BINS = (
    (ast.Bin(60 * 10**9, "1m")),
    ast.Bin(3_600 * 10**9, "1h"),
    ast.Bin(5_400 * 10**9, "1h30m"),
    ast.Bin(7, "7ns"),
)
FUNCTIONS = (
    "count",
    "sum",
    "min",
    "max",
    "avg",
    "count_distinct",
    "first",
    "last",
    "p50",
    "p95",
    "p99.9",
    "p0",
)
STATS_FIELDS = (*FIELDS, "timestamp", "received")


@st.composite
def stats(draw: st.DrawFn) -> ast.Stats:
    """Aggregates by groups, with columns of different names."""
    field = st.sampled_from(STATS_FIELDS)
    calls = st.one_of(
        st.sampled_from((("count", None), ("rate", None))),
        st.tuples(st.sampled_from(FUNCTIONS), field),
    )
    by = draw(st.lists(st.one_of(field.map(ast.By), st.sampled_from(BINS)), max_size=2, unique_by=group_name))
    names = set(map(group_name, by))
    aggregates = []
    for function, name in draw(st.lists(calls, min_size=1, max_size=3)):
        column = draw(st.sampled_from((default_name(function, name), "n", "größe", "x y")))
        if column not in names:
            names.add(column)
            aggregates.append(ast.Aggregate(function, name, column))
    return ast.Stats(tuple(aggregates) or (ast.Aggregate("count", None, "how many"),), tuple(by))


@cache
def sorts(names: tuple[str, ...] = STATS_FIELDS) -> st.SearchStrategy[ast.Sort]:
    """By one to three keys."""
    key = st.builds(ast.SortKey, st.sampled_from(names), st.booleans())
    return st.lists(key, min_size=1, max_size=3).map(lambda keys: ast.Sort(tuple(keys)))


@st.composite
def queries(draw: st.DrawFn, *, wild: bool = False) -> ast.Query:
    """Whole queries, with stages that go together."""
    found = draw(filters(wild=wild))
    stages: list[ast.Stage] = []
    names = STATS_FIELDS
    match draw(st.sampled_from(("records", "stats", "patterns"))):
        case "stats":
            table = draw(stats())
            stages.append(table)
            names = (*map(group_name, table.by), *(one.name for one in table.aggregates))
        case "patterns":
            limit = [ast.Limit(draw(st.integers(0, 100)))] if draw(st.booleans()) else []
            return ast.Query(found, (ast.Patterns(), *limit))
    if draw(st.booleans()):
        stages.append(draw(sorts(names)))
    if draw(st.booleans()):
        stages.append(ast.Limit(draw(st.integers(0, 1000))))
    if draw(st.booleans()):
        chosen = draw(st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True))
        stages.append(ast.Fields(tuple(chosen)))
    return ast.Query(found, tuple(stages))
