"""Which rows of a table match a filter: for retention classes and erasure."""

from typing import Any

import numpy as np
import pyarrow as pa

from tamis.query.ast import Filter
from tamis.store.base import Budget, Question
from tamis.store.embedded.ask.engine import Engine
from tamis.store.embedded.ask.scan import plan_of, select
from tamis.store.embedded.format.part import Snapshot, Tombstone
from tamis.store.embedded.live.hot_part import HotPart

_PATIENCE_S = 600.0


def matching_mask(
    table: pa.Table, given: Filter, engine: Engine, *, start_ns: int | None = None, end_ns: int | None = None
) -> Any:
    """A numpy mask over the rows of a table with `seq`: those that match in start_ns <= timestamp < end_ns."""
    if table.num_rows == 0:
        return np.zeros(0, bool)
    part = HotPart("mask", table)
    snapshot = Snapshot((part,), part.facts.max_seq)
    plan = plan_of(snapshot, Question(given, start_ns, end_ns), engine, Budget(_PATIENCE_S))
    found = select(plan, plan.parts, lambda _, __: ["seq"]).ask("SELECT seq FROM {rows}")
    seqs = np.zeros(0, np.int64) if found is None else found["seq"].to_numpy()
    return np.isin(table["seq"].to_numpy(), seqs)


def hidden_mask(table: pa.Table, tombstones: tuple[Tombstone, ...], engine: Engine) -> Any:
    """A numpy mask over the rows of a table with `seq`: those that deletions took away."""
    hidden = np.zeros(table.num_rows, bool)
    for tombstone in tombstones:
        old = table["seq"].to_numpy() <= tombstone.upto_seq
        if old.any():
            hidden |= old & matching_mask(
                table, tombstone.filter, engine, start_ns=tombstone.start_ns, end_ns=tombstone.end_ns
            )
    return hidden
