"""Deleting by query: hidden at once; `erase` does the rest."""

import threading
from uuid import uuid4

import msgspec

from tamis.clock import Clock
from tamis.store.base import Budget, Hidden, Question
from tamis.store.embedded.ask.count import count
from tamis.store.embedded.ask.engine import Engine
from tamis.store.embedded.format.filters import filter_to_json
from tamis.store.embedded.format.manifest import Manifest, TombstoneEntry
from tamis.store.embedded.format.part import Snapshot
from tamis.store.embedded.live.catalog import Catalog


class Deleter:
    """Hides records. Thread-safe; one deletion at a time, so that none counts what another hides."""

    def __init__(self, catalog: Catalog, engine: Engine, clock: Clock) -> None:
        self._catalog, self._engine, self._clock = catalog, engine, clock
        self._one = threading.Lock()

    def delete(self, question: Question, budget: Budget) -> Hidden:
        """Hide what the question finds now. When this returns, the next read does not see it, nor does any
        after a power cut."""
        with self._one, self._catalog.snapshot(question) as snapshot:
            counted = count(snapshot, question, budget, self._engine)
            if counted.count or counted.warnings:  # what is lost now may be brought back by a repair
                self._hide(question, snapshot)
            return Hidden(as_of=counted.as_of, warnings=counted.warnings, hidden=counted.count)

    def _hide(self, question: Question, snapshot: Snapshot) -> None:
        upto_seq = snapshot.last_seq if question.as_of is None else min(question.as_of, snapshot.last_seq)

        def change(manifest: Manifest) -> Manifest:
            entry = TombstoneEntry(
                id=uuid4().hex,
                number=manifest.tombstone_next,
                filter=filter_to_json(question.filter),
                start_ns=question.start_ns,
                end_ns=question.end_ns,
                upto_seq=upto_seq,
                asked=self._clock.now_ns(),
            )
            return msgspec.structs.replace(
                manifest, tombstones=(*manifest.tombstones, entry), tombstone_next=entry.number + 1
            )

        self._catalog.publish(change)
