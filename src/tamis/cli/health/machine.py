"""Checks of the machine: Python, libraries, clock, open files, memory."""

import resource
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

from tamis.cli.health.base import Finding, Patient
from tamis.clock import NS_PER_S, SYSTEM_CLOCK

PYTHON_MIN = (3, 11)
LIBRARIES = {
    "msgspec": "msgspec",
    "pyarrow": "pyarrow",
    "duckdb": "duckdb",
    "fastapi": "fastapi",
    "uvicorn": "uvicorn",
    "uvloop": "uvloop",
    "cyclopts": "cyclopts",
    "rich": "rich",
}
"""Each library by the name of its package, and what is imported of it."""
CLOCK_MIN_S = 1_700_000_000
"""A clock that shows less than this (November 2023) was never set."""
CLOCK_SLACK_S = 300.0
OPEN_FILES_MIN = 1_024
MEMORY_MIN = 1 << 30


def check_python(patient: Patient) -> Iterator[Finding]:
    """Python is new enough."""
    shown = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] >= PYTHON_MIN:
        yield Finding("Python", "ok", shown)
    else:
        yield Finding("Python", "bad", shown, "install Python 3.11 or newer")


def check_libraries(patient: Patient) -> Iterator[Finding]:
    """Every library that the server takes can be imported."""
    zstd = {} if sys.version_info >= (3, 14) else {"backports.zstd": "backports.zstd"}
    found = []
    for package, module in {**LIBRARIES, **zstd}.items():
        try:
            import_module(module)
            found.append(f"{package} {version(package)}")
        except (ImportError, PackageNotFoundError) as error:
            yield Finding("library", "bad", f"{package}: {error}", "pip install 'tamis[server]'")
    yield Finding("libraries", "ok", ", ".join(found))


def check_clock(patient: Patient) -> Iterator[Finding]:
    """The clock was set, and is not behind what the data folder has seen."""
    now_s = SYSTEM_CLOCK.now_ns() / NS_PER_S
    shown = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now_s))
    newest_s = max(
        (
            path.stat().st_mtime
            for path in (patient.folder, patient.folder / "manifest.json")
            if path.exists()
        ),
        default=0.0,
    )
    if now_s < CLOCK_MIN_S:
        yield Finding("clock", "bad", shown, "set it: records without a time would get this one")
    elif newest_s > now_s + CLOCK_SLACK_S:
        yield Finding(
            "clock",
            "bad",
            f"{shown}, but the data folder was written later",
            "set it right, then start again",
        )
    else:
        yield Finding("clock", "ok", shown)


def check_open_files(patient: Patient) -> Iterator[Finding]:
    """Enough files may be open at a time."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(OPEN_FILES_MIN, patient.settings.server.connections_max + 256)
    shown = "no limit" if soft == resource.RLIM_INFINITY else f"{soft:,} at a time"
    if soft != resource.RLIM_INFINITY and soft < wanted:
        yield Finding("open files", "warn", shown, f"raise it to {wanted:,} (ulimit -n, LimitNOFILE=)")
    else:
        yield Finding("open files", "ok", shown)


def check_memory(patient: Patient) -> Iterator[Finding]:
    """There is memory for the budgets of the settings."""
    import psutil

    total = psutil.virtual_memory().total
    budgets = patient.settings.store.hot_bytes_max + patient.settings.query.memory_bytes
    wanted = max(MEMORY_MIN, 2 * budgets)
    shown = f"{total / (1 << 20):,.0f} MiB, budgets {budgets / (1 << 20):,.0f} MiB"
    if total < wanted:
        yield Finding("memory", "warn", shown, "lower store.hot_bytes_max and query.memory_bytes")
    else:
        yield Finding("memory", "ok", shown)
