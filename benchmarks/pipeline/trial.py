"""One contender in a process of its own: prints its figures as JSON."""

import argparse
import gc
import json
import logging
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks.pipeline.contenders import CONTENDERS, DURABLE, Contender
from benchmarks.pipeline.records import SECRET_SHARE, Call, calls

RECORDS = 20_000
WARM = 500
DISABLED = 100_000
DISABLED_ROUNDS = 5
RAISED = 500
FRAMES = 10
THREADS = 4
EACH_THREAD = 4_000
PAUSE_S = 0.2

Figures = dict[str, Any]


def logged(contender: Contender, made: list[Call], path: Path) -> Figures:
    """Log all; what it cost the thread that logs, and the whole process until all is written."""
    contender.take(made[:WARM])
    time.sleep(PAUSE_S)
    gc.collect()
    wall, cpu, own = time.perf_counter(), time.process_time(), time.thread_time()
    contender.take(made)
    caller, caller_wall = time.thread_time() - own, time.perf_counter() - wall
    contender.finish()
    cpu_all, wall_all = time.process_time() - cpu, time.perf_counter() - wall
    lines = path.read_bytes().count(b"\n") if path.exists() else 0
    return {
        "caller_us": caller / len(made) * 1e6,
        "caller_wall_us": caller_wall / len(made) * 1e6,
        "process_us": cpu_all / len(made) * 1e6,
        "wall_us": wall_all / len(made) * 1e6,
        "lost": len(made) + WARM - lines if contender.writes else None,
    }


def _raise(depth: int) -> None:
    if depth <= 1:
        raise LookupError("order o-000001 is not there")
    _raise(depth - 1)


def raised(contender: Contender) -> Figures:
    """`logger.exception` with a traceback of ten frames."""
    logger, spent = contender.logger, []
    for number in range(RAISED):
        try:
            _raise(FRAMES - 1)
        except LookupError:
            begin = time.thread_time()
            logger.exception("payment failed")
            spent.append(time.thread_time() - begin)
        if number % 50 == 49:
            time.sleep(0.02)
    return {"exception_us": sorted(spent)[len(spent) // 2] * 1e6}


def hurried(contender: Contender, made: list[Call]) -> Figures:
    """Four threads log as fast as they can: how long single calls take, on the clock."""
    spent: list[list[int]] = [[] for _ in range(THREADS)]
    go = threading.Barrier(THREADS)

    def work(place: int) -> None:
        own, clock = spent[place], time.perf_counter_ns
        pieces = [[made[(place * EACH_THREAD + number) % len(made)]] for number in range(EACH_THREAD)]
        go.wait()
        for piece in pieces:
            begin = clock()
            contender.take(piece)
            own.append(clock() - begin)

    threads = [threading.Thread(target=work, args=(place,)) for place in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    times = sorted(one for own in spent for one in own)
    return {f"p{name}_us": times[int(len(times) * share)] / 1e3 for name, share in
            (("50", 0.5), ("99", 0.99), ("999", 0.999))}  # fmt: skip


def disabled(contender: Contender) -> Figures:
    """`debug()` below the level, and the same for a logger of the standard library in the same process."""
    contender.disable()
    usual = logging.Logger("usual")
    usual.setLevel(logging.INFO)
    found = {"disabled_ns": 1e9, "disabled_usual_ns": 1e9}
    for _ in range(DISABLED_ROUNDS):
        for name, debug in (("disabled_ns", contender.logger.debug), ("disabled_usual_ns", usual.debug)):
            begin = time.thread_time_ns()
            for number in range(DISABLED):
                debug("step %d", number)
            found[name] = min(found[name], (time.thread_time_ns() - begin) / DISABLED)
    return found


def main() -> None:
    """Measure one contender; `--secrets`: with something sensitive in some records, end to end alone."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("name", choices=(*CONTENDERS, *DURABLE))
    parser.add_argument("--what", choices=("caller", "ends", "secrets", "durable", "burst"), default="caller")
    given = parser.parse_args()
    create = {**CONTENDERS, **DURABLE}[given.name]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "app.jsonl"
        try:
            contender = create(path)
        except ImportError as error:
            print(json.dumps({"absent": str(error)}))
            return
        print(json.dumps(_measured(contender, given.what, path)))


def _measured(contender: Contender, what: str, path: Path) -> Figures:
    if what == "caller":
        found = hurried(contender, calls(EACH_THREAD))
        time.sleep(PAUSE_S)
        found.update(raised(contender))
        found.update(disabled(contender))
        contender.finish()
        return found
    share = SECRET_SHARE if what == "secrets" else 0.0
    number = {"durable": 2_000, "burst": 10 * RECORDS}.get(what, RECORDS)
    return logged(contender, calls(number, secret_share=share), path)


if __name__ == "__main__":
    main()
