"""loguru in front of Tamis."""

import logging
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from loguru import logger

import tamis
from tamis.embed.loguru import LoguruSink
from tamis.embed.outlet import OUTLET
from tamis.record.context import context
from tamis.testing import MemorySink
from tests.support.logged import logged


@pytest.fixture(autouse=True)
def _configured() -> Iterator[None]:
    logger.remove()
    logger.add(LoguruSink(), level=0, format="{message}")
    yield
    logger.remove()


def test_a_message_is_a_record_with_its_fields() -> None:
    """What was bound, contextualized and formatted in; context of Tamis too."""
    with logged() as records, context(correlation_id="c1"):
        with logger.contextualize(tenant="a"):
            logger.bind(customer=7, items=[1, 2]).info("order {} placed", 42)
        logger.debug("later")
    first, second = records
    assert (first.message, first.level, first.logger) == ("order 42 placed", "INFO", __name__)
    given = first.attributes
    assert (given["customer"], given["items"], given["tenant"], given["thread"]) == (
        7,
        [1, 2],
        "a",
        threading.current_thread().name,
    )
    assert (first.correlation_id, second.level) == ("c1", "DEBUG")


def test_levels_of_loguru_keep_their_names() -> None:
    """SUCCESS and TRACE are loguru's, others the user's."""
    logger.level("AUDIT", no=35) if "AUDIT" not in logger._core.levels else None  # type: ignore[attr-defined]
    with logged(level="TRACE") as records:
        logger.success("a")
        logger.trace("b")
        logger.log("AUDIT", "c")
        logger.critical("d")
    assert [record.level for record in records] == ["SUCCESS", "TRACE", "AUDIT", "CRITICAL"]


def test_an_exception_is_frames() -> None:
    """Reduced on the caller's thread."""
    with logged() as records:
        try:
            raise ZeroDivisionError("by nothing")
        except ZeroDivisionError:
            logger.exception("no")
    found: Any = records[0].attributes["exception"]
    assert (found["type"], found["message"]) == ("ZeroDivisionError", "by nothing")
    assert found["frames"][-1]["function"] == "test_an_exception_is_frames"


def test_time_and_position_are_those_of_the_call() -> None:
    """The position from the level on that wants one."""
    with logged() as records:
        before, OUTLET.code_level = OUTLET.code_level, 30
        logger.warning("here")
        line = sys._getframe().f_lineno - 1
        OUTLET.code_level = before
        logger.info("now")
    code: Any = records[0].attributes["code"]
    assert (code["line"], code["function"]) == (line, "test_time_and_position_are_those_of_the_call")
    assert records[0].timestamp <= records[1].timestamp
    assert records[0].timestamp % 1_000 == 0


def test_queued_messages_keep_their_thread() -> None:
    """With `enqueue=True` another thread calls the sink."""
    logger.remove()
    logger.add(LoguruSink(), level=0, format="{message}", enqueue=True)
    with logged(level="INFO") as records:
        thread = threading.Thread(target=lambda: logger.info("x"), name="orders")
        thread.start()
        thread.join()
        logger.complete()
    assert [record.attributes["thread"] for record in records] == ["orders"]


def test_the_level_of_the_standard_logger_decides() -> None:
    """So that one place sets levels."""
    with logged(level="WARNING") as records:
        logger.info("no")
        logger.error("yes")
    assert [record.message for record in records] == ["yes"]


def test_without_tamis_messages_go_to_standard_logging() -> None:
    """Until it is configured."""
    seen: list[logging.LogRecord] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record)

    handler = Handler()
    logging.getLogger().addHandler(handler)
    try:
        logger.bind(a=1).warning("x")
    finally:
        logging.getLogger().removeHandler(handler)
    assert [(record.getMessage(), record.levelname, record.a) for record in seen] == [("x", "WARNING", 1)]  # type: ignore[attr-defined]


def test_nothing_is_raised() -> None:
    """Whatever calls the sink, with whatever."""
    LoguruSink()("no message at all")
    with logged() as records:
        logger.bind(odd=object.__new__(type("Odd", (), {"__str__": lambda _self: 1 / 0}))).info("x")
    assert records[0].attributes["odd"] == "[Odd without text]"


@pytest.fixture
def told(tmp_path: Path) -> Callable[..., str]:
    """What a sink gets of a message that loguru made of a template and fields; `bound` ones are bound before."""

    def tell(
        template: str,
        fields: Mapping[str, Any],
        *,
        bound: Mapping[str, Any] = MappingProxyType({}),
        **settings: Any,
    ) -> str:
        sink = MemorySink()
        manager = tamis.configure(sinks=[sink], level="DEBUG", spool_folder=tmp_path, **settings)
        try:
            logger.bind(**bound).info(template, **fields)
            assert manager.flush(60)
        finally:
            manager.shutdown(60)
            manager.uninstall()
        return sink.records[0].message

    return tell


@pytest.mark.parametrize(
    ("template", "fields", "arrives"),
    [
        ("login {password}", {"password": "x"}, "login ***REDACTED***"),
        ("login {password} done", {"password": "hunter two"}, "login ***REDACTED*** done"),
        ("x{password}y {password}", {"password": "hunter2"}, "x***REDACTED***y ***REDACTED***"),
        ("{password!r}", {"password": "it's \\ \"x\""}, "'***REDACTED***'"),
        ("user {u[password]} came", {"u": {"password": "x1", "name": "bob"}}, "user ***REDACTED*** came"),
        ("{secrets[0]} and {secrets[1]}", {"secrets": ["a", "b"]}, "***REDACTED*** and ***REDACTED***"),
        ("{token} for {n}", {"token": 77, "n": 7}, "***REDACTED*** for 7"),
        ("{tokens} tokens", {"tokens": 77}, "77 tokens"),
        ("{secret}ef", {"secret": "abcd", "token": "cdef"}, "***REDACTED***" * 2),
        ("have a day, {password}", {"password": "a"}, "have ***REDACTED*** day, ***REDACTED***"),
        ("{name} signed in", {"name": "bob", "password": "never said"}, "bob signed in"),
        ("{password}", {"password": ""}, ""),
        ("é {password} ü", {"password": "paß"}, "é ***REDACTED*** ü"),
    ],
)  # fmt: skip
def test_what_a_secret_field_put_into_the_message_is_masked(
    told: Callable[..., str], template: str, fields: dict[str, Any], arrives: str
) -> None:
    """By the name of the field, as the field itself is; other words stay."""
    assert told(template, fields) == arrives


def test_names_of_the_users_own_are_secret_in_messages_too(told: Callable[..., str]) -> None:
    """`redact.keys`, and nothing where redaction is off."""
    fields = {"pin": "1234x"}
    assert told("pin {pin}", fields, redact_keys=["pin"]) == "pin ***REDACTED***"
    assert told("pin {pin}", fields) == "pin 1234x"
    assert told("{password}", {"password": "x"}, redact_enabled=False) == "x"


def test_a_bound_secret_is_masked_in_the_message(told: Callable[..., str]) -> None:
    """Also where it is put in by hand."""
    assert told("using k-1234", {}, bound={"api_key": "k-1234"}) == "using ***REDACTED***"


def test_a_value_that_stands_in_a_message_too_often_masks_all_of_it(told: Callable[..., str]) -> None:
    """Nobody pays for thousands of places; other values that stand there as often mask nothing."""
    assert told("{password} " * 100, {"password": "hunter2"}) == "***REDACTED***"
    assert told("{name} " * 100, {"name": "hunter2"}) == "hunter2 " * 100


def test_of_more_fields_than_can_be_looked_for_a_secret_one_masks_all(told: Callable[..., str]) -> None:
    """What was not looked for may stand anywhere."""
    many = {f"n{number}": f"value {number}" for number in range(300)}
    assert told("x {password}", {**many, "password": "hunter2"}) == "***REDACTED***"
    assert told("x {n299}", many) == "x value 299"
