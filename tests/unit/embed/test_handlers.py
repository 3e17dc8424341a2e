"""Handlers with a pipeline of their own, and the way on to other handlers."""

import logging
import logging.config
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tamis.embed.handlers.async_log import AsyncLogHandler
from tamis.embed.handlers.base import PipelineHandler
from tamis.embed.handlers.encryption import EncryptionHandler
from tamis.embed.handlers.forward import HandlerSink, python_level, to_log_record
from tamis.pipeline.base import AT_ONCE, DELIVERED, Batch, Outcome
from tamis.pipeline.own import own_work
from tamis.record.model import Record


class ListSink:
    """Keeps what it is sent."""

    limits, spooled = AT_ONCE, False

    def __init__(self, name: str = "list") -> None:
        self.name = name
        self.records: list[Record] = []

    def send(self, batch: Batch, /, *, timeout_s: float) -> Outcome:
        self.records.extend(batch.records)
        return DELIVERED

    def close(self) -> None:
        pass


class Keeper(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    yield (logger := logging.Logger("own.pipeline", logging.DEBUG))
    for handler in logger.handlers:
        handler.close()


def test_a_handler_delivers_through_its_own_pipeline(log: logging.Logger) -> None:
    """Without any configure; records are numbered, carry their position, and are counted."""
    log.addHandler(handler := PipelineHandler([sink := ListSink()], service="shop"))
    log.warning("order %d", 7, extra={"order_id": 7})
    handler.flush()
    (record,) = sink.records
    assert (record.message, record.service, record.level) == ("order 7", "shop", "WARNING")
    assert record.attributes["order_id"] == 7
    assert record.attributes["sequence"] == 1
    assert record.attributes["code"]["function"] == "test_a_handler_delivers_through_its_own_pipeline"  # type: ignore[index,call-overload]
    assert handler.metrics.snapshot().sinks["list"].delivered == 1


def test_a_processor_sees_each_record_first(log: logging.Logger) -> None:
    """What it drops does not arrive."""

    class Mute:
        name, reason = "mute", "suppressed"

        def process(self, record: Record, /) -> Record | None:
            return None if "mute" in record.message else record

        def failed(self, record: Record, /) -> Record | None:
            return record

        def due(self, _now_ns: int, /) -> list[Record]:
            return []

    log.addHandler(handler := PipelineHandler([sink := ListSink()], processors=[Mute()]))
    log.info("mute")
    log.info("heard")
    handler.flush()
    assert [record.message for record in sink.records] == ["heard"]


def test_after_close_records_are_written_at_once(log: logging.Logger) -> None:
    """Close may come twice, and nothing is lost."""
    log.addHandler(handler := PipelineHandler([sink := ListSink()]))
    log.info("a")
    handler.close()
    log.info("b")
    handler.close()
    assert [record.message for record in sink.records] == ["a", "b"]


def test_records_go_on_to_another_handler_as_log_records(log: logging.Logger) -> None:
    """With message, level, time, logger, thread, position and fields; its level decides."""
    keeper = Keeper()
    keeper.setLevel(logging.INFO)
    keeper.setFormatter(
        logging.Formatter("%(levelname)s %(name)s %(message)s %(threadName)s %(filename)s %(order_id)s")
    )
    log.addHandler(handler := PipelineHandler([HandlerSink(keeper)], code_level="DEBUG"))
    log.debug("no", extra={"order_id": 1})
    log.info("100%% %s", "x", extra={"order_id": 2})
    handler.flush()
    assert keeper.lines == ["INFO own.pipeline 100% x MainThread test_handlers.py 2"]


def test_an_exception_goes_on_as_text(log: logging.Logger) -> None:
    """Its frames and what it came from."""
    log.addHandler(handler := PipelineHandler([HandlerSink(keeper := Keeper())]))
    try:
        try:
            raise ValueError("first")
        except ValueError as error:
            raise KeyError("second") from error
    except KeyError:
        log.exception("bad")
    handler.flush()
    (text,) = keeper.lines
    assert text.startswith("bad\n")
    assert text.index("ValueError: first") < text.index("KeyError: 'second'")
    assert "test_an_exception_goes_on_as_text" in text


@pytest.mark.parametrize(
    ("level", "number"),
    [
        ("TRACE", 5),
        ("DEBUG", 10),
        ("INFO", 20),
        ("NOTICE", 25),
        ("WARN", 30),
        ("ERROR", 40),
        ("FATAL", 50),
        (None, 0),
    ],
)
def test_levels_have_numbers(level: str | None, number: int) -> None:
    """The standard scale's."""
    assert python_level(level) == number
    assert to_log_record(Record(timestamp=1, level=level)).levelno == number


@pytest.mark.parametrize("way", ["async", "forward", "both", "fallback"])
def test_handlers_of_ours_wrap_each_other(
    log: logging.Logger, way: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every record comes through, redacted, and none is taken for one that our own work logged."""
    chain: list[Any] = [PipelineHandler([sink := ListSink()])]
    wraps: dict[str, list[Callable[[logging.Handler], logging.Handler]]] = {
        "async": [AsyncLogHandler],
        "forward": [lambda last: EncryptionHandler(last, mode="mask")],
        "both": [AsyncLogHandler, lambda last: EncryptionHandler(last, mode="mask"), AsyncLogHandler],
        "fallback": [lambda last: AsyncLogHandler(Broken(), last)],
    }
    for wrap in wraps[way]:
        chain.append(wrap(chain[-1]))
    log.addHandler(chain[-1])
    for number in range(3):
        log.error("n%d password=hunter2", number)
    for handler in reversed(chain):
        handler.close()
    assert [record.message for record in sink.records] == [f"n{n} password=***REDACTED***" for n in range(3)]
    assert "hunter2" not in capsys.readouterr().err


class Broken(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        raise OSError("broken")


def test_what_our_own_work_logs_is_told_without_secrets(
    log: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    """A library that a sink uses may log whole URLs; it is not taken, or each delivery would make the next."""
    log.addHandler(handler := PipelineHandler([sink := ListSink()]))
    with own_work():
        log.error("sent to https://u:hunter2@host with token=hunter2")
    handler.close()
    told = capsys.readouterr().err
    assert sink.records == []
    assert "sent to https://u:" in told
    assert "hunter2" not in told
