"""A process that logs until it is killed: `python logging_child.py FOLDER DURABLE`, to a sink that is away.

After each record it says its number and the instant (monotonic seconds) at which `put` had returned.
"""

import os
import sys
import time
from pathlib import Path

from tamis.pipeline.limits import QueueLimits
from tests.support.sinks import SPOOLED, Gathering, Pipe, captured

BURST, PAUSE_S = 20, 0.004


def main(folder: str, durable: str) -> None:
    """Log until somebody ends it."""
    sink = Gathering("far", SPOOLED, spooled=True)
    sink.away = True
    pipe = Pipe(sink, folder=Path(folder), queue=QueueLimits(durable=durable))  # type: ignore[arg-type]
    number = 0
    while True:
        lines = []
        for _ in range(BURST):
            pipe.put(captured("it happened", n=number, text="x" * 100))
            lines.append(f"{number} {time.monotonic()}\n")
            number += 1
        os.write(1, "".join(lines).encode())
        time.sleep(PAUSE_S)


if __name__ == "__main__":
    main(*sys.argv[1:])
