"""How good the patterns of redaction are, and what they cost: `python -m benchmarks.redaction`.

Writes `benchmarks/pipeline-redaction.md`. Real logs are read from the folder that LOGHUB names, else from
`../shared/data/loghub` beside the project, when they are there.
"""

import gzip
import json
import os
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.redaction_cases import Case, negatives, positives
from tamis.pipeline.processors.patterns import PATTERNS
from tamis.pipeline.processors.patterns.detect import Detector
from tamis.pipeline.processors.patterns.hints import look
from tamis.pipeline.processors.redact import Redact, redact_from
from tamis.record.attributes import Value
from tamis.record.model import Record
from tamis.settings import RedactSettings

PLACE = Path(__file__).with_name("pipeline-redaction.md")
KINDS = sorted({pattern.kind for pattern in PATTERNS})
ROUNDS = 7


class Score:
    """What was found of what should be found."""

    def __init__(self) -> None:
        self.planted: Counter[str] = Counter()
        self.covered: Counter[str] = Counter()
        self.right: Counter[str] = Counter()
        self.wrong: Counter[str] = Counter()
        self.missed: list[str] = []
        self.false: list[str] = []

    def add(self, case: Case, found: list[tuple[str, tuple[int, int]]]) -> None:
        at = case.text.rindex(case.secret) if case.kind else -1
        end = at + len(case.secret)
        if case.kind:
            self.planted[case.kind] += 1
            if any(start <= at and stop >= end for _, (start, stop) in found):
                self.covered[case.kind] += 1
            else:
                self.missed.append(case.text)
        for kind, (start, stop) in found:
            if case.kind and start < end and stop > at:
                self.right[kind] += 1
            else:
                self.wrong[kind] += 1
                self.false.append(case.text)

    def recall(self, kind: str) -> float:
        return self.covered[kind] / self.planted[kind]

    def precision(self, kind: str) -> float:
        return self.right[kind] / max(self.right[kind] + self.wrong[kind], 1)


def score() -> Score:
    """All labelled lines, through all patterns."""
    detector, result = Detector(PATTERNS), Score()
    for case in (*positives(), *negatives()):
        result.add(case, detector.kinds(case.text))
    return result


def loghub() -> Path | None:
    """Where real logs are."""
    named = os.environ.get("LOGHUB")
    beside = Path(__file__).resolve().parents[2] / "shared" / "data" / "loghub"
    folder = Path(named) if named else beside
    return folder if folder.is_dir() else None


def hits_in(folder: Path) -> Iterator[tuple[str, int, dict[str, int]]]:
    """Name, lines and hits by kind of each file."""
    detector = Detector(PATTERNS)
    for file in sorted(folder.glob("*.log.gz")):
        hits: dict[str, int] = defaultdict(int)
        lines = 0
        with gzip.open(file, "rt", encoding="utf-8", errors="replace") as text:
            for line in text:
                lines += 1
                for kind, _ in detector.kinds(line.rstrip("\n")):
                    hits[kind] += 1
        yield file.name.partition(".")[0], lines, dict(hits)


def best_us(work: Callable[[], object], times: int) -> float:
    """The best of some rounds, in microseconds for one time."""
    best = float("inf")
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        for _ in range(times):
            work()
        best = min(best, time.perf_counter() - begun)
    return best / times * 1e6


def records(message: str, count: int) -> list[Record]:
    """Records as the dispatcher makes them, with five fields."""
    ours: dict[str, Value] = {"process_id": 4711, "process": "a1b2c3d4", "thread": "MainThread"}
    fields: dict[str, Value] = {
        "order_id": 42,
        "total": 99.5,
        "customer": "c-17",
        "item": "kettle",
        "city": "Berlin",
    }
    return [
        Record(timestamp=n, message=message.format(n), attributes={**ours, **fields}) for n in range(count)
    ]


def _processes(redact: Redact, given: list[Record]) -> Callable[[], object]:
    """What redacts the next record."""
    many = iter(given)
    return lambda: redact.process(next(many))


def costs() -> Iterator[tuple[str, float]]:
    """What costs how much, in microseconds."""
    clean = "order placed by user x in shop berlin after 31 ms, all is well"
    event = {
        "timestamp": "2026-11-21T10:00:00Z",
        "level": "INFO",
        "message": clean,
        "order_id": 42,
        "total": 99.5,
    }
    yield "yardstick: `json.dumps` of one event of 5 fields", best_us(lambda: json.dumps(event), 20_000)
    yield "first look at a clean message of 62 characters", best_us(lambda: look(clean), 20_000)
    for name, message in (
        ("clean record, 5 fields, message seen before", "order placed by user x"),
        ("clean record, 5 fields, each message new", "order {} placed by user x in 31 ms"),
        ("record with a time in each message", "2026-11-21 10:00:00,{} order placed by user x"),
        ("record with an e-mail and an IP address", "order {} by bob@example.com from 203.0.113.7"),
    ):
        yield (
            name,
            best_us(_processes(redact_from(RedactSettings()), records(message, 2_000 * ROUNDS)), 2_000),
        )
    redact = redact_from(RedactSettings())
    for name, text in (
        ("words", "word and another "),
        ("digits", "4111-1111 "),
        ("at signs", "a@b@"),
        ("hex", "eyJ"),
    ):
        for size in (1 << 17, 1 << 20):
            whole = (text * (size // len(text) + 1))[:size]
            begun = time.perf_counter()
            redact.text(whole)
            yield f"{size >> 10} KiB of {name}", (time.perf_counter() - begun) * 1e6


def page() -> str:
    """The whole page."""
    result = score()
    lines = [
        "# Redaction: how much is found, how much is taken for what it is not, what it costs",
        "",
        "`python -m benchmarks.redaction` on CPython, all patterns on. The labelled lines are those of "
        f"`benchmarks/redaction_cases.py`: {sum(result.planted.values()):,} with a secret, "
        f"{len(list(negatives())):,} with what only looks like one. "
        "The patterns were mended with these lines, so lines of another make may do worse.",
        "",
        "| kind | planted | recall | found | precision |",
        "|---|---|---|---|---|",
    ]
    for kind in KINDS:
        found = result.right[kind] + result.wrong[kind]
        lines.append(
            f"| {kind} | {result.planted[kind]} | {result.recall(kind):.1%} | {found} | {result.precision(kind):.1%} |"
        )
    lines += (
        ["", "Missed:", "", *(f"- `{text!r}`" for text in dict.fromkeys(result.missed))]
        if result.missed
        else []
    )
    lines += ["", "False alarms:", "", *(f"- `{text!r}`" for text in result.false)] if result.false else []
    lines += ["", "## Real logs", ""]
    folder = loghub()
    if folder is None:
        lines.append("Not measured: no folder of logs at `LOGHUB` or `../shared/data/loghub`.")
    else:
        lines += ["| log | lines | hits |", "|---|---|---|"]
        for name, count, hits in hits_in(folder):
            shown = ", ".join(f"{kind} {number:,}" for kind, number in sorted(hits.items())) or "none"
            lines.append(f"| {name} | {count:,} | {shown} |")
        lines += ["", JUDGED]
    lines += ["", "## Cost", "", "| what | µs |", "|---|---|"]
    lines += [f"| {name} | {cost:,.2f} |" for name, cost in costs()]
    return "\n".join(lines) + "\n"


JUDGED = """\
Judged by hand: 8 hits of each kind of each log, drawn at random. All IP addresses and the one e-mail address are
right. The hits of `credential` in Android are object names (`token=Token{78af589`, `token: android.os.BinderProxy@…`):
false alarms. Block ids of HDFS that pass the check digit (`blk_4358…`, 18 and 19 digits) were 40 false alarms before
numbers of that length within a name were left out, and dial-up host names (`dsl-082-083-227-067.…`) 23."""


if __name__ == "__main__":
    PLACE.write_text(page(), encoding="utf-8")
    print(PLACE.read_text(encoding="utf-8"))
