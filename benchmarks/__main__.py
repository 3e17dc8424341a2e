"""Measure the server in under ten minutes, and write benchmarks/README.md; `--only pipeline` measures the pipeline in
applications, and writes benchmarks/pipeline.md; `--only server` measures protocols and questions, into server.md;
`--only keeping` measures what keeps the server working and whole, into keeping.md."""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backports import zstd

from benchmarks import crash, ingest, report, server
from benchmarks.generate import Variant, generation, write_files
from benchmarks.keeping import page as keeping
from benchmarks.measure import Stopwatch, machine, middle, say
from benchmarks.pipeline import page, rounds
from benchmarks.queries import questions, some_trace_id
from benchmarks.questions import trial

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

START_RUNS = {"uniform-10m": 3}
"""How often a server is started on a corpus: where the time is a goal, some times."""

Figures = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Bench:
    """A run: where its files are, what share of the records it takes, and how long its parts took."""

    work: Path
    scale: float = 1.0
    watch: Stopwatch = field(default_factory=Stopwatch)

    def paths(self, name: str) -> list[Path]:
        """The files of a corpus; they are kept for the next run."""
        variant, records, files = CORPORA[name]
        folder = self.work / f"corpora-{generation()}-{self.scale:g}"
        return write_files(folder, name, int(records * self.scale), variant=variant, files=files)

    def data(self, name: str) -> Path:
        """The data folder of the server that took a corpus in."""
        return self.work / f"tamis-{name}"

    def corpus(self, name: str) -> Figures:
        """All figures of one corpus, the yardstick's first."""
        with self.watch.part(f"{name}: records"):
            paths = self.paths(name)
            figures: Figures = {"records": int(CORPORA[name][1] * self.scale)}
            figures["bytes"] = sum(path.stat().st_size for path in paths)
            with ThreadPoolExecutor() as pool:
                figures["zstd_bytes"] = sum(pool.map(zstd_bytes, paths))
            if CORPORA[name][0] == "mixed":
                figures["good_lines"] = ingest.good_lines(paths)
        figures.update(self.take_in(name, paths))
        with self.watch.part(f"{name}: Tamis comes to rest"):
            figures["settled"] = run_module("benchmarks.settle", self.data(name))
        if name in ASKED:
            figures.update(self.ask(name, some_trace_id(paths)))
        return figures

    def take_in(self, name: str, paths: list[Path]) -> Figures:
        """chDB and Tamis take the corpus in, in turns, so that what else the machine does meets both; chDB answers."""
        runs = REPEATED.get(name, 1)
        theirs: list[Figures] = []
        ours: list[Figures] = []
        for run in range(runs):
            if name in ASKED:
                last = run == runs - 1
                ways = "fastest" if runs == 1 else "all" if last else "goals"
                given = (self.work / "chdb", *paths, "--ways", ways, *["--ask"] * last)
                with self.watch.part(f"{name}: chDB" + " takes it in and answers" * last):
                    theirs.append(run_module("benchmarks.chdb_yardstick", *given))
            with self.watch.part(f"{name}: Tamis takes it in"):
                rest_s = ingest.SHORT_REST_S if run else ingest.REST_S
                ours.append(ingest.ingested(self.data(name), paths, rest_s=rest_s))
        figures: Figures = {"ingest": middle(ours)}
        if theirs:
            rates: dict[str, list[Figures]] = {}
            for rate in (rate for made in theirs for rate in made["ingest"]):
                rates.setdefault(rate["way"], []).append(rate)
            figures["chdb"] = {**theirs[-1], "ingest": [middle(made) for made in rates.values()]}
        return figures

    def ask(self, name: str, trace_id: str) -> Figures:
        """Tamis' answers."""
        with self.watch.part(f"{name}: Tamis answers over HTTP"):
            runs = START_RUNS.get(name, 1)
            read = ingest.read(self.data(name), questions(trace_id), start_runs=runs)
        with self.watch.part(f"{name}: Tamis answers in process"):
            store = run_module("benchmarks.asked", self.data(name), "--trace-id", trace_id)
        return {"read": read, "store": store, "trace_id": trace_id}

    def profiles(self, results: Figures) -> Figures:
        """For each figure that is missed, where its time goes."""
        missed = report.missed(results)
        found: Figures = {}
        for name in ("uniform-1m", "mixed-1m"):
            if ("ingest", name) in missed:
                paths = self.paths(name)
                found[f"taking in {name}"] = run_module("benchmarks.profiles", "--paths", *paths)
        for name in ASKED:
            slow = [asked for kind, asked in missed if kind == name]
            if slow:
                given = ("--data", self.data(name), "--trace-id", results["corpora"][name]["trace_id"])
                rows = run_module("benchmarks.profiles", *given, "--names", *slow)
                found.update({f"{asked}, {name}": table for asked, table in rows.items()})
        return found


def pipeline(on: Figures) -> Figures:
    """The figures of the pipeline, on a page of their own."""
    found = rounds.run()
    if not all(goal.met for goal in page.goals(found)):
        found["profiles"] = run_module("benchmarks.pipeline.spent")
    target = Path(__file__).with_name("pipeline.md")
    target.write_text(page.render(found, report.machine_line(on)), encoding="utf-8")
    say(f"wrote {target}")
    return found


def asking(bench: Bench, on: Figures) -> Figures:
    """The figures of many who ask, on the server's page."""
    found = trial.run(bench.data("questions"), bench.paths("uniform-10m"))
    return _on_the_servers_page(bench, "questions", found, on=on)


def speaking(bench: Bench, on: Figures) -> Figures:
    """The figures of the protocols, on the server's page."""
    return _on_the_servers_page(bench, "protocols", server.measure_protocols(bench.work), on=on)


def _on_the_servers_page(bench: Bench, name: str, found: Figures, *, on: Figures) -> Figures:
    work = bench.work / f"scale-{bench.scale:g}"
    server.keep(work, name, found, report.machine_line(on))
    say(f"wrote {server.write(Path(__file__).parent if bench.scale == 1.0 else bench.work, work)}")
    return found


PAGES: dict[str, Callable[[Bench, Figures], Figures]] = {
    "pipeline": lambda _, on: pipeline(on),
    "protocols": speaking,
    "questions": asking,
    "keeping": lambda bench, _: keeping.run(bench.work / "keeping"),
}
"""What has a page of its own."""


def zstd_bytes(path: Path) -> int:
    """Size of `zstd -3` of a file."""
    compressor = zstd.ZstdCompressor(level=ZSTD_LEVEL)
    size = 0
    with path.open("rb") as file:
        while piece := file.read(1 << 22):
            size += len(compressor.compress(piece))
    return size + len(compressor.flush())


def run_module(module: str, *arguments: object) -> Any:
    """The JSON that a module of ours prints, run in a process of its own."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=SECONDS_MAX)
    return json.loads(done.stdout)


def told(seconds: dict[str, float]) -> str:
    """The parts' times as lines, and their sum beside what there is."""
    lines = [f"{taken:7.1f} s  {name}" for name, taken in seconds.items()]
    total = sum(seconds.values())
    over = "" if total <= SECONDS_MAX else ": too long"
    return "\n".join([*lines, f"{total:7.1f} s of {SECONDS_MAX}{over}"])


def parser() -> argparse.ArgumentParser:
    """What `main` is told."""
    made = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    default = Path(tempfile.gettempdir()) / "tamis-benchmarks"
    made.add_argument(
        "--work", type=Path, default=default, help="folder for records and data; records are kept"
    )
    made.add_argument(
        "--only",
        nargs="*",
        choices=(*CORPORA, "crash", *PAGES, "server"),
        help="some of it; only prints the figures, but for the pages of the pipeline, of the keeping and of the "
        "server, which is protocols and questions",
    )
    made.add_argument(
        "--scale",
        type=float,
        default=1.0,
        help="share of the records to take, from 0.01; README.md goes to the work folder",
    )
    return made


def main() -> None:
    """Measure; `make bench` does it with the defaults."""
    given = parser().parse_args()
    wanted = given.only or (*CORPORA, "crash")
    if "server" in wanted:
        wanted = [*wanted, *server.PARTS]
    whole = not given.only and given.scale == 1.0
    begin = time.monotonic()
    bench = Bench(given.work, given.scale)
    results: Figures = {"machine": machine(), "corpora": {}}
    for name in CORPORA:
        if name in wanted:
            results["corpora"][name] = bench.corpus(name)
    if "crash" in wanted:
        with bench.watch.part("kill -9"):
            results["crash"] = crash.run(given.work / "tamis-crash")
    for name in [name for name in PAGES if name in wanted]:
        with bench.watch.part(name):
            results[name] = PAGES[name](bench, results["machine"])
    if not given.only:
        with bench.watch.part("profiles of what was missed"):
            results["profiles"] = bench.profiles(results)
    results["parts"] = bench.watch.seconds
    results["seconds"] = time.monotonic() - begin
    given.work.mkdir(parents=True, exist_ok=True)
    (given.work / "results.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
    if given.only:
        print(json.dumps(results, indent=1))
    else:
        page = report.render(results)
        target = Path(__file__).with_name("README.md") if whole else given.work / "README.md"
        target.write_text(page, encoding="utf-8")
        say(f"wrote {target}")
    print(told(results["parts"]))


if __name__ == "__main__":
    main()
