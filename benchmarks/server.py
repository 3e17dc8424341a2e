"""The server's figures as one page: how fast each protocol is taken in, and how questions are answered."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import bulk, protocols, server_spent, sockets
from benchmarks.measure import load
from benchmarks.questions import page as asking_page
from benchmarks.report import Goal

SOCKET_RECORDS, SOCKET_ROUNDS = 300_000, 3
HTTP_MIN, SYSLOG_MIN = 100_000, 50_000
LINES = "JSON lines over HTTP"
HTTP_NAMES = {
    "otlp": "OTLP, protobuf", "loki-json": "Loki, JSON", "loki-packed": "Loki, protobuf in snappy",
}  # fmt: skip
SAMPLED = (
    "Where the time goes when a busy team's questions are too late, by samples of the server: "
    "[decision 0009](../docs/decisions/0009-answers-kept.md)."
)
PARTS = ("protocols", "questions")
Figures = dict[str, Any]


def measure_protocols(work: Path) -> Figures:
    """All protocols, each group beside JSON lines of its own; for what is missed, where the time goes."""
    found: Figures = {"load_before": load(), "http": protocols.run(), "bulk": bulk.run(work)}
    with tempfile.TemporaryDirectory(prefix="tamis-sockets-") as folder:
        found["sockets"] = sockets.run(Path(folder), SOCKET_RECORDS, SOCKET_ROUNDS)
    missed = [goal.what for goal in goals(found) if not goal.met]
    found["profiles"] = {name: server_spent.spent(name) for name in missed}
    return found


def lines(found: Figures) -> Iterator[tuple[str, Figures, Figures, int | None]]:
    """Each form with its figures, those of JSON lines beside it, and the goal, if it has one."""
    http = found["http"]
    for name, told in HTTP_NAMES.items():
        yield told, http[name], http["ndjson"], HTTP_MIN
    for name in bulk.FORMS:
        if name != "JSON lines":
            yield name, found["bulk"][name], found["bulk"]["JSON lines"], HTTP_MIN
    for name in sockets.FORMS:
        least = SYSLOG_MIN if name.startswith("syslog") else None
        yield name, found["sockets"][name], found["sockets"]["NDJSON over HTTP"], least


def goals(found: Figures) -> Iterator[Goal]:
    """What was set for protocols, with this run's figures."""
    for name, one, beside, least in lines(found):
        rate, theirs = one["records_per_s"], beside["records_per_s"]
        if least is not None:
            figure, yardstick = f"{rate:,.0f} records/s", f"{theirs:,.0f} records/s"
            yield Goal(name, figure, yardstick, rate / theirs, f"≥ {least:,}", rate >= least)


def write(folder: Path, work: Path) -> Path:
    """The page of what was measured last, part by part."""
    made = {name: _kept(work, name) for name in PARTS}
    sections = [
        "# Figures of the server",
        "This file is written by `make bench PART=server` (`benchmarks/server.py`), or by `PART=protocols` and "
        "`PART=questions`, each under ten minutes; do not edit it. The figures of the store are on "
        "[a page of their own](README.md).",
        "Everything shares the cores: the server, who sends, who asks. Figures of another machine, or of one that has "
        "other work, are others: look at the ratios. Memory over ten minutes is on [a page of its own](soak.md).",
    ]
    if made["protocols"] is not None:
        sections += _protocols(made["protocols"])
    if made["questions"] is not None:
        sections += _questions(made["questions"])
    target = folder / "server.md"
    target.write_text("\n\n".join(sections) + "\n", encoding="utf-8")
    return target


def keep(work: Path, name: str, found: Figures, machine: str) -> None:
    """Keep a part's figures until the page is written anew."""
    work.mkdir(parents=True, exist_ok=True)
    kept = {"found": found, "machine": machine}
    (work / f"server-{name}.json").write_text(json.dumps(kept, indent=1), encoding="utf-8")


def _kept(work: Path, name: str) -> Figures | None:
    path = work / f"server-{name}.json"
    found: Figures | None = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    return found


def _protocols(kept: Figures) -> list[str]:
    found = kept["found"]
    made = list(goals(found))
    rows = [_row(name, one, beside) for name, one, beside, _ in lines(found)]
    return [
        f"## Protocols: {sum(goal.met for goal in made)} of {len(made)} goals met",
        kept["machine"],
        "A record counts when it is safe (after fsync). The yardstick is JSON lines over HTTP in the same run, with "
        "the same records as the protocol beside it.",
        _table("what | figure | yardstick | ratio | goal | ", [goal.row() for goal in made]),
        _table("form | records/s | of JSON lines | runs (thousands) | processor s | MB at most", rows),
        "- OTLP and Loki: 200,000 records, bodies of 5,000, two clients, the better of two rounds "
        "(`python -m benchmarks.protocols`).\n"
        "- `_bulk`: 300,000 records, bodies of about 4 MB, two clients, the middle of three rounds "
        "(`python -m benchmarks.bulk`).\n"
        "- Sockets: 300,000 messages over two connections, until the last is found by a question, the middle of three "
        "rounds (`python -m benchmarks.sockets`).",
        *_profiles(found["profiles"]),
    ]


def _profiles(found: dict[str, list[Figures]]) -> Iterator[str]:
    if found:
        yield "### Where the time goes in what was missed"
    for name, rows in found.items():
        yield f"{name}, by cProfile in one thread:"
        head = "function | calls | own ms | with what it calls, ms"
        yield _table(
            head,
            [
                f"| `{one['function']}` | {one['calls']} | {one['own_ms']:.1f} | {one['all_ms']:.1f} |"
                for one in rows
            ],
        )


def _questions(kept: Figures) -> list[str]:
    made = list(asking_page.goals(kept["found"]))
    met = sum(goal.met for goal in made)
    inner = (text.replace("## ", "### ", 1) for text in asking_page.sections(kept["found"]))
    heading = [f"## Questions and live tails: {met} of {len(made)} goals met", kept["machine"]]
    return [*heading, *inner, *[SAMPLED] * (met < len(made))]


def _row(name: str, one: Figures, beside: Figures) -> str:
    rate = one["records_per_s"]
    runs = ", ".join(f"{run / 1000:.0f}" for run in one.get("runs", [rate]))
    ratio = rate / beside["records_per_s"]
    return (
        f"| {name} | {rate:,.0f} | {ratio:.2f} | {runs} | {one['server_cpu_s']:.1f} | {one['peak_mib']:.0f} |"
    )


def _table(head: str, rows: list[str]) -> str:
    columns = head.count("|") + 1
    return "\n".join([f"| {head} |", "|---" * columns + "|", *rows])
