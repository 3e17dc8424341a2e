"""A process that appends until it is killed: `python crash_child.py FOLDER NEXT_OF_A NEXT_OF_B`.

It prints a line when the store is open, and one for each batch that was acknowledged.
"""

import sys
import threading
from pathlib import Path

from tamis.clock import NS_PER_S, SYSTEM_CLOCK
from tamis.record.model import Columns, Record
from tamis.store.embedded.options import StoreOptions
from tamis.store.embedded.store import EmbeddedStore, open_store

OPTIONS = StoreOptions(
    segment_records=150,
    segment_age_s=0.3,
    merge_count=3,
    journal_bytes_max=20_000,
    disk_reserve_bytes=0,
)


def texts(name: str, number: int) -> list[str]:
    """The messages of a batch; the same whenever it is sent."""
    return [f"{name} {number} {place}" for place in range(1 + number * 7 % 13)]


def main(folder: str, *first: str) -> None:
    """Append until somebody ends it."""
    store = open_store(Path(folder), OPTIONS)
    sys.stdout.write("open\n")
    sys.stdout.flush()
    threads = [
        threading.Thread(target=_append, args=(store, name, int(number)))
        for name, number in zip("ab", first, strict=True)
    ]
    for thread in threads:
        thread.start()


def _append(store: EmbeddedStore, name: str, number: int) -> None:
    while True:
        stamp = SYSTEM_CLOCK.now_ns()
        records = [
            Record(timestamp=stamp - place * NS_PER_S, message=text, level="INFO")
            for place, text in enumerate(texts(name, number))
        ]
        store.append(Columns.of(records), batch_id=f"{name}-{number}", receipt=b"%d" % number)
        sys.stdout.write(f"{name} {number}\n")
        sys.stdout.flush()
        number += 1


if __name__ == "__main__":
    main(*sys.argv[1:])
