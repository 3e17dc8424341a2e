"""Loggers of somebody else's class: they take the short way too, and stay what they are."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tamis.embed.install import install
from tamis.embed.outlet import NEVER, OUTLET
from tamis.embed.taker import Lent
from tamis.testing import CapturedRecords
from tests.support.commands import run_program
from tests.support.logged import WAYS, logged


@pytest.fixture
def records() -> Iterator[CapturedRecords]:
    with logged() as found:
        yield found


class Other(logging.Logger):
    """A class of somebody else's, with a method of its own."""

    def success(self, msg: str, *args: object, **kwargs: Any) -> None:
        if self.isEnabledFor(25):
            self._log(25, msg, args, **kwargs)


class Marking(Other):
    """One that says itself what is in a record."""

    def makeRecord(self, *args: Any, **kwargs: Any) -> logging.LogRecord:  # noqa: N802
        record = super().makeRecord(*args, **kwargs)
        record.made = "marked"
        return record


def logger_of(kind: type[logging.Logger], name: str) -> Any:
    """A logger of this class, made by `logging`."""
    before = logging.getLoggerClass()
    logging.setLoggerClass(kind)
    try:
        return logging.getLogger(name)
    finally:
        logging.setLoggerClass(before)


@pytest.mark.parametrize("way", WAYS)
def test_loggers_of_other_classes_say_the_same_on_both_ways(way: str) -> None:
    """Fields, exceptions, levels and positions, by the methods of their class and by their own."""
    log = logger_of(Other, f"other.{way}")
    with logged(way) as records:
        OUTLET.code_level = 25
        assert isinstance(log, Other)
        log.info("plain %s", 1, extra={"a": [1]})
        log.success("own", extra={"b": 2}, stacklevel=2)
        try:
            raise KeyError("k")
        except KeyError:
            log.exception("failed")
        log.debug("where", stack_info=True)
    assert type(log) is Other
    assert records.messages == ["plain 1", "own", "failed", "where"]
    assert (records[0].attributes["a"], records[1].attributes["b"]) == ([1], 2)
    names = [record.attributes["code"]["function"] for record in records[1:3]]  # type: ignore[index, call-overload]
    assert names == ["test_loggers_of_other_classes_say_the_same_on_both_ways"] * 2
    assert records[2].attributes["exception"]["type"] == "KeyError"  # type: ignore[index, call-overload]
    assert records[3].attributes["stack"][-1]["file"] == __file__  # type: ignore[index, call-overload]


def test_loggers_of_other_classes_make_no_log_record(records: CapturedRecords) -> None:
    """While nobody else listens, and the class leaves to `logging` what becomes of its records. One that does not
    keeps its class, and is asked about each; so is a record's factory."""
    made: list[object] = []

    class Counted(logging.LogRecord):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            made.append(self.msg)

    log, marking = logger_of(Other, "short.other"), logger_of(Marking, "short.marking")
    install(logging.DEBUG, NEVER)
    factory = logging.getLogRecordFactory()
    assert (type(marking), isinstance(log, Lent)) == (Marking, True)
    log.info("short")
    marking.info("marked")
    logging.setLogRecordFactory(Counted)
    try:
        log.info("factory")
    finally:
        logging.setLogRecordFactory(factory)
    assert made == ["factory"]
    assert records.messages == ["short", "marked", "factory"]
    assert [record.attributes.get("made") for record in records] == [None, "marked", None]


@pytest.mark.parametrize("name", ["handle", "callHandlers", "makeRecord", "_log"])
@pytest.mark.parametrize("place", ["logging", "class", "instance"])
def test_what_is_patched_later_is_asked_about_loggers_of_other_classes(
    name: str, place: str, records: CapturedRecords
) -> None:
    """In `logging.Logger`, in their class or in one of them."""
    log = logger_of(Other, "patched.other")
    install(logging.DEBUG, NEVER)
    owner: Any = {"logging": logging.Logger, "class": Other, "instance": log}[place]
    original, seen = getattr(log if place == "instance" else owner, name), []

    def patched(*args: Any, **kwargs: Any) -> Any:
        seen.append(name)
        return original(*args, **kwargs)

    with pytest.MonkeyPatch.context() as patches:
        patches.setattr(owner, name, patched)
        log.info("patched")
    log.info("quiet")
    assert seen == [name] * len(seen)
    assert seen
    assert records.messages == ["patched", "quiet"]


def test_a_method_that_was_patched_before_tamis_came_is_called(tmp_path: Path) -> None:
    """As when an error tracker was started first."""
    program = """
import logging
seen, original = [], logging.Logger.callHandlers
def patched(self, record):
    seen.append(record.getMessage())
    return original(self, record)
logging.Logger.callHandlers = patched
early = logging.getLogger("early")
early.handle = lambda record, handle=early.handle: (seen.append("instance"), handle(record))
import tamis
from tamis.testing import capture
with capture() as records:
    tamis.get_logger("shop").warning("one")
    early.warning("two")
print(seen, records.messages)
"""
    assert run_program(program, home=tmp_path).out == "['one', 'instance', 'two'] ['one', 'two']\n"
