"""Rows that a message leaf was found in, remembered: segments do not change, so nor do these."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from tamis.query.ast import Filter
from tamis.store.base import Budget
from tamis.store.embedded.ask.condition import Condition, is_cut
from tamis.store.embedded.format.part import Part

if TYPE_CHECKING:
    from tamis.store.embedded.ask.engine import Engine

ROWS_MAX = 100_000
"""A leaf with more rows in the parts looked through is looked for anew each time."""
KEPT_ROWS_MAX = 2_000_000
KEPT_PAIRS_MAX = 20_000
PART_ROWS_MIN = 20_000
"""Smaller parts are read as fast as remembered rows."""


class FoundRows:
    """Sequences by leaf and part, the least recently used forgotten first; None: too many. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[Filter, str], tuple[int, ...] | None] = OrderedDict()
        self._rows = 0

    def forget(self) -> None:
        """Nobody looked anywhere: a file was put right."""
        with self._lock:
            self._kept.clear()
            self._rows = 0

    def known(self, leaf: Filter, part: str) -> bool:
        """Whether the part was looked through for the leaf."""
        with self._lock:
            return (leaf, part) in self._kept

    def get(self, leaf: Filter, part: str) -> tuple[int, ...] | None:
        """The sequences found; None when they were too many, or nobody looked."""
        with self._lock:
            if (leaf, part) not in self._kept:
                return None
            self._kept.move_to_end((leaf, part))
            return self._kept[leaf, part]

    def keep(self, leaf: Filter, part: str, rows: tuple[int, ...] | None) -> None:
        """Remember what was found."""
        with self._lock:
            if (leaf, part) in self._kept:
                return
            self._kept[leaf, part] = rows
            self._rows += len(rows or ())
            while self._rows > KEPT_ROWS_MAX or len(self._kept) > KEPT_PAIRS_MAX:
                _, old = self._kept.popitem(last=False)
                self._rows -= len(old or ())


Look = Callable[[Filter, Part], tuple[str, dict[str, Any], dict[str, Any]]]
"""The SQL that finds a leaf's rows in a part, with its parameters and tables."""


def remembered_rows(
    pairs: Sequence[tuple[Part, Condition]], look: Look, engine: "Engine", budget: Budget
) -> Callable[[Filter, Part], Iterable[int] | None]:
    """For a leaf and a part: where it is found, looked up once for all parts that no time cuts; None: look anew."""
    whole = {
        part.name: part
        for part, condition in pairs
        if part.path is not None and part.facts.records >= PART_ROWS_MIN and not is_cut(condition, part)
    }
    answers: dict[Filter, frozenset[int] | None] = {}

    def rows_of(leaf: Filter, part: Part) -> Iterable[int] | None:
        if part.name not in whole:
            return None
        if leaf not in answers:
            _look_through([one for one in whole.values() if not engine.found.known(leaf, one.name)], leaf)
            kept = [engine.found.get(leaf, name) for name in whole]
            answers[leaf] = None if None in kept else frozenset(row for rows in kept for row in rows or ())
        return answers[leaf]

    def _look_through(parts: Sequence[Part], leaf: Filter) -> None:
        if not parts:
            return
        where, parameters, tables = look(leaf, parts[0])
        paths = [part.path for part in parts]
        sql = f"SELECT seq, filename FROM read_parquet($remembered) WHERE {where} LIMIT {ROWS_MAX + 1:d}"
        found = engine.run(sql, {**parameters, "remembered": paths}, tables, budget)
        rows: dict[str, list[int]] = {}
        for seq, path in zip(found["seq"].to_pylist(), found["filename"].to_pylist(), strict=True):
            rows.setdefault(path, []).append(seq)
        for part in parts:
            too_many = found.num_rows > ROWS_MAX
            engine.found.keep(leaf, part.name, None if too_many else tuple(rows.get(str(part.path), ())))

    return rows_of
