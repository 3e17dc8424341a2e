"""Alert rules over a store in memory, looked after by hand: what is put in, and what is told then."""

import json
from typing import Any

import msgspec

from tamis.metadata.alert_rows import Waiting
from tamis.metadata.alerts import AlertBook
from tamis.metadata.database import open_database
from tamis.metadata.rules import RuleBook
from tamis.pipeline.alerts.alert import Alert
from tamis.record.model import Columns, Record
from tamis.server.alerts.evaluator import Evaluator
from tamis.server.alerts.options import AlertOptions
from tamis.server.alerts.rule import parse_rule
from tamis.store.base import Store
from tamis.store.memory import MemoryStore
from tamis.telemetry.metrics import Metrics
from tests.support.hand_clock import HandClock

S = 1_000_000_000


class AlertBench:
    """Rules, a store, and a clock. `restart` is what `kill -9` and a new start do: only what is written down stays."""

    def __init__(self, store: Store | None = None, clock: HandClock | None = None, **options: Any) -> None:
        self.clock = clock or HandClock()
        self.store = store or MemoryStore(self.clock)
        self.options = AlertOptions(**{"url": "http://tamis", "grace_s": 0.0, **options})
        self.database = open_database(None)
        self.rules, self.book = RuleBook(self.database, self.clock), AlertBook(self.database, self.clock)
        self.metrics = Metrics()
        self.restart()
        self._read = 0

    def restart(self) -> None:
        """Look with new eyes."""
        self.evaluator = Evaluator(
            self.store, self.rules, self.book, self.options, metrics=self.metrics, clock=self.clock
        )
        self.evaluator.load()

    def rule(self, name: str = "r", **given: Any) -> None:
        """Make a rule that tells the channel `c`."""
        rule = parse_rule({"name": name, "notify": ["c"], **given}, "the test")
        self.rules.set_rule(name, msgspec.json.encode(rule), by="test", fresh=True)
        self.evaluator.load()
        self.tick()

    def put(self, *messages: str, at_s: float = 0.0, level: str = "ERROR", **given: Any) -> None:
        """Records that happened `at_s` before (negative) or after now."""
        stamp = self.clock.now_ns() + round(at_s * S)
        core = {name: given.pop(name) for name in ("service", "host") if name in given}
        records = [
            Record(timestamp=stamp, message=one, level=level, attributes=given, **core) for one in messages
        ]
        self.store.append(Columns.of(records))

    def tick(self, seconds: float = 0.0) -> list[str]:
        """Let time pass; what is told then: ``firing``, ``over`` and so on."""
        self.clock.pass_s(seconds)
        return list(self.evaluator.tick())

    def run(self, seconds: int) -> list[str]:
        """Look once a second; everything that is told."""
        return [state for _ in range(seconds) for state in self.tick(1.0)]

    def told(self) -> list[Alert]:
        """Alerts since the last question."""
        waiting = [one for one in self.book.waiting() if one.number > self._read]
        self._read = max((one.number for one in waiting), default=self._read)
        return [msgspec.json.decode(one.payload, type=Alert) for one in waiting]

    def outbox(self) -> list[Waiting]:
        return self.book.waiting()

    def history(self, rule: str | None = None) -> list[str]:
        """What happened, oldest first."""
        return [one.what for one in reversed(self.book.history(rule, limit=1_000))]

    def history_text(self) -> str:
        return json.dumps([one.detail for one in self.book.history(None, limit=1_000)])

    def close(self) -> None:
        self.database.close()
