"""What others do to standard logging goes on working, and the record still arrives, once."""

import io
import logging
from collections.abc import Iterator

import pytest

from tamis.embed.install import get_logger, uninstall
from tamis.testing import CapturedRecords, capture
from tests.support.logged import WAYS, logged


@pytest.fixture
def records() -> Iterator[CapturedRecords]:
    with logged() as found:
        yield found


class Listener(logging.Handler):
    """A handler of somebody else's."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(record)


def test_caplog_sees_what_tamis_loggers_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """pytest's own fixture works, fields are attributes of its records."""
    with capture() as records:
        get_logger("caplog").warning("order %s", 3, order_id=3)
    assert caplog.messages == ["order 3"]
    assert caplog.records[0].order_id == 3  # type: ignore[attr-defined]
    assert caplog.records[0].filename == "test_neighbours.py"
    assert records.messages == ["order 3"]


@pytest.mark.parametrize("place", ["", "foreign", "foreign.deep"])
def test_foreign_handlers_see_the_record_once(place: str, records: CapturedRecords) -> None:
    """On the root, on a logger above, on the logger itself."""
    listener = Listener()
    logging.getLogger(place).addHandler(listener)
    get_logger("foreign.deep").info("x", a=1)
    logging.getLogger(place).removeHandler(listener)
    get_logger("foreign.deep").info("y", a=2)
    assert [record.getMessage() for record in listener.seen] == ["x"]
    assert listener.seen[0].funcName == "test_foreign_handlers_see_the_record_once"
    assert [record.attributes["a"] for record in records] == [1, 2]


def test_a_logger_that_does_not_propagate_is_its_handlers_alone(records: CapturedRecords) -> None:
    """As in standard logging the root's handler, ours, sees nothing of it."""
    listener = Listener()
    log = get_logger("private")
    log.addHandler(listener)
    log.propagate = False
    log.info("x")
    log.propagate = True
    log.removeHandler(listener)
    assert len(listener.seen) == 1
    assert len(records) == 0


@pytest.mark.parametrize("name", ["handle", "callHandlers"])
def test_patched_methods_are_called(
    name: str, records: CapturedRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As error trackers patch `Logger.callHandlers`: the patch sees each record, and it arrives."""
    seen: list[str] = []
    original = getattr(logging.Logger, name)

    def patched(self: logging.Logger, record: logging.LogRecord) -> object:
        seen.append(record.getMessage())
        return original(self, record)

    monkeypatch.setattr(logging.Logger, name, patched)
    get_logger("patched").error("boom %s", 1, a=1)
    monkeypatch.undo()
    get_logger("patched").error("quiet")
    assert seen == ["boom 1"]
    assert records.messages == ["boom 1", "quiet"]


def test_a_patched_instance_is_respected(records: CapturedRecords) -> None:
    """Somebody may replace a method of one logger only."""
    log = get_logger("patched.instance")
    seen: list[logging.LogRecord] = []
    log.handle = seen.append  # type: ignore[method-assign,assignment]
    log.info("x")
    del log.handle
    log.info("y")
    assert [record.getMessage() for record in seen] == ["x"]
    assert records.messages == ["y"]


def test_make_record_and_factory_are_used(records: CapturedRecords, monkeypatch: pytest.MonkeyPatch) -> None:
    """What they put into the LogRecord stands in the attributes."""
    original = logging.Logger.makeRecord

    def make(self: logging.Logger, *args: object, **kwargs: object) -> logging.LogRecord:
        record = original(self, *args, **kwargs)  # type: ignore[arg-type]
        record.made = "patched"
        return record

    monkeypatch.setattr(logging.Logger, "makeRecord", make)
    get_logger("made").info("x")
    monkeypatch.undo()

    def factory(*args: object, **kwargs: object) -> logging.LogRecord:
        record = logging.LogRecord(*args, **kwargs)  # type: ignore[arg-type]
        record.made = "factory"
        return record

    logging.setLogRecordFactory(factory)
    try:
        get_logger("made").info("y")
    finally:
        logging.setLogRecordFactory(logging.LogRecord)
    assert [record.attributes["made"] for record in records] == ["patched", "factory"]


def test_a_records_own_formatting_is_used(records: CapturedRecords) -> None:
    """A factory whose records format with braces."""

    class Braces(logging.LogRecord):
        def getMessage(self) -> str:  # noqa: N802
            return str(self.msg).format(*(self.args or ()))

    logging.setLogRecordFactory(Braces)
    try:
        get_logger("braces").info("order {} placed", 7)
    finally:
        logging.setLogRecordFactory(logging.LogRecord)
    assert records.messages == ["order 7 placed"]


def test_filters_decide_and_add(records: CapturedRecords) -> None:
    """A logger's filter may drop a record or add to it."""

    class Stamp(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            record.stamp = "s1"
            return "secret" not in record.getMessage()

    log, stamp = get_logger("filtered"), Stamp()
    log.addFilter(stamp)
    log.info("fine", a=1)
    log.info("a secret")
    log.removeFilter(stamp)
    log.info("after")
    assert records.messages == ["fine", "after"]
    assert records[0].attributes["stamp"] == "s1"
    assert records[0].attributes["a"] == 1


@pytest.mark.parametrize("way", WAYS)
def test_a_filter_on_our_handler_decides(way: str) -> None:
    """It is a handler as any other."""
    with logged(way) as found:
        ours = logging.getLogger().handlers[0]
        ours.addFilter(no := lambda record: "no" not in record.getMessage())
        get_logger("ours").info("no")
        get_logger("ours").info("yes")
        ours.removeFilter(no)
    assert found.messages == ["yes"]


@pytest.mark.parametrize("way", WAYS)
def test_a_level_on_our_handler_decides(way: str) -> None:
    """On both ways, for loggers of both kinds."""
    with logged(way) as found:
        ours = logging.getLogger().handlers[0]
        ours.setLevel(logging.ERROR)
        get_logger("ours").info("no")
        get_logger("ours").error("yes")
        logging.getLogger("ours.standard").info("no")
        ours.setLevel(logging.NOTSET)
    assert found.messages == ["yes"]


def test_adapters_add_their_fields(records: CapturedRecords) -> None:
    """`logging.LoggerAdapter` round one of our loggers."""
    logging.LoggerAdapter(get_logger("adapted"), {"request": "r1"}).info("x %s", 1)
    assert records.messages == ["x 1"]
    assert records[0].attributes["request"] == "r1"


def test_a_formatter_before_us_does_not_change_the_record(records: CapturedRecords) -> None:
    """`message`, `asctime` and `exc_text`, which a formatter leaves behind, are no fields."""
    stream = io.StringIO()
    first = logging.StreamHandler(stream)
    first.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    root = logging.getLogger()
    root.handlers.insert(0, first)
    try:
        raise ValueError("v")
    except ValueError:
        get_logger("formatted").exception("x", a=1)
    root.removeHandler(first)
    assert "x" in stream.getvalue()
    assert set(records[0].attributes) == {"process_id", "process", "thread", "exception", "a"}


def test_existing_loggers_are_converted_and_given_back() -> None:
    """A logger from before takes the fast way, and is a standard one again afterwards."""
    before = logging.getLogger("before.tamis")
    assert type(before) is logging.Logger
    with logged() as found:
        before.info("x", stacklevel=1)
        assert type(before).__name__ == "Logger"
        assert type(before) is not logging.Logger
        assert type(logging.getLogger("during.tamis")) is type(before)
    assert found.messages == ["x"]
    assert type(before) is logging.Logger
    assert type(logging.getLogger("during.tamis")) is logging.Logger
    assert logging.getLoggerClass() is logging.Logger


def test_standard_logging_is_as_before() -> None:
    """Level, handlers and class, however often it was taken out."""
    root = logging.getLogger()
    before = root.level, list(root.handlers), logging.getLoggerClass()
    with capture("DEBUG"):
        assert root.level == logging.DEBUG
    uninstall()
    assert (root.level, list(root.handlers), logging.getLoggerClass()) == before


def test_loggers_work_before_anything_is_configured(caplog: pytest.LogCaptureFixture) -> None:
    """Fields are attributes of the standard record then."""
    get_logger("early").warning("x %s", 1, order_id=3, name="kept")
    assert caplog.messages == ["x 1"]
    assert caplog.records[0].order_id == 3  # type: ignore[attr-defined]
