"""Applications that log, as processes of their own: fork, exit, SIGTERM, signals, finalizers, recursion."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import environment

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and signals")


_STARTED: list[subprocess.Popen[str]] = []


@pytest.fixture(autouse=True)
def _no_process_is_left() -> Iterator[None]:
    yield
    while _STARTED:
        process = _STARTED.pop()
        process.kill()
        process.communicate(timeout=30)


def program(tmp_path: Path, text: str, **settings: object) -> subprocess.Popen[str]:
    """A Python program that configures Tamis to write into `log.jsonl`, and then does what `text` says."""
    given = "".join(f", {name}={value!r}" for name, value in settings.items())
    head = f"""
        import logging, os, sys, time, threading, signal, tamis
        def configure(**more):
            return tamis.configure(service="shop", sinks=["file://{tmp_path}/log.jsonl"]{given}, **more)
        log = tamis.get_logger("app")
    """
    script = tmp_path / "program.py"
    script.write_text(textwrap.dedent(head) + textwrap.dedent(text), "utf-8")
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore::DeprecationWarning", str(script)],
        cwd=tmp_path,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    _STARTED.append(process)
    return process


def ended(process: subprocess.Popen[str], *, code: int = 0) -> str:
    """Wait for its end; its standard output."""
    out, err = process.communicate(timeout=90)
    _STARTED.remove(process)
    assert process.returncode == code, err
    assert "Traceback" not in err, err
    return out


def records(tmp_path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (tmp_path / "log.jsonl").read_text("utf-8").splitlines()]


def messages(tmp_path: Path) -> list[str]:
    return [str(record["message"]) for record in records(tmp_path)]


def assert_numbered(found: Iterable[dict[str, Any]]) -> None:
    """Each process numbers its records from 1, without a gap, in the order of the file."""
    numbers: dict[str, list[int]] = defaultdict(list)
    for record in found:
        numbers[record["attributes"]["process"]].append(record["attributes"]["sequence"])
    assert all(sequence == list(range(1, len(sequence) + 1)) for sequence in numbers.values())


def test_case_1_a_forked_child_loses_nothing(tmp_path: Path) -> None:
    """The child's 1,000 records arrive, the parent's before and after too, each once, each process numbered."""
    text = """
        configure()
        for n in range(100): log.info("before %d", n)
        if os.fork() == 0:
            for n in range(1000): log.info("child %d", n)
            sys.exit(0)
        _, status = os.wait()
        assert status == 0
        for n in range(100): log.info("after %d", n)
    """
    ended(program(tmp_path, text))
    expected = [f"before {n}" for n in range(100)] + [f"after {n}" for n in range(100)]
    assert Counter(messages(tmp_path)) == Counter(expected + [f"child {n}" for n in range(1000)])
    found = records(tmp_path)
    assert len({record["attributes"]["process"] for record in found}) == 2
    assert len({record["attributes"]["process_id"] for record in found}) == 2
    assert_numbered(found)


def test_case_1_fork_in_a_burst_of_threads(tmp_path: Path) -> None:
    """Four threads log while the main thread forks five times: no lock is inherited held, nothing is lost."""
    text = """
        configure()
        def burst(name):
            for n in range(2000): log.info("%s %d", name, n)
        threads = [threading.Thread(target=burst, args=(f"thread{i}",)) for i in range(4)]
        for thread in threads: thread.start()
        children = []
        for i in range(5):
            child = os.fork()
            if child == 0:
                burst(f"child{i}")
                sys.exit(0)
            children.append(child)
        for thread in threads: thread.join()
        for child in children:
            assert os.waitpid(child, 0)[1] == 0
    """
    ended(program(tmp_path, text))
    names = [f"thread{i}" for i in range(4)] + [f"child{i}" for i in range(5)]
    assert Counter(messages(tmp_path)) == Counter(f"{name} {n}" for name in names for n in range(2000))
    assert_numbered(records(tmp_path))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_case_1_multiprocessing_children_deliver_at_their_end(tmp_path: Path, method: str) -> None:
    """They run no `atexit`."""
    text = f"""
        import multiprocessing
        def child(i):
            if {method!r} == "spawn": configure()
            for n in range(500): log.info("child%d %d", i, n)
        if __name__ == "__main__":
            configure()
            log.info("parent")
            context = multiprocessing.get_context({method!r})
            children = [context.Process(target=child, args=(i,)) for i in range(2)]
            for process in children: process.start()
            for process in children: process.join()
            assert [process.exitcode for process in children] == [0, 0]
    """
    ended(program(tmp_path, text))
    expected = ["parent", *(f"child{i} {n}" for i in range(2) for n in range(500))]
    assert Counter(messages(tmp_path)) == Counter(expected)


def test_case_2_everything_logged_before_the_end_is_written(tmp_path: Path) -> None:
    """20,000 records, and the program falls off its end."""
    ended(program(tmp_path, 'configure()\nfor n in range(20_000): log.info("n %d", n)\n'))
    assert messages(tmp_path) == [f"n {n}" for n in range(20_000)]
    assert_numbered(records(tmp_path))


def test_case_2_what_is_logged_after_the_end_is_written_too(tmp_path: Path) -> None:
    """By exit handlers that run after ours, by finalizers, and after `shutdown`."""
    text = """
        import atexit
        atexit.register(lambda: log.info("exit handler"))
        configure()
        class Late:
            def __del__(self): log.info("finalizer")
        late = Late()
        log.info("first")
        tamis.shutdown()
        log.info("after shutdown")
    """
    ended(program(tmp_path, text))
    assert messages(tmp_path)[:3] == ["first", "after shutdown", "exit handler"]
    assert set(messages(tmp_path)[3:]) <= {"finalizer"}


def test_case_2_a_program_that_fails_keeps_its_records(tmp_path: Path) -> None:
    """Also what daemon threads logged until then."""
    text = """
        configure()
        ready = threading.Event()
        def work():
            log.info("from a daemon")
            ready.set()
            time.sleep(60)
        threading.Thread(target=work, daemon=True).start()
        ready.wait()
        log.info("last words")
        sys.exit(3)
    """
    ended(program(tmp_path, text), code=3)
    assert messages(tmp_path) == ["from a daemon", "last words"]


def wait_for_line(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdout is not None
    assert process.stdout.readline().strip() == line


def test_case_3_sigterm_delivers_first_when_asked_to(tmp_path: Path) -> None:
    """The process ends by SIGTERM all the same, as its parent expects."""
    text = """
        configure()
        for n in range(5000): log.info("n %d", n)
        print("ready", flush=True)
        while True: time.sleep(0.01)
    """
    process = program(tmp_path, text, sigterm=True)
    wait_for_line(process, "ready")
    process.send_signal(signal.SIGTERM)
    ended(process, code=-signal.SIGTERM)
    assert messages(tmp_path) == [f"n {n}" for n in range(5000)]


def test_case_3_a_handler_of_the_programs_own_stays(tmp_path: Path) -> None:
    """What SIGTERM means is its decision."""
    text = """
        def own(number, frame):
            log.info("own handler")
            sys.exit(5)
        signal.signal(signal.SIGTERM, own)
        configure()
        print("ready", flush=True)
        while True: time.sleep(0.01)
    """
    process = program(tmp_path, text, sigterm=True)
    wait_for_line(process, "ready")
    process.send_signal(signal.SIGTERM)
    ended(process, code=5)
    assert messages(tmp_path) == ["own handler"]


def test_case_4_a_sink_whose_client_logs_does_not_feed_itself(tmp_path: Path) -> None:
    """Its warnings are told on stderr, rarely; the application's records arrive once."""
    text = """
        from tamis.pipeline.base import AT_ONCE, DELIVERED
        class Chatty:
            name, limits, spooled = "chatty", AT_ONCE, False
            def __init__(self): self.seen = []
            def send(self, batch, /, *, timeout_s):
                logging.getLogger("http.client").warning("connecting")
                tamis.get_logger("http.client").error("connected")
                self.seen += [record.message for record in batch.records]
                return DELIVERED
            def close(self): pass
        sink = Chatty()
        tamis.configure(service="shop", sinks=[sink])
        for n in range(200): log.info("n %d", n)
        assert tamis.flush(timeout=30)
        tamis.shutdown()
        assert sink.seen == [f"n {n}" for n in range(200)], sink.seen
    """
    process = program(tmp_path, text)
    _, err = process.communicate(timeout=60)
    _STARTED.remove(process)
    assert process.returncode == 0, err
    assert 1 <= err.count("http.client") <= 4


def test_case_5_signals_in_a_burst_lose_nothing(tmp_path: Path) -> None:
    """2,000 signals a second whose handler logs, over a running pipeline: each record once."""
    text = """
        import itertools
        configure()
        numbers = itertools.count()
        signal.signal(signal.SIGALRM, lambda *_: log.warning("signal %d", next(numbers)))
        signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
        until = time.monotonic() + 2
        work = 0
        while time.monotonic() < until:
            log.info("work %d", work)
            work += 1
            time.sleep(0.0002)
        signal.setitimer(signal.ITIMER_REAL, 0)
        print(work, next(numbers))
    """
    work, signals = map(int, ended(program(tmp_path, text)).split())
    assert signals > 100
    expected = [f"work {n}" for n in range(work)] + [f"signal {n}" for n in range(signals)]
    assert Counter(messages(tmp_path)) == Counter(expected)


def test_case_5_finalizers_that_log_over_a_running_pipeline(tmp_path: Path) -> None:
    """Garbage collected in the middle of records, and at the very end."""
    text = """
        import gc
        configure()
        gc.set_threshold(20)
        class Garbage:
            def __init__(self, n): self.n, self.me = n, self
            def __del__(self): log.info("gone %d", self.n)
        for n in range(3000):
            Garbage(n)
            log.info("made %d", n, items=[n])
        gc.collect()
    """
    ended(program(tmp_path, text))
    expected = [f"{word} {n}" for word in ("made", "gone") for n in range(3000)]
    assert Counter(messages(tmp_path)) == Counter(expected)


def test_case_7_a_worker_that_dies_is_replaced(tmp_path: Path) -> None:
    """A processor that ends its thread costs its own record at most; everything after arrives, and health says so."""
    text = """
        class Deadly:
            name, reason = "deadly", ""
            def process(self, record, /):
                if record.message == "deadly": raise SystemExit
                return record
            def failed(self, record, /): return record
            def due(self, now_ns, /): return ()
        manager = configure(processors=[Deadly()])
        log.info("before")
        tamis.flush(timeout=10)
        log.info("deadly")
        until = time.monotonic() + 30
        while not manager.health().restarts and time.monotonic() < until: time.sleep(0.01)
        for n in range(100): log.info("after %d", n)
        assert tamis.flush(timeout=10)
        assert manager.health().worker_alive
    """
    process = program(tmp_path, text)
    _, err = process.communicate(timeout=60)
    _STARTED.remove(process)
    assert process.returncode == 0, err
    assert [text for text in messages(tmp_path) if text != "deadly"] == [
        "before",
        *(f"after {n}" for n in range(100)),
    ]


def test_sinks_and_levels_change_while_records_go_on(tmp_path: Path) -> None:
    """Four threads log while a second file is added, the first taken away, the level changed and queues made anew:
    each record is in the file or files that were configured, once, and no number is missing."""
    text = """
        manager = configure()
        stop = threading.Event()
        counts = [0] * 4
        def work(i):
            while not stop.is_set():
                log.info("%d %d", i, counts[i])
                counts[i] += 1
                time.sleep(0.0002)
        threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
        for thread in threads: thread.start()
        first, second = manager.config.sinks[0], manager.config.sinks[0].replace("log.jsonl", "second.jsonl")
        def some_more():
            before = sum(counts)
            while sum(counts) < before + 300: time.sleep(0.001)
        for given in ({"sinks": [first, second]}, {"level": "DEBUG"}, {"sinks": [second]}, {"sinks": [first, second]},
                      {"queue_records_max": 50_000}):
            some_more()
            manager.change(**given)
        some_more()
        stop.set()
        for thread in threads: thread.join()
        print(*counts)
    """
    counts = list(map(int, ended(program(tmp_path, text)).split()))
    first = messages(tmp_path)
    second = [
        json.loads(line)["message"] for line in (tmp_path / "second.jsonl").read_text("utf-8").splitlines()
    ]
    assert len(first) == len(set(first)) < sum(counts)
    assert len(second) == len(set(second)) < sum(counts)
    assert {*first, *second} == {f"{i} {n}" for i in range(4) for n in range(counts[i])}
    for found in (first, second):
        for i in range(4):
            steps = [int(text.split()[1]) for text in found if text.startswith(f"{i} ")]
            assert steps == sorted(steps)


def test_case_16_order_is_that_of_the_calls(tmp_path: Path) -> None:
    """Times and sequence rise together in one thread."""
    ended(program(tmp_path, 'configure()\nfor n in range(2_000): log.info("n %d", n)\n'))
    stamps = [record["timestamp"] for record in records(tmp_path)]
    assert stamps == sorted(stamps)


def test_an_application_that_logs_loads_no_third_party_module(tmp_path: Path) -> None:
    """But msgspec: with every name of the root in use, and records written."""
    text = """
        [getattr(tamis, name) for name in tamis.__all__]
        configure()
        log.info("x")
        tamis.flush()
        print(*{name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names))
    """
    loaded = {name for name in ended(program(tmp_path, text)).split() if not name.startswith("_")}
    assert loaded - {"tamis", "msgspec", "typing_extensions"} == set()


def test_importing_tamis_is_cheap(tmp_path: Path) -> None:
    """At most 40 ms over importing logging and msgspec; least of several, for machines are shared."""

    def cost(statement: str) -> float:
        best = 60.0
        for _ in range(5):
            start = time.perf_counter()
            subprocess.run(
                [sys.executable, "-c", statement],
                check=True,
                cwd=tmp_path,
                env=environment(tmp_path),
                timeout=60,
            )
            best = min(best, time.perf_counter() - start)
        return best

    assert cost("import tamis") - cost("import logging, msgspec") < 0.040
