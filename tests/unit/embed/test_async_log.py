"""AsyncLogHandler: another handler's work off the caller's thread."""

import io
import logging
import logging.config
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tamis.embed.handlers.async_log import AsyncLogHandler


class Recorder(logging.Handler):
    """Keeps what it is given; may be told to fail or to hang."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.threads: set[str] = set()
        self.gate = threading.Event()
        self.gate.set()
        self.fails: Callable[[str], bool] = lambda _text: False

    def emit(self, record: logging.LogRecord) -> None:
        self.gate.wait(30)
        if self.fails(record.getMessage()):
            raise OSError("disk gone")
        self.seen.append(self.format(record))
        self.threads.add(threading.current_thread().name)


class Polite(Recorder):
    """Fails as the standard handlers do: it catches, and calls handleError."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            super().emit(record)
        except OSError:
            self.handleError(record)


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    logger = logging.Logger("async")
    yield logger
    for handler in logger.handlers:
        handler.close()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_records_arrive_in_order_on_another_thread(log: logging.Logger) -> None:
    """All of them, with what formats ask for."""
    target = Recorder()
    target.setFormatter(logging.Formatter("%(levelname)s %(name)s %(funcName)s %(message)s %(extra)s"))
    log.addHandler(handler := AsyncLogHandler(target))
    for number in range(3_000):
        log.info("n %d", number, extra={"extra": number})
    handler.flush()
    name = "test_records_arrive_in_order_on_another_thread"
    assert target.seen == [f"INFO async {name} n {number} {number}" for number in range(3_000)]
    assert threading.current_thread().name not in target.threads or len(target.threads) > 1
    stats = handler.stats()
    assert (stats.sent, stats.processed, stats.queued, stats.errors) == (3_000, 3_000, 0, 0)


def test_batches_grow_under_load_and_shrink_when_idle(log: logging.Logger) -> None:
    """Between the two limits."""
    target = Recorder()
    target.gate.clear()
    log.addHandler(handler := AsyncLogHandler(target, batch_min=4, batch_max=64, capacity=5_000))
    for number in range(2_000):
        log.info("%d", number)
    target.gate.set()
    until(lambda: handler.stats().processed == 2_000)
    assert handler.stats().batch_size == 64
    assert handler.stats().batches < 200

    def trickle() -> bool:
        log.error("wake")
        return handler.stats().batch_size == 4

    until(trickle)


@pytest.mark.parametrize("kind", [Recorder, Polite])
def test_the_fallback_takes_what_the_handler_fails_at(
    kind: type[Recorder], log: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each failing record alone; the others go their way. Nothing is raised, no traceback is printed."""
    target, fallback = kind(), Recorder()
    target.fails = lambda text: text.endswith("7")
    log.addHandler(handler := AsyncLogHandler(target, fallback))
    for number in range(100):
        log.info("%d", number)
    handler.flush()
    assert fallback.seen == [str(number) for number in range(100) if number % 10 == 7]
    assert len(target.seen) == 90
    stats = handler.stats()
    assert (stats.processed, stats.fallback, stats.errors, stats.failed) == (90, 10, 10, 0)
    assert "Traceback" not in capsys.readouterr().err


def test_without_a_fallback_failures_are_counted(log: logging.Logger) -> None:
    """And the sum still holds."""
    target = Recorder()
    target.fails = lambda _text: True
    log.addHandler(handler := AsyncLogHandler(target))
    for _ in range(10):
        log.info("x")
    handler.flush()
    stats = handler.stats()
    assert (stats.sent, stats.processed, stats.failed, stats.errors) == (10, 0, 10, 10)


def test_a_handler_that_hangs_holds_up_nobody(log: logging.Logger) -> None:
    """After the time limit the fallback takes what waits; what the handler had in hand it still gets."""
    target, fallback = Recorder(), Recorder()
    target.gate.clear()
    log.addHandler(handler := AsyncLogHandler(target, fallback, timeout_s=0.05, exit_s=0.1, batch_min=1))

    def pushed() -> bool:
        log.info("more")
        return len(fallback.seen) > 10

    until(pushed)
    target.gate.set()
    until(lambda: len(target.seen) + len(fallback.seen) == handler.stats().sent)


def test_the_fallback_takes_what_waits_though_nothing_more_is_logged(log: logging.Logger) -> None:
    """A handler that hangs just after the last record leaves nothing lying but what it has in hand."""
    target, fallback = Recorder(), Recorder()
    target.gate.clear()
    log.addHandler(handler := AsyncLogHandler(target, fallback, timeout_s=0.05, exit_s=0.1, batch_min=4))
    for number in range(50):
        log.info("%d", number)
    until(lambda: len(fallback.seen) >= 50 - handler.stats().batch_size)
    target.gate.set()
    until(lambda: len(target.seen) + len(fallback.seen) == 50 == handler.stats().sent)


def test_a_full_queue_drops_the_mildest_first_and_counts(log: logging.Logger) -> None:
    """WARNING and above find room longer; the caller never waits."""
    target = Recorder()
    target.gate.clear()
    log.addHandler(handler := AsyncLogHandler(target, capacity=100, timeout_s=30, exit_s=30))
    for _ in range(200):
        log.debug("d")
    for _ in range(200):
        log.error("e")
    target.gate.set()
    handler.flush()
    stats = handler.stats()
    assert stats.sent == 400 == stats.processed + sum(stats.dropped.values())
    assert target.seen.count("e") >= 15
    assert stats.dropped["DEBUG"] >= 100


def test_values_are_as_they_were_when_they_were_logged(log: logging.Logger) -> None:
    """What changes later changes no record, and tracebacks are text."""
    target = Recorder()
    target.gate.clear()
    target.setFormatter(logging.Formatter("%(message)s %(items)s"))
    log.addHandler(handler := AsyncLogHandler(target))
    items = [1]
    log.info("%s", items, extra={"items": items})
    try:
        raise ValueError("v")
    except ValueError:
        log.exception("bad", extra={"items": items})
    items.append(2)
    target.gate.set()
    handler.flush()
    assert target.seen[0] == "[1] [1]"
    assert target.seen[1].startswith("bad [1]\nTraceback (most recent call last):\n  File ")
    assert target.seen[1].endswith('raise ValueError("v")\nValueError: v')


def test_after_close_records_are_handed_over_at_once(log: logging.Logger) -> None:
    """Nothing is lost at the end, and close may come twice."""
    target = Recorder()
    log.addHandler(handler := AsyncLogHandler(target))
    log.info("a")
    handler.close()
    log.info("b")
    handler.close()
    assert target.seen == ["a", "b"]


def test_the_end_waits_no_longer_than_it_says_for_a_handler_that_hangs(log: logging.Logger) -> None:
    """Its own thread hangs with it, not the one that closes."""
    target = Recorder()
    target.gate.clear()
    log.addHandler(handler := AsyncLogHandler(target, exit_s=0.05))
    log.info("a")
    handler.close()
    target.gate.set()
    until(lambda: target.seen == ["a"])
    assert target.threads == {"tamis-async-log"}


def test_after_close_nobody_waits_for_a_handler_that_hangs_again_and_again(log: logging.Logger) -> None:
    """Whoever logs then finds out once; the fallback has the rest at once."""
    target, fallback = Recorder(), Recorder()
    target.gate.clear()
    log.addHandler(handler := AsyncLogHandler(target, fallback, timeout_s=1.0, exit_s=0.05))
    log.info("first")
    until(lambda: handler.stats().queued == 1 and not fallback.seen)
    handler.close()
    for number in range(500):
        log.info("%d", number)
    target.gate.set()
    until(lambda: handler.stats().queued == 0)
    assert sorted(target.seen + fallback.seen) == sorted(["first", *map(str, range(500))])


def test_what_the_wrapped_handler_logs_does_not_come_back(log: logging.Logger) -> None:
    """A handler whose client logs would feed itself."""

    class Chatty(Recorder):
        def emit(self, record: logging.LogRecord) -> None:
            log.info("sending %s", record.getMessage())
            super().emit(record)

    target = Chatty()
    log.addHandler(handler := AsyncLogHandler(target))
    log.info("x")
    handler.flush()
    assert target.seen == ["x"]


@pytest.mark.parametrize("name", ["a_target", "z_target"])
def test_dict_config_names_the_wrapped_handler(name: str, tmp_path: Path) -> None:
    """Whether it is made before or after ours; with its own formatter and level."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    config = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"brief": {"format": "%(levelname)s:%(message)s"}},
        "handlers": {
            "m_async": {
                "class": "tamis.AsyncLogHandler",
                "handler": f"cfg://handlers.{name}",
                "level": "INFO",
            },
            name: {"class": "logging.FileHandler", "filename": str(tmp_path / "log"), "formatter": "brief"},
        },
        "loggers": {"by.config": {"handlers": ["m_async"], "level": "DEBUG", "propagate": False}},
    }
    logging.config.dictConfig(config)
    log = logging.getLogger("by.config")
    log.debug("no")
    log.info("yes")
    (handler,) = log.handlers
    handler.close()
    log.handlers.clear()
    log.propagate = True
    logging.shutdown()
    root.handlers[:] = before
    root.setLevel(level)
    assert (tmp_path / "log").read_text("utf-8") == "INFO:yes\n"


def test_dict_config_may_hold_the_wrapped_handler_whole() -> None:
    """Inline, as a table of its own."""
    logging.config.dictConfig(
        {
            "version": 1,
            "incremental": False,
            "disable_existing_loggers": False,
            "handlers": {
                "a": {"class": "tamis.AsyncLogHandler", "handler": {"class": "logging.NullHandler"}}
            },
            "loggers": {"inline": {"handlers": ["a"], "propagate": False, "level": "INFO"}},
        }
    )
    log = logging.getLogger("inline")
    log.info("x")
    (handler,) = log.handlers
    assert isinstance(handler, AsyncLogHandler)
    handler.flush()
    assert handler.stats().processed == 1
    handler.close()
    log.handlers.clear()
    log.propagate = True


def test_what_is_no_handler_is_refused() -> None:
    """With a sentence."""
    with pytest.raises(TypeError, match=r"no logging\.Handler"):
        AsyncLogHandler("stderr")  # type: ignore[arg-type]


def test_formats_of_standard_handlers_work(log: logging.Logger) -> None:
    """A stream handler writes what it would have written itself."""
    stream = io.StringIO()
    target = logging.StreamHandler(stream)
    target.setFormatter(logging.Formatter("%(message)s %(threadName)s %(lineno)d"))
    log.addHandler(handler := AsyncLogHandler(target))
    log.info("a %s", "b")
    handler.flush()
    assert stream.getvalue().startswith("a b MainThread ")
