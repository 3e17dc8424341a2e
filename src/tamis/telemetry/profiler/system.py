"""Samples of the system: how busy machine and process were since the sample before."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import msgspec

from tamis.errors import MissingExtraError


class SystemSample(msgspec.Struct, frozen=True, kw_only=True):
    """The machine and this process at one moment. Rates and shares are of the time since the sample before, None
    when there is none, or where the system does not tell."""

    at_ns: int
    """UTC nanoseconds."""
    monotonic_s: float
    cpu_percent: float | None
    """Of all processors of the machine."""
    process_cpu_percent: float | None
    """Of one processor: 200 when two threads are busy."""
    memory_percent: float
    """Of the machine's memory."""
    rss_bytes: int
    """Of this process."""
    disk_read_bytes_s: float | None
    disk_write_bytes_s: float | None
    net_sent_bytes_s: float | None
    net_received_bytes_s: float | None
    threads: int
    """Of this process."""
    open_files: int | None
    """Of this process: files, sockets, pipes."""


class Reading(NamedTuple):
    """What the system has counted so far, in the order of its counters."""

    monotonic_s: float
    busy_s: float
    all_s: float
    process_s: float
    disk: tuple[int, int] | None
    net: tuple[int, int] | None


class System(Protocol):
    """Who counts."""

    def read(self, monotonic_s: float) -> Reading:
        """All counters now."""
        ...

    def state(self) -> tuple[float, int, int, int | None]:
        """Percent of the memory in use; this process' bytes, threads and open files."""
        ...


class PsutilSystem:
    """What psutil tells. Raises MissingExtraError when it is not installed."""

    def __init__(self) -> None:
        try:
            import psutil
        except ImportError:
            raise MissingExtraError("profiler", "sampling the system (psutil)") from None
        self._psutil: Any = psutil
        self._process: Any = psutil.Process()

    def read(self, monotonic_s: float) -> Reading:
        """All counters now."""
        cpu, own = self._psutil.cpu_times(), self._process.cpu_times()
        everything = sum(cpu) - getattr(cpu, "guest", 0.0) - getattr(cpu, "guest_nice", 0.0)
        idle = cpu.idle + getattr(cpu, "iowait", 0.0)
        disk = _told(self._psutil.disk_io_counters)
        net = _told(self._psutil.net_io_counters)
        return Reading(
            monotonic_s,
            everything - idle,
            everything,
            own.user + own.system,
            None if disk is None else (disk.read_bytes, disk.write_bytes),
            None if net is None else (net.bytes_sent, net.bytes_recv),
        )

    def state(self) -> tuple[float, int, int, int | None]:
        """Percent of the memory in use; this process' bytes, threads and open files."""
        count = getattr(self._process, "num_fds", None) or getattr(self._process, "num_handles", None)
        return (
            float(self._psutil.virtual_memory().percent),
            int(self._process.memory_info().rss),
            int(self._process.num_threads()),
            None if count is None else _told(count),
        )


def _told(ask: Callable[[], Any]) -> Any:
    """None where a container or the system does not let us look."""
    try:
        return ask()
    except (OSError, RuntimeError, NotImplementedError):
        return None


class Sampler:
    """Samples, each over the time since the one before. Not thread-safe."""

    def __init__(self, system: System, monotonic_s: float) -> None:
        self._system = system
        self._before = system.read(monotonic_s)

    def sample(self, at_ns: int, monotonic_s: float) -> SystemSample:
        """The system now."""
        before, now = self._before, self._system.read(monotonic_s)
        self._before = now
        memory, rss, threads, files = self._system.state()
        passed_s = now.monotonic_s - before.monotonic_s
        read, written = _rates(before.disk, now.disk, passed_s)
        sent, received = _rates(before.net, now.net, passed_s)
        return SystemSample(
            at_ns=at_ns,
            monotonic_s=monotonic_s,
            cpu_percent=_percent(now.busy_s - before.busy_s, now.all_s - before.all_s, 100.0),
            process_cpu_percent=_percent(now.process_s - before.process_s, passed_s, None),
            memory_percent=memory,
            rss_bytes=rss,
            disk_read_bytes_s=read,
            disk_write_bytes_s=written,
            net_sent_bytes_s=sent,
            net_received_bytes_s=received,
            threads=threads,
            open_files=files,
        )


def _percent(part: float, whole: float, most: float | None) -> float | None:
    if whole <= 0:
        return None
    share = max(100.0 * part / whole, 0.0)
    return share if most is None else min(share, most)


Rates = tuple[float | None, float | None]


def _rates(before: tuple[int, int] | None, now: tuple[int, int] | None, passed_s: float) -> Rates:
    """A second; None when nobody counts, no time passed, or the counters began anew."""
    if before is None or now is None or passed_s <= 0:
        return None, None
    first, second = (after - earlier for earlier, after in zip(before, now, strict=True))
    return (first / passed_s, second / passed_s) if first >= 0 and second >= 0 else (None, None)
