"""What is done in the background takes turns, and never those of ingestion."""

import threading

import pytest

from tamis.query.ast import All
from tamis.resilience.executor.background import BACKGROUND
from tamis.store.base import Budget, Question
from tamis.store.embedded.options import StoreOptions
from tamis.store.embedded.store import create_store
from tamis.telemetry import status
from tests.support.embedded import batch

SOON_S = 60.0
BATCHES, BATCH_RECORDS, SEGMENT_RECORDS = 60, 50, 100


@pytest.fixture
def long_works():
    """Works that take every turn there is, until the gate is opened."""
    opened, entered = threading.Event(), threading.Semaphore(0)

    def work():
        entered.release()
        assert opened.wait(SOON_S)

    handles = [
        BACKGROUND.enqueue_task(work, name="a long backup") for _ in range(BACKGROUND.limits.workers_max)
    ]
    for _ in handles:
        assert entered.acquire(timeout=SOON_S)
    yield opened
    opened.set()
    for handle in handles:
        handle.result(SOON_S)


def until(holds):
    tick = threading.Event()
    for _ in range(int(SOON_S / 0.01)):
        if holds():
            return
        tick.wait(0.01)
    raise AssertionError("it did not come to that")


def test_a_long_work_in_the_background_holds_no_record_back(tmp_path, long_works):
    """While a work takes all turns, many times what memory may hold is taken in and sealed; compaction waits for its
    turn, and is done when it comes."""
    options = StoreOptions(
        segment_records=SEGMENT_RECORDS,
        hot_bytes_max=400_000,
        merge_count=3,
        disk_reserve_bytes=0,
        shrink_after_s=0.0,
    )
    store = create_store(tmp_path / "data", options)
    try:
        shop = store.parts.shop
        for number in range(BATCHES):
            store.append(batch(*[f"record {number} {at} {'x' * 200}" for at in range(BATCH_RECORDS)]))
            if number % 2:
                until(lambda least=number // 4: len(shop.catalog.manifest.segments) >= least)
        until(lambda: len(shop.catalog.manifest.segments) >= BATCHES * BATCH_RECORDS // SEGMENT_RECORDS // 2)
        assert store.count(Question(All()), Budget()).count == BATCHES * BATCH_RECORDS
        until(lambda: any(BACKGROUND.metrics().waiting.values()))
        sealed = len(shop.catalog.manifest.segments)
        long_works.set()
        until(lambda: len(shop.catalog.manifest.segments) < sealed)
        assert any(work.name == "compaction" for work in status.look().works)
        assert store.count(Question(All()), Budget()).count == BATCHES * BATCH_RECORDS
    finally:
        long_works.set()
        store.close()
