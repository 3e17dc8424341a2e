"""Wrong arguments of the named handlers: told where the handler is made, by name and value."""

import logging
import logging.config
from pathlib import Path
from typing import Any

import pytest

import tamis
from tamis.errors import ConfigError

FILE: dict[str, Any] = {"class": "tamis.CompressingRotatingFileHandler", "filename": "app.log"}
ASYNC: dict[str, Any] = {"class": "tamis.AsyncLogHandler", "handler": {"class": "logging.NullHandler"}}
WRONG: list[tuple[dict[str, Any], str, object]] = [
    (FILE, "keep", "two"),
    (FILE, "keep", -2),
    (FILE, "compress", "rar"),
    (FILE, "mode", "rw"),
    (FILE, "mode", 0o7777),
    (FILE, "rotate_bytes", "1 parsec"),
    (FILE, "rotate_s", -1),
    (FILE, "filename", ""),
    (FILE, "filename", "."),
    (FILE, "filename", None),
    (FILE, "format", "xml"),
    (ASYNC, "capacity", -1),
    (ASYNC, "capacity", "ten"),
    (ASYNC, "batch_min", 0),
    (ASYNC, "batch_max", 5),
    (ASYNC, "timeout_s", -1),
    (ASYNC, "exit_s", "y"),
    ({"class": "tamis.AdvancedMonitoringHandler"}, "latency_threshold_ms", "fast"),
    ({"class": "tamis.AdvancedMonitoringHandler"}, "cooldown_s", -1),
]


@pytest.mark.parametrize(("handler", "name", "value"), WRONG)
def test_a_wrong_argument_is_told_by_name_and_value(
    handler: dict[str, Any], name: str, value: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In `dictConfig`, before anything is logged; nothing is silently dropped or fails at the end."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="Unable to configure handler") as caught:
        logging.config.dictConfig({"version": 1, "handlers": {"h": {**handler, name: value}}})
    cause = caught.value.__cause__
    assert isinstance(cause, ConfigError)
    assert str(cause).startswith(f"{name} = {value!r}")


def test_a_password_that_is_no_text_is_told_and_not_shown() -> None:
    """As YAML makes a number of `password: 123`."""
    wrong: Any = 73_915_264
    with pytest.raises(ConfigError, match="password") as caught:
        tamis.ElasticsearchHandler("http://127.0.0.1:1", "x", user="u", password=wrong)
    assert str(wrong) not in str(caught.value)


def test_a_mode_may_be_text(tmp_path: Path) -> None:
    """In octal, as in a sink's URL."""
    handler = tamis.CompressingRotatingFileHandler(tmp_path / "app.log", mode="600")
    log = logging.getLogger("tests.mode")
    log.addHandler(handler)
    log.error("x")
    log.removeHandler(handler)
    handler.close()
    assert (tmp_path / "app.log").stat().st_mode & 0o777 == 0o600
