"""structlog in front of Tamis."""

import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from tamis.embed.structlog import StructlogProcessor
from tamis.record.context import context
from tests.support.logged import WAYS, logged

pytestmark = pytest.mark.parametrize("way", WAYS)


@pytest.fixture(autouse=True)
def _configured() -> Iterator[None]:
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, StructlogProcessor("shop.structlog")]
    )
    yield
    structlog.reset_defaults()


def test_an_event_is_a_record_with_its_fields(way: str) -> None:
    """Bound values, context variables and the event's own, with their types; context of Tamis too."""
    log = structlog.get_logger().bind(customer=7)
    with logged(way) as records, context(correlation_id="c1"):
        with structlog.contextvars.bound_contextvars(tenant="a"):
            log.info("order placed", order_id=42, items=[1, 2])
        log.warning("slow")
    first, second = records
    assert (first.message, first.level, first.logger) == ("order placed", "INFO", "shop.structlog")
    given = first.attributes
    assert (given["customer"], given["tenant"], given["order_id"], given["items"]) == (7, "a", 42, [1, 2])
    assert (first.correlation_id, second.level) == ("c1", "WARNING")
    assert "tenant" not in second.attributes


def test_names_that_a_log_record_has_itself_are_fields_too(way: str) -> None:
    """Nothing collides with the arguments or attributes of standard logging."""
    with logged(way) as records:
        structlog.get_logger().info("x", name="n", args=[1], module="m", stacklevel=9, extra="e", msg="y")
    given = records[0].attributes
    assert {key: given[key] for key in ("name", "args", "module", "stacklevel", "extra", "msg")} == {
        "name": "n",
        "args": [1],
        "module": "m",
        "stacklevel": 9,
        "extra": "e",
        "msg": "y",
    }
    assert records[0].message == "x"


def test_an_exception_is_frames(way: str) -> None:
    """By `exception`, and by `exc_info` with an exception in it."""
    log = structlog.get_logger()
    with logged(way) as records:
        try:
            raise ZeroDivisionError("by nothing")
        except ZeroDivisionError as error:
            log.exception("first")
            kept = error
        log.error("second", exc_info=kept)
    found: list[Any] = [record.attributes["exception"] for record in records]
    assert [item["type"] for item in found] == ["ZeroDivisionError"] * 2
    assert found[0]["frames"][-1]["function"] == "test_an_exception_is_frames"
    assert [record.level for record in records] == ["ERROR", "ERROR"]


def test_the_position_is_that_of_the_call(way: str) -> None:
    """Not one within structlog."""
    import tamis.embed.outlet

    with logged(way) as records:
        before, tamis.embed.outlet.OUTLET.code_level = tamis.embed.outlet.OUTLET.code_level, 30
        structlog.get_logger().warning("here")
        line = sys._getframe().f_lineno - 1
        tamis.embed.outlet.OUTLET.code_level = before
    code: Any = records[0].attributes["code"]
    assert (code["line"], code["function"]) == (line, "test_the_position_is_that_of_the_call")
    assert code["file"] == __file__


def test_the_level_of_the_logger_decides(way: str) -> None:
    """As for every record."""
    with logged(way, level="WARNING") as records:
        structlog.get_logger().info("no")
        structlog.get_logger().critical("yes")
    assert [(record.message, record.level) for record in records] == [("yes", "CRITICAL")]


def test_values_without_text_raise_nothing(way: str) -> None:
    """The record is kept, and the value marked."""

    class Odd:
        def __str__(self) -> str:
            raise RuntimeError("no text")

    with logged(way) as records:
        structlog.get_logger().info("odd", value=Odd())
        structlog.get_logger().info(Odd())
    assert [record.attributes.get("value") for record in records] == ["[Odd without text]", None]
    assert records[1].message == "[Odd without text]"
