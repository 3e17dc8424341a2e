"""One of several processes that write numbered records to one log file: `writer_process URL NAME COUNT BATCH`.

After each batch it says on stdout how many records the sink took so far.
"""

import sys

from tamis.pipeline.base import Batch
from tamis.pipeline.sinks import create_sink
from tamis.record.model import Record
from tamis.settings import load_settings


def write(url: str, name: str, count: int, batch: int) -> None:
    """Records 0 to `count` - 1 under the name, in batches."""
    sink = create_sink(url, load_settings())
    for first in range(0, count, batch):
        records = tuple(
            Record(timestamp=n, message=f"{name} {n} {'x' * (n % 97)}", attributes={"writer": name, "n": n})
            for n in range(first, min(first + batch, count))
        )
        outcome = sink.send(Batch(f"{name}-{first}", records), timeout_s=30)
        assert not outcome.retry
        assert not outcome.rejected
        sys.stdout.write(f"{first + len(records)}\n")
        sys.stdout.flush()
    sink.close()


if __name__ == "__main__":
    write(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
