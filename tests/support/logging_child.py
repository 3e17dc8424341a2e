"""A process that logs until it is killed: `python logging_child.py FOLDER DURABLE [THREADS]`, to a sink that is away.

After each record it says its number and the instant (monotonic seconds) at which `put` had returned. With THREADS
these log in a loop, as fast as they can, and note their calls in FOLDER/calls.
"""

import os
import sys
import threading
import time
from pathlib import Path

from tamis.pipeline.limits import QueueLimits
from tests.support.calls import Calls
from tests.support.sinks import SPOOLED, Gathering, Pipe, captured

BURST, PAUSE_S = 20, 0.004
UNWRITTEN_S = 0.05


def main(folder: Path, durable: str) -> None:
    """Log until somebody ends it."""
    pipe = make_pipe(folder, QueueLimits(durable=durable))  # type: ignore[arg-type]  # from a command line
    number = 0
    while True:
        lines = []
        for _ in range(BURST):
            pipe.put(captured("it happened", n=number, text="x" * 100))
            lines.append(f"{number} {time.monotonic()}\n")
            number += 1
        os.write(1, "".join(lines).encode())
        time.sleep(PAUSE_S)


def flood(folder: Path, threads: int) -> None:
    """Many at once."""
    pipe, calls = make_pipe(folder, QueueLimits(unwritten_s=UNWRITTEN_S)), Calls(folder / "calls", threads)

    def work(thread: int) -> None:
        number = 0
        while True:
            pipe.put(captured("it happened", n=number, by=thread, text="x" * 100))
            calls.returned(thread, number)
            number += 1

    for thread in range(threads):
        threading.Thread(target=work, args=(thread,)).start()
    os.write(1, b"begun\n")


def make_pipe(folder: Path, queue: QueueLimits) -> Pipe:
    """Into a spool."""
    sink = Gathering("far", SPOOLED, spooled=True)
    sink.away = True
    return Pipe(sink, folder=folder, queue=queue)


if __name__ == "__main__":
    place, how, *more = sys.argv[1:]
    if more:
        flood(Path(place), int(more[0]))
    else:
        main(Path(place), how)
