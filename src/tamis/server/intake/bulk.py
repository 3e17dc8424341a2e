"""Elasticsearch's bulks taken in: each item stored, found to be stored already, or refused."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from tamis.errors import ConflictError, TooLargeError
from tamis.record.model import Columns
from tamis.server.intake.documents import Claim, Documents
from tamis.server.intake.ingest import Body, Digest, Ingester, Receipt, decode_receipt, encode_receipt
from tamis.server.intake.limits import BodyClaim
from tamis.server.questions.answers import Ingested, RejectedLine
from tamis.store.base import Appended, Store
from tamis.telemetry.metrics import Metrics
from tamis.wire.bulk import Bulk, BulkDecoder, OneDocument
from tamis.wire.bulk_answer import Filter, Stored, encode_answer
from tamis.wire.bulk_items import CREATE, Refusal

CONFLICT = Refusal(
    409,
    "version_conflict_engine_exception",
    "version conflict, document already exists: a record with this _id is stored, and Tamis changes no record",
)
REASONS_MAX = 20
"""Refusals of which samples are kept."""
SAME = Refusal(200, "noop", "")
"""The very same document is stored under this id: nothing is to be done."""
NOTHING = Columns(length=0, timestamp=[])
NO_ANSWER = Ingested(0, 0)
"""A bulk's answer is made of the bulk again."""


class BulkReceipt(Receipt):
    """What is kept beside a batch, so that a body sent again under its key gets the same answer."""

    refused: dict[int, Refusal] = msgspec.field(default_factory=dict)
    """Rows that were found to be stored already."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a bulk, which has no columns any more; `told` counts it as other bodies are counted."""

    bulk: Bulk
    where: Stored
    told: Ingested
    took_ms: int

    def answer(self, wanted: Filter) -> Iterator[bytes]:
        """In pieces."""
        return encode_answer(self.bulk, self.where, took_ms=self.took_ms, wanted=wanted)


class BulkTaker:
    """Takes bulks. Thread-safe; `take` blocks until the records are as safe as the store promises."""

    def __init__(self, store: Store, ingester: Ingester, documents: Documents, metrics: Metrics) -> None:
        self._store, self._ingester, self._documents = store, ingester, documents
        self._metrics = metrics

    def close(self) -> None:
        """Let go of what is open. Idempotent."""
        self._documents.close()

    def take(self, body: Body, claim: BodyClaim, *, index: str | None, action: bytes | None = None) -> Taken:
        """Store what the body holds; what names no index goes to `index`; with an `action` the body is its source.
        ConflictError: another body came under its key before. Raises what `Ingester.take` raises; then nothing was
        stored."""
        began = time.perf_counter()
        digest = Digest(body)
        digest.update(repr((index, action)).encode())
        options, schemas = self._ingester.options(body), self._ingester.schemas
        decoder: Any = BulkDecoder(options, schemas, index=index, count=self._ingester.count_block)
        if action is not None:
            decoder = OneDocument(decoder, action, options.limits.array_bytes_max)
        try:
            for piece in self._ingester.plain(body, claim, digest if body.key else None):
                decoder.feed(piece)
            bulk = decoder.finish()
        except TooLargeError as error:
            self._metrics.add("tamis_limits_met_total", 1, error.limit_name)
            raise
        self._metrics.add("tamis_ingest_rest_values_total", bulk.rest_count)
        bulk, appended = self._stored(bulk, body, claim, digest=digest.text())
        return self._told(bulk, appended, time.perf_counter() - began)

    def _stored(self, bulk: Bulk, body: Body, body_claim: BodyClaim, *, digest: str) -> tuple[Bulk, Appended]:
        """What is left of the bulk, and where it is stored."""
        batch_id = body.batch_id()
        with self._documents.claim(bulk.identities) as claim:
            earlier = None if batch_id is None else self._store.find_batch(batch_id)
            if earlier is not None:
                return _again(bulk, earlier, digest)
            refused = judge(bulk, claim)
            left = bulk.without(refused)
            if not left.columns.length:
                return left, Appended(0, 0)
            receipt = b"" if batch_id is None else encode_receipt(BulkReceipt(digest, NO_ANSWER, refused))
            body_claim.begin_storing()
            name = claim.note(left.identities, batch_id)
            appended = self._ingester.append(left.columns, batch_id=name, receipt=receipt)
            if appended.duplicate:
                return _again(bulk, appended, digest)
            claim.keep()
        self._ingester.gaps.note(body.principal, left.columns)
        return left, appended

    def _told(self, bulk: Bulk, appended: Appended, seconds: float) -> Taken:
        stored, rejected = appended.count, bulk.refused_count
        same = bulk.received - stored - rejected
        answer = Ingested(
            bulk.received,
            stored,
            rejected=[RejectedLine(item + 1, reason) for item, reason in bulk.reasons(REASONS_MAX)],
            rejected_count=rejected,
            duplicate=appended.duplicate,
        )
        self._ingester.count(answer, seconds)
        self._metrics.add("tamis_ingest_records_total", same, "duplicate")
        where = Stored(self._store.store_id, appended.first_seq)
        return Taken(replace(bulk, columns=NOTHING), where, answer, round(seconds * 1000))


def _again(bulk: Bulk, earlier: Appended, digest: str) -> tuple[Bulk, Appended]:
    """A body that came before under its key."""
    receipt = decode_receipt(earlier.receipt, BulkReceipt)
    if receipt.digest != digest:
        raise ConflictError(
            "this Idempotency-Key came before with another body; use a new key for new records"
        )
    return bulk.without(receipt.refused), replace(earlier, duplicate=True)


def judge(bulk: Bulk, claim: Claim) -> dict[int, Refusal]:
    """Which rows are not to be stored, of documents with an id: what is to be created and is there; what is to be
    indexed and is there with the same source."""
    if not claim.exists.any() and len(claim.keys) == len(bulk.identities):
        return {}
    refused: dict[int, Refusal] = {}
    here: dict[tuple[int, int], set[int]] = {}
    """Sources that this body has brought, by id."""
    codes, rows, words = bulk.actions(bulk.rows), bulk.rows.tolist(), bulk.identities.words.tolist()
    known: Any = zip(codes, rows, words, claim.exists, claim.same, strict=True)
    for code, row, (high, low, content), exists, same in known:
        sources = here.get((high, low))
        if code == CREATE and (exists or sources is not None):
            refused[row] = CONFLICT
        elif same or (sources is not None and content in sources):
            refused[row] = SAME
        else:
            here.setdefault((high, low), set()).add(content)
    return refused
