"""Where the time goes when a figure is missed: the functions that cost most, in one process, by cProfile."""

import argparse
import cProfile
import json
import pstats
import re
import tempfile
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.asked import ask, open_folder
from benchmarks.generate import bodies
from benchmarks.ingest import BODY_BYTES
from benchmarks.queries import questions

ROWS = 12
PACKAGES = ("site-packages", "tamis", "benchmarks")
BODIES = 16
BODIES_BYTES = 1 << 30
REPEATS = 5

Row = dict[str, Any]


def profile_ingest(paths: list[Path], folder: Path) -> list[Row]:
    """A server's ingester fed in one thread: decoding, columns, shapes, journal, fsync."""

    from tamis.server.intake.ingest import Body, Ingester
    from tamis.server.intake.limits import BodyBudget
    from tamis.settings import load_settings
    from tamis.telemetry.metrics import Metrics

    store = open_folder(folder)
    metrics = Metrics()
    budget = BodyBudget(BODIES_BYTES, 1, metrics=metrics)
    ingester = Ingester(store, load_settings({}, {}), metrics=metrics)

    ready = [bytes(body) for body in islice(bodies(paths, BODY_BYTES), BODIES)]

    def feed(sent: list[bytes]) -> None:
        for body in sent:
            with budget.enter() as claim:
                ingester.take(Body([body]), claim)

    try:
        feed(ready[:1])
        return profiled(partial(feed, ready), 1)
    finally:
        store.close()


def profile_questions(data: Path, names: list[str], trace_id: str) -> dict[str, list[Row]]:
    """The named questions, asked of the store some times after a first one."""
    store = open_folder(data)
    try:
        found = {}
        for asked in questions(trace_id):
            if asked.name in names:
                ask(store, asked)
                found[asked.name] = profiled(partial(ask, store, asked), REPEATS)
        return found
    finally:
        store.close()


def profiled(work: Callable[[], object], repeats: int) -> list[Row]:
    """The functions that took most of the time of some runs."""
    profiler = cProfile.Profile()
    profiler.enable()
    for _ in range(repeats):
        work()
    profiler.disable()
    table: Any = pstats.Stats(profiler)
    rows = [
        {
            "function": _name(place),
            "calls": calls // repeats,
            "own_ms": own * 1e3 / repeats,
            "all_ms": total * 1e3 / repeats,
        }
        for place, (calls, _, own, total, _) in table.stats.items()
    ]
    return sorted(rows, key=lambda row: -row["own_ms"])[:ROWS]


def _name(place: tuple[str, int, str]) -> str:
    """``tamis/wire/jsonlines.py decode``: the file from its package on; no machine's folders are told."""
    path, _, function = place
    plain = re.sub(r"0x[0-9a-f]+", "…", function)
    if path == "~":
        return plain
    parts = Path(path).parts
    start = max((at for at, part in enumerate(parts) if part in PACKAGES), default=len(parts) - 1)
    return f"{'/'.join(parts[start:])} {plain}"


def main() -> None:
    """Profile ingest (`--paths`) or questions (`--data`, `--trace-id`, `--names`); print rows as JSON."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--paths", type=Path, nargs="*", default=[])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--trace-id", default="")
    parser.add_argument("--names", nargs="*", default=[])
    given = parser.parse_args()
    if given.data is not None:
        print(json.dumps(profile_questions(given.data, given.names, given.trace_id)))
        return
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(profile_ingest(given.paths, Path(folder) / "data")))


if __name__ == "__main__":
    main()
