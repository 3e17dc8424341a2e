"""`CompressingRotatingFileHandler` in standard logging."""

import gzip
import json
import logging
import logging.config
from collections.abc import Iterator
from pathlib import Path

import pytest

from tamis.disk.rotated import rotated_files
from tamis.embed.handlers.compressing_rotating_file import CompressingRotatingFileHandler
from tamis.errors import ConfigError


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    found = logging.getLogger("tests.rotating")
    found.propagate = False
    found.setLevel(logging.DEBUG)
    yield found
    for handler in list(found.handlers):
        found.removeHandler(handler)
        handler.close()


def add(logger: logging.Logger, handler: logging.Handler) -> None:
    logger.addHandler(handler)


def test_it_rotates_and_compresses_and_loses_nothing(logger: logging.Logger, tmp_path: Path) -> None:
    """Every record is in the file or in a compressed one, in order."""
    path = tmp_path / "app.log"
    handler = CompressingRotatingFileHandler(path, rotate_bytes=4_000, keep=0)
    add(logger, handler)
    for number in range(200):
        logger.info("message %d", number)
        if number % 40 == 0:
            handler.flush()
    handler.close()
    rotated = rotated_files(path)
    assert len(rotated) > 3
    data = b"".join(gzip.decompress(file.read_bytes()) for file in rotated) + path.read_bytes()
    assert [json.loads(line)["message"] for line in data.splitlines()] == [f"message {n}" for n in range(200)]


def test_a_formatter_makes_the_lines(logger: logging.Logger, tmp_path: Path) -> None:
    """As with the handlers of the standard library; exceptions are written under their line."""
    path = tmp_path / "app.log"
    handler = CompressingRotatingFileHandler(path)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))
    add(logger, handler)
    logger.warning("slow: %s", "disk")
    try:
        raise ValueError("wrong")
    except ValueError:
        logger.exception("failed")
    handler.close()
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[:2] == ["WARNING tests.rotating slow: disk", "ERROR tests.rotating failed"]
    assert lines[-1] == "ValueError: wrong"


def test_a_formatter_that_fails_costs_no_record(logger: logging.Logger, tmp_path: Path) -> None:
    """The record is written as JSON instead."""
    path = tmp_path / "app.log"
    handler = CompressingRotatingFileHandler(path)
    handler.setFormatter(logging.Formatter("%(nobody)s %(message)s"))
    add(logger, handler)
    logger.info("kept")
    handler.close()
    assert json.loads(path.read_bytes())["message"] == "kept"


def test_dict_config_alone_makes_it(tmp_path: Path) -> None:
    """Sizes and times may be text."""
    path = tmp_path / "app.log"
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {
                "file": {
                    "class": "tamis.CompressingRotatingFileHandler",
                    "filename": str(path),
                    "rotate_bytes": "10MB",
                    "rotate_s": "1d",
                    "keep": 3,
                    "compress": "zstd",
                    "level": "WARNING",
                }
            },
            "loggers": {"tests.rotating": {"handlers": ["file"], "level": "DEBUG", "propagate": False}},
        }
    )
    logger = logging.getLogger("tests.rotating")
    logger.info("too mild")
    logger.error("loud enough")
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()
    (line,) = path.read_bytes().splitlines()
    assert json.loads(line)["message"] == "loud enough"


class Broken:
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


def test_no_value_costs_a_record(logger: logging.Logger, tmp_path: Path) -> None:
    """Cycles, lone surrogates, giants, NaN, bytes, objects without text: seven records are seven lines."""
    path = tmp_path / "app.log"
    handler = CompressingRotatingFileHandler(path)
    add(logger, handler)
    cycle: dict[str, object] = {}
    cycle["self"] = cycle
    values = [cycle, "a\ud800b", 10**5_000, float("nan"), b"\xff", Broken(), {1, 2}]
    for number, value in enumerate(values):
        logger.info("value %d \udc80", number, extra={"value": value})
    handler.close()
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert [line["message"] for line in lines] == [f"value {number} \\udc80" for number in range(len(values))]
    assert all("value" in line["attributes"] for line in lines)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"rotate_bytes": "much"}, "rotate_bytes"),
        ({"rotate_s": "soon"}, "rotate_s"),
        ({"compress": "lz4"}, "compress"),
        ({"format": "xml"}, "format"),
        ({"keep": -1}, "keep"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, arguments: dict[str, object], word: str) -> None:
    """At once, not when the first record comes."""
    with pytest.raises(ConfigError, match=word):
        CompressingRotatingFileHandler(tmp_path / "app.log", **arguments)  # type: ignore[arg-type]  # wrong on purpose
