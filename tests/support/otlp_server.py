"""A small OTLP/HTTP receiver of logs: JSON and protobuf, gzip, partial success, and faults on demand.

::

    with OtlpServer() as server:
        server.reject(lambda record: record.body == "bad")          # counted in partialSuccess
        server.script(refuse_with(503, retry_after="1"))            # faults: tests.support.faulty_server
        ...
        assert [record.body for record in server.records] == ["good"]
"""

import json
from collections.abc import Callable
from typing import Any

from tests.support.faulty_server import FaultyServer, Reply, Request, json_reply
from tests.support.otlp_wire import (
    OtlpRecord,
    partial_success,
    records_of_json,
    records_of_protobuf,
    status_message,
)

PROTOBUF, JSON = "application/x-protobuf", "application/json"


class OtlpServer(FaultyServer):
    """Takes `POST /v1/logs`. With `headers` it wants these on each request."""

    def __init__(self, *, headers: dict[str, str] | None = None) -> None:
        self._records: list[OtlpRecord] = []
        self._rejects: Callable[[OtlpRecord], bool] = lambda record: False
        self._headers = {name.lower(): value for name, value in (headers or {}).items()}
        super().__init__()

    @property
    def records(self) -> list[OtlpRecord]:
        """What was taken, in the order it came."""
        with self.lock:
            return list(self._records)

    def reject(self, chosen: Callable[[OtlpRecord], bool]) -> None:
        """Records that `chosen` says true to are not taken, and counted in the answer's partial success."""
        with self.lock:
            self._rejects = chosen

    def clear(self) -> None:
        """Nothing is wrong any more."""
        super().clear()
        self.reject(lambda record: False)

    def answer(self, request: Request) -> Reply:
        """As a collector would."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip()
        if any(request.headers.get(name) != value for name, value in self._headers.items()):
            return self._error(kind, 401, "who are you?")
        if request.path != "/v1/logs":
            return self._error(kind, 404, "404 page not found")
        if request.method != "POST":
            return self._error(kind, 405, "405 method not allowed, supported: [POST]")
        if kind not in (PROTOBUF, JSON):
            return self._error(kind, 415, "415 unsupported media type")
        try:
            came = (records_of_protobuf if kind == PROTOBUF else records_of_json)(request.body)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            return self._error(kind, 400, f"cannot be decoded: {error}")
        taken = [record for record in came if not self._rejects(record)]
        self._records += taken
        return self._taken(kind, len(came) - len(taken))

    def refused_reply(self, status: int, reason: str) -> Reply:
        """An error as a `google.rpc.Status`, in JSON."""
        return self._error(JSON, status, reason)

    def _taken(self, kind: str, rejected: int) -> Reply:
        message = f"{rejected} records were told to be rejected" if rejected else ""
        if kind == PROTOBUF:
            return Reply(200, partial_success(rejected, message), {"Content-Type": PROTOBUF})
        answer: dict[str, Any] = {}
        if rejected:
            answer["partialSuccess"] = {"rejectedLogRecords": str(rejected), "errorMessage": message}
        return json_reply(answer)

    def _error(self, kind: str, status: int, message: str) -> Reply:
        if kind == PROTOBUF:
            return Reply(status, status_message(status, message), {"Content-Type": PROTOBUF})
        return Reply(status, json.dumps({"code": 0, "message": message}).encode())
