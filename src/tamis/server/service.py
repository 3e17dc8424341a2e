"""What routes work with: the parts that the composition root put together."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from starlette.requests import Request

from tamis.backup.desk import BackupDesk
from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.metadata.accounts import Accounts
from tamis.metadata.alerts import AlertBook
from tamis.metadata.database import Database
from tamis.metadata.rules import RuleBook
from tamis.server.alerts.desk import AlertDesk
from tamis.server.alerts.options import alert_options
from tamis.server.assets import AssetKeeper
from tamis.server.breaker_metrics import BreakerLines
from tamis.server.executors import ExecutorGauges
from tamis.server.front.auth import Authenticator
from tamis.server.intake.bulk import BulkTaker
from tamis.server.intake.documents import Documents
from tamis.server.intake.ingest import Ingester
from tamis.server.intake.limits import BodyBudget
from tamis.server.listeners.tally import Tallies
from tamis.server.problems import ProblemError
from tamis.server.profiling import Profiling
from tamis.server.questions.ask import Asker
from tamis.server.questions.lanes import Slots
from tamis.server.questions.repeats import Repeats
from tamis.server.questions.search import Searcher
from tamis.server.questions.tail import Tails
from tamis.server.repairs import RepairDesk
from tamis.server.status_feed import StatusFeed
from tamis.settings import Settings
from tamis.store.base import Store
from tamis.telemetry.metrics import Metrics
from tamis.telemetry.tracing import Tracing


@dataclass(slots=True)
class Opened:
    """What there is once the store is open."""

    store: Store
    searcher: Searcher
    ingester: Ingester
    bulks: BulkTaker
    alerts: AlertDesk
    backups: BackupDesk


@dataclass(slots=True)
class Service:
    """One server's parts. `opened` is None while the store opens, and again once it is closed."""

    settings: Settings
    metrics: Metrics
    database: Database
    accounts: Accounts
    auth: Authenticator
    bodies: BodyBudget
    asker: Asker
    repeats: Repeats
    tails: Tails
    exports: Slots
    reads: ThreadPoolExecutor
    writes: ThreadPoolExecutor
    folder: Path | None = None
    clock: Clock = SYSTEM_CLOCK
    url: str = ""
    """Where it is reached, as far as it knows."""
    opened: Opened | None = None
    is_listening: bool = True
    """Whether all ports are open that the settings name."""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    tracing: Tracing | None = None
    tallies: Tallies = field(init=False)
    repairs: RepairDesk = field(default_factory=RepairDesk)
    status: StatusFeed = field(init=False)
    assets: AssetKeeper = field(init=False)
    breakers: BreakerLines = field(init=False)
    executors: ExecutorGauges = field(init=False)
    profiling: Profiling = field(init=False)

    def __post_init__(self) -> None:
        self.tallies = Tallies(metrics=self.metrics, clock=self.clock)
        self.executors = ExecutorGauges(self.metrics)
        self.profiling = Profiling(metrics=self.metrics, stopping=self.stopping, clock=self.clock)
        self.breakers = BreakerLines(self.metrics)
        self.status = StatusFeed(self.settings, metrics=self.metrics, clock=self.clock)
        self.assets = AssetKeeper(
            self.settings, self.folder, metrics=self.metrics, clock=self.clock, board=self.status.board
        )

    def ready(self) -> Opened:
        """The open store with what works on it; a 503 problem while there is none."""
        if self.opened is None:
            problem = ProblemError(503, "The server is starting or stopping; try again in a moment.")
            problem.headers["Retry-After"] = "1"
            raise problem
        return self.opened

    def set_store(self, store: Store) -> None:
        """From now on questions and records are taken."""
        self.repeats.store = store
        ingester = Ingester(store, self.settings, metrics=self.metrics, clock=self.clock)
        documents = Documents(self.folder, store, ids_max=self.settings.ingest.document_ids_max)
        self.opened = Opened(
            store,
            Searcher(store, rows_max=self.settings.query.rows_max, clock=self.clock),
            ingester,
            BulkTaker(store, ingester, documents, self.metrics),
            self._alerts(store),
            BackupDesk(store, self.settings, self.folder, metrics=self.metrics, clock=self.clock),
        )

    def _alerts(self, store: Store) -> AlertDesk:
        options = alert_options(self.settings, self.url)
        rules, book = RuleBook(self.database, self.clock), AlertBook(self.database, self.clock)
        return AlertDesk(store, rules, book, options, metrics=self.metrics, clock=self.clock)


def service_of(request: Request) -> Service:
    """The parts of the server that got this request."""
    service: Service = request.app.state.service
    return service
