"""A server that takes records in as a Tamis server does (its own ingestion over a store in memory), with faults on
demand: `tests.support.faulty_server`.
"""

import msgspec

from tamis.errors import TamisError
from tamis.query import ast
from tamis.record.model import Record
from tamis.server.intake.ingest import Body, Ingester
from tamis.server.intake.limits import BodyBudget
from tamis.server.problems import problem_of
from tamis.server.questions.answers import Ingested
from tamis.settings import load_settings
from tamis.store.base import Budget, Question
from tamis.store.memory import MemoryStore
from tamis.telemetry.metrics import Metrics
from tests.support.faulty_server import FaultyServer, Reply, Request, json_reply


class TamisServer(FaultyServer):
    """Takes `POST /api/v1/ingest`. With a `token` it wants it."""

    def __init__(self, *, token: str = "") -> None:
        metrics = Metrics()
        self.store = MemoryStore()
        self._ingester = Ingester(self.store, load_settings({}, {}), metrics=metrics)
        self._budget = BodyBudget(1 << 30, 100, metrics=metrics)
        self._token = token
        super().__init__()

    @property
    def records(self) -> list[Record]:
        """What is stored, in the order it came."""
        with self.lock:
            page = self.store.search(Question(ast.All()), Budget(), limit=10_000)
            return [one.record for one in sorted(page.records, key=lambda one: one.seq)]

    def answer(self, request: Request) -> Reply:
        """As the server would."""
        if self._token and request.headers.get("authorization") != f"Bearer {self._token}":
            return self.refused_reply(401, "unknown token")
        if (request.method, request.path) != ("POST", "/api/v1/ingest"):
            return self.refused_reply(404, "there is nothing here")
        encoding = request.headers.get("content-encoding", "")
        body = Body(
            [request.body],
            "" if encoding == "gzip" else encoding,
            principal="test",
            key=request.headers.get("idempotency-key"),
        )
        try:
            with self._budget.enter() as claim:
                return _reply(self._ingester.take(body, claim))
        except TamisError as error:
            problem = problem_of(error)
            return self.refused_reply(problem.status, problem.detail)

    def refused_reply(self, status: int, reason: str) -> Reply:
        """A problem document."""
        return json_reply({"title": "told to", "status": status, "detail": reason}, status)


def _reply(answer: Ingested) -> Reply:
    status = 200 if answer.stored or answer.duplicate else 400
    return Reply(status, msgspec.json.encode(answer))
