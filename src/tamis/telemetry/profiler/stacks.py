"""What every thread of this process does, looked at many times a second: for flame graphs of a running program.

A thread of its own takes `sys._current_frames`, so all of Python's threads are seen, each where it stands when it lets
go of the interpreter. Time in C is that of the Python function that called it.
"""

import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType

from tamis.clock import monotonic_s
from tamis.telemetry.profiler.speedscope import Frame, speedscope

DEPTH_MAX = 200
RUNS_MAX = 200_000
"""Changes of what threads do that are kept; past that further ones count with what was before."""
_NS_PER_S = 1e9

WAITING: dict[str, frozenset[str]] = {
    "threading.py": frozenset({"wait", "acquire", "join", "_wait_for_tstate_lock", "__enter__"}),
    "selectors.py": frozenset({"select"}),
    "queue.py": frozenset({"get", "put", "join"}),
    "futures/thread.py": frozenset({"_worker"}),
    "asyncio/runners.py": frozenset({"run"}),
    "asyncio/base_events.py": frozenset({"run_forever", "run_until_complete"}),
    "socket.py": frozenset({"accept", "readinto"}),
    "ssl.py": frozenset({"read", "recv_into"}),
    "subprocess.py": frozenset({"wait", "_wait", "_try_wait", "_communicate"}),
    "multiprocessing/connection.py": frozenset({"wait", "_recv", "poll"}),
}
"""Functions of the standard library whose time is waiting: a thread that stands in one has nothing to do."""


@dataclass(slots=True)
class ThreadStacks:
    """One thread: what it stood in, run by run, with seconds. `idle_s` are those it waited."""

    name: str
    ident: int
    runs: list[tuple[tuple[Frame, ...], float]] = field(default_factory=list)
    idle_s: float = 0.0
    cpu_s: float | None = None
    """Processor time meanwhile; None where the system does not tell."""

    @property
    def busy_s(self) -> float:
        """Seconds of all runs."""
        return sum(seconds for _, seconds in self.runs)

    @property
    def title(self) -> str:
        """Its name, and how much of it was work."""
        cpu = "" if self.cpu_s is None else f", processor {self.cpu_s:.2f} s"
        return f"{self.name} (busy {self.busy_s:.2f} s, idle {self.idle_s:.2f} s{cpu})"


@dataclass(frozen=True, slots=True)
class StackSamples:
    """What was seen: `samples` looks in `seconds`, thread by thread, the busiest first."""

    seconds: float
    samples: int
    interval_s: float
    threads: list[ThreadStacks]

    def speedscope(self, name: str) -> str:
        """As a file for https://www.speedscope.app: a profile for each thread, in the order of time."""
        return speedscope(name, [(thread.title, thread.runs) for thread in self.threads if thread.runs])


def sample_stacks(
    seconds: float,
    *,
    interval_s: float = 0.01,
    with_idle: bool = False,
    stopped: threading.Event | None = None,
) -> StackSamples:
    """Look at all other threads for so many seconds, or until `stopped` is set. Blocks; call it on a thread of its own.

    `with_idle`: waiting counts as what it stands in, too; else a waiting thread has only `idle_s`.
    """
    if not seconds > 0 or not interval_s > 0:
        raise ValueError(f"seconds = {seconds!r}, interval_s = {interval_s!r}: both must be over 0")
    stopped = stopped or threading.Event()
    watched = _Watched(with_idle=with_idle)
    begun_s = before_s = monotonic_s()
    looks = 0
    while (left_s := begun_s + seconds - before_s) > 0 and not stopped.wait(min(interval_s, left_s)):
        now_s = monotonic_s()
        watched.look(now_s - before_s)
        before_s, looks = now_s, looks + 1
    return StackSamples(before_s - begun_s, looks, interval_s, watched.threads())


class _Watched:
    """All threads but the one that looks."""

    def __init__(self, *, with_idle: bool) -> None:
        self._with_idle = with_idle
        self._own = threading.get_ident()
        self._seen: dict[int, _Seen] = {}
        self._runs = 0

    def look(self, passed_s: float) -> None:
        """Where everyone stands now: they have stood there since the look before."""
        for ident, frame in sys._current_frames().items():
            if ident == self._own:
                continue
            seen = self._seen.get(ident)
            if seen is None:
                seen = self._seen[ident] = _Seen(ident)
            if not self._with_idle and is_waiting(frame):
                seen.idle_s += passed_s
            elif seen.take(frame, passed_s, may_grow=self._runs < RUNS_MAX):
                self._runs += 1

    def threads(self) -> list[ThreadStacks]:
        """What was seen, the busiest first."""
        made = [seen.told() for seen in self._seen.values()]
        return sorted(made, key=lambda one: (-one.busy_s, one.name))


class _Seen:
    """One thread while it is looked at."""

    def __init__(self, ident: int) -> None:
        thread = next((one for one in threading.enumerate() if one.ident == ident), None)
        self.name = f"thread {ident}" if thread is None else thread.name
        self.ident, self.idle_s = ident, 0.0
        self._native = None if thread is None else thread.native_id
        self._cpu_ns = _cpu_ns(self._native)
        self._stacks: list[tuple[CodeType, ...]] = []
        self._seconds: list[float] = []

    def take(self, frame: FrameType, passed_s: float, *, may_grow: bool) -> bool:
        """It stands here; whether that is another place than before."""
        stack = _stack(frame)
        if self._stacks and (stack == self._stacks[-1] or not may_grow):
            self._seconds[-1] += passed_s
            return False
        self._stacks.append(stack)
        self._seconds.append(passed_s)
        return True

    def told(self) -> ThreadStacks:
        """All of it, with names for code."""
        cpu_ns = _cpu_ns(self._native)
        cpu_s = None if cpu_ns is None or self._cpu_ns is None else (cpu_ns - self._cpu_ns) / _NS_PER_S
        runs = [
            (tuple(map(_frame, stack)), seconds)
            for stack, seconds in zip(self._stacks, self._seconds, strict=True)
        ]
        return ThreadStacks(self.name, self.ident, runs, self.idle_s, cpu_s)


def is_waiting(frame: FrameType) -> bool:
    """Whether a thread whose innermost frame this is has nothing to do."""
    code = frame.f_code
    path = code.co_filename.replace("\\", "/")
    names = WAITING.get(path.rpartition("/")[2]) or WAITING.get("/".join(path.split("/")[-2:]))
    return names is not None and code.co_name in names


def _stack(frame: FrameType | None) -> tuple[CodeType, ...]:
    """From the outermost frame in; of very deep ones the innermost frames."""
    found: list[CodeType] = []
    while frame is not None and len(found) < DEPTH_MAX:
        found.append(frame.f_code)
        frame = frame.f_back
    found.reverse()
    return tuple(found)


def _frame(code: CodeType) -> Frame:
    return code.co_qualname, code.co_filename, code.co_firstlineno


def _cpu_ns(native_id: int | None) -> int | None:
    """Processor time of a thread so far, where the system tells: Linux's schedstat."""
    if native_id is None:
        return None
    try:
        return int(Path(f"/proc/self/task/{native_id}/schedstat").read_bytes().split()[0])
    except (OSError, ValueError, IndexError):
        return None
