"""A server as target."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import msgspec

from tamis.cli.target import Answer, Ask, Order, Receipt
from tamis.clock import SYSTEM_CLOCK
from tamis.http_client import HttpClient
from tamis.http_client.problem import error_of
from tamis.record.model import Columns
from tamis.wire.base import OWN_MEDIA_TYPE
from tamis.wire.jsonlines import encode_records

COMPRESS_FROM_BYTES = 1_024
ZSTD_LEVEL = 3
NONE_STORED = frozenset({400})
API = "/api/v1/"


class RemoteTarget:
    """A Tamis server, over HTTP."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    @property
    def name(self) -> str:
        """Its URL."""
        return self._client.address.url

    def store_id(self) -> str | None:
        """What its store is called; None when the token is not known there."""
        answer: Answer = self._client.request("GET", "/readyz").json()
        return answer.get("store")

    def search(self, ask: Ask, *, limit: int, order: Order = "desc", cursor: str | None = None) -> Answer:
        """A page of records."""
        return self._get("search", ask, limit=limit, order=order, cursor=cursor)

    def count(self, ask: Ask) -> Answer:
        """How many."""
        return self._get("count", ask)

    def histogram(self, ask: Ask, *, by: str = "level") -> Answer:
        """Counts over time."""
        return self._get("histogram", ask, by=by)

    def stats(self, ask: Ask) -> Answer:
        """The table that a query with ``| stats`` gives."""
        return self._get("stats", ask)

    def patterns(self, ask: Ask, *, limit: int | None = None) -> Answer:
        """What sentences there are."""
        return self._get("patterns", ask, limit=limit)

    def delete(self, ask: Ask) -> Answer:
        """Hide what is found, for good."""
        body = msgspec.json.encode({"q": ask.q, "start": ask.start, "end": ask.end})
        headers = {"Content-Type": "application/json"}
        answer: Answer = self._client.request("POST", API + "delete", body=body, headers=headers).json()
        return answer

    def export(self, ask: Ask, file_format: str) -> AbstractContextManager[Iterator[bytes]]:
        """Everything that is found, as the bytes of a file."""
        query = {"q": ask.q, "start": ask.start, "end": ask.end, "format": file_format}
        return self._client.stream("GET", API + "export", query=query)

    def tail(self, text: str, after: str) -> AbstractContextManager[Iterator[bytes]]:
        """The server's live tail: events of what came after a record or a moment, then of what comes."""
        headers = {"Accept": "text/event-stream", "Last-Event-ID": after}
        return self._client.stream("GET", API + "tail", query={"q": text}, headers=headers)

    def append(self, batch: Columns, key: str) -> Receipt:
        """Store a batch, once however often it is sent under its key."""
        body = encode_records(batch.records(SYSTEM_CLOCK.now_ns()))
        headers = {"Content-Type": OWN_MEDIA_TYPE, "Idempotency-Key": key}
        if not self._client.address.loopback and len(body) >= COMPRESS_FROM_BYTES:
            body = _compress(body)
            headers["Content-Encoding"] = "zstd"
        answer = self._client.request("POST", API + "ingest", body=body, headers=headers, accept=NONE_STORED)
        try:
            return msgspec.json.decode(answer.body, type=Receipt)
        except msgspec.DecodeError:
            raise error_of(self.name, answer) from None

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _get(self, what: str, ask: Ask, **parameters: Any) -> Answer:
        query = {"q": ask.q, "start": ask.start, "end": ask.end, **parameters}
        answer: Answer = self._client.request("GET", API + what, query=query).json()
        return answer


def _compress(body: bytes) -> bytes:
    import sys

    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd.compress(body, ZSTD_LEVEL)
