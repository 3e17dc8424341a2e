"""Records that never came: counted when they stay away, taken back when they come, within bounds."""

from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamis.record.model import Columns
from tamis.server.intake.gaps import RANGES_SHOWN_MAX, GapLimits, GapTracker
from tamis.telemetry.metrics import Metrics
from tests.contracts.members import StillClock

PROCESS = "0a1b2c3d"
SETTLE_S = 60.0


class Bench:
    """A tracker on a clock that stands still."""

    def __init__(self, **limits: Any) -> None:
        self.clock, self.metrics = StillClock(), Metrics()
        self.tracker = GapTracker(
            GapLimits(**{"settle_s": SETTLE_S, **limits}), metrics=self.metrics, clock=self.clock
        )

    def note(self, numbers: Iterable[int], process: str = PROCESS, *, arrow: bool = False) -> None:
        self.tracker.note("shop-token", columns(list(numbers), process, arrow=arrow))

    def settle(self) -> None:
        self.clock.pass_s(SETTLE_S)

    @property
    def missing(self) -> list[tuple[int, int]]:
        return [span for loss in self.tracker.losses() for span in loss.missing]

    @property
    def lost(self) -> float:
        self.tracker.losses()
        return self.metrics.value("tamis_ingest_lost_records")


def columns(numbers: Sequence[int | None], process: str | None = PROCESS, *, arrow: bool = False) -> Columns:
    names, services = [process] * len(numbers), ["shop"] * len(numbers)
    return Columns(
        length=len(numbers),
        timestamp=[1] * len(numbers),
        core={"service": pa.array(services) if arrow else services},
        attributes={
            "process": pa.array(names, pa.string()) if arrow else names,
            "sequence": pa.array(numbers, pa.int64()) if arrow else list(numbers),
        },
    )


@pytest.mark.parametrize("arrow", [False, True])
def test_a_gap_is_a_loss_when_it_stays_open(arrow: bool) -> None:
    """Not at once, for batches overtake each other; and it is told by service, process and range."""
    bench = Bench()
    bench.note(range(1, 101), arrow=arrow)
    bench.note(range(111, 201), arrow=arrow)
    assert bench.missing == []
    assert bench.lost == 0
    bench.settle()
    (loss,) = bench.tracker.losses()
    assert (loss.principal, loss.service, loss.process) == ("shop-token", "shop", PROCESS)
    assert (loss.count, loss.missing, loss.first, loss.last) == (10, ((101, 110),), 1, 200)
    assert bench.lost == 10


@pytest.mark.parametrize("arrow", [False, True])
def test_what_comes_late_is_taken_back(arrow: bool) -> None:
    """Partly, and wholly."""
    bench = Bench()
    bench.note([1, 2, 3, 10], arrow=arrow)
    bench.settle()
    assert bench.lost == 6
    bench.note([6], arrow=arrow)
    assert bench.missing == [(4, 5), (7, 9)]
    bench.note([4, 5, 7, 8, 9], arrow=arrow)
    assert (bench.missing, bench.lost) == ([], 0)


def test_batches_out_of_order_and_again_are_no_loss() -> None:
    """Any order, any overlap, in any size."""
    bench = Bench()
    for first in (41, 1, 21, 1, 61, 41, 81):
        bench.note(range(first, first + 20))
    bench.settle()
    assert bench.lost == 0


def test_what_lies_before_the_first_number_is_not_known() -> None:
    """A server that was started later misses nothing; a batch that came late below begins it anew."""
    bench = Bench()
    bench.note(range(500, 600))
    bench.settle()
    assert bench.lost == 0
    bench.note(range(400, 450))
    assert bench.lost == 0
    bench.settle()
    assert bench.missing == [(450, 499)]


def test_processes_and_principals_are_apart() -> None:
    """Each process counts for itself, and nobody can fill or open another's gaps."""
    bench = Bench()
    bench.note([1, 3])
    bench.note([2], "ffffffff")
    bench.tracker.note("another-token", columns([2]))
    bench.settle()
    assert [(loss.process, loss.count) for loss in bench.tracker.losses()] == [(PROCESS, 1)]


@pytest.mark.parametrize("process", ["nginx", "", "0A1B2C3D", "0a1b2c3d4", None])
@pytest.mark.parametrize("arrow", [False, True])
def test_numbers_of_others_are_not_taken_for_ours(process: Any, arrow: bool) -> None:
    """Only what the pipeline writes: eight hexadecimal digits."""
    bench = Bench()
    bench.note([1, 100], process, arrow=arrow)
    bench.settle()
    assert (bench.lost, bench.tracker.processes) == (0, 0)


def test_odd_values_are_passed_over() -> None:
    """Text, floats, booleans, nothing, zero and less are no numbers of records."""
    bench = Bench()
    odd: list[Any] = ["5", 2.5, True, None, 0, -3, 2**70, 1, 2]
    bench.tracker.note("p", columns(odd))
    only = Columns(length=1, timestamp=[1], attributes={"process": [PROCESS]})
    bench.tracker.note("p", only)
    bench.tracker.note("p", Columns(length=0, timestamp=[]))
    bench.tracker.note("p", columns([None, 3], arrow=True))
    assert bench.tracker.processes == 1


def test_some_records_of_a_batch_without_a_process() -> None:
    """They have no number of it, whatever stands there."""
    bench = Bench()
    names: list[Any] = [PROCESS, None, PROCESS, 5]
    for kept in (names, names[:2]):
        made = Columns(
            length=len(kept),
            timestamp=[1] * len(kept),
            attributes={"process": kept, "sequence": list(range(1, len(kept) + 1))},
        )
        bench.tracker.note("p", made)
    bench.settle()
    assert bench.missing == [(2, 2)]


def test_many_processes_in_one_batch() -> None:
    """More than are looked at one by one, and still each is counted."""
    bench = Bench()
    names = [f"{number:08x}" for number in range(50) for _ in range(2)]
    numbers = [1, 3] * 50
    made = Columns(
        length=100,
        timestamp=[1] * 100,
        attributes={"process": pa.array(names), "sequence": pa.array(numbers, pa.int64())},
    )
    bench.tracker.note("p", made)
    bench.settle()
    assert bench.lost == 50


def test_memory_is_bounded_and_the_count_is_kept() -> None:
    """Runs and processes over the limits go; what they had lost stays counted."""
    bench = Bench(spans_max=4, processes_max=3)
    bench.note(range(1, 2_001, 2))
    bench.settle()
    (loss,) = bench.tracker.losses()
    assert loss.count == 999
    assert len(loss.missing) == 3
    for number in range(3):
        bench.note([1, 2], f"{number:08x}")
    assert bench.tracker.processes == 3
    assert bench.tracker.losses() == []
    assert bench.lost == 999


def test_only_the_newest_ranges_are_listed() -> None:
    """The count is of all."""
    bench = Bench()
    bench.note(range(1, 401, 2))
    bench.settle()
    (loss,) = bench.tracker.losses()
    assert loss.count == 199
    assert len(loss.missing) == RANGES_SHOWN_MAX
    assert loss.missing[-1] == (398, 398)


@given(
    st.lists(
        st.tuples(st.lists(st.integers(1, 40), max_size=12), st.booleans(), st.integers(0, 40)), max_size=25
    )
)
def test_it_agrees_with_a_set_of_numbers(steps: list[tuple[list[int], bool, int]]) -> None:
    """Whatever comes when, what counts as lost is what was missing between those that came, all the time since."""
    bench = Bench()
    came: set[int] = set()
    missing_since: dict[int, float] = {}
    for numbers, arrow, wait_s in steps:
        bench.note(numbers, arrow=arrow)
        came |= set(numbers)
        now_s = bench.clock.monotonic_s()
        missing = set(range(min(came), max(came))) - came if came else set()
        missing_since = {number: missing_since.get(number, now_s) for number in missing}
        bench.clock.pass_s(wait_s)
        now_s = bench.clock.monotonic_s()
        expected = {number for number, since in missing_since.items() if since <= now_s - SETTLE_S}
        found = {number for first, last in bench.missing for number in range(first, last + 1)}
        assert found == expected
        assert bench.lost == len(expected)
