"""What an application's logging is to be, and who said so."""

from pathlib import Path

import pytest

from tamis.embed.config import LoggingConfig
from tamis.embed.manager import configure, flush
from tamis.embed.performance import log_performance
from tamis.errors import ConfigError
from tamis.pipeline.build import build_dispatcher, create_alerts
from tamis.pipeline.captured import Origin
from tamis.settings import load_settings
from tamis.telemetry.diagnostics import Diagnostics


def test_the_first_source_that_speaks_wins(tmp_path: Path) -> None:
    """Argument, then environment, then file, then default."""
    file = tmp_path / "tamis.toml"
    file.write_text('[log]\nservice = "file"\nlevel = "ERROR"\nblock_s = "3s"\n', "utf-8")
    config = LoggingConfig(
        level="DEBUG", toml_path=file, environ={"TAMIS_LOG_LEVEL": "INFO", "TAMIS_LOG_BLOCK_S": "2s"}
    )
    assert (config.log.level, config.log.block_s, config.log.service) == (10, 2.0, "file")
    assert config.log.queue_records_max == LoggingConfig(environ={}).log.queue_records_max
    assert config.settings.sources["log.level"] == "argument"
    assert config.settings.sources["log.block_s"] == "environment TAMIS_LOG_BLOCK_S"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"level": "loud"}, ["log.level", "loud", "argument", "must be a level"]),
        (
            {"environ": {"TAMIS_LOG_OVERFLOW": "shrug"}},
            ["log.overflow", "shrug", "TAMIS_LOG_OVERFLOW", "spool"],
        ),
        ({"queue_records_max": 0}, ["log.queue_records_max", "0", "at least 1"]),
        ({"qeue_records_max": 5}, ["qeue_records_max", "argument", "queue_records_max"]),
        ({"log_level": "INFO", "server_port": 3}, ["server_port", "no such setting"]),
    ],
)
def test_errors_name_key_value_and_source(given: dict[str, object], words: list[str]) -> None:
    """So that whoever reads them knows where to look."""
    with pytest.raises(ConfigError) as caught:
        LoggingConfig(**{"environ": {}, **given})  # type: ignore[arg-type]
    for word in words:
        assert word in str(caught.value)


def test_an_unknown_key_lists_what_an_application_can_set() -> None:
    """Nothing of a server."""
    with pytest.raises(ConfigError) as caught:
        LoggingConfig(environ={}, zzz=1)
    assert "there are" in caught.value.reason
    assert "spool_folder" in caught.value.reason
    for part in ("syslog", "rates", "tail", "alerts_", "listener"):
        assert part not in caught.value.reason


def test_a_rule_that_is_no_query_is_refused_without_a_channel() -> None:
    """Not first when somebody is to be told."""
    settings = load_settings({"alert.rules": ["level:(("]}, {})
    with pytest.raises(ConfigError, match=r"alert\.rules"):
        create_alerts(settings, Origin(None, None, 0, ""), diagnostics=Diagnostics())


def test_wrong_calls_say_what_is_wanted() -> None:
    """A text for a time, a number for a name."""
    with pytest.raises(TypeError, match="number of seconds, not 'x'"):
        flush("x")  # type: ignore[arg-type]  # what it is about
    with pytest.raises(TypeError, match="must be a text, not 5"):
        log_performance(5)  # type: ignore[call-overload]  # what it is about


def test_settings_go_by_field_or_by_part_and_field() -> None:
    """`exit_s` and `log_exit_s` are the same."""
    assert LoggingConfig(exit_s=1, environ={}).log.exit_s == 1
    assert LoggingConfig(log_exit_s=1, environ={}).log.exit_s == 1


def test_sinks_are_names_or_objects() -> None:
    """Names from any source, objects from arguments alone; one text may name several."""
    sink = object()
    assert LoggingConfig(environ={}).sinks == ("stderr",)
    assert LoggingConfig(environ={"TAMIS_LOG_SINKS": "stderr, http://h:1"}).sinks == ("stderr", "http://h:1")
    assert LoggingConfig(sinks=["stderr"], environ={}).sinks == ("stderr",)
    assert LoggingConfig(sinks="stderr,file:///x", environ={}).sinks == ("stderr", "file:///x")
    assert LoggingConfig(sinks=[sink, "stderr"], environ={}).sinks == (sink, "stderr")  # type: ignore[list-item]
    assert LoggingConfig(sinks=[], environ={}).sinks == ()


def test_no_secret_is_shown() -> None:
    """Neither by repr nor in the rows that check-config prints."""
    config = LoggingConfig(sinks=["stderr", "http://s3cret@h:1"], environ={})
    rows = {row.key: row.value for row in config.settings.resolved()}
    assert "s3cret" not in repr(config) + repr(config.log) + rows["log.sinks"]
    assert "h:1" in rows["log.sinks"]


def test_a_change_keeps_what_it_does_not_name() -> None:
    """And leaves the configuration it was made from as it was."""
    config = LoggingConfig(service="shop", level="ERROR", environ={})
    other = config.changed(level="DEBUG")
    assert (other.log.service, other.log.level, config.log.level) == ("shop", 10, 40)
    with pytest.raises(AttributeError, match="immutable"):
        config.settings = other.settings


def test_durable_may_be_said_by_yes_or_no() -> None:
    """True is what a killed process cannot take back."""
    assert LoggingConfig(durable=True, environ={}).log.durable == "process"
    assert LoggingConfig(durable=False, environ={"TAMIS_LOG_DURABLE": "disk"}).log.durable == "off"


@pytest.mark.parametrize(
    ("given", "environ", "words"),
    [
        ({}, {"TAMIS_LOG_SINKS": "ftp://x"}, ["log.sinks", "ftp://x", "environment TAMIS_LOG_SINKS"]),
        ({"sinks": ["file:x?rotate=1"]}, {}, ["log.sinks", "rotate", "argument"]),
        ({"redact_patterns": ["(("]}, {}, ["redact.patterns", "'(('", "argument"]),
        ({"alert_channels": ["ftp://x"]}, {}, ["alert.channels", "argument"]),
        ({"sinks": [7]}, {}, ["log.sinks", "int", "argument", "send"]),
    ],
)
def test_what_cannot_be_made_is_told_with_its_source(
    given: dict[str, object], environ: dict[str, str], words: list[str]
) -> None:
    """Also where a part of the pipeline finds out, which knows nothing of sources."""
    config = LoggingConfig(**{"environ": environ, **given})  # type: ignore[arg-type]
    with pytest.raises(ConfigError) as caught:
        build_dispatcher(config.settings, config.sinks, (), Origin("shop", None, 1, "p"))
    for word in words:
        assert word in str(caught.value)


def test_a_name_alone_is_no_configuration() -> None:
    """`configure("shop")` says how it is meant."""
    with pytest.raises(ConfigError, match="service="):
        configure("shop")  # type: ignore[arg-type]  # what the test is about


def test_a_wrong_name_is_told_with_the_one_that_was_meant() -> None:
    """Instead of all there are."""
    with pytest.raises(ConfigError, match="did you mean level"):
        LoggingConfig(levl="INFO", environ={})
