"""`capture()`: what was logged within a block, as records, at once and without any sink."""

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import overload

from tamis.embed.install import install, is_installed, uninstall
from tamis.embed.outlet import OUTLET
from tamis.pipeline.captured import Captured, Origin, to_record
from tamis.pipeline.own import is_interrupted
from tamis.record.model import Record
from tamis.settings.pipeline import parse_level


class CapturedRecords(Sequence[Record]):
    """The records so far, oldest first. Threads may log while it is read."""

    def __init__(self, service: str) -> None:
        self._records: list[Record] = []
        self._origin = Origin(service, "test", os.getpid(), "00000000")

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        return self._records[index]

    def __len__(self) -> int:
        return len(self._records)

    def __repr__(self) -> str:
        return f"CapturedRecords({self._records!r})"

    @property
    def messages(self) -> list[str]:
        """The messages alone."""
        return [record.message for record in self._records]

    def clear(self) -> None:
        """Forget what came so far."""
        self._records.clear()

    def put(self, captured: Captured) -> None:
        """Take what a logger captured."""
        self._records.append(to_record(captured, self._origin))

    def put_own(self, captured: Captured) -> None:
        """Take what finalizers and signal handlers log in the middle of a pipeline's own work; the rest is not the
        application's.
        """
        if is_interrupted():
            self.put(captured)


@contextmanager
def capture(level: str | int = "DEBUG", *, service: str = "test") -> Iterator[CapturedRecords]:
    """Records logged within the block, by loggers of Tamis and of standard `logging`, from `level` on.

    Nothing is configured by it and nothing delivered; what was configured goes on afterwards. Not for
    several threads of tests at once: standard `logging` is one for the process.
    """
    records = CapturedRecords(service)
    root, was_installed = logging.getLogger(), is_installed()
    before = root.level, OUTLET.put, OUTLET.put_own, OUTLET.code_level
    install(parse_level(level), OUTLET.code_level)
    OUTLET.put, OUTLET.put_own = records.put, records.put_own
    try:
        yield records
    finally:
        if was_installed:
            root.setLevel(before[0])
            _, OUTLET.put, OUTLET.put_own, OUTLET.code_level = before
        else:
            uninstall()
            _, OUTLET.put, OUTLET.put_own, _ = before
