"""Records like those of real systems, the same for the same seed, as files of JSON lines."""

import argparse
import hashlib
import itertools
import json
import mmap
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from benchmarks.sentences import KINDS, RARE, RARE_SHARE, WORDS, Kind

Variant: TypeAlias = Literal["uniform", "mixed", "shapes"]
"""`mixed`: a tenth field whose type changes from record to record, and 1 % bad lines.
`shapes`: 100,000 shapes in a million records."""

SEED = 20261121
BLOCK_RECORDS = 100_000
WAITING_MAX = 4
SHAPES_PER_KIND = 150
SHAPES_MANY = 100_000
BAD_SHARE = 0.01
RECORDS_PER_TRACE = 3
DAY_START_MS = 1_795_219_200_000  # 2026-11-21T00:00:00Z
DAY_MS = 86_400_000
LEVEL_SHARES = {"DEBUG": 0.11, "INFO": 0.79, "WARNING": 0.06, "ERROR": 0.036, "CRITICAL": 0.004}

_WORD = re.compile(r"\{(\w+)\}")
_VALUE = re.compile(r"<(\w+)>")
Values: TypeAlias = list[Any]


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence with its words chosen: one shape. `text` is a %-format, escaped as the inside of a JSON string."""

    level: str
    service: str
    logger: str
    text: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Corpus:
    """Sentences, and how likely each is (cumulated)."""

    sentences: tuple[Sentence, ...]
    cumulated: np.ndarray


def generation() -> str:
    """A name for what this generator makes: it changes with the generator."""
    folder = Path(__file__).parent
    sources = (folder / "generate.py").read_bytes() + (folder / "sentences.py").read_bytes()
    return hashlib.sha256(sources).hexdigest()[:8]


def write_files(
    folder: Path, name: str, records: int, *, variant: Variant = "uniform", files: int = 1
) -> list[Path]:
    """The files of a corpus, written unless they are there already: ``NAME.ndjson``, or ``NAME/part-00.ndjson`` …

    All cores make blocks; a block is a pure function of its place, so the files do not depend on how many.
    """
    target = folder / name
    per_file = records // files
    paths = (
        [folder / f"{name}.ndjson"] if files == 1 else [target / f"part-{k:02}.ndjson" for k in range(files)]
    )
    missing = [(number, path) for number, path in enumerate(paths) if not path.exists()]
    make = partial(block, records=records, variant=variant)
    if missing:
        with ProcessPoolExecutor() as pool:
            for number, path in missing:
                path.parent.mkdir(parents=True, exist_ok=True)
                unfinished = path.with_suffix(".partial")
                with unfinished.open("wb") as out:
                    out.writelines(_blocks(pool, number * per_file, per_file, make))
                unfinished.rename(path)
    return paths


def _blocks(pool: Executor, first: int, count: int, make: Callable[[int, int], bytes]) -> Iterator[bytes]:
    """The blocks of `count` records, in order; few more than there are processes wait at a time."""
    waiting: deque[Future[bytes]] = deque()
    for start in range(first, first + count, BLOCK_RECORDS):
        waiting.append(pool.submit(make, start, min(BLOCK_RECORDS, first + count - start)))
        if len(waiting) > WAITING_MAX:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def bodies(paths: Sequence[Path], bytes_max: int) -> Iterator[memoryview]:
    """The files as request bodies of whole lines, each at most `bytes_max` long; mapped, not copied."""
    for path in paths:
        with path.open("rb") as file:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        whole = memoryview(data)
        start = 0
        while start < len(data):
            end = min(len(data), start + bytes_max)
            if end < len(data):
                end = data.rfind(b"\n", start, end) + 1
            yield whole[start:end]
            start = end


def block(first: int, count: int, *, records: int, variant: Variant = "uniform") -> bytes:
    """JSON lines `first` to `first` + `count` of a corpus of `records`, a pure function of its arguments."""
    rng = np.random.default_rng([SEED, first, count, records])
    said, messages = _messages(_corpus(variant), count, rng)
    rows = np.arange(first, first + count)
    columns = (
        np.datetime_as_string(_times(rows, records, rng).astype("datetime64[ms]")).tolist(),
        said,
        rng.integers(1, 4, count).tolist(),
        messages,
        _traces(rows, rng),
        np.round(rng.lognormal(3.0, 1.3, count), 3).tolist(),
        _statuses(said, rng),
    )
    lines = [
        f'{{"timestamp":"{at}Z","level":"{one.level}","service":"{one.service}","host":"{one.service}-{host:02}",'
        f'"logger":"{one.logger}","message":"{message}","trace_id":"{trace}","duration_ms":{duration},"status":{status}}}'
        for at, one, host, message, trace, duration, status in zip(*columns, strict=True)
    ]
    if variant == "mixed":
        lines = _mix(lines, rng)
    lines.append("")
    return "\n".join(lines).encode()


def _messages(corpus: Corpus, count: int, rng: np.random.Generator) -> tuple[list[Sentence], list[str]]:
    """Sentences as often as they are likely, and each with values of its own. Values are made for all records
    of a sentence at once."""
    chosen = np.searchsorted(corpus.cumulated, rng.random(count), side="right")
    sentences = [corpus.sentences[i] for i in chosen.tolist()]
    messages = [""] * count
    order = np.argsort(chosen, kind="stable")
    starts = np.flatnonzero(np.diff(chosen[order], prepend=-1))
    for places in np.split(order, starts[1:]):
        rows = places.tolist()
        sentence = sentences[rows[0]]
        values = [_column(kind, len(rows), rng) for kind in sentence.values]
        filled = zip(*values, strict=True) if values else itertools.repeat(())
        for row, given in zip(rows, filled, strict=False):
            messages[row] = sentence.text % given
    return sentences, messages


@cache
def _corpus(variant: Variant) -> Corpus:
    rng = np.random.default_rng(SEED)
    usual = [sentence for kind in KINDS for sentence in _usual(kind, SHAPES_PER_KIND, rng)]
    weights = 1.0 / (1 + rng.permutation(len(usual)))
    weights = _level_shares(usual, weights)
    if variant == "shapes":
        further = _further(usual, rng)
        weights = np.concatenate([weights, np.full(len(further), weights.sum() / len(further))])
        usual += further
    level, service, logger, text = RARE
    usual.append(_sentence(level, service, logger, text))
    weights = np.append(weights / weights.sum() * (1 - RARE_SHARE), RARE_SHARE)
    return Corpus(tuple(usual), np.cumsum(weights) / weights.sum())


def _further(known: list[Sentence], rng: np.random.Generator) -> list[Sentence]:
    """Other choices of words, until there are `SHAPES_MANY` with the known ones; shared evenly among the kinds."""
    texts = {sentence.text for sentence in known}
    every = [[s for s in _usual(kind, SHAPES_MANY, rng) if s.text not in texts] for kind in KINDS]
    room = SHAPES_MANY - len(known)
    result: list[Sentence] = []
    for left, sentences in zip(range(len(KINDS), 0, -1), sorted(every, key=len), strict=True):
        taken = rng.permutation(len(sentences))[: -(-room // left)].tolist()
        room -= len(taken)
        result += [sentences[i] for i in taken]
    return result


def _usual(kind: Kind, wanted: int, rng: np.random.Generator) -> list[Sentence]:
    """Up to `wanted` sentences of a kind: choices of words, shared evenly among its sentences as far as they go."""
    choices = [_choices(text, rng) for _, text in kind.sentences]
    room = wanted
    result = []
    for left, index in zip(
        range(len(choices), 0, -1), np.argsort([len(c) for c in choices]).tolist(), strict=True
    ):
        level, text = kind.sentences[index]
        taken = choices[index][: -(-room // left)]
        room -= len(taken)
        for words in taken:
            logger = kind.loggers[index % len(kind.loggers)]
            result.append(_sentence(level, kind.service, logger, _filled(text, words)))
    return result


def _filled(text: str, words: tuple[str, ...]) -> str:
    pick = iter(words)
    return _WORD.sub(lambda _: next(pick), text)


def _choices(text: str, rng: np.random.Generator) -> list[tuple[str, ...]]:
    """All choices of words for a sentence, shuffled."""
    every = list(itertools.product(*(WORDS[name] for name in _WORD.findall(text))))
    return [every[i] for i in rng.permutation(len(every)).tolist()]


def _sentence(level: str, service: str, logger: str, text: str) -> Sentence:
    plain = text.replace("<angle>", "\x01").replace("</angle>", "\x02").replace("\\n", "\n")
    values = tuple(_VALUE.findall(plain))
    escaped = json.dumps(plain.replace("%", "%%"), ensure_ascii=False)[1:-1]
    escaped = escaped.replace("\\u0001", "<").replace("\\u0002", ">")
    for value in dict.fromkeys(values):
        escaped = escaped.replace(f"<{value}>", _FORMATS[value])
    return Sentence(level, service, logger, escaped, values)


def _level_shares(sentences: list[Sentence], weights: np.ndarray) -> np.ndarray:
    """Weights so that levels occur as in `LEVEL_SHARES`."""
    levels = np.array([sentence.level for sentence in sentences])
    result = weights.copy()
    for level, share in LEVEL_SHARES.items():
        result[levels == level] *= share / weights[levels == level].sum()
    return result


_FORMATS = {
    "n": "%d", "ms": "%d", "us": "%d", "port": "%d", "pid": "%d", "bytes": "%d", "status": "%d", "epoch": "%d",
    "f": "%.3f", "pct": "%.1f", "money": "%.2f", "uptime": "%.6f", "hex": "%012x", "order": "A-%07d",
    "blk": "blk_%d", "ip": "%s", "uuid": "%s", "run": "%s", "podid": "%s", "version": "%s",
}  # fmt: skip


def _uuid(digits: str) -> str:
    """As version 4 (RFC 9562)."""
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:]}"


def _column(kind: str, count: int, rng: np.random.Generator) -> Values:
    """`count` values for a place in a sentence."""
    match kind:
        case "ip":
            pool = _ips()
            return [pool[i] for i in (len(pool) * rng.random(count) ** 4).astype(int).tolist()]
        case "uuid":
            text = rng.bytes(16 * count).hex()
            return [_uuid(text[i : i + 32]) for i in range(0, 32 * count, 32)]
        case "run":
            text = rng.bytes(12 * count).hex()
            return [text[i : i + 24] for i in range(0, 24 * count, 24)]
        case "status":
            return rng.choice([200, 201, 204, 302, 304, 404, 500], count, p=_STATUS_SHARES).tolist()
        case "podid":
            return [f"{i:08x}7" for i in rng.integers(0, 400, count).tolist()]
        case "version":
            return [f"v{i // 10}.{i % 10}.0" for i in rng.integers(10, 60, count).tolist()]
        case "ms" | "us" | "f":
            return rng.lognormal(4.0, 1.5, count).tolist()
        case "money" | "pct":
            return (rng.integers(1, 100_00, count) / 100).tolist()
        case _:
            low, high = _RANGES[kind]
            return rng.integers(low, high, count).tolist()


_STATUS_SHARES = (0.78, 0.06, 0.05, 0.02, 0.04, 0.04, 0.01)
_RANGES = {
    "n": (1, 500), "port": (1024, 65_535), "pid": (300, 32_768), "bytes": (120, 900_000),
    "epoch": (1_795_000_000, 1_795_300_000),
    "hex": (1 << 44, 1 << 48), "order": (1, 9_999_999), "blk": (-(1 << 62), 1 << 62),
    "uptime": (1_000, 9_000_000),
}  # fmt: skip


@cache
def _ips() -> list[str]:
    rng = np.random.default_rng(SEED)
    return [f"{a}.{b}.{c}.{d}" for a, b, c, d in rng.integers(1, 255, (20_000, 4)).tolist()]


@cache
def _day() -> tuple[np.ndarray, np.ndarray]:
    """The day's rhythm: share of the day's records before each minute."""
    minutes = np.arange(1441)
    rate = 1.0 + 0.8 * np.sin((minutes / 1440 - 0.29) * 2 * np.pi) + 0.25 * np.sin(minutes / 1440 * 6 * np.pi)
    shares = np.concatenate([[0.0], np.cumsum(np.maximum(rate[:-1], 0.1))])
    return shares / shares[-1], minutes * 60_000.0


def _times(rows: np.ndarray, records: int, rng: np.random.Generator) -> np.ndarray:
    """When each record happened: in order, but for the few hundred milliseconds by which senders differ."""
    shares, instants = _day()
    places = (rows + rng.random(len(rows))) / records
    return (DAY_START_MS + np.interp(places, shares, instants) - rng.exponential(150, len(rows))).astype(
        np.int64
    )


def _traces(rows: np.ndarray, rng: np.random.Generator) -> list[str]:
    """Trace ids: each stands in about three records close to each other."""
    numbers = (rows + rng.integers(0, 2 * RECORDS_PER_TRACE, len(rows))) // RECORDS_PER_TRACE
    high, low = _scatter(numbers.astype(np.uint64), 1), _scatter(numbers.astype(np.uint64), 2)
    return [f"{a:016x}{b:016x}" for a, b in zip(high.tolist(), low.tolist(), strict=True)]


def _scatter(numbers: np.ndarray, salt: int) -> np.ndarray:
    """SplitMix64 (Steele, Lea and Flood 2014): a number for each number, as good as random."""
    with np.errstate(over="ignore"):
        z = (numbers + np.uint64(salt * 0x51ED270B)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def _statuses(heads: list[Sentence], rng: np.random.Generator) -> list[int]:
    good = rng.choice(
        [200, 201, 204, 301, 304, 404], len(heads), p=[0.8, 0.06, 0.05, 0.02, 0.03, 0.04]
    ).tolist()
    bad = rng.choice([400, 403, 409, 429, 500, 502, 503, 504], len(heads)).tolist()
    return [
        b if head.level in ("ERROR", "CRITICAL") else g for head, g, b in zip(heads, good, bad, strict=True)
    ]


_MIXED = (
    "1", '"a"', "2.5", "true", "1180591620717411303424", '{"unit":"ms","deep":[1,"b"]}', "null", '[1,"x",2.5]',
)  # fmt: skip


def _mix(lines: list[str], rng: np.random.Generator) -> list[str]:
    """A field of changing type in every line, and 1 % of the lines spoilt."""
    spoilt = set(np.flatnonzero(rng.random(len(lines)) < BAD_SHARE).tolist())
    result = []
    for number, line in enumerate(lines):
        mixed = f'{line[:-1]},"detail":{_MIXED[number % len(_MIXED)]}}}'
        if number in spoilt:
            mixed = (mixed[: len(mixed) // 2], "plain words, no JSON at all", mixed + "}", json.dumps(mixed))[
                number % 4
            ]
        result.append(mixed)
    return result


def main() -> None:
    """Write a corpus."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--name", default="uniform-1m")
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--files", type=int, default=1)
    parser.add_argument("--variant", choices=("uniform", "mixed", "shapes"), default="uniform")
    given = parser.parse_args()
    for path in write_files(
        given.folder, given.name, given.records, variant=given.variant, files=given.files
    ):
        print(path)


if __name__ == "__main__":
    main()
