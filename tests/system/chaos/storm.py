"""Faults at random, by a seed: stores of every kind fail and recover, processes are killed and begin again."""

import random
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from tests.support.commands import Server, start_server
from tests.support.elasticsearch_server import ElasticsearchServer
from tests.support.faulty_server import Fault, FaultyServer, cut, drop, garble, refuse_with, slow, stall
from tests.support.otlp_server import OtlpServer
from tests.support.tamis_server import TamisServer
from tests.system.chaos.applications import ANSWER_S, Application, application

FAULTS: tuple[Fault, ...] = (
    cut(),
    cut(0),
    drop(),
    garble(),
    refuse_with(429, retry_after="1"),
    refuse_with(500),
    refuse_with(503),
    slow(20_000.0),
    stall(0.3),
    stall(0.3, done=True),
)
PAUSE_S = (0.05, 0.6)
LIFE_S = (0.5, 3.0)
NO_PATIENCE = {"TAMIS_INGEST_GAP_SETTLE_S": "0"}


@dataclass
class Storm:
    """Three stores that can be told to fail, a server process, and applications; `blow` lets faults loose on all. A
    context manager.
    """

    folder: Path
    seed: int
    patient: bool = False
    with_spool: frozenset[str] = frozenset()
    """The applications that may fork and log in signal handlers: without a spool a child ends before a store is back,
    and a handler does not wait.
    """
    cluster: ElasticsearchServer = field(default_factory=ElasticsearchServer)
    small: TamisServer = field(default_factory=TamisServer)
    collector: OtlpServer = field(default_factory=OtlpServer)
    events: list[str] = field(default_factory=list)
    told: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """How many records each killed application was told of that their durable call had returned."""

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.server: Server = start_server(self.folder, **NO_PATIENCE)
        self.ends_s = 0.0
        self._failures: list[BaseException] = []

    @property
    def stores(self) -> tuple[FaultyServer, ...]:
        """Those that can be told to fail."""
        return self.cluster, self.small, self.collector

    def sinks(self, name: str) -> list[str]:
        """One of each kind."""
        return [
            self.server.url,
            self.small.url,
            f"elasticsearch+{self.cluster.url}/chaos",
            f"otlp+{self.collector.url}",
            f"file://{self.folder}/{name}.jsonl",
        ]

    def blow(self, seconds: float, *steady: Application) -> None:
        """For so long; then everything is well again."""
        self.ends_s = time.monotonic() + seconds
        faults = [
            self._start(work) for work in (self._fail_stores, self._kill_server, self._kill_applications)
        ]
        drivers = [self._start(self._drive, app) for app in steady]
        for thread in faults:
            thread.join()
        for store in self.stores:
            store.clear()
            store.listen()
        for thread in drivers:
            thread.join()
        assert self._failures == [], (self._failures, self.seed, self.events)

    def _start(self, work: Callable[..., None], *given: Application) -> threading.Thread:
        thread = threading.Thread(target=self._guarded, args=(work, *given))
        thread.start()
        return thread

    def _guarded(self, work: Callable[..., None], *given: Application) -> None:
        try:
            work(*given)
        except BaseException as failure:  # the test fails by it, in the thread that waits for us
            self._failures.append(failure)

    def _is_blowing(self) -> bool:
        return time.monotonic() < self.ends_s

    def _fail_stores(self) -> None:
        while self._is_blowing():
            store = self.random.choice(self.stores)
            event = self.random.choice(
                ("refuse", "listen", "script", "script", "always", "clear", "cut", "small")
            )
            fault = self.random.choice(FAULTS)
            self.events.append(f"{type(store).__name__} {event} {fault}")
            {
                "refuse": store.refuse,
                "listen": store.listen,
                "script": lambda: store.script(fault, times=self.random.randint(1, 5)),  # noqa: B023  # called here
                "always": lambda: store.always(fault),  # noqa: B023  # called here
                "clear": store.clear,
                "cut": store.cut_connections,
                "small": lambda: setattr(store, "body_bytes_max", 4_000),  # noqa: B023  # called here
            }[event]()
            time.sleep(self.random.uniform(*PAUSE_S))

    def _kill_server(self) -> None:
        chance = random.Random(self.seed + 1)
        while self._is_blowing():
            time.sleep(chance.uniform(*LIFE_S))
            if chance.random() < 0.5:
                self.events.append("server stands still")
                self.server.process.send_signal(signal.SIGSTOP)
                time.sleep(chance.uniform(*PAUSE_S))
                self.server.process.send_signal(signal.SIGCONT)
            else:
                self.events.append("server killed")
                self.server.kill()
                time.sleep(chance.uniform(*PAUSE_S))
                begun = start_server(self.folder, port=str(urlsplit(self.server.url).port), **NO_PATIENCE)
                self.server.process, self.server.output = begun.process, begun.output

    def _kill_applications(self) -> None:
        chance = random.Random(self.seed + 2)
        number = 0
        while self._is_blowing():
            name = f"mortal{number}"
            with application(
                self.folder, name, *self.sinks(name), patient=self.patient, durable="process"
            ) as app:
                app.stream(pause_s=0.01)
                time.sleep(chance.uniform(*LIFE_S))
                said = app.kill()
                self.told[name] = said[-1][0] if said else 0
            number += 1

    def _drive(self, app: Application) -> None:
        chance = random.Random(f"{self.seed} {app.name}")
        more = ("signals", "fork") if app.name in self.with_spool else ()
        while self._is_blowing():
            how = chance.choice(("burst", "burst", "flush", *more))
            if how == "burst":
                level = chance.choice(("info", "any"))
                self._ask(
                    app,
                    "burst",
                    count=chance.randint(10, 500),
                    threads=chance.randint(1, 8),
                    rate=500,
                    level=level,
                )
            elif how == "signals":
                self._ask(app, "signals", seconds=0.3)
            elif how == "fork":
                codes = self._ask(app, "fork", children=2, count=50, threads=2)["codes"]
                assert codes == [0, 0], app.said()
            else:
                self._ask(app, "flush", seconds=0.1)

    def _ask(self, app: Application, do: str, **how: Any) -> dict[str, Any]:
        """Callers may have to wait until all stores are well again, and for a while after."""
        app.tell(do, **how)
        return app.answer(max(self.ends_s - time.monotonic(), 0.0) + ANSWER_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        with ExitStack() as stack:
            for store in self.stores:
                stack.callback(store.close)
            with suppress(ProcessLookupError):
                self.server.process.send_signal(signal.SIGCONT)
            stack.callback(self.server.kill)
