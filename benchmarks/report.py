"""Figures into benchmarks/README.md. Nobody writes that file by hand."""

import argparse
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.crash import KILLS, is_exact
from benchmarks.queries import questions
from benchmarks.ways import FASTEST_SYNCED, SAME_BODIES

INGEST_RATIO_MIN = 1.5
MIXED_RATIO_MIN = 0.6
MEAN_RATIO_MAX = 1.0
WORST_RATIO_MAX = 5.0
SIZE_RATIO_MAX = 0.85
REST_MIB_MAX, INGEST_MIB_MAX, QUERY_MIB_MAX = 220 / 1.048576, 600 / 1.048576, 800 / 1.048576
"""The goals are in millions of bytes."""
START_S_MAX = 2.0
BIG, SMALL = "uniform-10m", "uniform-1m"

Figures = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Goal:
    """One line of the table: what was measured, beside what, and whether that is enough."""

    what: str
    figure: str
    yardstick: str
    ratio: float | None
    goal: str
    met: bool

    def row(self) -> str:
        """As a line of a table."""
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}"
        verdict = "met" if self.met else "**missed**"
        return f"| {self.what} | {self.figure} | {self.yardstick} | {ratio} | {self.goal} | {verdict} |"


def goals(results: Figures) -> list[Goal]:
    """All goals, with this run's figures."""
    corpora = results["corpora"]
    return [
        *_ingest_goals(corpora),
        *(
            goal
            for name, figures in corpora.items()
            if "store" in figures
            for goal in _question_goals(name, figures)
        ),
        *(_size_goal(name, figures) for name, figures in corpora.items()),
        *_memory_goals(corpora),
        _crash_goal(results["crash"]),
    ]


def _ingest_goals(corpora: Figures) -> Iterable[Goal]:
    ways = {made["way"]: made["records_per_s"] for made in corpora[SMALL]["chdb"]["ingest"]}
    for name, least in ((SMALL, INGEST_RATIO_MIN), ("mixed-1m", MIXED_RATIO_MIN)):
        rate = corpora[name]["ingest"]["records_per_s"]
        for way in (SAME_BODIES.name, FASTEST_SYNCED.name):
            ratio = rate / ways[way]
            yield Goal(
                f"ingest over HTTP, {name}, beside chDB: {way}", f"{rate:,.0f} records/s",
                f"{ways[way]:,.0f} records/s", ratio, f"≥ {least}", ratio >= least,
            )  # fmt: skip


def ratios(figures: Figures) -> dict[str, float]:
    """Our time beside chDB's, question by question; both warm and in their own process."""
    theirs = {one["name"]: one["warm_s"] for one in figures["chdb"]["questions"]}
    return {one["name"]: one["warm_s"] / theirs[one["name"]] for one in figures["store"]["questions"]}


def geometric_mean(found: dict[str, float]) -> float:
    """Over the twelve questions: timings of one question count together as one."""
    groups: dict[str, list[float]] = {}
    for asked in questions(""):
        groups.setdefault(asked.group, []).append(math.log(found[asked.name]))
    return math.exp(sum(sum(logs) / len(logs) for logs in groups.values()) / len(groups))


def _question_goals(name: str, figures: Figures) -> Iterable[Goal]:
    found = ratios(figures)
    mean, worst = geometric_mean(found), max(found, key=lambda asked: found[asked])
    yield Goal(
        f"12 questions, {name}: geometric mean of times",
        "",
        "chDB",
        mean,
        f"≤ {MEAN_RATIO_MAX}",
        mean <= MEAN_RATIO_MAX,
    )
    yield Goal(
        f"12 questions, {name}: the slowest beside chDB", worst, "chDB", found[worst], f"≤ {WORST_RATIO_MAX}",
        found[worst] <= WORST_RATIO_MAX,
    )  # fmt: skip


def _size_goal(name: str, figures: Figures) -> Goal:
    size, packed = figures["settled"]["bytes"], figures["zstd_bytes"]
    ratio = size / packed
    return Goal(
        f"size on disk, {name}", f"{size / 1e6:.1f} MB", f"`zstd -3`: {packed / 1e6:.1f} MB", ratio,
        f"≤ {SIZE_RATIO_MAX}", ratio <= SIZE_RATIO_MAX,
    )  # fmt: skip


def _memory_goals(corpora: Figures) -> Iterable[Goal]:
    rest = max(figures["ingest"]["rest_mib"] for figures in corpora.values())
    taking = max(figures["ingest"]["peak_mib"] for figures in corpora.values())
    asked = [one for figures in corpora.values() if "read" in figures for one in figures["read"]["questions"]]
    heaviest = max(asked, key=lambda one: one["peak_mib"])
    for what, mib, most in (
        ("memory of the server at rest", rest, REST_MIB_MAX),
        ("memory of the server at full ingest", taking, INGEST_MIB_MAX),
        (
            f"memory of the server at the heaviest question ({heaviest['name']})",
            heaviest["peak_mib"],
            QUERY_MIB_MAX,
        ),
    ):
        yield Goal(what, f"{mib * 1.048576:.0f} MB", "", None, f"< {most * 1.048576:.0f} MB", mib < most)
    if BIG in corpora:
        start = corpora[BIG]["read"]["start_s"]
        yield Goal(
            "start with 10,000,000 records",
            f"{start:.2f} s",
            "",
            None,
            f"≤ {START_S_MAX:.0f} s",
            start <= START_S_MAX,
        )


def _crash_goal(found: Figures) -> Goal:
    figure = (
        f"{found['kills']} kills; {found['acknowledged']:,} records acknowledged, {found['stored']:,} stored,"
        f" {found['lost']} lost, {found['doubled']} doubled"
    )
    met = is_exact(found) and found["kills"] >= KILLS
    return Goal("kill -9 while two clients send and retry", figure, "", None, f"exact, {KILLS} kills", met)


def missed(results: Figures) -> set[tuple[str, str]]:
    """What to profile: ("ingest", corpus), and (corpus, question) where a goal is missed and we are slower."""
    ingest = {("ingest", name) for name in (SMALL, "mixed-1m") for goal in _ingest_goals(results["corpora"])
              if not goal.met and f", {name}," in goal.what}  # fmt: skip
    slow = set()
    for name, figures in results["corpora"].items():
        if "store" in figures and not all(goal.met for goal in _question_goals(name, figures)):
            found = ratios(figures)
            slow |= {
                (name, asked) for asked in sorted(found, key=lambda one: -found[one])[:3] if found[asked] > 1
            }
    return ingest | slow


def render(results: Figures) -> str:
    """The whole page."""
    made = goals(results)
    count = sum(goal.met for goal in made)
    sections = [
        "# Figures",
        "This file is written by `make bench` (`benchmarks/report.py`), [the pipeline's](pipeline.md) by"
        " `make bench PART=pipeline`, [those of protocols and questions](server.md) by `make bench PART=server`, and"
        " [those of what keeps it working and whole](keeping.md) by `make bench PART=keeping`; do not edit them.",
        _machine(results),
        f"## Goals: {count} of {len(made)} met",
        "A ratio is ours divided by the yardstick's, both measured in this run on this machine. chDB's rate depends on"
        " how it is asked: taking the same bodies as Tamis from two clients, each body synced before it is"
        " acknowledged, is the like-for-like way; one statement that reads the whole file from disk is its fastest."
        " Both stand here.",
        _table("| what | figure | yardstick | ratio | goal | |", (goal.row() for goal in made)),
        "Power cuts (a disk that forgets what was not synced, cut at every write) are tests: `tests/damage`.",
        *(_questions(name, figures) for name, figures in results["corpora"].items() if "store" in figures),
        _ingest(results),
        _memory(results["corpora"]),
        _crash(results["crash"]),
        _profiles(results.get("profiles", {})),
        _method(),
        _parts(results["parts"]),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _machine(results: Figures) -> str:
    return f"Measured by `python -m benchmarks` in {results['seconds']:.0f} s on: {machine_line(results['machine'])}"


def machine_line(found: Figures) -> str:
    """The machine, and the versions of what was measured."""
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    return (
        f"{found['cpu']}, {found['cores']} cores, {found['memory_gib']} GiB memory, {found['system']}, Python"
        f" {found['python']}; load average before: {found['load_before']}. {versions}."
    )


def _table(head: str, rows: Iterable[str]) -> str:
    return "\n".join([head, "|" + "---|" * (head.count("|") - 1), *rows])


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:,.1f}"


def _questions(name: str, figures: Figures) -> str:
    theirs = {one["name"]: one for one in figures["chdb"]["questions"]}
    ours = {one["name"]: one for one in figures["store"]["questions"]}
    http = {one["name"]: one for one in figures["read"]["questions"]}
    found = ratios(figures)
    rows = []
    for asked in questions(figures["trace_id"]):
        one, other, third = ours[asked.name], theirs[asked.name], http[asked.name]
        same = "yes" if one["digest"] == other["digest"] == third["digest"] else "**no**"
        text = (asked.text or "*").replace(figures["trace_id"], "…").replace("|", "\\|")
        rows.append(
            f"| {asked.name} | `{text}` | {_ms(one['warm_s'])} | {_ms(other['warm_s'])} | {found[asked.name]:.2f} |"
            f" {_ms(one['cold_s'])} | {_ms(other['cold_s'])} | {_ms(third['warm_s'])} | {same} |"
        )
    head = (
        "| question | text | Tamis ms | chDB ms | ratio | Tamis cold | chDB cold | over HTTP | same answer |"
    )
    return f"## Questions of {name}\n\n" + _table(head, rows) + "\n\n" + _fallbacks(figures["store"]["facts"])


def _fallbacks(facts: Figures) -> str:
    return (
        f"{facts['segments']} segments. One with more shapes than `query.shapes_max` is searched by its messages"
        f" instead: that happened {facts['shape_fallbacks']:,} times."
    )


def _ingest(results: Figures) -> str:
    rows = []
    for name, figures in results["corpora"].items():
        made = figures["ingest"]
        runs = ", ".join(f"{rate / 1e3:,.0f}" for rate in made["runs"])
        rows.append(
            f"| Tamis, {name}, HTTP, 2 clients, synced | {made['records_per_s']:,.0f} | {runs} |"
            f" {made['server_cpu_s']:.1f} | {made['bytes'] / 1e6:.1f} | {made['load']} |"
        )
        rest = figures["settled"]
        rows.append(
            f"| Tamis, {name}, brought to rest in {rest['seconds']:.1f} s | | | {rest['cpu_s']:.1f} |"
            f" {rest['bytes'] / 1e6:.1f} | |"
        )
        for one in figures.get("chdb", {}).get("ingest", ()):
            runs = ", ".join(f"{rate / 1e3:,.0f}" for rate in one["runs"])
            rows.append(
                f"| chDB, {name}, {one['way']} | {one['records_per_s']:,.0f} | {runs} | {one['cpu_s']:.1f} |"
                f" {one['bytes'] / 1e6:.1f} | {one['load']} |"
            )
    head = "| who, what, how | records/s | runs (thousands) | processor s | MB on disk | load |"
    return "## Taking in\n\n" + _table(head, rows) + "\n\n" + _rejections(results["corpora"])


def _rejections(corpora: Figures) -> str:
    if "mixed-1m" not in corpora:
        return ""
    made, good = corpora["mixed-1m"]["ingest"], corpora["mixed-1m"]["good_lines"]
    same = "as it should be" if made["stored"] == good else f"**but {good:,} lines are good**"
    return f"Of mixed-1m, {made['stored']:,} records were stored and {made['rejected']:,} lines rejected, {same}."


def _memory(corpora: Figures) -> str:
    rows = []
    for name, figures in corpora.items():
        read = figures.get("read")
        after = (
            f"{read['rest_mib'] * 1.048576:.0f} | {read['peak_mib'] * 1.048576:.0f} | {read['start_s']:.2f}"
            if read
            else " | | "
        )
        made = figures["ingest"]
        rows.append(
            f"| {name} | {made['rest_mib'] * 1.048576:.0f} | {made['peak_mib'] * 1.048576:.0f} | {after} |"
        )
    head = "| records | MB at rest, empty | MB at most, ingest | MB after start | MB at most, questions | start s |"
    return "## Memory and start\n\n" + _table(head, rows)


def _crash(found: Figures) -> str:
    refused = "".join(f"\n- refused: {text}" for text in found["refused"][:5])
    return (
        f"## Crashes\n\n{found['kills']} times kill -9 in {found['seconds']:.0f} s"
        f" ({found['kills_while_starting']} of them while the server was starting), small segments so that sealing and"
        f" merging were hit. {found['bodies']:,} bodies with {found['acknowledged']:,} records were acknowledged after"
        f" {found['sent_again']:,} broken requests; {found['answered_as_duplicate']:,} of them had been stored before"
        f" the answer was lost. Stored: {found['stored']:,}, distinct: {found['distinct']:,}.{refused}"
    )


def _profiles(found: Figures) -> str:
    if not found:
        return ""
    parts = ["## Where the time goes in what was missed"]
    for title, rows in found.items():
        lines = (
            f"| `{row['function']}` | {row['calls']} | {row['own_ms']:.1f} | {row['all_ms']:.1f} |"
            for row in rows
        )
        parts.append(
            f"### {title}\n\n" + _table("| function | calls | own ms | with what it calls, ms |", lines)
        )
    return "\n\n".join(parts)


def _parts(seconds: dict[str, float]) -> str:
    """How long the parts of the run took."""
    rows = (f"| {name} | {taken:.0f} |" for name, taken in seconds.items())
    return "## How long it took\n\n" + _table("| part | s |", rows)


def _method() -> str:
    return """## How

- Records: `benchmarks/generate.py`, seeded: sentences of 16 kinds of systems, 12 services, 9 fields, about 290 bytes
  a line, Zipf-distributed, mostly INFO, a day long. `mixed` has a tenth field whose type changes from record to record
  and 1 % bad lines; `shapes` has 100,000 shapes in 1,000,000 records.
- Tamis: `tamis serve` in a process of its own on loopback, durability `disk`, 4 MB bodies from two client processes
  that map the file and send; clients share the cores with the server.
  Where there is a goal: the median of three runs, chDB and Tamis in turns.
- chDB: MergeTree on disk, partitions by day, `ORDER BY (service, timestamp)`, text index with folded words on the
  message, Bloom filter on the trace id, `fsync_after_insert` and `fsync_part_directory` where it says synced; default
  settings, its caches on (one of them keeps which granules a repeated condition found: its first time is in the table).
- Questions: in process on both sides, from text to the answer's values, parsing included; once cold, then the median
  of at least three warm runs (of half a second, or 25). The trace id that is present and the one that is absent are
  one question of the twelve: the mean counts them as one. Answers are compared (`same answer`): counts, tables,
  instants of the newest 100, patterns with their counts, first and last instants.
- Memory is resident memory as the system counts it (`VmHWM`), shared pages of libraries included.
- Size on disk is everything in the data folder after a clean stop and after what the server does when nothing has
  come for some seconds: segments written anew, smaller (`benchmarks/settle.py`). chDB's table is likewise merged into
  one part before it is asked."""


def main() -> None:
    """Write README.md anew from a results.json."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("results", type=Path)
    given = parser.parse_args()
    results = json.loads(given.results.read_text(encoding="utf-8"))
    Path(__file__).with_name("README.md").write_text(render(results), encoding="utf-8")


if __name__ == "__main__":
    main()
