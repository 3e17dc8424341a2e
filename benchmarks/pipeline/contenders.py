"""Who is measured: how each is set up to write JSON lines to a file, and how it is called."""

import io
import json
import logging
import logging.handlers
import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from benchmarks.pipeline.records import Call

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class Contender:
    """One way to log. `take` logs one call; `finish` returns when all of it is where it belongs."""

    writes = True
    """Whether the records end in the file."""

    def __init__(self, logger: Any, finish: Callable[[], object]) -> None:
        self.logger, self.finish = logger, finish
        self.methods = {10: logger.debug, 20: logger.info, 30: logger.warning, 40: logger.error}

    def take(self, made: list[Call]) -> None:
        """As an application of the standard library does, fields in `extra`."""
        methods = self.methods
        for level, text, arguments, fields in made:
            methods[level](text, *arguments, extra=fields)

    def disable(self) -> None:
        """No DEBUG any more."""
        self.logger.setLevel(logging.INFO)


class Keywords(Contender):
    """Fields as keywords."""

    def take(self, made: list[Call]) -> None:
        methods = self.methods
        for level, text, arguments, fields in made:
            methods[level](text, *arguments, **fields)


class JsonFormatter(logging.Formatter):
    """What the reference writes: the fields that Tamis writes, too, by the standard library alone."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        given = record.__dict__
        line = {
            "timestamp": self.formatTime(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "process_id": record.process,
            "thread": record.threadName,
            "attributes": {name: value for name, value in given.items() if name not in _STANDARD},
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def _plain(name: str) -> logging.Logger:
    logger = logging.getLogger(name)
    logger.setLevel(logging.DEBUG)
    return logger


def reference(path: Path) -> Contender:
    """`QueueHandler`, `QueueListener` and `json`."""
    target = logging.FileHandler(path)
    target.setFormatter(JsonFormatter())
    waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
    listener = logging.handlers.QueueListener(waiting, target)
    logger = _plain("shop")
    logger.addHandler(logging.handlers.QueueHandler(waiting))
    listener.start()

    def finish() -> None:
        listener.stop()
        target.flush()

    return Contender(logger, finish)


def _configured(path: Path, **settings: Any) -> Any:
    import tamis

    sinks = [f"file://{path}"]
    return tamis.configure(
        service="shop",
        level="DEBUG",
        sinks=sinks,
        spool_folder=path.parent / "spool",
        sample_enabled=False,
        **settings,
    )


def tamis_fast(path: Path) -> Contender:
    """Tamis, its own logger, every pattern of redaction on."""
    import tamis

    manager = _configured(path)
    return Keywords(tamis.get_logger("shop"), lambda: manager.shutdown(60.0))


def tamis_plain(path: Path) -> Contender:
    """Tamis without redaction."""
    import tamis

    manager = _configured(path, redact_enabled=False)
    return Keywords(tamis.get_logger("shop"), lambda: manager.shutdown(60.0))


def tamis_standard(path: Path) -> Contender:
    """`logging.getLogger`, fields in `extra`."""
    manager = _configured(path)
    return Contender(logging.getLogger("shop"), lambda: manager.shutdown(60.0))


def tamis_other(path: Path) -> Contender:
    """A logger of somebody else's class: its records come as LogRecords."""

    class Other(logging.Logger):
        """Not ours."""

    logging.setLoggerClass(Other)
    logger = _plain("shop")
    manager = _configured(path)
    return Contender(logger, lambda: manager.shutdown(60.0))


def tamis_foreign(path: Path) -> Contender:
    """Tamis' logger with a handler of somebody else's beside: the standard way, too."""
    import tamis

    manager = _configured(path)
    logging.getLogger().addHandler(logging.NullHandler())
    return Keywords(tamis.get_logger("shop"), lambda: manager.shutdown(60.0))


def tamis_durable(path: Path) -> Contender:
    """A record is in the file before the call returns."""
    import tamis

    manager = _configured(path, durable="process")
    return Keywords(tamis.get_logger("shop"), lambda: manager.shutdown(60.0))


def _spooled(path: Path, durable: str) -> Contender:
    import tamis
    from tamis.pipeline.base import AT_ONCE, DELIVERED

    class Away:
        """A sink with a spool that takes everything at once."""

        name, spooled, limits = "away", True, AT_ONCE

        def send(self, _batch: object, /, *, timeout_s: float) -> object:
            """All is there."""
            return DELIVERED

        def close(self) -> None:
            """Nothing to close."""

    sinks: Any = [Away()]
    manager = tamis.configure(
        service="shop",
        level="DEBUG",
        sinks=sinks,
        durable=durable,
        spool_folder=path.parent / "spool",
        sample_enabled=False,
    )
    contender = Keywords(tamis.get_logger("shop"), lambda: manager.shutdown(60.0))
    contender.writes = False
    return contender


def tamis_spool_process(path: Path) -> Contender:
    """A record is in the spool before the call returns: `kill -9` takes none."""
    return _spooled(path, "process")


def tamis_spool_disk(path: Path) -> Contender:
    """As before, and synced: a power cut takes none."""
    return _spooled(path, "disk")


class Structlog(Keywords):
    """Positional arguments as structlog formats them."""

    def __init__(self, wrapper: Callable[[int], Any], finish: Callable[[], object]) -> None:
        super().__init__(wrapper(logging.DEBUG), finish)
        self._wrapper = wrapper

    def disable(self) -> None:
        """structlog filters by class."""
        self.logger = self._wrapper(logging.INFO)


def structlog_orjson(path: Path) -> Contender:
    """structlog as its documentation has it for speed: bytes by orjson, written by the caller."""
    import orjson
    import structlog

    target = path.open("ab", buffering=0)

    def wrapper(level: int) -> Any:
        structlog.configure(
            processors=[
                structlog.contextvars.merge_contextvars,
                structlog.processors.add_log_level,
                structlog.processors.format_exc_info,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.JSONRenderer(serializer=orjson.dumps),
            ],
            wrapper_class=structlog.make_filtering_bound_logger(level),
            logger_factory=structlog.BytesLoggerFactory(file=target),
            cache_logger_on_first_use=False,
        )
        return structlog.get_logger("shop").bind()

    return Structlog(wrapper, target.flush)


class Loguru(Contender):
    """Fields bound, arguments put in beforehand: loguru formats with braces."""

    def take(self, made: list[Call]) -> None:
        bind, names = self.logger.bind, {10: "debug", 20: "info", 30: "warning", 40: "error"}
        for level, text, arguments, fields in made:
            getattr(bind(**fields), names[level])(text % arguments)

    def disable(self) -> None:
        """loguru filters by its sinks."""
        self.logger.remove()
        self.logger.add(io.StringIO(), level="INFO")


def loguru_queue(path: Path) -> Contender:
    """loguru with a queue, lines as JSON."""
    from loguru import logger

    logger.remove()
    logger.add(path, enqueue=True, serialize=True, level="DEBUG", backtrace=False, diagnose=False)
    return Loguru(logger, logger.complete)


class Unwritten(Contender):
    """Its exporter throws records away: what stands behind it is somebody else's."""

    writes = False


def opentelemetry(_path: Path) -> Contender:
    """OpenTelemetry's handler, batches, an exporter that does nothing."""
    import warnings

    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import (
        BatchLogRecordProcessor,
        LogRecordExporter,
        LogRecordExportResult,
    )

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from opentelemetry.sdk._logs import LoggingHandler

    class Nowhere(LogRecordExporter):
        """Does nothing."""

        def export(self, batch: Any) -> Any:
            """All is there."""
            return LogRecordExportResult.SUCCESS

        def shutdown(self) -> None:
            """Nothing to close."""

        def force_flush(self, timeout_millis: int = 10_000) -> bool:
            """Nothing waits."""
            return True

    provider = LoggerProvider()
    provider.add_log_record_processor(BatchLogRecordProcessor(Nowhere()))
    logger = _plain("shop")
    logger.addHandler(LoggingHandler(logger_provider=provider))
    return Unwritten(logger, provider.shutdown)


def python_json_logger(path: Path) -> Contender:
    """python-json-logger in a FileHandler, as its documentation has it; orjson encodes."""
    from pythonjsonlogger.orjson import OrjsonFormatter

    target = logging.FileHandler(path)
    target.setFormatter(OrjsonFormatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logger = _plain("shop")
    logger.addHandler(target)
    return Contender(logger, target.flush)


def logfire(_path: Path) -> Contender:
    """logfire's handler for `logging`, sending nothing and printing nothing."""
    import logfire as api

    api.configure(send_to_logfire=False, console=False, inspect_arguments=False)
    logger = _plain("shop")
    logger.addHandler(api.LogfireLoggingHandler())
    return Unwritten(logger, api.shutdown)


CONTENDERS: Final[dict[str, Callable[[Path], Contender]]] = {
    "QueueHandler + QueueListener + json": reference,
    "tamis": tamis_fast,
    "tamis, standard logger": tamis_standard,
    "tamis, foreign handler": tamis_foreign,
    "tamis, logger of another class": tamis_other,
    "tamis, no redaction": tamis_plain,
    "structlog + orjson": structlog_orjson,
    "loguru, enqueue": loguru_queue,
    "OpenTelemetry, no-op exporter": opentelemetry,
    "python-json-logger + orjson": python_json_logger,
    "logfire, no-op": logfire,
}
DURABLE: Final[dict[str, Callable[[Path], Contender]]] = {
    "durable=process, file": tamis_durable,
    "durable=process, spool": tamis_spool_process,
    "durable=disk, spool": tamis_spool_disk,
}


@contextmanager
def opened(name: str, path: Path) -> Iterator[Contender]:
    """A contender ready to log; ImportError when it is not installed."""
    yield {**CONTENDERS, **DURABLE}[name](path)
