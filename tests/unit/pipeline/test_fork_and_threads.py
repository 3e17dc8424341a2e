"""The dispatcher where processes fork, signals arrive, and threads are others' (gevent)."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tamis.pipeline.base import DELIVERED, Batch, BatchLimits, Outcome
from tamis.pipeline.fork import watch_forks
from tamis.pipeline.limits import QueueLimits
from tamis.pipeline.own import is_interrupted, is_own, own_work
from tests.support.sinks import SPOOLED, Gathering, Pipe, captured, until

ROOT = Path(__file__).resolve().parents[3]


def numbers(sink: Gathering) -> list[Any]:
    return [record.attributes["n"] for record in sink.records]


def test_a_forked_child_has_a_queue_a_number_and_a_spool_of_its_own(tmp_path: Path) -> None:
    """The parent keeps what it had; the child's records arrive once, under another process name, from number 1."""
    local, far = Gathering("local"), Gathering("far", SPOOLED, spooled=True)
    far.away = True
    pipe = Pipe(local, far, folder=tmp_path)
    for n in range(100):
        pipe.put(captured(n=n))
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover -- in the child
        code = 1
        try:
            local.records.clear()
            far.records.clear()
            far.away = False
            for n in range(1_000, 1_050):
                pipe.put(captured(n=n))
            done = pipe.dispatcher.close(5)
            processes = {record.attributes["process"] for record in local.records}
            sequence = [record.attributes["sequence"] for record in local.records]
            got = [n for n in numbers(far) if n >= 1_000]
            answer = (done, numbers(local), got, len(processes), sequence[:1], pipe.metrics.snapshot().sent)
            os.write(writer, repr(answer).encode())
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    os.close(writer)
    with os.fdopen(reader, "rb") as answers:
        said = answers.read().decode()
    mine = list(range(1_000, 1_050))
    assert said == repr((True, mine, mine, 1, [1], 50))
    far.away = False
    until(lambda: pipe.dispatcher.flush(5) and not pipe.waiting())
    assert numbers(local) == list(range(100))
    assert numbers(far) == list(range(100))
    pipe.check_sum(100)
    pipe.dispatcher.close(1)


def test_one_owner_s_trouble_at_a_fork_is_not_another_s() -> None:
    """Where one owner fails to start anew in the child, those after it still do."""
    renewed: list[str] = []

    class Failing:
        def after_fork(self) -> None:
            raise OSError("its file was closed")

    class Good:
        def after_fork(self) -> None:
            renewed.append("good")

    failing, good = Failing(), Good()
    watch_forks(failing)
    watch_forks(good)
    child = os.fork()
    if child == 0:  # pragma: no cover -- in the child
        os._exit(0 if renewed == ["good"] else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_signal_handlers_that_log_never_block() -> None:
    """A handler that logs in the middle of logging, thousands of times: nothing waits, nothing is lost."""
    sink = Gathering()
    pipe = Pipe(sink)
    logged = [0]

    def handle(_number: int, _frame: object) -> None:
        pipe.put(captured("from a signal", 40, n=-1))
        logged[0] += 1

    before = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    try:
        for n in range(20_000):
            pipe.put(captured(n=n))
            if n % 1_000 == 0:
                assert pipe.dispatcher.flush(10)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert pipe.dispatcher.flush(10)
    assert logged[0] > 10
    assert [n for n in numbers(sink) if n >= 0] == list(range(20_000))
    assert numbers(sink).count(-1) == logged[0]
    pipe.check_sum(20_000 + logged[0])
    pipe.dispatcher.close(1)


@pytest.mark.parametrize("durable", ["process", "disk"])
def test_durable_records_are_written_when_put_returns(tmp_path: Path, durable: Any) -> None:
    """From several threads at once: when `put` returns, sinks without a spool have it and others' spools do."""
    local, far = Gathering("local"), Gathering("far", SPOOLED, spooled=True)
    far.away = True
    pipe = Pipe(local, far, folder=tmp_path, queue=QueueLimits(durable=durable))
    missing: list[str] = []

    def log(thread: int) -> None:
        for n in range(100):
            pipe.put(captured(f"{thread}-{n}"))
            if f"{thread}-{n}" not in local.messages:
                missing.append(f"{thread}-{n}")

    threads = [threading.Thread(target=log, args=(thread,)) for thread in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert missing == []
    assert pipe.metrics.snapshot().sinks["far"].spooled == 300
    pipe.check_sum(300)
    pipe.dispatcher.close(0.1)


def test_under_gevent_everything_arrives() -> None:
    """With patched threads and locks, greenlets log and nothing is lost or stuck."""
    script = """
from gevent import monkey
monkey.patch_all()
import gevent
from tamis.pipeline.base import DELIVERED, Batch, BatchLimits, Outcome
from tamis.pipeline.fork import watch_forks
from tamis.pipeline.limits import QueueLimits
from tamis.pipeline.own import is_interrupted, is_own, own_work
from tests.support.sinks import Gathering, Pipe, captured
sink = Gathering()
pipe = Pipe(sink)
def log(thread):
    for n in range(300):
        pipe.put(captured(n=[thread, n]))
        gevent.sleep(0)
gevent.joinall([gevent.spawn(log, thread) for thread in range(10)])
assert pipe.dispatcher.flush(20)
assert len(sink.records) == 3000, len(sink.records)
assert pipe.dispatcher.close(5)
print("done")
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src"), *sys.path])}
    ran = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (0, "done\n"), ran.stderr


def test_a_process_forked_under_gevent_ends_in_silence() -> None:
    """The parent's threads come along into the child, where they end without a word; its records arrive."""
    script = """
from gevent import monkey
monkey.patch_all()
import os, sys, gevent
from tests.support.sinks import Gathering, Pipe, captured
sink = Gathering()
pipe = Pipe(sink)
pipe.put(captured(n=0))
assert pipe.dispatcher.flush(20)
child = os.fork()
if child == 0:
    sink.records.clear()
    for n in range(100):
        pipe.put(captured(n=n))
    gevent.sleep(0.2)
    assert pipe.dispatcher.close(20)
    gevent.sleep(0.2)
    print(len(sink.records), flush=True)
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
assert pipe.dispatcher.close(20)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src"), *sys.path])}
    ran = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
        check=False,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "100\n", "")


def test_what_signal_handlers_log_while_we_deliver_on_their_thread_arrives() -> None:
    """A signal interrupts `flush` in the middle of a sink: what its handler logs is the application's."""
    sink, logged = Gathering(limits=BatchLimits(records=1, wait_s=0.0)), 0
    pipe = Pipe(sink)

    def log(_number: int, _frame: Any) -> None:
        nonlocal logged
        logged += 1
        put = pipe.dispatcher.put_own if is_own() else pipe.put
        put(captured(n=-logged))

    def answer(_batch: Batch) -> Outcome:
        if logged < 5:
            signal.raise_signal(signal.SIGUSR1)
        return DELIVERED

    sink.answer = answer
    before = signal.signal(signal.SIGUSR1, log)
    try:
        pipe.dispatcher._asking_level = 100  # no worker: `flush` delivers on this thread
        for n in range(5):
            pipe.put(captured(n=n))
        assert pipe.dispatcher.flush(5)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert logged == 5
    assert pipe.dispatcher.flush(5)
    assert sorted(numbers(sink)) == list(range(-5, 5))
    pipe.check_sum(10)
    pipe.dispatcher.close(1)


def test_work_of_ours_in_a_signal_handler_is_ours() -> None:
    """A program that ends us in its handler: what a sink logs meanwhile is not taken for the program's."""
    said: list[bool] = []

    def end(_number: int, _frame: Any) -> None:
        said.append(is_interrupted())
        with own_work():
            said.append(is_interrupted())

    before = signal.signal(signal.SIGUSR1, end)
    try:
        with own_work():
            signal.raise_signal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert said == [True, False]
