"""Elasticsearch and OpenSearch by their bulk interface: each document created once, each item's answer read."""

from typing import Any

import msgspec

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.errors import BatchTooLargeError
from tamis.http_client.connection import Response
from tamis.pipeline.base import DELIVERED, Batch, Outcome, Rejected
from tamis.pipeline.encode import encode_line
from tamis.pipeline.sinks.base import RemoteSink
from tamis.pipeline.sinks.cut import cut
from tamis.pipeline.sinks.endpoint import (
    COMPRESS_FROM_BYTES,
    Endpoint,
    first_words,
    gzipped,
    retry_after_s,
)
from tamis.pipeline.sinks.identity import record_id
from tamis.pipeline.sinks.index import IndexName, index_template
from tamis.pipeline.sinks.url import SinkUrl, basic_credentials, parse_sink_url
from tamis.record.model import Record
from tamis.settings import Settings

FAMILIES = ("elasticsearch", "opensearch")
_REASON_CHARS_MAX = 500
_FILTER = "errors,items.*.status,items.*.error.type,items.*.error.reason"
_PASSING = frozenset(("cluster_block_exception", "index_not_found_exception", "security_exception"))
"""Types of errors of items that are the cluster's state or its settings, not the document's fault."""


class _Error(msgspec.Struct):
    type: str = ""
    reason: str | None = None


class _Item(msgspec.Struct):
    status: int
    error: _Error | str | None = None


class _Bulk(msgspec.Struct):
    """What a bulk is answered with; each item is an object with the action's name as its only key."""

    items: list[dict[str, _Item]]


def create(url: str, _settings: Settings) -> "ElasticsearchSink":
    """The sink of a URL."""
    return ElasticsearchSink(url)


class ElasticsearchSink(RemoteSink):
    """``elasticsearch+http(s)://user:pass@host:9200/index``, or ``opensearch+…``; see `tamis.pipeline.base.Sink`.

    Documents have an `_id` that follows from the record, and are only ever created: what is sent twice is stored
    once. An index such as ``shop-%Y.%m.%d`` goes by the record's day (UTC).
    """

    def __init__(self, url: str, *, clock: Clock = SYSTEM_CLOCK) -> None:
        parts = parse_sink_url(url)
        if parts.family not in FAMILIES:
            parts.refuse(f"the scheme must begin with {' or '.join(FAMILIES)}")
        prefix, _, pattern = parts.path.rpartition("/")
        self._prefix = f"/{prefix}" if prefix else ""
        self._index = IndexName(parts, pattern)
        is_stream = parts.flag("data_stream", default=False)
        self._template = index_template(parts, self._index, is_stream=is_stream)
        self._gzip = parts.flag("gzip", default=True)
        self.limits = parts.limits()
        self.name = f"{parts.family} {parts.shown}"
        headers = {**_credentials(parts), **parts.headers()}
        self._endpoint = Endpoint(self.name, parts.address, headers=headers, trust=parts.trust(), clock=clock)
        self.template_refusal = ""
        """Why the cluster did not take the index template, if it did not."""
        parts.finish()

    def deliver(self, batch: Batch, until_s: float) -> Outcome:
        """See `RemoteSink`."""
        self._install(until_s)
        answer = self._bulk(batch, until_s)
        if answer.status == 413 and len(batch.records) == 1:
            answer = self._bulk(Batch(batch.id, (cut(batch.records[0]),)), until_s)
        if answer.status != 200:
            return self._refused(batch, answer)
        return self._outcome(batch.records, self._items(batch, answer), answer)

    def _install(self, until_s: float) -> None:
        """Put the index template, once; a cluster that will have none takes the records all the same."""
        if self._template is None:
            return
        name, template = self._template
        path = f"{self._prefix}/_index_template/{name}?create=true"
        headers = {"Content-Type": "application/json"}
        body = msgspec.json.encode(template)
        answer = self._endpoint.request("PUT", path, body, headers=headers, until_s=until_s)
        if answer.status in (401, 408, 429) or answer.status >= 500:
            raise self._endpoint.unavailable(answer, self._words(answer))
        if answer.status >= 400:
            self.template_refusal = self._endpoint.discreet(_reason(answer))
        self._template = None

    def _bulk(self, batch: Batch, until_s: float) -> Response:
        indices = [self._index.of(record.timestamp) for record in batch.records]
        is_one = indices.count(indices[0]) == len(indices)
        lines: list[bytes] = []
        for place, (record, index) in enumerate(zip(batch.records, indices, strict=True)):
            action = {"_id": record_id(batch.id, place, record)}
            if not is_one:
                action["_index"] = index
            lines += (msgspec.json.encode({"create": action}), b"\n", encode_line(record, "ecs"))
        body = b"".join(lines)
        headers, sent = {"Content-Type": "application/x-ndjson"}, body
        if self._gzip and len(body) > COMPRESS_FROM_BYTES:
            headers["Content-Encoding"], sent = "gzip", gzipped(body)
        where = f"/{indices[0]}" if is_one else ""
        path = f"{self._prefix}{where}/_bulk?filter_path={_FILTER}"
        return self._endpoint.request(
            "POST", path, sent, headers=headers, until_s=until_s, plain_bytes=len(body)
        )

    def _refused(self, batch: Batch, answer: Response) -> Outcome:
        """A bulk that was not looked into, or nobody knows how far."""
        one = len(batch.records) == 1
        if answer.status == 413 or (answer.status == 400 and not one):
            raise BatchTooLargeError(self.name, _reason(answer))
        if answer.status == 400:
            return Outcome(rejected=(Rejected(batch.records[0], _reason(answer)),))
        raise self._endpoint.unavailable(answer, self._words(answer))

    def _items(self, batch: Batch, answer: Response) -> list[_Item]:
        try:
            items = [
                item for one in msgspec.json.decode(answer.body, type=_Bulk).items for item in one.values()
            ]
        except (msgspec.DecodeError, UnicodeDecodeError):
            items = []
        if len(items) != len(batch.records):
            raise self._endpoint.unavailable(answer, "the answer does not say what became of each document")
        return items

    def _outcome(self, records: tuple[Record, ...], items: list[_Item], answer: Response) -> Outcome:
        """2xx and 409 are done; what the cluster could not do now is sent again; other documents are refused."""
        retry: list[Record] = []
        rejected: list[Rejected] = []
        reason = ""
        for record, item in zip(records, items, strict=True):
            if 200 <= item.status < 300 or item.status == 409:
                continue
            reason = _item_reason(item)
            if _passes(item):
                retry.append(record)
            else:
                rejected.append(Rejected(record, reason))
        if not retry and not rejected:
            return DELIVERED
        if len(retry) == len(records):
            raise self._endpoint.unavailable(
                Response(items[0].status, answer.headers, b""), f"took none of the documents: {reason}"
            )
        wait_s = retry_after_s(answer) if retry else None
        return Outcome(retry=tuple(retry), rejected=tuple(rejected), retry_after_s=wait_s)

    def _words(self, answer: Response) -> str:
        """Why a whole bulk has to wait."""
        if answer.status in (401, 403):
            return (
                f"the cluster does not let in the user or API key of the sink's URL (status {answer.status}); "
                "it needs the right to create documents in the index"
            )
        if answer.status in (301, 302, 307, 308):
            return f"answered with status {answer.status}: it is somewhere else; give the sink that URL"
        return _reason(answer)


def _credentials(parts: SinkUrl) -> dict[str, str]:
    key = parts.text("api_key")
    if key and (parts.user or parts.password):
        parts.refuse("has a user and an api_key; leave one of them out")
    if not (key.isascii() and key.isprintable()):
        parts.refuse("the api_key has characters that no header can hold")
    if key:
        return {"Authorization": f"ApiKey {key}"}
    return basic_credentials(parts)


def _passes(item: _Item) -> bool:
    """Whether the same document may be taken later."""
    kind = item.error.type if isinstance(item.error, _Error) else ""
    return item.status in (401, 403, 429) or item.status >= 500 or kind in _PASSING


def _item_reason(item: _Item) -> str:
    if isinstance(item.error, _Error):
        return f"{item.status} {item.error.type}: {item.error.reason}"[:_REASON_CHARS_MAX]
    return f"{item.status} {item.error or ''}"[:_REASON_CHARS_MAX]


def _reason(answer: Response) -> str:
    """The error of a whole answer in words."""
    try:
        found: Any = msgspec.json.decode(answer.body)
        error = found["error"]
        text = error if isinstance(error, str) else f"{error['type']}: {error['reason']}"
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError):
        return first_words(answer)
    return f"answered with status {answer.status}: {text}"[:_REASON_CHARS_MAX]
