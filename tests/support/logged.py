"""What is logged in a block, on each of the two ways a record can take."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from tamis.embed.root import RootHandler
from tamis.testing import CapturedRecords, capture

WAYS = ("fast", "standard")


@contextmanager
def logged(way: str = "fast", *, level: str = "DEBUG") -> Iterator[CapturedRecords]:
    """The records of the block. pytest's own handlers stand aside: with them everything takes the standard way."""
    root = logging.getLogger()
    before = list(root.handlers)
    with capture(level) as records:
        ours: list[logging.Handler] = [item for item in root.handlers if isinstance(item, RootHandler)]
        root.handlers[:] = ours if way == "fast" else [*ours, logging.NullHandler()]
        try:
            yield records
        finally:
            root.handlers[:] = [*before, *(item for item in ours if item not in before)]
