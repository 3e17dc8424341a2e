"""Looks at all threads: who is seen, what counts as waiting, and what becomes of it."""

import json
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tamis.errors import MissingExtraError
from tamis.telemetry.profiler.flames import draw
from tamis.telemetry.profiler.stacks import StackSamples, ThreadStacks, sample_stacks

PATIENCE_S = 60.0


class Crowd:
    """Threads that do something known until they are told to stop."""

    def __init__(self) -> None:
        self.ending = threading.Event()
        self.turned = 0
        self.work: queue.Queue[None] = queue.Queue()

    def spin(self) -> None:
        while not self.ending.is_set():
            self.turn()

    def turn(self) -> None:
        self.turned += sum(range(100))

    def wait(self) -> None:
        self.work.get()


@pytest.fixture
def crowd() -> Iterator[Crowd]:
    made = Crowd()
    threads = [
        threading.Thread(target=made.spin, name="spinner", daemon=True),
        threading.Thread(target=made.wait, name="waiter", daemon=True),
    ]
    for thread in threads:
        thread.start()
    try:
        yield made
    finally:
        made.ending.set()
        made.work.put(None)
        for thread in threads:
            thread.join(PATIENCE_S)


@contextmanager
def until(seen: Callable[[], bool]) -> Iterator[threading.Event]:
    """An event that is set once something is so: what samples then ends."""
    stopped = threading.Event()

    def watch() -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not seen() and time.monotonic() < deadline:
            time.sleep(0.005)
        stopped.set()

    watcher = threading.Thread(target=watch, name="watcher")
    watcher.start()
    try:
        yield stopped
    finally:
        watcher.join()


def seen_of(samples: StackSamples, name: str) -> ThreadStacks:
    return next(one for one in samples.threads if one.name == name)


def sampled(crowd: Crowd, *, with_idle: bool = False) -> StackSamples:
    """As long as it takes for the spinner to have worked a good while."""
    enough = crowd.turned + 20_000 * sum(range(100))
    with until(lambda: crowd.turned >= enough) as stopped:
        return sample_stacks(PATIENCE_S, interval_s=0.002, with_idle=with_idle, stopped=stopped)


def test_every_thread_is_seen_at_its_work(crowd: Crowd) -> None:
    """One that works has its functions from the outermost in; one that waits only its seconds; who looks is not in
    it."""
    deadline, names = time.monotonic() + PATIENCE_S, set[str]()
    while not {"spin", "turn"} <= names:
        assert time.monotonic() < deadline, f"seen were {names}"
        samples = sampled(crowd)
        busy, idle = seen_of(samples, "spinner"), seen_of(samples, "waiter")
        names |= {name.rpartition(".")[2] for stack, _ in busy.runs for name, _, _ in stack}
    assert samples.samples > 0
    assert busy.busy_s > 0
    assert all(stack[0][0] == "Thread._bootstrap" for stack, _ in busy.runs)
    assert idle.runs == []
    assert idle.idle_s == pytest.approx(samples.seconds)
    assert threading.current_thread().name not in {one.name for one in samples.threads}
    assert [one.busy_s for one in samples.threads] == sorted(
        (one.busy_s for one in samples.threads), reverse=True
    )
    if sys.platform == "linux":
        assert busy.cpu_s is not None
        assert busy.cpu_s > 0


def test_waiting_counts_when_it_is_asked_for(crowd: Crowd) -> None:
    """With idle ones the waiter stands in what it waits for; a run of the same stack is one entry."""
    samples = sampled(crowd, with_idle=True)
    idle = seen_of(samples, "waiter")
    assert idle.idle_s == 0
    ((stack, seconds),) = idle.runs
    assert [name for name, _, _ in stack][-2:] == ["Queue.get", "Condition.wait"]
    assert seconds == pytest.approx(samples.seconds)


def test_looking_ends_with_its_time() -> None:
    """Not before; nothing is looked at for no time or without a pause."""
    samples = sample_stacks(0.02, interval_s=0.005)
    assert samples.seconds >= 0.02
    for seconds, interval_s in ((0, 0.01), (1, 0), (-1, 0.01), (float("nan"), 0.01)):
        with pytest.raises(ValueError, match="must be over 0"):
            sample_stacks(seconds, interval_s=interval_s)


def test_deep_stacks_keep_their_innermost_frames() -> None:
    """A runaway recursion does not make the file endless."""
    deep, ending = threading.Event(), threading.Event()

    def down(left: int) -> None:
        if left:
            down(left - 1)
        else:
            deep.set()
            ending.wait(PATIENCE_S)

    thread = threading.Thread(target=down, args=(400,), name="deep")
    thread.start()
    try:
        assert deep.wait(PATIENCE_S)
        (stack, _), *_ = seen_of(sample_stacks(0.01, interval_s=0.002, with_idle=True), "deep").runs
    finally:
        ending.set()
        thread.join()
    assert len(stack) == 200
    assert stack[-1][0] == "Condition.wait"


MADE = StackSamples(
    2.0,
    20,
    0.1,
    [
        ThreadStacks(
            "worker", 7, [((("outer", "/a/shop.py", 3), ("inner", "/a/shop.py", 9)), 1.5)], 0.5, 1.25
        ),
        ThreadStacks("other", 8, [((("outer", "/a/shop.py", 3),), 0.25)], 1.75, None),
        ThreadStacks("idle", 9, [], 2.0, 0.0),
    ],
)


def test_speedscope_holds_a_profile_for_each_thread() -> None:
    """With frames once, stacks in order, and seconds that add up; threads that only waited have none."""
    found = json.loads(draw(MADE, "speedscope", title="Tamis"))
    assert [one["name"] for one in found["profiles"]] == [
        "worker (busy 1.50 s, idle 0.50 s, processor 1.25 s)",
        "other (busy 0.25 s, idle 1.75 s)",
    ]
    assert found["shared"]["frames"] == [
        {"name": "outer", "file": "/a/shop.py", "line": 3},
        {"name": "inner", "file": "/a/shop.py", "line": 9},
    ]
    assert [one["samples"] for one in found["profiles"]] == [[[0, 1]], [[0]]]
    assert [one["endValue"] for one in found["profiles"]] == [1.5, 0.25]


def test_text_and_page_show_all_threads() -> None:
    """pyinstrument draws them below one root; the page loads nothing from anywhere."""
    text = draw(MADE, "text", title="Tamis")
    for part in (
        "20 looks in 2.0 s",
        " all threads",
        " worker (busy",
        "1.5 inner",
        " other (busy",
        "idle (busy 0.00 s",
    ):
        assert part in text
    page = draw(MADE, "html", title="Tamis", at_ns=1_795_262_400 * 10**9)
    assert page.index("default-src 'none'") < page.index("<script>")
    assert '"inner' in page.partition("sessionData = ")[2]


def test_a_profile_of_nothing_is_one() -> None:
    """When everyone waits there is still a page to look at."""
    nothing = StackSamples(1.0, 10, 0.1, [ThreadStacks("idle", 9, [], 1.0, 0.0)])
    assert "idle 1.00 s" in draw(nothing, "text", title="Tamis")
    assert "sessionData" in draw(nothing, "html", title="Tamis")
    assert json.loads(draw(nothing, "speedscope", title="Tamis"))["profiles"] == []


def test_without_pyinstrument_speedscope_still_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sentence says what to install for the others."""
    monkeypatch.setitem(sys.modules, "pyinstrument.renderers", None)
    assert draw(MADE, "speedscope", title="Tamis")
    with pytest.raises(MissingExtraError, match="pyinstrument"):
        draw(MADE, "html", title="Tamis")
