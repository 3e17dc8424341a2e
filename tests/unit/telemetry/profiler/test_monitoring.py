"""Samples of the system: rates, limits, the thread that takes them, forks."""

import json
import os
import subprocess
import sys
import threading
import time

import pytest

from tamis.errors import MissingExtraError
from tamis.telemetry.profiler import PerformanceProfiler, ProfilerLimits
from tamis.telemetry.profiler.system import PsutilSystem, Reading
from tests.support.hand_clock import HandClock

PATIENCE_S = 60.0


class HandSystem:
    """A machine that counts what a test says."""

    def __init__(self) -> None:
        self.busy_s = self.all_s = self.process_s = 0.0
        self.disk: tuple[int, int] | None = (0, 0)
        self.net: tuple[int, int] | None = (0, 0)
        self.memory, self.rss, self.threads, self.files = 40.0, 10**8, 7, 12
        self.failing = False

    def read(self, monotonic_s: float) -> Reading:
        if self.failing:
            raise OSError("no /proc")
        return Reading(monotonic_s, self.busy_s, self.all_s, self.process_s, self.disk, self.net)

    def state(self) -> tuple[float, int, int, int | None]:
        return self.memory, self.rss, self.threads, self.files


def test_rates_are_of_the_time_between_samples() -> None:
    """Shares and bytes a second are differences; what goes back or is not told is None."""
    clock, system = HandClock(), HandSystem()
    profiler = PerformanceProfiler(clock=clock, system=lambda: system)
    first = profiler.sample()
    assert (first.cpu_percent, first.process_cpu_percent, first.disk_read_bytes_s) == (None, None, None)
    clock.pass_s(5.0)
    system.busy_s, system.all_s, system.process_s = 9.0, 10.0, 7.5
    system.disk, system.net = (5_000, 10_000), (50, 100)
    second = profiler.sample()
    assert (second.cpu_percent, second.process_cpu_percent) == (90.0, 150.0)
    assert (second.disk_read_bytes_s, second.disk_write_bytes_s) == (1_000.0, 2_000.0)
    assert (second.net_sent_bytes_s, second.net_received_bytes_s) == (10.0, 20.0)
    assert (second.memory_percent, second.rss_bytes, second.threads, second.open_files) == (
        40.0,
        10**8,
        7,
        12,
    )
    clock.pass_s(5.0)
    system.disk, system.net = (0, 0), None
    third = profiler.sample()
    assert (third.cpu_percent, third.disk_read_bytes_s, third.net_sent_bytes_s) == (None, None, None)
    assert third.at_ns - first.at_ns == 10 * 10**9


def test_samples_are_bounded_and_of_their_time() -> None:
    """The oldest go; a report of some minutes holds theirs alone."""
    clock, system = HandClock(), HandSystem()
    profiler = PerformanceProfiler(ProfilerLimits(samples_max=10), clock=clock, system=lambda: system)
    for number in range(14):
        system.threads = number
        profiler.sample()
        clock.pass_s(30.0)
    report = profiler.get_performance_report()
    assert report.samples == 10
    assert (report.system["threads"].mean, report.system["threads"].most) == (8.5, 13.0)
    recent = profiler.get_performance_report(2)
    assert (recent.samples, recent.system["threads"].last, recent.system["threads"].mean) == (4, 13.0, 11.5)


def test_the_thread_samples_until_it_is_stopped() -> None:
    """One daemon thread, however often it is started; none after the stop, and it can begin anew."""
    system = HandSystem()
    profiler = PerformanceProfiler(ProfilerLimits(interval_s=0.001), system=lambda: system)
    for _ in range(2):
        profiler.start_monitoring()
        profiler.start_monitoring()
        assert profiler.is_monitoring
        (thread,) = _threads()
        assert thread.daemon
        _wait_for(lambda: profiler.get_performance_report().samples >= 3)
        profiler.stop_monitoring()
        assert not thread.is_alive()
        assert not profiler.is_monitoring
        profiler.reset_metrics()
    profiler.stop_monitoring()
    assert profiler.get_performance_report().samples == 0


def test_a_look_that_fails_does_not_end_the_monitoring() -> None:
    """It is counted, and the next one is taken."""
    system = HandSystem()
    with PerformanceProfiler(ProfilerLimits(interval_s=0.001), system=lambda: system) as profiler:
        system.failing = True
        _wait_for(lambda: profiler.missed_samples >= 2)
        system.failing = False
        _wait_for(lambda: profiler.get_performance_report().samples >= 2)
    assert _threads() == []


def test_a_profiler_that_nobody_holds_ends_its_thread() -> None:
    """Forgetting to stop leaves no thread behind."""
    profiler = PerformanceProfiler(ProfilerLimits(interval_s=0.001), system=HandSystem)
    profiler.start_monitoring()
    del profiler
    _wait_for(lambda: not _threads())


def test_psutil_tells_of_this_process() -> None:
    """The real thing: this process has threads, memory and files, and the machine counts time."""
    with PerformanceProfiler() as profiler:
        found = profiler.sample()
    assert found.rss_bytes > 10**6
    assert found.threads >= 2
    assert 0 < found.memory_percent < 100
    assert found.open_files is None or found.open_files > 0
    system = PsutilSystem()
    before = system.read(0.0)
    _wait_for(lambda: system.read(0.0).all_s > before.all_s)
    assert system.read(0.0).busy_s >= before.busy_s


def test_without_psutil_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Functions are profiled without it; only sampling needs it."""
    monkeypatch.setitem(sys.modules, "psutil", None)
    profiler = PerformanceProfiler()
    with pytest.raises(MissingExtraError, match=r"psutil.*pip install 'tamis\[profiler\]'"):
        profiler.start_monitoring()
    assert not profiler.is_monitoring
    with profiler.profile_block("block"):
        pass
    assert profiler.get_performance_report().function("block").calls == 1


FORKED = """
import json, os, sys, threading
from tamis.telemetry.profiler import PerformanceProfiler, ProfilerLimits

profiler = PerformanceProfiler(ProfilerLimits(interval_s=0.001))
profiler.start_monitoring()

@profiler.profile_function("f")
def f(inner=None):
    return inner() if inner else None

for _ in range(1500):
    f()

def child():
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1]
    before = profiler.get_performance_report()
    f()
    with profiler.profile_block("child"):
        profiler.sample()
    profiler.start_monitoring()
    profiler.stop_monitoring()
    after = profiler.get_performance_report()
    print(json.dumps({
        "before": len(before.functions), "samples": before.samples,
        "after": [[one.name, one.calls, one.recursive_calls] for one in after.functions],
    }), flush=True)
    os._exit(0)

with profiler._ledger.lock:
    status = f(child)
print(json.dumps({"status": status, "calls": profiler.get_performance_report().function("f").calls}))
profiler.stop_monitoring()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_begins_anew() -> None:
    """Nothing of the parent's is counted there, no lock of the parent's is waited for, and it works."""
    done = subprocess.run(
        [sys.executable, "-c", FORKED], capture_output=True, text=True, timeout=PATIENCE_S, check=True
    )
    child, parent = (json.loads(line) for line in done.stdout.splitlines())
    assert (child["before"], child["samples"]) == (0, 0)
    assert {name: calls for name, calls, _ in child["after"]}["child"] == 1
    assert parent == {"status": 0, "calls": 1_501}


def _threads() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name == "tamis-profiler"]


def _wait_for(condition: object) -> None:
    assert callable(condition)
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.002)
