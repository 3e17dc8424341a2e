"""A data folder as target, without a server: the server's own answers, from a store opened here."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import msgspec

from tamis.cli.failure import CommandError, UsageError
from tamis.cli.target import Answer, Ask, Order, Receipt
from tamis.record.model import Columns
from tamis.server.problems import ProblemError
from tamis.server.questions.export import Export
from tamis.server.questions.params import Asked
from tamis.server.questions.search import Searcher, timed
from tamis.settings import Settings
from tamis.store.base import Budget, Store
from tamis.store.open import open_store

T = TypeVar("T")


class EmbeddedTarget:
    """A store that this process has opened."""

    def __init__(self, name: str, store: Store, settings: Settings) -> None:
        self.name = name
        self._store, self._timeout_s = store, settings.query.timeout_s
        self._searcher = Searcher(store, rows_max=settings.query.rows_max)

    def store_id(self) -> str | None:
        """What its store is called."""
        return self._store.store_id

    def search(self, ask: Ask, *, limit: int, order: Order = "desc", cursor: str | None = None) -> Answer:
        """A page of records."""
        return self._answer(self._searcher.search, ask, limit=limit, order=order, cursor=cursor)

    def count(self, ask: Ask) -> Answer:
        """How many."""
        return self._answer(self._searcher.count, ask)

    def histogram(self, ask: Ask, *, by: str = "level") -> Answer:
        """Counts over time."""
        return self._answer(self._searcher.histogram, ask, by=by)

    def stats(self, ask: Ask) -> Answer:
        """The table that a query with ``| stats`` gives."""
        return self._answer(self._searcher.stats, ask)

    def patterns(self, ask: Ask, *, limit: int | None = None) -> Answer:
        """What sentences there are."""
        return self._answer(self._searcher.patterns, ask, limit=limit)

    def delete(self, ask: Ask) -> Answer:
        """Hide what is found, for good."""
        return self._answer(self._searcher.delete, ask)

    @contextmanager
    def export(self, ask: Ask, file_format: str) -> Iterator[Iterator[bytes]]:
        """Everything that is found, as the bytes of a file."""
        with _problems_told():
            budget = Budget(float("inf"))
            made = Export(self._searcher, _asked(ask), budget, file_format=file_format, order="asc")
            yield made.pieces()

    def tail(self, text: str, after: str) -> NoReturn:
        """Nothing comes into a folder that this process has to itself."""
        raise CommandError(
            f"no server has {self.name} open, so nothing comes into it; start one with `tamis serve --data {self.name}`"
        )

    def append(self, batch: Columns, key: str) -> Receipt:
        """Store a batch, once however often it is sent under its key."""
        made = self._store.append(batch, batch_id=f"cli-{key}")
        return Receipt(batch.length, batch.length, duplicate=made.duplicate)

    def close(self) -> None:
        """Make everything safe and let go of the folder."""
        self._store.close()

    def _answer(self, ask_store: Callable[..., Any], ask: Ask, **parameters: Any) -> Answer:
        began = time.perf_counter()
        with _problems_told():
            made = timed(ask_store(_asked(ask), Budget(self._timeout_s), **parameters), began)
        answer: Answer = msgspec.to_builtins(made)
        return answer


@contextmanager
def _problems_told() -> Iterator[None]:
    """What the server would answer as a problem, as a failure of the command."""
    try:
        yield
    except ProblemError as problem:
        kind = UsageError if problem.status in (400, 404) else CommandError
        raise kind(problem.detail.rstrip(".")) from problem


def _asked(ask: Ask) -> Asked:
    return Asked(ask.q, ask.start, ask.end)


def open_embedded(path: Path, settings: Settings, *, create: bool) -> EmbeddedTarget:
    """Open the folder's store; LockedError names a process that has it."""
    return EmbeddedTarget(str(path), open_store(path, settings, create=create), settings)
