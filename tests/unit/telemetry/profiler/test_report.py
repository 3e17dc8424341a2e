"""Reports: lists, recommendations, exports, comparisons."""

import json
import threading

import msgspec
import pytest

from tamis.telemetry.profiler import (
    PerformanceProfiler,
    ProfilerLimits,
    compare_reports,
    read_report,
)
from tests.support.hand_clock import HandClock
from tests.unit.telemetry.profiler.test_monitoring import HandSystem


def profiled(clock: HandClock, system: HandSystem | None = None, **limits: float) -> PerformanceProfiler:
    return PerformanceProfiler(
        ProfilerLimits(**limits),  # type: ignore[arg-type]  # numbers of the tests
        clock=clock,
        system=lambda: system or HandSystem(),
    )


def call(profiler: PerformanceProfiler, clock: HandClock, name: str, *seconds: float) -> None:
    for each in seconds:
        with profiler.profile_block(name):
            clock.pass_s(each)


def test_lists_hold_the_first_of_each_kind() -> None:
    """By total, own, mean and longest time, by calls and failures; ten names at most; none that has nothing of it."""
    clock = HandClock()
    profiler = profiled(clock)
    for number in range(1, 15):
        call(profiler, clock, f"f{number:02}", *[0.01 * number] * (20 - number))
    with pytest.raises(OSError, match="gone"), profiler.profile_block("failing"):
        raise OSError("gone")
    report = profiler.get_performance_report()
    assert report.top["mean_s"][:3] == ("f14", "f13", "f12")
    assert report.top["calls"][:2] == ("f01", "f02")
    assert report.top["total_s"][0] == "f10"
    assert report.top["failures"] == ("failing",)
    assert report.top["peak_bytes"] == ()
    assert {len(report.top[rank]) for rank in ("total_s", "own_s", "mean_s", "max_s", "calls")} == {10}
    totals = [one.total_s for one in report.functions]
    assert totals == sorted(totals, reverse=True)
    with pytest.raises(KeyError, match="not called"):
        report.function("other")


def test_recommendations_name_function_figure_and_what_to_try() -> None:
    """What is over a limit is named with its figure; what is at it is not."""
    clock, system = HandClock(), HandSystem()
    profiler = profiled(clock, system)
    profiler.sample()
    call(profiler, clock, "shop.price", 2.0, 3.0)
    call(profiler, clock, "shop.stock", 1.0)
    with profiler.profile_block("shop.page"):
        call(profiler, clock, "shop.wait", 4.0)
    with profiler.profile_block("shop.report", memory=True):
        bytearray(1000)
    profiler._ledger.peak(profiler._ledger.book("shop.report"), 250_000_000)
    system.busy_s, system.all_s, system.memory, system.threads = 95.0, 100.0, 91.0, 51
    profiler.sample()
    system.busy_s, system.all_s = 195.0, 200.0
    profiler.sample()
    found = {(one.kind, one.function): one for one in profiler.get_performance_report().recommendations}
    assert set(found) == {
        ("cpu", None),
        ("threads", None),
        ("slow_function", "shop.price"),
        ("slow_function", "shop.page"),
        ("slow_function", "shop.wait"),
        ("large_function", "shop.report"),
    }
    slow = found["slow_function", "shop.price"]
    assert (slow.figure, slow.limit) == (2.5, 1.0)
    assert (
        "shop.price takes 2.50 s on average (over 1 s; 2 calls, 3.00 s at most); 5.0 s of 5.0 s are its own"
        in slow.text
    )
    assert "look at the measured functions that it calls" in found["slow_function", "shop.page"].text
    assert "shop.report held 250 MB at once (over 100 MB)" in found["large_function", "shop.report"].text
    assert "98 % busy" in found["cpu", None].text
    assert "shop.price (5.0 s in 2 calls)" in found["cpu", None].text
    assert "51 threads" in found["threads", None].text


def test_memory_of_the_machine_is_named_with_who_held_most() -> None:
    """Over 85 % on average: the sentence names the process' share, and the function that held most."""
    clock, system = HandClock(), HandSystem()
    profiler = profiled(clock, system)
    system.memory = 86.0
    profiler.sample()
    (first,) = profiler.get_performance_report().recommendations
    assert first.kind == "memory"
    assert "100 MB of it in this process" in first.text
    assert "profile_function(memory=True)" in first.text
    with profiler.profile_block("big", memory=True):
        pass
    profiler._ledger.peak(profiler._ledger.book("big"), 90_000_000)
    (second,) = profiler.get_performance_report().recommendations
    assert "big (90 MB) held most" in second.text


def test_nothing_stands_out_of_a_quiet_system() -> None:
    """At a limit is not over it."""
    clock, system = HandClock(), HandSystem()
    profiler = profiled(clock, system)
    profiler.sample()
    call(profiler, clock, "f", 1.0)
    system.busy_s, system.all_s, system.memory, system.threads = 80.0, 100.0, 85.0, 50
    profiler.sample()
    assert profiler.get_performance_report().recommendations == ()


def test_threads_are_counted_by_name() -> None:
    """The sentence says which threads there are most of."""
    clock, system = HandClock(), HandSystem()
    system.threads = 60
    profiler = profiled(clock, system)
    profiler.sample()
    release = threading.Event()
    threads = [
        threading.Thread(target=release.wait, name=f"crowd_{number}", daemon=True) for number in range(9)
    ]
    for thread in threads:
        thread.start()
    try:
        (found,) = profiler.get_performance_report().recommendations
        assert "9 named crowd" in found.text
    finally:
        release.set()
        for thread in threads:
            thread.join()


def test_json_is_the_report() -> None:
    """What is exported is read back as the same report; anything else is refused in a sentence."""
    clock = HandClock()
    profiler = profiled(clock)
    profiler.sample()
    call(profiler, clock, "f", 0.5, 2.0)
    text = profiler.export_metrics()
    assert read_report(text) == profiler.get_performance_report()
    assert json.loads(text)["functions"][0]["calls"] == 2
    assert json.loads(profiler.export_metrics("json", minutes=5))["minutes"] == 5
    for wrong in ("[]", "{", "", text.replace('"calls":2', '"calls":"two"')):
        with pytest.raises(ValueError, match="no report of a profiler"):
            read_report(wrong)
    with pytest.raises(ValueError, match="newer release"):
        read_report(text.replace('"format":1', '"format":2'))


def test_prometheus_reads_the_export() -> None:
    """Prometheus' own parser takes it, with the figures of the report."""
    from prometheus_client.parser import text_string_to_metric_families

    clock = HandClock()
    profiler = profiled(clock)
    profiler.sample()
    call(profiler, clock, 'odd "name"\\\n', 0.5, 2.0)
    call(profiler, clock, "f", 0.001)
    families = list(text_string_to_metric_families(profiler.export_metrics("prometheus")))
    values = {
        (sample.name, sample.labels.get("function"), sample.labels.get("le")): sample.value
        for family in families
        for sample in family.samples
    }
    name = 'odd "name"\\\n'
    assert values["tamis_profiler_seconds_count", name, None] == 2
    assert values["tamis_profiler_seconds_sum", name, None] == 2.5
    assert values["tamis_profiler_seconds_bucket", name, "1.0"] == 1
    assert values["tamis_profiler_seconds_bucket", "f", "+Inf"] == 1
    assert values["tamis_profiler_own_seconds_total", name, None] == 2.5
    assert values["tamis_profiler_threads", None, None] == 7
    assert ("tamis_profiler_peak_bytes", "f", None) not in values
    with pytest.raises(ValueError, match="minutes is for JSON"):
        profiler.export_metrics("prometheus", minutes=5)
    with pytest.raises(ValueError, match="json, prometheus or speedscope"):
        profiler.export_metrics("xml")  # type: ignore[arg-type]


def test_speedscope_shows_who_called_whom() -> None:
    """One stack for each way a function was reached, weighted by its own time there."""
    clock = HandClock()
    profiler = profiled(clock)
    with profiler.profile_block("outer"):
        clock.pass_s(1.0)
        call(profiler, clock, "inner", 2.0)
    call(profiler, clock, "inner", 4.0)
    found = json.loads(profiler.export_metrics("speedscope"))
    names = [frame["name"] for frame in found["shared"]["frames"]]
    (profile,) = found["profiles"]
    stacks = {
        tuple(names[number] for number in sample): weight
        for sample, weight in zip(profile["samples"], profile["weights"], strict=True)
    }
    assert stacks == {("outer",): 1.0, ("outer", "inner"): 2.0, ("inner",): 4.0}
    assert (profile["unit"], profile["startValue"], profile["endValue"]) == ("seconds", 0, 7.0)


def test_comparing_two_reports() -> None:
    """Slower and faster by the mean of a call, new and gone by name; the system's means beside each other."""
    clock, system = HandClock(), HandSystem()
    profiler = profiled(clock, system)
    profiler.sample()
    for name, seconds in (("same", 1.0), ("worse", 1.0), ("better", 2.0), ("gone", 1.0), ("nothing", 0.0)):
        call(profiler, clock, name, seconds)
    before = profiler.get_performance_report()
    profiler.reset_metrics()
    system.threads = 14
    profiler.sample()
    for name, seconds in (("same", 1.1), ("worse", 1.3), ("better", 1.0), ("new", 1.0), ("nothing", 1.0)):
        call(profiler, clock, name, seconds)
    found = compare_reports(before, profiler.get_performance_report())
    assert (found.slower, found.faster, found.new, found.gone) == (
        ("worse",),
        ("better",),
        ("new",),
        ("gone",),
    )
    assert found.changes[0].name == "worse"
    assert found.changes[0].mean_ratio == pytest.approx(1.3)
    assert {one.name: one.mean_ratio for one in found.changes}["nothing"] is None
    assert found.system["threads"] == (7.0, 14.0)
    text = found.text()
    assert "slower worse: mean 1000.000 → 1300.000 ms (1.30 times)" in text
    assert "new    new" in text
    assert msgspec.json.decode(msgspec.json.encode(found))["slower"] == ["worse"]
    with pytest.raises(ValueError, match="over 1"):
        compare_reports(before, before, ratio=1.0)


def test_limits_are_over_zero() -> None:
    """A limit that would keep nothing is refused by its name."""
    for name in ("interval_s", "samples_max", "functions_max", "top"):
        with pytest.raises(ValueError, match=f"ProfilerLimits.{name} = 0"):
            ProfilerLimits(**{name: 0})  # by name
