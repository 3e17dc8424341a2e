"""Loggers: what people write, and what becomes of it."""

import logging
import pickle
import sys
from typing import Any

import pytest

from tamis.embed.install import get_logger
from tamis.embed.logger import Logger
from tamis.pipeline.stacktrace import print_exception
from tamis.record.context import context
from tests.support.logged import WAYS, logged

pytestmark = pytest.mark.parametrize("way", WAYS)


def test_fields_stand_in_the_record_as_keywords_gave_them(way: str) -> None:
    """Keywords are attributes, with their types; arguments go into the message."""
    with logged(way) as records:
        get_logger("shop.orders").info("order %s of %d placed", 42, 7, order_id=42, total=99.5, ok=True)
    record = records[0]
    assert (record.message, record.level, record.logger) == ("order 42 of 7 placed", "INFO", "shop.orders")
    assert record.attributes["order_id"] == 42
    assert record.attributes["total"] == 99.5
    assert record.attributes["ok"] is True
    assert record.attributes["thread"] == "MainThread"


@pytest.mark.parametrize(
    ("method", "level"),
    [
        ("debug", "DEBUG"),
        ("info", "INFO"),
        ("warning", "WARNING"),
        ("error", "ERROR"),
        ("critical", "CRITICAL"),
        ("fatal", "CRITICAL"),
        ("exception", "ERROR"),
    ],
)
def test_each_method_has_its_level(way: str, method: str, level: str) -> None:
    """As in standard logging, on the fast way and on the standard way."""
    with logged(way) as records:
        getattr(get_logger("levels"), method)("x", a=1)
    assert [record.level for record in records] == [level]
    assert [record.attributes["a"] for record in records] == [1]


def test_log_takes_numbers_by_place_and_by_name(way: str) -> None:
    """`log(25, …)` has the level below it, or the name that was given to the number."""
    logging.addLevelName(27, "SUCCESS")
    with logged(way) as records:
        log = get_logger("numbers")
        log.log(25, "a")
        log.log(level=27, msg="b")
        log.log(3, "not enabled")
    assert [(record.level, record.message) for record in records] == [("NOTICE", "a"), ("SUCCESS", "b")]


def test_a_level_that_is_no_number_is_told_as_everywhere(way: str) -> None:
    """Standard logging raises TypeError for it, and so do we."""
    with logged(way), pytest.raises(TypeError, match="level must be an integer"):
        get_logger("numbers").log("INFO", "x")


def test_bind_makes_another_logger(way: str) -> None:
    """Bound fields stand in its records alone; a record's own field hides them; None takes one away."""
    log = get_logger("shop.bind")
    bound = log.bind(customer=7, tenant="a")
    with logged(way) as records:
        bound.info("x")
        bound.bind(customer=8, tenant=None).info("y")
        bound.info("z", customer=9)
        log.info("w")
    assert [record.attributes.get("customer") for record in records] == [7, 8, 9, None]
    assert [record.attributes.get("tenant") for record in records] == ["a", None, "a", None]
    assert isinstance(bound, Logger)
    assert bound.name == "shop.bind"


def test_a_bound_logger_shares_level_and_handlers(way: str) -> None:
    """Whoever changes the one has changed the other, also when the level is remembered already."""
    log = get_logger("shop.shared")
    bound = log.bind(a=1)
    with logged(way) as records:
        bound.debug("seen")
        log.setLevel(logging.ERROR)
        bound.debug("not seen")
        bound.setLevel(logging.NOTSET)
        log.debug("seen again")
    assert records.messages == ["seen", "seen again"]
    assert bound.handlers is log.handlers


def test_a_bound_logger_travels_by_pickle(way: str) -> None:
    """To another process with its fields."""
    bound = pickle.loads(pickle.dumps(get_logger("shop.travel").bind(a=1)))
    with logged(way) as records:
        bound.info("x")
    assert records[0].attributes["a"] == 1


def test_extra_means_fields(way: str) -> None:
    """`extra` goes the same way as keywords, which win."""
    with logged(way) as records:
        get_logger("extra").info("x", extra={"a": 1, "b": 2}, b=3)
        logging.getLogger("extra.standard").info("x", extra={"a": 1, "b": 2})
    assert [record.attributes["a"] for record in records] == [1, 1]
    assert [record.attributes["b"] for record in records] == [3, 2]


def test_context_is_read_where_it_is_logged(way: str) -> None:
    """Fields and ids of the context; a record's own id wins."""
    with logged(way) as records:
        log = get_logger("ctx")
        with context(correlation_id="c1", trace_id="a" * 32, tenant="x"):
            log.info("inside")
            log.info("own", correlation_id="c2")
            logging.getLogger("ctx.standard").info("standard")
        log.info("outside")
    assert [record.correlation_id for record in records] == ["c1", "c2", "c1", None]
    assert [record.attributes.get("tenant") for record in records] == ["x", "x", "x", None]
    assert records[0].trace_id == "a" * 32


def test_names_that_mean_something_lose_no_field(way: str) -> None:
    """What the pipeline needs a name for is found as field.<name>; core names are attributes."""
    fields = {"process": "mine", "sequence": 3, "thread": "t", "level": "gold", "message": "m", "name": "n"}
    with logged(way) as records:
        get_logger("names").info("x", **fields)
    for record in records:
        assert record.attributes["field.process"] == "mine"
        assert record.attributes["field.sequence"] == 3
        assert record.attributes["thread"] == "t"
        assert record.attributes["log.thread"] == "MainThread"
        assert [record.attributes[name] for name in ("level", "message", "name")] == ["gold", "m", "n"]
        assert record.level == "INFO"
        assert record.message == "x"


def test_a_field_may_be_called_msg(way: str) -> None:
    """`msg=` is the message only where none was given by place."""
    with logged(way) as records:
        get_logger("msg").info("x", msg="y")
        get_logger("msg").info(msg="z")
    assert [(record.message, record.attributes.get("msg")) for record in records] == [("x", "y"), ("z", None)]


def raise_deep(depth: int) -> None:
    if depth:
        raise_deep(depth - 1)
    else:
        raise ValueError("too deep")


def test_exceptions_are_reduced_to_their_frames(way: str) -> None:
    """Type, message, and file, line, function of each frame; the cause too. The same on both ways."""
    with logged(way) as records:
        try:
            try:
                raise_deep(3)
            except ValueError as error:
                raise KeyError("outer") from error
        except KeyError:
            get_logger("raised").exception("failed %s", 1, order_id=3)
    found: Any = records[0].attributes["exception"]
    assert (found["type"], found["message"]) == ("KeyError", "'outer'")
    cause = found["cause"]
    assert cause["type"] == "ValueError"
    frames = cause["frames"]
    assert [frame["function"] for frame in frames][1:] == ["raise_deep"] * 4
    assert frames[0]["file"] == __file__
    assert records[0].attributes["order_id"] == 3


def test_notes_of_exceptions_are_kept(way: str) -> None:
    """As texts, in order; also where they are no notes at all, it does no harm."""
    noted, odd = ValueError("bad"), ValueError("odd")
    noted.add_note("order 7")
    noted.add_note("second try")
    odd.__notes__ = 3  # type: ignore[assignment]  # what somebody may do
    with logged(way) as records:
        get_logger("noted").error("x", exc_info=noted)
        get_logger("noted").error("x", exc_info=odd)
    found: Any = [record.attributes["exception"] for record in records]
    assert found[0]["notes"] == ["order 7", "second try"]
    assert "notes" not in found[1]
    assert print_exception(found[0]) == "ValueError: bad\norder 7\nsecond try"


def test_groups_of_exceptions_keep_their_members(way: str) -> None:
    """Each member with its own frames."""
    with logged(way) as records:
        get_logger("group").error("x", exc_info=ExceptionGroup("two", [ValueError("a"), TypeError("b")]))
    found: Any = records[0].attributes["exception"]
    assert [member["type"] for member in found["exceptions"]] == ["ValueError", "TypeError"]


def test_exception_without_an_exception_is_only_a_message(way: str) -> None:
    """As in standard logging it does no harm."""
    with logged(way) as records:
        get_logger("none").exception("x")
    assert "exception" not in records[0].attributes


def here() -> int:
    return sys._getframe(1).f_lineno


def test_the_position_in_the_code_is_the_callers(way: str) -> None:
    """From the level on that wants it; `stacklevel` goes up; the same on both ways."""
    log = get_logger("code")

    def through(level: int) -> None:
        log.warning("x", stacklevel=level)

    from tamis.embed.outlet import OUTLET

    with logged(way) as records:
        OUTLET.code_level = 30
        lines = [here() + 1]
        log.warning("x", a=1)
        lines.append(here() + 1)
        log.bind(b=1).error("x %s", [1])
        lines.append(here() + 1)
        through(2)
        lines.append(here() + 1)
        log.log(40, "x")
        log.info("x")
    codes = [record.attributes.get("code") for record in records]
    function = "test_the_position_in_the_code_is_the_callers"
    assert codes[:4] == [{"file": __file__, "line": line, "function": function} for line in lines]
    assert codes[4] is None


def test_stack_info_is_the_callers_stack(way: str) -> None:
    """Its last frame is the line that logs; none of ours is in it."""
    with logged(way) as records:
        line = here() + 1
        get_logger("stack").info("x", stack_info=True)
    stack: Any = records[0].attributes["stack"]
    assert (stack[-1]["file"], stack[-1]["line"]) == (__file__, line)


def test_disabled_loggers_are_silent(way: str) -> None:
    """`disabled`, `logging.disable` and levels hold as everywhere."""
    log = get_logger("silent")
    with logged(way) as records:
        log.disabled = True
        log.info("a")
        log.bind(x=1).error("b")
        log.disabled = False
        logging.disable(logging.ERROR)
        log.error("c")
        log.critical("d")
        logging.disable(logging.NOTSET)
        log.info("e")
    assert records.messages == ["d", "e"]


def test_every_logger_has_its_own_name(way: str) -> None:
    """Without a name it is the root logger, which takes fields too."""
    with logged(way) as records:
        get_logger().info("x", a=1)
        get_logger("a.b", tenant=3).info("y")
    assert [record.logger for record in records] == ["root", "a.b"]
    assert [record.attributes.get("a") for record in records] == [1, None]
    assert records[1].attributes["tenant"] == 3


def test_loggers_of_other_classes_keep_theirs(way: str) -> None:
    """What get_logger gives shares the state of a logger that somebody else's class made."""

    class Special(logging.Logger):
        pass

    logging.setLoggerClass(Special)
    try:
        special = logging.getLogger(f"special.{way}")
    finally:
        logging.setLoggerClass(logging.Logger)
    log = get_logger(f"special.{way}")
    with logged(way) as records:
        log.info("x", a=1)
    assert type(special) is Special
    assert records[0].attributes["a"] == 1
    assert log.handlers is special.handlers
