"""Records that never came: gaps in the numbers that each process gives its records.

A pipeline numbers what it sends from 1, after sampling and drops (attributes `process`, eight hexadecimal digits, and
`sequence`). What is missing between the numbers that came is late or lost.
"""

import re
import threading
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import ne
from typing import Any

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.record.model import Column, Columns
from tamis.settings import IngestSettings
from tamis.telemetry.metrics import Metrics

PROCESS, SEQUENCE = "process", "sequence"
RANGES_SHOWN_MAX = 100
SEQUENCE_MAX = 1 << 53
"""A greater number is not one that a process counted to."""
_PROCESS = re.compile(r"[0-9a-f]{8}")
_PROCESSES_BY_COLUMN_MAX = 16
Span = tuple[int, int]
"""The first and the last number of a run without a gap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GapLimits:
    """How many processes are followed, how many runs of numbers of each, and when a gap counts as a loss."""

    processes_max: int = 10_000
    spans_max: int = 256
    settle_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Loss:
    """What a process sent and nobody got: how many, and the ranges that are known; of those there may be more."""

    principal: str
    service: str | None
    process: str
    count: int
    missing: tuple[Span, ...]
    first: int
    last: int


class GapTracker:
    """Follows the numbers of processes, bounded. Thread-safe; batches may come in any order, and again.

    A gap counts as lost when it stood open for `settle_s`, and no longer when it is filled. Below the first number
    that came nothing is missing: a server that was started later cannot know. Processes that nothing was heard of
    for longest make room for others; what they had lost stays counted.
    """

    def __init__(
        self, limits: GapLimits | None = None, *, metrics: Metrics, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._limits, self._metrics, self._clock = limits or GapLimits(), metrics, clock
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, str], _Process] = OrderedDict()
        self._gappy: dict[tuple[str, str], _Process] = {}
        self._forgotten = self._lost = 0

    def note(self, principal: str, columns: Columns) -> None:
        """These records came, and are safe."""
        process, sequence = columns.attributes.get(PROCESS), columns.attributes.get(SEQUENCE)
        if process is None or sequence is None:
            return
        found = list(_spans(process, sequence))
        if not found:
            return
        service = _first(columns.core.get("service"))
        now_s = self._clock.monotonic_s()
        with self._lock:
            for name, spans in found:
                self._note((principal, name), service, spans, now_s)

    def losses(self) -> list[Loss]:
        """Processes of which something is lost, most first; and the metric stands as they say."""
        now_s = self._clock.monotonic_s()
        with self._lock:
            found = [
                loss
                for (principal, name), process in self._gappy.items()
                if (loss := process.loss(principal, name, now_s - self._limits.settle_s)).count
            ]
            self._lost = self._forgotten + sum(loss.count for loss in found)
        self._metrics.set("tamis_ingest_lost_records", self._lost)
        return sorted(found, key=lambda loss: (-loss.count, loss.process))

    @property
    def lost(self) -> int:
        """What all processes lost, those that made room too, as of the last `losses`."""
        return self._lost

    @property
    def processes(self) -> int:
        """How many are followed."""
        return len(self._known)

    def _note(self, key: tuple[str, str], service: str | None, spans: Sequence[Span], now_s: float) -> None:
        process = self._known.get(key)
        if process is None:
            process = self._known[key] = _Process(service)
            if len(self._known) > self._limits.processes_max:
                self._forget()
        self._known.move_to_end(key)
        for span in spans:
            process.add(span, now_s)
        process.shorten(self._limits.spans_max)
        if process.has_gaps:
            self._gappy[key] = process
        else:
            self._gappy.pop(key, None)

    def _forget(self) -> None:
        """Drop the process that was silent longest; what is missing of it will not come."""
        key, process = self._known.popitem(last=False)
        self._gappy.pop(key, None)
        self._forgotten += process.missing


class _Process:
    """The runs of numbers that came of one process, ascending; between them are gaps. `since` has, for each run, when
    the gap before it was first seen.
    """

    __slots__ = ("firsts", "given_up", "lasts", "service", "since")

    def __init__(self, service: str | None) -> None:
        self.service = service
        self.firsts: list[int] = []
        self.lasts: list[int] = []
        self.since: list[float] = []
        self.given_up = 0
        """Numbers of gaps that are not kept any more."""

    @property
    def has_gaps(self) -> bool:
        return len(self.firsts) > 1 or self.given_up > 0

    @property
    def missing(self) -> int:
        """All that is missing, settled or not."""
        return self.given_up + sum(last - first + 1 for first, last, _ in self._gaps())

    def add(self, span: Span, now_s: float) -> None:
        """These came; they may touch, overlap or fill what is there."""
        first, last = span
        low = bisect_left(self.lasts, first - 1)
        high = low
        while high < len(self.firsts) and self.firsts[high] <= last + 1:
            high += 1
        if low == high:
            self._put(low, span, now_s)
            return
        self.firsts[low:high] = [min(first, self.firsts[low])]
        self.lasts[low:high] = [max(last, self.lasts[high - 1])]
        self.since[low:high] = [self.since[low]]

    def _put(self, place: int, span: Span, now_s: float) -> None:
        """A run that touches none: in a gap it leaves two, which were seen when the one was."""
        inside = 0 < place < len(self.firsts)
        if place == 0 and self.firsts:
            self.since[0] = now_s
        self.since.insert(place, self.since[place] if inside else now_s)
        self.firsts.insert(place, span[0])
        self.lasts.insert(place, span[1])

    def shorten(self, spans_max: int) -> None:
        """Give up the oldest gaps when there are too many runs: the first ones become one."""
        over = len(self.firsts) - spans_max
        if over <= 0:
            return
        self.given_up += sum(self.firsts[at + 1] - self.lasts[at] - 1 for at in range(over))
        self.lasts[: over + 1] = [self.lasts[over]]
        self.firsts[: over + 1] = [self.firsts[0]]
        self.since[: over + 1] = [self.since[0]]

    def loss(self, principal: str, name: str, settled_s: float) -> Loss:
        """What was missing already at that instant."""
        missing = [(first, last) for first, last, since_s in self._gaps() if since_s <= settled_s]
        count = self.given_up + sum(last - first + 1 for first, last in missing)
        shown = tuple(missing[-RANGES_SHOWN_MAX:])
        return Loss(principal, self.service, name, count, shown, self.firsts[0], self.lasts[-1])

    def _gaps(self) -> Iterator[tuple[int, int, float]]:
        for at in range(1, len(self.firsts)):
            yield self.lasts[at - 1] + 1, self.firsts[at] - 1, self.since[at]


def gap_limits(settings: IngestSettings) -> GapLimits:
    """What part `ingest` says of gaps."""
    return GapLimits(
        processes_max=settings.gap_processes_max,
        spans_max=settings.gap_spans_max,
        settle_s=settings.gap_settle_s,
    )


def _spans(process: Column, sequence: Column) -> Iterator[tuple[str, list[Span]]]:
    """The processes of a batch, each with the runs of its numbers."""
    if not isinstance(process, list) and not isinstance(sequence, list):
        fast = _arrow_spans(process, sequence)
        if fast is not None:
            yield from fast
            return
    names, given = _listed(process), _listed(sequence)
    span = _usual_span(names, given)
    if span is not None:
        yield names[0], [span]
        return
    numbers: dict[str, list[int]] = {}
    for name, number in zip(names, given, strict=True):
        if (
            type(number) is int
            and 0 < number <= SEQUENCE_MAX
            and type(name) is str
            and _PROCESS.fullmatch(name)
        ):
            numbers.setdefault(name, []).append(number)
    for name, found in numbers.items():
        yield name, list(_runs(sorted(found)))


def _usual_span(names: Sequence[Any], numbers: Sequence[Any]) -> Span | None:
    """One process, numbered without a gap: the one run of a batch as a pipeline sends it; None for all others."""
    if not names or type(names[0]) is not str or not _PROCESS.fullmatch(names[0]):
        return None
    first, last = numbers[0], numbers[-1]
    if type(first) is not int or type(last) is not int or not 0 < first <= last <= SEQUENCE_MAX:
        return None
    if last - first + 1 != len(numbers) or any(map(ne, numbers, range(first, last + 1))):
        return None
    return (first, last) if names.count(names[0]) == len(names) else None


def _arrow_spans(process: Any, sequence: Any) -> list[tuple[str, list[Span]]] | None:
    """The same of Arrow columns, for one process at a time; None when they are of other types, or hold many."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not (pa.types.is_string(process.type) or pa.types.is_large_string(process.type)):
        return None
    if not pa.types.is_int64(sequence.type):
        return None
    names = pc.unique(process).to_pylist()
    if len(names) > _PROCESSES_BY_COLUMN_MAX:
        return None
    found = []
    for name in names:
        if name is not None and _PROCESS.fullmatch(name):
            own = sequence.filter(pc.equal(process, name)).drop_null().to_numpy(zero_copy_only=False)
            found.append((name, _numpy_runs(own[(own > 0) & (own <= SEQUENCE_MAX)])))
    return [(name, spans) for name, spans in found if spans]


def _numpy_runs(numbers: Any) -> list[Span]:
    import numpy as np

    if not len(numbers):
        return []
    steps = np.diff(numbers)
    if len(steps) and steps.min() < 1:
        numbers = np.unique(numbers)
        steps = np.diff(numbers)
    breaks = np.flatnonzero(steps != 1)
    firsts = numbers[np.concatenate(([0], breaks + 1))]
    lasts = numbers[np.concatenate((breaks, [len(numbers) - 1]))]
    return list(zip(firsts.tolist(), lasts.tolist(), strict=True))


def _runs(numbers: Iterable[int]) -> Iterator[Span]:
    """Runs without a gap of ascending numbers."""
    first = last = None
    for number in numbers:
        if first is None or last is None:
            first = last = number
        elif number <= last + 1:
            last = number
        else:
            yield first, last
            first = last = number
    if first is not None and last is not None:
        yield first, last


def _listed(column: Column) -> Sequence[Any]:
    return column if isinstance(column, list) else column.to_pylist()


def _first(column: Column | None) -> str | None:
    """The first value of a column; None where there is none."""
    if column is None or not len(column):
        return None
    value = column[0]
    value = value if isinstance(value, str) or value is None else value.as_py()
    return value if isinstance(value, str) else None
