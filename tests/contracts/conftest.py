"""Each store that the contract holds for, in turn."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tamis.record.model import Record
from tests.contracts.members import MEMBERS, StillClock
from tests.contracts.store_bench import Bench


@pytest.fixture(params=MEMBERS, ids=lambda member: member.name)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """Each member in turn."""
    clock = StillClock()
    store = request.param.create(tmp_path / "store", clock)
    yield Bench(request.param, store, clock)
    store.close()


@pytest.fixture(params=[False, True], ids=["fresh", "settled"])
def arrive(request: pytest.FixtureRequest, bench: Bench) -> Callable[..., int]:
    """Appends records, which then stay where they came or are moved on: answers are the same."""

    def put(*records: Record) -> int:
        seq = bench.put(*records)
        if request.param:
            bench.settle()
        return seq

    return put
