"""The fast way: when it answers, it answers what the general way does."""

import json
from datetime import UTC
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamis.record.model import listed_values
from tamis.store.embedded.format.columns import to_records, to_table, with_seq
from tamis.wire import jsonlines, jsonlines_arrow
from tamis.wire.arrow_schema import LearnedSchemas
from tamis.wire.base import DecodeOptions, FieldNames, WireLimits
from tamis.wire.joined import Parts
from tamis.wire.jsonlines_arrow import decode_fast

NOW = 1_795_255_200 * 10**9


@pytest.fixture(autouse=True)
def _small_bodies(monkeypatch):
    """Let bodies of any size go the fast way."""
    monkeypatch.setattr(jsonlines_arrow, "BODY_BYTES_MIN", 1)


def options(**settings):
    return DecodeOptions(now_ns=NOW, **settings)


def values(column, length):
    found = listed_values(column)
    assert len(found) == length
    return found


def plain(decoded):
    """A batch as comparable rows: types count, but for integers and the doubles that equal them."""
    columns = decoded.columns
    rows: list[dict[tuple[str, str], object]] = [{} for _ in range(columns.length)]
    for row, stamp in zip(rows, values(columns.timestamp, columns.length), strict=True):
        row["", "timestamp"] = stamp
    for kind, table in (("core", columns.core), ("attribute", columns.attributes)):
        for name, column in table.items():
            for row, value in zip(rows, values(column, columns.length), strict=True):
                if value is not None:
                    row[kind, name] = (
                        ("number", value) if type(value) in (int, float) else (type(value), value)
                    )
    return rows, decoded.received, decoded.rejected, decoded.rejected_count


def both(body, given, schemas=None):
    """Whether the fast way answered; that it answered right is asserted."""
    fast = decode_fast(body, given, schemas or LearnedSchemas())
    if fast is None:
        return False
    assert plain(fast) == plain(jsonlines.decode(body, given))
    return True


def lines(rows):
    return b"\n".join(json.dumps(row).encode() for row in rows)


USUAL = [
    {
        "timestamp": f"2026-11-21T10:00:{n % 60:02}.{n:06}Z", "level": ["info", "WARN", "error"][n % 3],
        "service": "shop",
        "message": f"order {n} é", "duration_ms": n / 4, "status": 200, "ok": n % 2 == 0,
        "user": None if n % 5 else f"u{n}",
    }
    for n in range(200)
]  # fmt: skip


@pytest.mark.parametrize("zone", [UTC, ZoneInfo("UTC"), ZoneInfo("Asia/Tokyo")])
@pytest.mark.parametrize(
    "stamp", ["2026-11-21T10:00:00Z", "2026-11-21T10:00:00.123456789+02:00", "2026-11-21 10:00:00",
    1795255200, 1795255200123]
)  # fmt: skip
def test_uniform_blocks_go_the_fast_way(stamp, zone):
    """The usual fields and times are answered fast, and alike."""
    assert both(
        lines([{**row, "timestamp": stamp} for row in USUAL]), options(zone=zone, service="s", host="h")
    )


def test_a_block_with_malformed_lines_goes_the_fast_way():
    """Truncated, blank, oversize and foreign lines are cut out and named by their own numbers."""
    broken = lines(USUAL).split(b"\n")
    for at, bad in (
        (0, b"garbage"),
        (7, b""),
        (20, b'{"message":"cut'),
        (21, b"[1]"),
        (22, b"\r"),
        (199, b"x" * 3000),
    ):
        broken[at] = bad
    given = options(limits=WireLimits(line_bytes_max=2000))
    assert both(b"\n".join(broken), given)
    assert both(b"\r\n".join(broken) + b"\r\n", given)


def test_types_that_come_late_are_learned():
    """An integer field that turns into a decimal, a field that comes late, a null that gets a value."""
    schemas = LearnedSchemas()
    late = [
        {**row, "status": 200.5, "extra": "x", "nothing": 1} if n > 150 else {**row, "nothing": None}
        for n, row in enumerate(USUAL)
    ]
    assert both(lines(late), options(), schemas)
    assert both(lines(USUAL), options(), schemas)


def test_a_cache_that_learned_something_else_does_no_harm():
    """Two senders with the same keys and other types: each block is right,
    and failures are not tried for ever."""
    schemas = LearnedSchemas()
    texts = [{**row, "status": "ok"} for row in USUAL]
    mixed = [USUAL[0] | {"status": 1}, USUAL[1] | {"status": "a"}] * 50
    for rows in (USUAL, texts, mixed, USUAL, mixed, texts) * 3:
        both(lines(rows), options(), schemas)


@pytest.mark.parametrize(
    "odd",
    [
        b'{"message":"a"}{"message":"b"}', b'{"message":\n"a"}\n{"message":"b"}{"message":"c"}',
        b'{"a":1,"a":2}',
        b'{"n":NaN}', b'{"n":-Infinity}', b'{"n":9007199254740993}', b'{"n":18446744073709551616}',
        b'{"n":1e300}',
        b'{"message":"\xff"}', b'{"message":"\\ud800"}', b'{"message":"\\u0000"}', b'{"message":"a\tb"}',
        b' {"message":"a"}',
        b'{"message":{"a":1}}', b'{"n":[1]}', b'{"n":"text"}', b'{"n":true}', b'{"timestamp":"soon"}',
        b'{"timestamp":5}',
        b'{"timestamp":"2026-11-21 10Z"}', b'{"timestamp":"2026-11-21T10:00:60Z"}',
        b'{"timestamp":"1600-01-01T00:00:00Z"}',
        b'{"level":7}', b'{"level":"%s"}' % (b"x" * 40), b'{"level":null}', b'{"msg":"second"}',
        b'{"new":1}', b"{}", b"{]}", b"7",
        b'{"service":5}', b'{"time":0.25}', b'{"priority":"high"}', b'\xef\xbb\xbf{"message":"bom"}',
        b'\0{"message":"nul"}',
        b'{"attributes":{"x":1},"id":"0123abcd-1","timestamp":1,"message":"own"}', b'{"attributes":"text"}',
    ],
)  # fmt: skip
def test_an_odd_line_among_usual_ones_changes_nothing(odd):
    """Fast or not, the block is what the general way makes of it, wherever the line stands."""
    usual = [{"timestamp": "2026-11-21T10:00:00Z", "message": f"m {n}", "n": n + 0.5} for n in range(100)]
    text = lines(usual).split(b"\n")
    for place in (0, 50, 100):
        both(b"\n".join([*text[:place], odd, *text[place:]]), options())
    both(b"\n".join([odd] * 5), options())


MIXED = [1, "a", 2.5, True, 2**70, {"unit": "ms", "deep": [1, "b", {"x": None}]}, None, [1, "x", 2.5], "\"}\n{\\",
         {}, [], {"a": {"b": {"c": {}}}}, -(2**63), "é"]  # fmt: skip


def mixed_lines(count=200, **more):
    """Usual rows, each with a field of another type than the one before, and an object."""
    return [
        {**row, "detail": MIXED[n % len(MIXED)], "http": {"status": n}, **more}
        for n, row in enumerate(USUAL[:count])
    ]


def test_a_field_of_mixed_types_goes_the_fast_way():
    """Only the odd fields are decoded one by one; objects and lists are such fields too. Malformed lines that
    look like objects are cut out, wherever they stand."""
    schemas = LearnedSchemas()
    text = lines(mixed_lines()).split(b"\n")
    assert both(b"\n".join(text), options(), schemas)
    for at in (0, 20, 39, 60, 199):
        text[at] = [text[at] + b"}", text[at][:40], b"plain words", json.dumps(text[at].decode()).encode()][
            at % 4
        ]
    assert both(b"\n".join(text), options(), schemas)
    assert both(b"\r\n".join(text) + b"\r\n", options(), schemas)


def test_an_odd_field_that_comes_late_is_learned():
    """The first sample saw one type; what Arrow stumbles on is an odd field from then on."""
    rows = [{"message": f"m {n}", "v": n, "w": n} for n in range(3000)]
    rows[1777]["v"] = "text"
    rows[2998]["w"] = {"x": 1}
    rows[2999]["new"] = [1]
    schemas = LearnedSchemas()
    assert both(lines(rows), options(), schemas)
    assert both(lines(rows), options(), schemas)


@pytest.mark.parametrize(
    "odd",
    [
        b'{"message":"m","detail":1,"unknown":2}', b'{"message":"m","detail":1,"detail":"b"}',
        b'{"message":"m","message":"n","detail":1}', b'{"message":"m","d\\u0065tail":[7]}',
        b'{"m\\u0065ssage":"m","unkn\\u006fwn":7}', b'{"detail":NaN}', b'{"detail":1e999}', b'{"detail":"\\ud800"}',
        b'{"detail":{"a":1,"a":2}}', b'{"detail":{"a":1,}}', b'{"detail":01}', b'{"detail":"a\tb"}', b'{"message":[1]}',
        b'{"detail":' + b"9" * 5000 + b"}", b'{"detail":' + b"[" * 2000 + b"]" * 2000 + b"}", b'{"detail":"\":1}"}',
        b'{"n":1e999}', b'{"n":NaN}', b'{"n":9007199254740993}', b'{"attributes":{"x":1}}', b'{"host":{"name":"h"}}',
        b'{"level":7}', b'{"detail":{}}{"detail":2}', b'{}}', b'{"":1}', b'{"detail":null,"":[1]}',
    ],
)  # fmt: skip
def test_nothing_is_lost_beside_an_odd_field(odd):
    """Unknown, repeated and escaped keys, and what only one of the readers takes: as the general way has it."""
    schemas = LearnedSchemas()
    usual = [{"message": f"m {n}", "n": n + 0.5, "detail": MIXED[n % len(MIXED)]} for n in range(100)]
    text = lines(usual).split(b"\n")
    assert both(b"\n".join(text), options(), schemas)
    for place in (0, 50, 100):
        both(b"\n".join([*text[:place], odd, *text[place:]]), options(), schemas)
        both(b"\n".join([*text[:place], odd, *text[place:]]), options())
    assert both(b"\n".join(text), options())


def ecs(n, **more):
    """A document as Filebeat nests it."""
    return {
        "@timestamp": f"2026-11-21T10:00:{n % 60:02}.{n:06}Z", "message": f"order {n} é",
        "log": {"level": ["info", "WARN", "error"][n % 3], "logger": "shop.cart", "offset": n},
        "service": {"name": "shop"}, "host": {"name": f"web-{n % 3}", "os": {"family": "debian"}},
        "trace": {"id": f"{n:032x}"}, "ecs": {"version": "8.11.0"},
        "http": {"request": {"method": "GET", "body": {"bytes": n}}, "ms": n / 4, "ok": n % 2 == 0},
        **more,
    }  # fmt: skip


def test_nested_documents_go_the_fast_way():
    """ECS as shippers nest it: core fields out of objects, what is left of these, attributes of three levels; fields
    and objects that some documents lack."""
    rows = [ecs(n) for n in range(200)]
    found = decode_fast(lines(rows), options(), LearnedSchemas())
    assert found is not None
    assert both(lines(rows), options(service="s"))
    assert found.columns.core["level"].to_pylist()[:3] == ["INFO", "WARNING", "ERROR"]
    assert found.columns.core["host"].to_pylist()[:2] == ["web-0", "web-1"]
    assert "trace" not in found.columns.attributes
    assert listed_values(found.columns.attributes["host"])[0] == {"os": {"family": "debian"}}
    for row in rows[::3]:
        row["log"] = {"offset": 1, "origin": {"line": 7}}
        del row["host"], row["http"]["request"]
    for row in rows[1::3]:
        row["http"] = {"late": None, "ms": 1}
    assert both(lines(rows), options())


@pytest.mark.parametrize(
    "odd",
    [
        {"http": {}}, {"http": None}, {"http": {"request": {}}}, {"http": {"ms": None}}, {"http": "text"},
        {"http": [1]},
        {"http": {"request": {"body": {"bytes": {"deep": 1}}}}}, {"http": {"ms": "text"}}, {"http": {"ms": 2**70}},
        {"http": {"ms": 2**53 + 1}}, {"http": {"new": 1}}, {"http": {"new": {"x": [1, None]}}},
        {"http": {"x" * 200: 1}},
        {"host": {}}, {"host": {"name": None}}, {"host": {"name": "h", "os": None}}, {"host": {"name": {"a": 1}}},
        {"host": "plain"}, {"host": {"name": 5}}, {"log": {"level": "x" * 40}}, {"log": {"level": None, "offset": 1}},
        {"log": {"level": "info"}, "level": "error"}, {"log": {"level": 30}}, {"log": "words"}, {"service": {}},
        {"service": "flat"}, {"trace": {"id": None}}, {"trace": {"id": ""}}, {"time": {"x": 1}}, {"event": {"id": "7"}},
        {"message": {"text": "m"}}, {"attributes": {"x": 1}}, {"http": {str(n): n for n in range(40)}},
        {"\x1f": {"\x1f": 1}}, {"a/b": {"c": 1}},
        {"http/request": 1}, {"http": {"~0": "n", "a/b": 2, "": 3}}, {"http": {"request": {"method": None}}},
        {"host.name": "dotted"}, {"@timestamp": {"at": 1}},
    ],
    ids=lambda odd: json.dumps(odd)[:40],
)  # fmt: skip
def test_an_odd_document_among_nested_ones_changes_nothing(odd):
    """Whatever an object holds and wherever it stands: what the general way makes of it, every time."""
    schemas = LearnedSchemas()
    given = options(limits=WireLimits(line_bytes_max=1 << 22))
    for place in (0, 5, 59):
        rows = [ecs(n) for n in range(60)]
        rows[place].update(odd)
        both(lines(rows), given, schemas)
        both(lines(rows), given, schemas)
        both(lines([{**row, **odd} for row in rows]), given)
    both(lines([ecs(n) for n in range(60)]), given, schemas)


def test_objects_are_stored_alike():
    """What is read back from the store's table is the same, whichever way it was decoded; also after joining."""
    rows = [ecs(n) if n % 5 else ecs(n, http={"a/b": {"~": n}}) for n in range(60)]
    fast = decode_fast(lines(rows), options(), LearnedSchemas())
    assert fast is not None
    general = jsonlines.decode(lines(rows), options())
    parts = Parts()
    for columns in (fast.columns, general.columns, fast.columns):
        parts.add(columns)
    found, expected, joined = (
        [one.record for one in to_records(with_seq(to_table(columns, received_ns=NOW), 1))]
        for columns in (fast.columns, general.columns, parts.join())
    )
    assert found == expected
    assert joined == expected * 3
    assert list(fast.columns.records(NOW)) == list(general.columns.records(NOW))


def test_long_texts_in_objects_are_cut_alike():
    """Beside a null the general way cuts a text of more than a million characters; objects have the same then."""
    rows = [ecs(n) for n in range(10)]
    rows[7]["http"] = {"t": "y" * ((1 << 20) + 1), "n": None}
    given = options(limits=WireLimits(line_bytes_max=1 << 22))
    assert both(lines(rows), given)


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":{"b":1,"b":2}}', b'{"a":{"b":NaN}}', b'{"a":{"b":1e999}}', b'{"a":{"b":"\\ud800"}}', b'{"a":{"b":1}',
        b'{"a":{"b":1}}}', b'{"a":{"b":9007199254740993}}', b'{"a":{"\\u0062":5}}', b'{"a":{"b":1},"a":{"c":2}}',
        b'{"a":{"c":1}}', b'{"a":{"b":"\t"}}', b'{"a":{"b":01}}', b'{"a":{"b":{}}}', b'{"a":{"b":-0.0}}',
    ],
)  # fmt: skip
def test_odd_text_among_nested_objects_changes_nothing(text):
    """Repeated and escaped names, and numbers and texts that only one of the readers takes."""
    for usual in (b'{"a":{"b":%d}}', b'{"a":{"b":%d.5}}', b'{"a":{"b":"%d"}}', b'{"a":{"b":%d},"o":[1]}'):
        rows = [usual % n for n in range(50)]
        schemas = LearnedSchemas()
        for place in (0, 30):
            both(b"\n".join([*rows[:place], text, *rows[place:]]), options(), schemas)
        both(b"\n".join([*rows, *rows]), options(), schemas)


SCALARS = {
    "int": st.integers(-(1 << 54), 1 << 54) | st.integers(),
    "float": st.floats(allow_nan=False, allow_infinity=False) | st.integers(-9, 9),
    "bool": st.booleans(),
    "text": st.text(max_size=6),
    "time": st.sampled_from(["2026-11-21T10:00:00Z", "2026-11-21T10:00:00.5+02:00", "2026-11-21 10:00:00",
    "x", 1795255200]),
    "level": st.sampled_from(["info", "Warn", 30, 3, "", "custom"]),
}  # fmt: skip
SCALARS["mixed"] = st.recursive(
    st.one_of(list(SCALARS.values())) | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
INNER = ["level", "name", "id", "a", "b"]
PLAIN = ["bool", "float", "int", "level", "text"]
KEYS = [
    "log",
    "trace",
    "timestamp",
    "ts",
    "time",
    "level",
    "severity",
    "message",
    "msg",
    "service",
    "host",
    "name",
    "a",
    "b",
    "attributes",
    "id",
]


@st.composite
def objects(draw, levels):
    """A strategy for nearly uniform objects: some lack a field, or all; now and then a field is null or of another
    type."""
    kinds = draw(st.dictionaries(st.sampled_from(INNER), st.sampled_from(PLAIN), min_size=1, max_size=3))
    inner = {key: SCALARS[kind] for key, kind in kinds.items()}
    if levels > 1 and draw(st.booleans()):
        inner["in"] = draw(objects(levels - 1))
    if draw(st.booleans()):
        inner = {key: value | st.none() for key, value in inner.items()}
    needed = draw(st.sets(st.sampled_from(sorted(inner))))
    optional = {key: value for key, value in inner.items() if key not in needed}
    made = st.fixed_dictionaries({key: inner[key] for key in sorted(needed)}, optional=optional)
    return made | st.none() if draw(st.booleans()) else made


@st.composite
def blocks(draw):
    """Bodies that are nearly uniform: one type a key, most of the time."""
    kinds = draw(
        st.dictionaries(st.sampled_from(KEYS), st.sampled_from(sorted(SCALARS)), min_size=1, max_size=6)
    )
    values = {key: SCALARS[kind] | st.none() for key, kind in kinds.items()}
    for key in draw(st.sets(st.sampled_from([*KEYS, "c"]), max_size=2)):
        values[key] = draw(objects(draw(st.integers(1, 3))))
    row = st.fixed_dictionaries(values)
    ascii_only = draw(st.booleans())
    rows = draw(st.lists(row, min_size=1, max_size=12))
    text = [json.dumps(one, ensure_ascii=ascii_only).encode("utf-8", "replace") for one in rows]
    for odd in draw(
        st.lists(
            st.sampled_from(
                [
                    b"",
                    b"{}",
                    b"x",
                    b"{",
                    b'{"a":1}{"a":2}',
                    b'{"a":NaN}',
                    b"[{}]",
                    b"{}\r",
                    b'{"a":1}}',
                    b'{"c":1}',
                    b'{"a":1,"a":2}',
                    b'{"a":1,"c":{"a":1}}',
                    b'{"\\u0061":[1]}',
                    b'{"a":{"b":1,"b":2}}',
                    b"{a}",
                    b'{"a":1e999}',
                    b'{"b":"\\ud800"}',
                    b'{"message":{"a":1}}',
                    b"[",
                    b"]",
                    b'{"a":"\\":"}',
                ]
            ),
            max_size=3,
        )
    ):
        text.insert(draw(st.integers(0, len(text))), odd)
    return b"\n".join(text) + draw(st.sampled_from([b"", b"\n", b"\r\n"]))


@given(blocks(), st.sampled_from([(), ("a",), ("time", "b")]), st.sampled_from([None, "given"]))
def test_the_fast_way_is_the_general_way(body, time_names, service):
    """On any nearly uniform block: None, or the same values, rejections and counts."""
    both(body, options(fields=FieldNames(time=time_names), service=service))


@given(st.binary(max_size=60).map(lambda noise: b'{"a":1}\n' + noise + b'\n{"a":2}'))
def test_any_bytes_are_no_error_the_fast_way(body):
    """Noise is left to the general way, or handled alike."""
    both(body, options())
