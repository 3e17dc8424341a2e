"""Measure everything, in under ten minutes, and write benchmarks/README.md."""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from backports import zstd

from benchmarks import crash, ingest, report
from benchmarks.generate import Variant, generation, write_files
from benchmarks.measure import machine, middle
from benchmarks.queries import questions, some_trace_id

SECONDS_MAX = 600
ZSTD_LEVEL = 3
MILLION = 1_000_000

CORPORA: dict[str, tuple[Variant, int, int]] = {
    "uniform-1m": ("uniform", MILLION, 1),
    "mixed-1m": ("mixed", MILLION, 1),
    "shapes-1m": ("shapes", MILLION, 1),
    "uniform-10m": ("uniform", 10 * MILLION, 10),
}
ASKED = ("uniform-1m", "shapes-1m", "uniform-10m")
"""The corpora that the questions are asked of; the figures of the others are about taking them in."""

REPEATED = {"uniform-1m": 3, "mixed-1m": 3}
"""How often a corpus is taken in: those whose rate is a goal some times, by chDB and Tamis in turns."""

Figures = dict[str, Any]


def measure_corpus(name: str, work: Path) -> Figures:
    """All figures of one corpus, the yardstick's first."""
    variant, records, files = CORPORA[name]
    say(f"{name}: records")
    paths = write_files(work / f"corpora-{generation()}", name, records, variant=variant, files=files)
    figures: Figures = {"records": records, "bytes": sum(path.stat().st_size for path in paths)}
    figures["zstd_bytes"] = sum(map(zstd_bytes, paths))
    data = work / f"tamis-{name}"
    figures.update(take_in(name, paths, data, work / "chdb"))
    figures["settled"] = run_module("benchmarks.settle", data)
    if variant == "mixed":
        figures["good_lines"] = ingest.good_lines(paths)
    if name in ASKED:
        trace_id = some_trace_id(paths)
        say(f"{name}: Tamis answers")
        figures["read"] = ingest.read(data, questions(trace_id))
        figures["store"] = run_module("benchmarks.asked", data, "--trace-id", trace_id)
        figures["trace_id"] = trace_id
    return figures


def take_in(name: str, paths: list[Path], data: Path, chdb: Path) -> Figures:
    """chDB and Tamis take the corpus in, in turns, so that what else the machine does meets both; chDB answers."""
    runs = REPEATED.get(name, 1)
    theirs: list[Figures] = []
    ours: list[Figures] = []
    for run in range(runs):
        if name in ASKED:
            say(f"{name}: chDB")
            last = run == runs - 1
            ways = "fastest" if runs == 1 else "all" if last else "goals"
            theirs.append(
                run_module("benchmarks.chdb_yardstick", chdb, *paths, "--ways", ways, *["--ask"] * last)
            )
        say(f"{name}: Tamis takes it in")
        ours.append(ingest.ingested(data, paths))
    figures: Figures = {"ingest": middle(ours)}
    if theirs:
        rates: dict[str, list[Figures]] = {}
        for rate in (rate for made in theirs for rate in made["ingest"]):
            rates.setdefault(rate["way"], []).append(rate)
        figures["chdb"] = {**theirs[-1], "ingest": [middle(made) for made in rates.values()]}
    return figures


def zstd_bytes(path: Path) -> int:
    """Size of `zstd -3` of a file."""
    compressor = zstd.ZstdCompressor(level=ZSTD_LEVEL)
    size = 0
    with path.open("rb") as file:
        while piece := file.read(1 << 22):
            size += len(compressor.compress(piece))
    return size + len(compressor.flush())


def profiles(results: Figures, work: Path) -> Figures:
    """For each figure that is missed, where its time goes."""
    missed = report.missed(results)
    found: Figures = {}
    for name in ("uniform-1m", "mixed-1m"):
        if ("ingest", name) in missed:
            variant, records, files = CORPORA[name]
            paths = write_files(work / f"corpora-{generation()}", name, records, variant=variant, files=files)
            found[f"taking in {name}"] = run_module("benchmarks.profiles", "--paths", *paths)
    for name in ASKED:
        slow = [asked for kind, asked in missed if kind == name]
        if slow:
            data, trace_id = work / f"tamis-{name}", results["corpora"][name]["trace_id"]
            rows = run_module("benchmarks.profiles", "--data", data, "--trace-id", trace_id, "--names", *slow)
            found.update({f"{asked}, {name}": table for asked, table in rows.items()})
    return found


def run_module(module: str, *arguments: object) -> Any:
    """The JSON that a module of ours prints, run in a process of its own."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=SECONDS_MAX)
    return json.loads(done.stdout)


def say(text: str) -> None:
    """Tell what goes on."""
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def main() -> None:
    """Measure; `make bench` does it with the defaults."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    default = Path(tempfile.gettempdir()) / "tamis-benchmarks"
    parser.add_argument(
        "--work", type=Path, default=default, help="folder for records and data; records are kept"
    )
    parser.add_argument(
        "--only", nargs="*", choices=(*CORPORA, "crash"), help="some of it; writes no README.md"
    )
    given = parser.parse_args()
    wanted = given.only or (*CORPORA, "crash")
    begin = time.monotonic()
    results: Figures = {"machine": machine(), "corpora": {}}
    for name in CORPORA:
        if name in wanted:
            results["corpora"][name] = measure_corpus(name, given.work)
    if "crash" in wanted:
        say("kill -9")
        results["crash"] = crash.run(given.work / "tamis-crash")
    if not given.only:
        say("profiles of what was missed")
        results["profiles"] = profiles(results, given.work)
    results["seconds"] = time.monotonic() - begin
    given.work.mkdir(parents=True, exist_ok=True)
    (given.work / "results.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
    if given.only:
        print(json.dumps(results, indent=1))
    else:
        target = Path(__file__).with_name("README.md")
        target.write_text(report.render(results), encoding="utf-8")
        say(f"wrote {target.name}; {results['seconds']:.0f} s")


if __name__ == "__main__":
    main()
