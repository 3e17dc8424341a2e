"""Clock, processor time, memory and the machine, as all figures need them."""

import os
import platform
import resource
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

LIBRARIES = (
    "tamis", "chdb-core", "duckdb", "pyarrow", "msgspec", "backports.zstd", "uvicorn", "fastapi", "structlog", "orjson",
    "loguru", "opentelemetry-sdk", "python-json-logger", "logfire",
)  # fmt: skip
MOST = ("peak_mib", "rest_mib", "bytes")
TIMINGS_MIN = 3
TIMINGS_MAX = 25
SECONDS_EACH = 0.5


class Stopwatch:
    """Seconds that each part of a run took, in order."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Add to a part what happens inside; say that it begins."""
        say(name)
        begin = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - begin


def say(text: str) -> None:
    """Tell what goes on."""
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


@dataclass(frozen=True, slots=True)
class Timing:
    """A question's times: the first, the median of the following, how many those were, and their processor time."""

    cold_s: float
    warm_s: float
    runs: int
    cpu_s: float


def timed(ask: Callable[[], Any], *, cpu_s: Callable[[], float] | None = None) -> tuple[Any, Timing]:
    """The answer and its times: once cold, then at least three times, more often when it is quick (up to 25 times)."""
    now_cpu = cpu_s or own_cpu_s
    begin = time.perf_counter()
    answer = ask()
    cold = time.perf_counter() - begin
    times: list[float] = []
    cpu_before = now_cpu()
    while len(times) < TIMINGS_MIN or (sum(times) < SECONDS_EACH and len(times) < TIMINGS_MAX):
        begin = time.perf_counter()
        ask()
        times.append(time.perf_counter() - begin)
    cpu = (now_cpu() - cpu_before) / len(times)
    return answer, Timing(cold, statistics.median(times), len(times), cpu)


def own_cpu_s() -> float:
    """Processor seconds of this process, all its threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def middle(made: list[dict[str, Any]]) -> dict[str, Any]:
    """The run of median records/s, with every run's; memory and size are the most that any of them took."""
    ordered = sorted(made, key=lambda one: one["records_per_s"])
    most = {name: max(one[name] for one in made) for name in MOST if name in made[0]}
    return {**ordered[(len(made) - 1) // 2], **most, "runs": [one["records_per_s"] for one in made]}


def load() -> float:
    """How many processes wanted a core in the last minute: others' work shows in it."""
    return round(os.getloadavg()[0], 2)


def folder_bytes(folder: Path) -> int:
    """Bytes of all files under a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_before": load(),
        "versions": {name: _version(name) for name in LIBRARIES},
    }


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"
