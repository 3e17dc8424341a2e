"""Arguments that are put into a message by name (`%(password)s`) are what fields of these names would be."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

import tamis
from tamis.embed.outlet import OUTLET
from tamis.embed.values import named_places
from tamis.testing import MemorySink

MASK = "***REDACTED***"


def foreign(name: str) -> logging.Logger:
    """A logger that somebody else listens to: its records go the standard way."""
    logger = tamis.get_logger(name)
    logger.handlers[:] = [logging.NullHandler()]
    return logger


def told(tmp_path: Path, logger: Any, *call: Any, **settings: Any) -> str:
    """The message as it reaches a sink."""
    sink = MemorySink()
    manager = tamis.configure(sinks=[sink], level="DEBUG", spool_folder=tmp_path, **settings)
    root = logging.getLogger()
    before = list(root.handlers)
    # pytest's own stand aside: with them everything takes the standard way.
    root.handlers[:] = OUTLET.handlers or []
    try:
        logger.info(*call)
        assert manager.flush(60)
    finally:
        root.handlers[:] = before
        manager.shutdown(60)
        manager.uninstall()
    return sink.records[0].message


@pytest.mark.parametrize("make", [tamis.get_logger, logging.getLogger, foreign])
@pytest.mark.parametrize(
    ("template", "given", "message"),
    [
        ("%(password)s", {"password": "hunter2"}, MASK),
        ("%(user)s has %(api_key)s.", {"user": "bob", "api_key": "xyz"}, f"bob has {MASK}."),
        ("%(api_key)-8s|%(n)03d%%", {"api_key": "xyz", "n": 7}, f"{MASK}|007%"),
        ("%(tokens)d of %(secret)r", {"tokens": 512, "secret": "é"}, f"512 of {MASK}"),
        ("%(tokens)s", {"tokens": "abc"}, MASK),
        ("%(user)s signed in", {"user": "bob"}, "bob signed in"),
        ("%(a)s", {"a": 1, "password": "hunter2"}, "1"),
    ],
)
def test_arguments_by_a_secret_name_are_masked(
    tmp_path: Path, make: Callable[[str], Any], template: str, given: dict[str, Any], message: str
) -> None:
    """With our own loggers, those of the standard library, and where others listen too; other arguments stay."""
    logger = make(f"named.{make.__name__}")
    assert told(tmp_path, logger, template, given) == message


def test_no_argument_is_masked_where_nobody_asked_for_it(tmp_path: Path) -> None:
    """Redaction that is off leaves the message as it is."""
    logger = tamis.get_logger("named.off")
    assert told(tmp_path, logger, "%(password)s", {"password": "x"}, redact_enabled=False) == "x"


def test_a_secret_beyond_the_longest_message_is_masked_too(tmp_path: Path) -> None:
    """Where a message was cut, it is taken for the secret as a whole."""
    given = {"password": "hunter2", "text": "x" * 10_000_000}
    assert told(tmp_path, tamis.get_logger("named.long"), "%(password)s %(text)s", given) == MASK


def test_arguments_that_say_something_else_each_time_are_the_whole_message() -> None:
    """Nobody knows where they stand then."""

    class Moody:
        told = 0

        def __str__(self) -> str:
            self.told += 1
            return f"{self.told}"

    given = {"password": Moody()}
    template = "it is %(password)s"
    assert named_places(template, (given,), template % given) == (("password", 0, 7),)
    assert named_places(template, ({"password": "x"},), "it is x") == (("password", 6, 7),)


def test_a_file_holds_the_mask_alone(tmp_path: Path) -> None:
    """Also as a line of JSON."""
    path = tmp_path / "app.jsonl"
    manager = tamis.configure(sinks=[f"file://{path}"], spool_folder=tmp_path)
    tamis.get_logger("named.file").warning("%(user)s %(password)s", {"user": "bob", "password": "hunter2"})
    manager.shutdown(60)
    manager.uninstall()
    (line,) = path.read_bytes().splitlines()
    assert msgspec.json.decode(line)["message"] == f"bob {MASK}"
    assert b"hunter2" not in line
