"""An application under test: `application.py NAME SETTINGS` logs through Tamis what it is told to on standard input.

A command is a line of JSON, and so is its answer. Each record has a `key` of its own: the application's name, who
logged it, and a number that counts up. All the while a thread looks whether the sums hold.
"""

import faulthandler
import itertools
import json
import os
import resource
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import tamis
from tamis.pipeline.delivery import delivery
from tamis.pipeline.limits import DeliveryLimits
from tamis.resilience.limits import BreakerLimits
from tamis.resilience.retry import RetryLimits
from tests.support.calls import Calls

NAME = sys.argv[1]
SETTINGS: dict[str, Any] = json.loads(sys.argv[2])
EXIT_S = 20.0
LOOK_S = 0.007
SCARCE_BYTES = 1 << 20
"""What is left of memory: with less, Python itself gives up, whatever it runs."""
PATIENCE_KEY = "CHAOS_PATIENCE"
"""In the environment: sinks are tried again as late as they are in applications."""
SOON = DeliveryLimits(
    retry=RetryLimits(attempts_max=4, first_s=0.1),
    breaker=BreakerLimits(failures_to_open=4, open_s=0.5, successes_to_close=1),
)
PATIENCE_S = 0.001
LEVELS = ("debug", "info", "warning", "error")

log = tamis.get_logger("chaos")
managers: list[tamis.LoggingManager] = []
broken_sums: list[str] = []
numbers: dict[str, Iterator[int]] = {}
logged: dict[str, int] = {}
born = itertools.count()


def configure() -> None:
    """As users do, but for waits between tries, and watch the sums."""
    if PATIENCE_KEY not in os.environ:
        delivery.DeliveryLimits = lambda: SOON  # type: ignore[assignment, attr-defined, misc]  # what is made without limits
    managers.append(tamis.configure(**SETTINGS))
    threading.Thread(target=look_at_sums, daemon=True).start()


def look_at_sums() -> None:
    """At moments that nobody chose."""
    while True:
        check_sums()
        time.sleep(LOOK_S)


def check_sums() -> None:
    """Note each sink that has lost count."""
    for sink in managers[0].metrics.snapshot().sinks.values():
        parts = (sink.delivered, sink.dead_lettered, sink.spooled, sink.queued, sink.sampled)
        if sink.sent != sink.accounted or min(parts) < 0:
            broken_sums.append(repr(sink))


def write(who: str, *, size: int = 20, level: str = "info") -> None:
    """One record; `level` may be `any`."""
    number = next(numbers.setdefault(who, itertools.count()))
    name = LEVELS[number % len(LEVELS)] if level == "any" else level
    getattr(log, name)("record %d of %s", number, who, key=f"{NAME}/{who}/{number}", padding="x" * size)
    logged[who] = number + 1


def write_many(who: str, count: int) -> None:
    """As fast as can be."""
    for _ in range(count):
        write(who)


def burst(count: int = 1_000, threads: int = 1, rate: float = 0.0, **how: Any) -> dict[str, Any]:
    """So many records of each thread, `rate` a second at most; how long it took, and the longest call."""
    slowest = [0.0] * threads

    def work(place: int) -> None:
        began = time.monotonic()
        for step in range(count):
            start = time.monotonic()
            write(f"t{place}", **how)
            end = time.monotonic()
            slowest[place] = max(slowest[place], end - start)
            if rate and (early := began + (step + 1) / rate - end) > PATIENCE_S:
                time.sleep(early)

    began = time.monotonic()
    run_all([threading.Thread(target=work, args=(place,)) for place in range(threads)])
    return {"seconds": time.monotonic() - began, "slowest_s": max(slowest)}


def run_all(threads: list[threading.Thread]) -> None:
    """To their end."""
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def many_loggers(threads: int = 64, loggers: int = 50) -> dict[str, Any]:
    """Each thread asks for the manager and makes loggers, some that others make too, all at once."""
    together = threading.Barrier(threads)
    found = {managers[0]}

    def work(place: int) -> None:
        together.wait()
        found.add(tamis.LoggingManager())
        for step in range(loggers):
            tamis.get_logger(f"shared.{step}").info("s", key=f"{NAME}/m{place}/{2 * step}")
            tamis.get_logger(f"own.{place}.{step}").info("o", key=f"{NAME}/m{place}/{2 * step + 1}")
        logged[f"m{place}"] = 2 * loggers

    run_all([threading.Thread(target=work, args=(place,)) for place in range(threads)])
    return {"managers": len(found)}


def fork(children: int = 3, count: int = 1_000, threads: int = 4) -> dict[str, Any]:
    """Children begin in the middle of what threads log, and log themselves; how they ended."""
    started = [threading.Thread(target=write_many, args=(f"t{place}", count)) for place in range(threads)]
    for thread in started:
        thread.start()
    pids = []
    for _ in range(children):
        who = f"c{next(born)}"
        pid = os.fork()
        if pid == 0:
            child(who, count)
        pids.append(pid)
        logged[who] = count
    for thread in started:
        thread.join()
    return {"codes": [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]}


def child(who: str, count: int) -> None:
    """Of a fork: it ends as programs do."""
    broken_sums.clear()
    for number in range(count):
        write(who)
        if number % 50 == 0:
            check_sums()
    is_safe = tamis.shutdown(EXIT_S)
    counts = sums()
    is_right = all(sink["sent"] == count + sink["adopted"] for sink in counts["sinks"].values())
    if not is_safe or not is_right or broken_sums:
        sys.exit(f"{who}: {counts}")
    sys.exit(0)


def signals(seconds: float = 1.0, hertz: float = 2_000.0) -> dict[str, Any]:
    """A handler logs at each signal, in the middle of a main thread and others that do."""
    ends = time.monotonic() + seconds
    signal.signal(signal.SIGALRM, lambda *_: write("handler", level="warning"))
    signal.setitimer(signal.ITIMER_REAL, 1 / hertz, 1 / hertz)

    def work(who: str) -> None:
        while time.monotonic() < ends:
            write(who)
            time.sleep(0.0002)

    other = threading.Thread(target=work, args=("other",))
    other.start()
    work("main")
    signal.setitimer(signal.ITIMER_REAL, 0)
    other.join()
    return {}


def limit_memory(more: int) -> dict[str, Any]:
    """This process may have so many bytes more than now."""
    used = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + more, resource.RLIM_INFINITY))
    return {"used": used}


hoard: list[bytes] = []


def starve(count: int = 500) -> dict[str, Any]:
    """Take all memory there is, log, and give it back; how many calls ended with an error that is Tamis's."""
    first = logged.get("starved", 0)
    keys = [f"{NAME}/starved/{number}" for number in range(first, first + count)]
    raised: list[MemoryError | None] = [None] * count
    exhaust_memory()
    for place, key in enumerate(keys):
        try:
            log.warning("starved: %s", key, key=key)
        except MemoryError as error:
            raised[place] = error
    hoard.clear()
    logged["starved"] = first + count
    ours = [error for error in raised if error is not None and "/tamis/" in place_of(error)]
    return {"raised_by_tamis": len(ours), "raised": count - raised.count(None)}


def exhaust_memory() -> None:
    """Take it in ever smaller pieces."""
    size = 64 << 20
    while size >= SCARCE_BYTES:
        try:
            hoard.append(bytes(size))
        except MemoryError:
            size //= 2


def place_of(error: BaseException) -> str:
    """The file in which it was raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace.tb_frame.f_code.co_filename if trace is not None else ""


def limit_files(most: int) -> dict[str, Any]:
    """No file of this process may grow over so many bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
    return {}


def stream(pause_s: float = 0.001, together: int = 5) -> dict[str, Any]:
    """Log until killed; after each record its number and the instant at which the call had returned are told."""
    while True:
        lines = []
        for _ in range(together):
            write("stream")
            lines.append(f"{logged['stream']} {time.monotonic()}\n")
        os.write(1, "".join(lines).encode())
        time.sleep(pause_s)


def flood(path: str, threads: int = 4) -> dict[str, Any]:
    """Log until killed, as fast as can be; calls that returned are noted in a file."""
    calls = Calls(Path(path), threads)

    def work(thread: int) -> None:
        number = 0
        while True:
            log.info("record %d of a flood", number, key=f"{NAME}/{thread}/{number}")
            calls.returned(thread, number)
            number += 1

    for thread in range(threads):
        threading.Thread(target=work, args=(thread,)).start()
    return {}


def flush(seconds: float = 20.0) -> dict[str, Any]:
    """Whether everything was delivered, or is safe in the spool."""
    return {"done": tamis.flush(seconds)}


def sums() -> dict[str, Any]:
    """What was logged, by whom, and what became of it at each sink."""
    counts = managers[0].metrics.snapshot()
    sinks = {
        name: {
            key: getattr(sink, key)
            for key in ("sent", "accounted", "delivered", "dead_lettered", "spooled", "queued", "adopted")
        }
        | {"dropped": dict(sink.dropped)}
        for name, sink in counts.sinks.items()
    }
    return {"logged": logged, "sinks": sinks, "dropped": dict(counts.dropped), "broken_sums": broken_sums[:3]}


def shutdown(seconds: float = EXIT_S) -> dict[str, Any]:
    """The end of logging."""
    return {"done": tamis.shutdown(seconds)} | sums()


COMMANDS: dict[str, Callable[..., dict[str, Any]]] = {
    command.__name__: command
    for command in (
        burst,
        flood,
        flush,
        fork,
        limit_files,
        limit_memory,
        many_loggers,
        shutdown,
        signals,
        starve,
        stream,
        sums,
    )
}


def main() -> None:
    """Do what is asked until nobody asks any more."""
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    configure()
    while select.select([sys.stdin], [], []) and (line := sys.stdin.readline()):
        command = json.loads(line)
        answer = COMMANDS[command.pop("do")](**command)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
