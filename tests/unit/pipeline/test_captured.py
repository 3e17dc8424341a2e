"""From what was captured to a record."""

import threading
from typing import Any

import pytest

from tamis.pipeline.assembly import to_records
from tamis.pipeline.captured import Captured, Code, More, Origin, Raised, level_name, to_record
from tamis.pipeline.own import is_own, own_work, this_thread
from tamis.record.context import EMPTY, Context

ORIGIN = Origin("shop", "h1", 12, "0a0b0c0d")


def captured(
    message: str = "m",
    *,
    arguments: tuple[object, ...] = (),
    fields: dict[str, Any] | None = None,
    bound: dict[str, Any] | None = None,
    context: Context = EMPTY,
    level: int = 20,
    code: Code | None = None,
    more: More | None = None,
) -> Captured:
    return (5, level, "l", message, arguments, fields, bound, "t", context, code, more)


def test_a_record_says_where_it_comes_from() -> None:
    """Service, host, process, thread, logger; nothing else when nothing else was given."""
    record = to_record(captured(), ORIGIN)
    assert (record.timestamp, record.message, record.level, record.logger) == (5, "m", "INFO", "l")
    assert (record.service, record.host) == ("shop", "h1")
    assert record.attributes == {"process_id": 12, "process": "0a0b0c0d", "thread": "t"}


def test_a_thread_may_be_given_as_itself() -> None:
    """Its name is read then."""
    thread = threading.Thread(name="wörker\ud800")
    record = to_record((*captured()[:7], thread, EMPTY, None, None), ORIGIN)
    assert record.attributes["thread"] == "wörker\\ud800"


def test_attributes_are_nobody_elses() -> None:
    """Whoever owns the record may put its sequence into them."""
    context = Context(fields={"a": 1})
    fields, bound = {"b": 2}, {"c": 3}
    first = to_record(captured(fields=fields, bound=bound, context=context), ORIGIN)
    first.attributes["sequence"] = 1
    second = to_record(captured(fields=fields, bound=bound, context=context), ORIGIN)
    assert "sequence" not in second.attributes
    assert (dict(context.fields), fields, bound) == ({"a": 1}, {"b": 2}, {"c": 3})


def test_nearer_fields_hide_farther_ones_and_none_takes_away() -> None:
    """Record over logger over context."""
    record = to_record(
        captured(
            context=Context(fields={"a": 1, "b": 1, "c": 1}),
            bound={"b": 2, "c": 2},
            fields={"c": 3, "a": None},
        ),
        ORIGIN,
    )
    assert {name: record.attributes.get(name) for name in "abc"} == {"a": None, "b": 2, "c": 3}


def test_ids_are_the_records_own() -> None:
    """Text fields of their names win over the context; what is no text stays an attribute."""
    context = Context(correlation_id="c", trace_id="t", span_id="s")
    record = to_record(captured(context=context, fields={"trace_id": "own", "span_id": 7}), ORIGIN)
    assert (record.correlation_id, record.trace_id, record.span_id) == ("c", "own", "s")
    assert record.attributes["span_id"] == 7
    assert to_record(captured(context=context, fields={"trace_id": None}), ORIGIN).trace_id is None


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (float("inf"), "inf"),
        (b"\xffa", "\ufffda"),
        ("\ud800", "\\ud800"),
        (1 << 80, 1 << 80),
        ([1, "a"], [1, "a"]),
        ({"b": {"c": 1}}, {"b": {"c": 1}}),
        (2.5, 2.5),
        (False, False),
    ],
)
def test_values_are_made_safe(value: object, kept: object) -> None:
    """What UTF-8 or JSON cannot say becomes text; the rest stays what it is."""
    found = to_record(captured(fields={"v": value}), ORIGIN).attributes["v"]
    assert (found, type(found)) == (kept, type(kept))


def test_too_many_fields_are_cut_and_marked() -> None:
    """A thousand for a record."""
    record = to_record(captured(fields={f"f{n}": n for n in range(5_000)}), ORIGIN)
    assert len(record.attributes) < 1_100
    assert record.attributes["f0"] == 0


def test_arguments_that_do_not_fit_mark_the_record() -> None:
    """Nothing is raised."""
    record = to_record(captured("%d %s", arguments=("x",)), ORIGIN)
    assert record.message == "%d %s"
    assert record.attributes["arguments"] == ["x"]
    assert "format_error" in record.attributes


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (0, "TRACE"),
        (5, "TRACE"),
        (10, "DEBUG"),
        (25, "NOTICE"),
        (30, "WARNING"),
        (45, "ERROR"),
        (99, "CRITICAL"),
    ],
)
def test_numbers_have_names(number: int, name: str) -> None:
    """The usual one, or the next below."""
    assert level_name(number) == name


def test_a_level_may_bring_its_name() -> None:
    """Names of standard numbers stay what they are, however they are decorated."""
    assert to_record(captured(level=27, more=More(level_name="success")), ORIGIN).level == "SUCCESS"
    assert to_record(captured(level=20, more=More(level_name="\x1b[32mINFO")), ORIGIN).level == "INFO"


def test_exception_and_code_are_objects() -> None:
    """As the files of a sink show them; a field `exception` of the user's is kept beside it."""
    raised = Raised("E", "m", (("f.py", 3, "g"),), Raised("C", "", ()))
    record = to_record(
        captured(more=More(raised=raised), code=("a.py", 1, "f"), fields={"exception": "mine", "code": 404}),
        ORIGIN,
    )
    assert record.attributes["exception"] == {
        "type": "E",
        "message": "m",
        "frames": [{"file": "f.py", "line": 3, "function": "g"}],
        "cause": {"type": "C", "message": "", "frames": []},
    }
    assert record.attributes["field.exception"] == "mine"
    assert record.attributes["code"] == 404
    assert record.attributes["log.code"] == {"file": "a.py", "line": 1, "function": "f"}


def test_own_work_is_known_on_its_thread_alone() -> None:
    """It nests, and other threads are not in it."""
    assert this_thread() is threading.current_thread()
    with own_work():
        with own_work():
            assert is_own()
        assert is_own()
        assert this_thread() is None
        seen: list[bool] = []
        thread = threading.Thread(target=lambda: seen.append(is_own()))
        thread.start()
        thread.join(10)
        assert seen == [False]
    assert not is_own()
    assert this_thread() is threading.current_thread()


def test_names_and_ids_that_hold_a_password_are_masked() -> None:
    """Nobody looks at a logger's name and at ids later on, so they are looked at where records are made."""
    secret = "hunter2XyZ9qq"
    ids = Context(
        correlation_id=f"password={secret}", trace_id=f"token={secret}", span_id=f"secret: {secret}"
    )
    inner = {"correlation_id": f"a=1;password={secret}"}
    for fields in ({}, inner):
        captured: Captured = (
            1,
            20,
            f"shop.password={secret}",
            "m",
            None,
            fields,
            None,
            None,
            ids,
            None,
            None,
        )
        origin = Origin("shop", "host", 7, "0badcafe")
        for record in (to_record(captured, origin), *to_records([captured], origin)):
            assert secret not in str(record)
            assert record.logger == "shop.password=***REDACTED***"
            assert "password=" in str(record.correlation_id)
