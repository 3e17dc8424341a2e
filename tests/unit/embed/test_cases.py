"""Cases that a pipeline must survive, as far as they are decided where somebody logs."""

import asyncio
import gc
import itertools
import logging
import signal
import sys
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tamis.embed.install import get_logger
from tamis.embed.outlet import OUTLET
from tamis.pipeline.captured import Captured
from tamis.pipeline.own import own_work
from tamis.record.context import context
from tests.support.logged import WAYS, logged
from tests.support.sinks import Gathering, Pipe, captured

ways = pytest.mark.parametrize("way", WAYS)


class Angry:
    """Has no text."""

    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


class AngryText(str):
    """A str that is none."""

    def __str__(self) -> str:
        raise RuntimeError("no")


def odd_values() -> dict[str, Any]:
    cycle: dict[str, Any] = {}
    cycle["self"] = cycle
    return {
        "angry": Angry(),
        "text": AngryText("x"),
        "cycle": cycle,
        "surrogate": "a\ud800b",
        "huge": 1 << 200,
        "nan": float("nan"),
        "bytes": b"\xff\x00",
        "set": {1},
        "error": ValueError("v"),
        "none": None,
        "keys": {1: 2, (3,): Angry()},
    }


@ways
@pytest.mark.parametrize("name", sorted(odd_values()))
def test_case_9_a_value_that_cannot_be_encoded_costs_no_record(way: str, name: str) -> None:
    """As a field, in `extra`, as an argument, as the message: the record is kept, with what can be said of it."""
    value = odd_values()[name]
    with logged(way) as records:
        log = get_logger("odd")
        log.info("field", value=value, other=1)
        logging.getLogger("odd.standard").info("extra", extra={"value": value, "other": 1})
        log.info("argument %s", value)
        log.info(value)
        log.error("raised", exc_info=ValueError(value))
    assert len(records) == 5
    assert [record.attributes.get("other") for record in records[:2]] == [1, 1]
    assert [record.attributes["value"] is not None for record in records[:2] if name != "none"] in (
        [],
        [True] * 2,
    )
    for record in records:
        record.message.encode("utf-8")


@ways
def test_case_9_arguments_that_do_not_fit_are_kept(way: str) -> None:
    """The template is the message, the arguments stand beside it, and the record says so."""
    with logged(way) as records:
        log = get_logger("unfit")
        log.info("%d items", "many")
        log.info("one %s", 1, 2)
        log.info("named %(a)s", {"b": 1})
        log.info("%d items", Angry())
        log.info("100%")
    assert records.messages == ["%d items", "one %s", "named %(a)s", "%d items", "100%"]
    assert ["format_error" in record.attributes for record in records] == [True] * 4 + [False]
    assert records[0].attributes["arguments"] == ["many"]


@ways
def test_case_10_what_changes_later_changes_no_record(way: str) -> None:
    """Lists, dicts and objects are copied or become text when the call is made, in messages and in fields."""

    class Counter:
        n = 0

        def __str__(self) -> str:
            return f"n={self.n}"

    counter, items, nested = Counter(), [1], {"a": {"b": [1]}}
    taken: list[Captured] = []
    with logged(way) as records:
        OUTLET.put = taken.append
        log = get_logger("late").bind(items=items)
        with context(nested=nested):
            log.info("%s %s %(x)s" if False else "%s %s", counter, items, nested=nested, counter=counter)
            logging.getLogger("late.standard").info("%s", items, extra={"nested": nested})
            log.info(counter)
        counter.n, nested["a"]["b"] = 5, [2]
        items.append(2)
        for captured in taken:
            records.put(captured)
    assert records.messages == ["n=0 [1]", "[1]", "n=0"]
    assert records[0].attributes["counter"] == "n=0"
    assert records[0].attributes["items"] == [1]
    assert [record.attributes["nested"] for record in records] == [{"a": {"b": [1]}}] * 3


@ways
def test_case_10_only_immutable_values_cross(way: str) -> None:
    """Nothing that is captured holds an exception, a traceback, a frame or an object of the user's."""
    taken: list[Captured] = []
    with logged(way):
        OUTLET.put = taken.append
        marker = Angry()
        try:
            raise ValueError(marker)
        except ValueError:
            get_logger("cross").exception("x %s", marker, field=marker, deep=[marker])
        before = sys.getrefcount(marker)
        assert taken
        assert not [
            item for item in gc.get_referrers(marker) if type(item) in (tuple, list, dict) and item is taken
        ]
        taken.clear()
        assert sys.getrefcount(marker) == before


def test_case_10_a_traceback_is_reduced_quickly() -> None:
    """Ten frames cost a small multiple of an ordinary record, not of printing a traceback."""
    import time
    import traceback

    def deep(n: int) -> None:
        if n:
            deep(n - 1)
        raise ValueError("x")

    try:
        deep(8)
    except ValueError as error:
        caught = error
    with logged():
        OUTLET.put = deque[Captured](maxlen=10).append
        log = get_logger("quick")

        def best(work: Any) -> float:
            times = []
            for _ in range(15):
                start = time.process_time_ns()
                for _ in range(50):
                    work()
                times.append(time.process_time_ns() - start)
            return min(times) / 50

        ours = best(lambda: log.error("x", exc_info=caught))
        printed = best(lambda: "".join(traceback.format_exception(caught)))
    assert ours < printed / 3


@ways
def test_case_11_tasks_keep_their_own_context(way: str) -> None:
    """A hundred tasks that take turns, some in other threads: each record has its own task's fields."""

    async def request(number: int) -> None:
        with context(correlation_id=f"c{number}", number=number):
            for _ in range(5):
                get_logger("async").info("step of %d", number)
                await asyncio.sleep(0)
            await asyncio.to_thread(get_logger("async").info, "step of %d", number)

    async def everything() -> None:
        await asyncio.gather(*(request(number) for number in range(100)))

    with logged(way, level="INFO") as records:
        asyncio.run(everything())
        asyncio.run(everything())
    assert len(records) == 1_200
    for record in records:
        number = record.attributes["number"]
        assert record.message == f"step of {number}"
        assert record.correlation_id == f"c{number}"


@ways
def test_case_4_what_the_pipelines_own_work_logs_never_comes_back(way: str) -> None:
    """It is told to whoever runs the program, from WARNING on; what others nest is taken as everywhere."""
    pipe = Pipe(Gathering())
    told = pipe.told
    with logged(way) as records:
        OUTLET.put_own = pipe.dispatcher.put_own
        with own_work():
            get_logger("client").warning("pool is %s", "full")
            logging.getLogger("client.standard").error("no route")
            get_logger("client").info("connected")

        class Nesting:
            def __str__(self) -> str:
                get_logger("nested").info("from within")
                return "outer"

        get_logger("nested").info("%s", Nesting())
    assert records.messages == ["from within", "outer"]
    assert len(told) == 2
    assert "pool is full" in told[0]
    assert "no route" in told[1]


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs interval timers")
@ways
def test_case_5_signal_handlers_that_log_block_nobody(way: str) -> None:
    """2,000 signals a second, whose handler logs in the middle of other records: each record is there once."""
    log, numbers, handled = get_logger("signals"), itertools.count(1), 0

    def handle(_number: int, _frame: object) -> None:  # another signal may come in the middle of it
        nonlocal handled
        mine = next(numbers)
        handled = max(handled, mine)
        log.warning("signal %d", mine)

    before = signal.signal(signal.SIGALRM, handle)
    number = 0
    try:
        with logged(way) as records:
            signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
            while handled < 500:
                number += 1
                log.info("work %d", number, items=[number])
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert sorted(records.messages) == sorted(
        [f"work {n}" for n in range(1, number + 1)] + [f"signal {n}" for n in range(1, next(numbers))]
    )


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs interval timers")
def test_case_5_the_first_record_may_come_from_a_signals_handler() -> None:
    """It starts the worker, and may come while the program itself is in the middle of starting a thread."""
    pipes = [Pipe(Gathering()) for _ in range(50)]
    left = iter(pipes)
    before = signal.signal(signal.SIGALRM, lambda *_: next(left).put(captured("first")))
    try:
        for pipe in pipes:
            signal.setitimer(signal.ITIMER_REAL, 0.0003)
            while not pipe.metrics.snapshot().sent:
                threading.Thread(target=threading.enumerate).start()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    for pipe in pipes:
        assert pipe.dispatcher.close(60.0)
        pipe.check_sum(1)


@ways
def test_case_5_finalizers_that_log_block_nobody(way: str) -> None:
    """Garbage that logs when it is collected, in the middle of other records, from four threads."""

    class Garbage:
        def __init__(self, number: int) -> None:
            self.number, self.itself = number, self

        def __del__(self) -> None:
            get_logger("garbage").info("collected %d", self.number)

    def work(start: int) -> None:
        for number in range(start, start + 500):
            Garbage(number)
            get_logger("garbage").info("made %d", number, items=[number])

    threshold = gc.get_threshold()
    gc.set_threshold(10)
    try:
        with logged(way) as records:
            threads = [threading.Thread(target=work, args=(start,)) for start in range(0, 2_000, 500)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(30)
            gc.collect()
    finally:
        gc.set_threshold(*threshold)
    for word in ("collected", "made"):
        assert sorted(text for text in records.messages if text.startswith(word)) == sorted(
            f"{word} {n}" for n in range(2_000)
        )


@ways
def test_case_15_many_threads_lose_nothing(way: str) -> None:
    """32 threads log at once, while levels change and loggers are made: each record once, in its thread's order."""
    start = threading.Barrier(32)

    def work(number: int) -> None:
        start.wait()
        for step in range(200):
            get_logger(f"many.{number}.{step % 7}").info("%d %d", number, step)
            logging.getLogger(f"many.{number}").setLevel(logging.NOTSET)

    with logged(way) as records, ThreadPoolExecutor(32) as pool:
        list(pool.map(work, range(32)))
    seen = [tuple(map(int, text.split())) for text in records.messages]
    assert sorted(seen) == [(number, step) for number in range(32) for step in range(200)]
    for number in range(32):
        assert [step for thread, step in seen if thread == number] == list(range(200))


def test_case_15_nothing_leans_on_the_insides_of_queues() -> None:
    """gevent and others replace queues: only their public methods are used."""
    from pathlib import Path

    import tamis.embed

    folder = Path(tamis.embed.__file__ or "").parent
    texts = {
        path: path.read_text("utf-8")
        for path in [*folder.rglob("*.py"), *(folder.parent / "pipeline").rglob("*.py")]
    }
    for inside in (
        ".mutex",
        ".not_empty",
        ".not_full",
        ".unfinished_tasks",
        ".all_tasks_done",
        "._qsize",
    ):
        assert [path.name for path, text in texts.items() if inside in text] == []


def test_case_16_times_are_nanoseconds_since_1970() -> None:
    """Of the moment of the call, on the fast way to the nanosecond."""
    import time

    with logged("fast") as records:
        before = time.time_ns()
        get_logger("clock").info("x")
        after = time.time_ns()
    assert before <= records[0].timestamp <= after


def test_case_16_times_of_log_records_are_theirs() -> None:
    """Within the microsecond that a LogRecord's float can say."""
    with logged("standard") as records:
        item = logging.makeLogRecord(
            {"created": 1_700_000_000.123456, "msg": "x", "levelno": 20, "levelname": "INFO"}
        )
        logging.getLogger("clock").handle(item)
    assert records[0].timestamp == 1_700_000_000_123_456_000
