"""One manager a process, and what it puts together."""

import logging
import logging.config
import logging.handlers
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import pytest

import tamis
from tamis.embed.config import LoggingConfig
from tamis.embed.manager import LoggingManager, Pipeline
from tamis.errors import ConfigError
from tamis.pipeline.captured import Captured, Origin, to_record
from tamis.pipeline.health import Health
from tamis.pipeline.metrics import LogMetrics
from tamis.record.model import Record


class ListPipeline:
    """Keeps records in a list; says how it was made and ended."""

    made: ClassVar[list["ListPipeline"]] = []

    def __init__(self, config: LoggingConfig, origin: Origin) -> None:
        self.config, self.origin = config, origin
        self.records: list[Record] = []
        self.closed = 0
        self.metrics = LogMetrics()
        self.made.append(self)

    def put(self, captured: Captured) -> None:
        self.records.append(to_record(captured, self.origin))

    def put_own(self, _captured: Captured) -> None:
        raise AssertionError("nothing here is the pipeline's own work")

    def health(self) -> Health:
        raise AssertionError("nobody asks")

    def flush(self, _timeout_s: float) -> bool:
        return True

    def close(self, _timeout_s: float) -> bool:
        self.closed += 1
        return True


@pytest.fixture(autouse=True)
def _nothing_configured() -> Iterator[None]:
    root = logging.getLogger()
    before = list(root.handlers)
    ListPipeline.made = []
    yield
    if LoggingManager._one is not None:
        LoggingManager._one.uninstall()
    root.handlers[:] = before


def start(**given: object) -> tuple[LoggingManager, ListPipeline]:
    config = LoggingConfig(environ={}, **given)  # type: ignore[arg-type]
    manager = LoggingManager(config, build=build)
    return manager, ListPipeline.made[-1]


def build(config: LoggingConfig, origin: Origin, _before: Pipeline | None = None) -> Pipeline:
    return ListPipeline(config, origin)


def messages() -> list[str]:
    """What all pipelines were given, the oldest pipeline first."""
    return [record.message for pipeline in ListPipeline.made for record in pipeline.records]


def test_64_threads_that_ask_at_once_get_one_whole_manager() -> None:
    """The same object, with everything in place: what each logs at once arrives."""
    barrier = threading.Barrier(64)
    config = LoggingConfig(service="shop", environ={})

    def ask(number: int) -> LoggingManager:
        barrier.wait()
        manager = LoggingManager(None if number % 2 else config, build=build)
        assert manager.pipeline is not None
        assert manager.config is not None
        tamis.get_logger(f"threads.{number}").info("%d", number)
        return manager

    LoggingManager(config, build=build)
    with ThreadPoolExecutor(64) as pool:
        managers = set(pool.map(ask, range(64)))
    assert len(managers) == 1
    assert sorted(map(int, messages())) == list(range(64))


def test_64_threads_may_make_the_first_manager() -> None:
    """Nobody sees a half of it."""
    barrier = threading.Barrier(64)

    def ask(number: int) -> LoggingManager:
        barrier.wait()
        manager = LoggingManager(build=build)
        assert manager.pipeline is not None
        tamis.get_logger(f"first.{number}").info("%d", number)
        return manager

    with ThreadPoolExecutor(64) as pool:
        managers = set(pool.map(ask, range(64)))
    assert len(managers) == 1
    assert len(ListPipeline.made) == 1
    assert sorted(map(int, messages())) == list(range(64))


def test_levels_hold_and_change_while_records_go_on() -> None:
    """INFO by default; a change is seen by the next record, also of loggers that asked before."""
    manager, pipeline = start()
    log, standard = tamis.get_logger("levels"), logging.getLogger("levels.standard")
    log.debug("no")
    standard.debug("no")
    manager.change(level="DEBUG")
    log.debug("yes")
    standard.debug("yes too")
    manager.change(level="ERROR")
    log.warning("no")
    assert messages() == ["yes", "yes too"]
    assert len(ListPipeline.made) == 1
    assert pipeline.closed == 0


def test_another_configuration_loses_no_record() -> None:
    """While 8 threads log, sinks change ten times: each record is in one pipeline, once."""
    manager, _ = start()
    stop = threading.Event()
    counts = [0] * 8

    def work(number: int) -> None:
        log = tamis.get_logger(f"change.{number}")
        while not stop.is_set():
            log.info("%d %d", number, counts[number])
            counts[number] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for number in range(10):
        manager.change(queue_records_max=1_000 + number)
    stop.set()
    for thread in threads:
        thread.join(30)
    assert sorted(messages()) == sorted(f"{n} {step}" for n in range(8) for step in range(counts[n]))
    assert len(ListPipeline.made) == 11
    assert [pipeline.closed for pipeline in ListPipeline.made] == [1] * 10 + [0]


def test_a_wrong_change_leaves_everything_as_it_was() -> None:
    """The error names what is wrong, and records go on."""
    manager, _ = start(level="INFO")
    with pytest.raises(ConfigError, match=r"log\.level"):
        manager.change(level="loud")
    with pytest.raises(ConfigError, match="no such setting"):
        manager.change(levl="INFO")
    tamis.get_logger("still").info("here")
    assert messages() == ["here"]


def test_shutdown_gives_loggers_back_and_loses_nothing_that_comes_later() -> None:
    """Standard loggers are standard again; what is logged afterwards still reaches the pipeline."""
    standard = logging.getLogger("back.standard")
    manager, pipeline = start()
    log = tamis.get_logger("back")
    assert type(standard) is tamis.Logger
    assert manager.shutdown()
    assert manager.shutdown()
    assert pipeline.closed == 1
    assert type(standard) is logging.Logger
    assert logging.getLoggerClass() is logging.Logger
    log.info("late", a=1)
    standard.info("late too")
    assert messages() == ["late", "late too"]


def test_after_shutdown_there_may_be_another_manager() -> None:
    """A new one, which gets the records from then on."""
    first, _ = start()
    first.shutdown()
    second, pipeline = start(service="other")
    assert second is not first
    tamis.get_logger("again").info("x")
    assert [record.service for record in pipeline.records] == ["other"]


def test_records_say_which_process_made_them() -> None:
    """Service, host, process id, and eight digits that no other start of a process has."""
    _, pipeline = start(service="shop")
    tamis.get_logger("origin").info("x")
    assert pipeline.records[0].service == "shop"
    assert pipeline.records[0].host
    assert len(pipeline.origin.process) == 8


@pytest.mark.parametrize("how", ["dictConfig", "basicConfig"])
def test_other_configurations_of_logging_stand_beside_ours(how: str) -> None:
    """Clearing the root's handlers does not take ours away; the others get the records too."""
    root = logging.getLogger()
    before = root.level, list(root.handlers)
    start()
    if how == "dictConfig":
        logging.config.dictConfig(
            {
                "version": 1,
                "disable_existing_loggers": False,
                "handlers": {"memory": {"class": "logging.handlers.MemoryHandler", "capacity": 100}},
                "root": {"handlers": ["memory"], "level": "INFO"},
            }
        )
    else:
        logging.basicConfig(force=True, level="INFO", handlers=[logging.handlers.MemoryHandler(100)])
    logging.getLogger("beside").info("x", extra={"a": 1})
    (other,) = (item for item in root.handlers if isinstance(item, logging.handlers.MemoryHandler))
    assert [record.getMessage() for record in other.buffer] == ["x"]
    assert messages() == ["x"]
    root.removeHandler(other)
    LoggingManager().uninstall()
    assert type(root) is logging.RootLogger
    root.handlers[:] = before[1]
    assert root.level == before[0]


def test_a_name_in_the_environment_that_is_no_setting_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the name that was perhaps meant."""
    monkeypatch.setenv("TAMIS_LOG_LEVLE", "DEBUG")
    LoggingManager(build=build)
    assert "TAMIS_LOG_LEVLE" in (told := capsys.readouterr().err)
    assert "TAMIS_LOG_LEVEL" in told


def test_flush_and_shutdown_without_a_manager_are_done_at_once() -> None:
    """A library may call them whether or not its application configured anything."""
    assert tamis.flush(timeout=0)
    assert tamis.shutdown()


def test_the_root_gives_its_names() -> None:
    """Sorted, each there, and nothing else."""
    assert tamis.__all__ == sorted(tamis.__all__)
    for name in tamis.__all__:
        assert getattr(tamis, name) is not None
        assert name in dir(tamis)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = tamis.nothing
