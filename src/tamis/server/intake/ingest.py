"""From a body to safe records: decompressed within limits, decoded, stored whole, answered exactly."""

import collections
import hashlib
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import tzinfo
from typing import TypeVar
from zoneinfo import ZoneInfo

import msgspec

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.errors import ConflictError, NoSpaceError, OverloadedError, TooLargeError
from tamis.record.model import Columns
from tamis.server.intake.gaps import GapTracker, gap_limits
from tamis.server.intake.limits import BodyClaim
from tamis.server.questions.answers import Ingested, RejectedLine
from tamis.settings import Settings
from tamis.store.base import Appended, Store
from tamis.telemetry.metrics import Metrics
from tamis.wire.arrow_schema import LearnedSchemas
from tamis.wire.base import (
    OWN_LINE_TIMES,
    Decoded,
    DecodeOptions,
    FieldNames,
    StreamDecoder,
    StreamMaker,
    WireLimits,
)
from tamis.wire.body import BodyDecoder
from tamis.wire.compressed import inflate
from tamis.wire.jsonlines_arrow import BODY_BYTES_MIN

RECEIPT_PLAIN_BYTES = 2_048
"""A longer receipt is compressed."""
KEY_CHARS_MAX = 255
NO_FIELDS = FieldNames()


@dataclass(frozen=True, slots=True)
class Body:
    """A request's body as it came, and what its URL and headers say of it. Who reads the pieces empties them."""

    pieces: list[bytes]
    encoding: str = ""
    service: str | None = None
    host: str | None = None
    fields: FieldNames = NO_FIELDS
    principal: str = ""
    key: str | None = None
    own: bool = False
    """Whether another part of Tamis made the lines (`wire.base.OWN_MEDIA_TYPE`)."""
    stream: StreamMaker | None = None
    """Makes what reads the body, when it is not lines."""

    def batch_id(self) -> str | None:
        """The store's name for what this body holds: a key belongs to its principal."""
        if self.key is None:
            return None
        named = f"{self.principal}\0{self.key}".encode("utf-8", "surrogatepass")
        return "key-" + hashlib.blake2b(named, digest_size=16).hexdigest()


class Receipt(msgspec.Struct):
    """What is kept beside a batch, so that a body sent again gets the same answer."""

    digest: str
    answer: Ingested


R = TypeVar("R", bound=Receipt)


class Ingester:
    """Takes bodies. Thread-safe; `take` blocks until the records are as safe as the store promises."""

    def __init__(
        self, store: Store, settings: Settings, *, metrics: Metrics, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._store, self._metrics, self._clock = store, metrics, clock
        self._bytes_max = settings.server.decompressed_bytes_max
        self._ratio_max = settings.server.decompress_ratio_max
        self._limits = WireLimits(
            line_bytes_max=settings.server.line_bytes_max,
            lines_max=settings.ingest.lines_max,
            names_max=settings.ingest.names_max,
            array_bytes_max=settings.ingest.document_bytes_max,
            expanded_bytes_max=settings.ingest.expanded_bytes_max,
        )
        self._own_limits = replace(self._limits, line_bytes_max=self._limits.line_bytes_max * OWN_LINE_TIMES)
        self.gaps = GapTracker(gap_limits(settings.ingest), metrics=metrics, clock=clock)
        """What senders numbered and never came."""
        self.schemas = LearnedSchemas()
        """What blocks of JSON lines were found to hold."""
        self._zone: tzinfo = ZoneInfo(settings.ingest.zone)
        self._fields = FieldNames(
            time=settings.ingest.time_fields,
            level=settings.ingest.level_fields,
            message=settings.ingest.message_fields,
        )

    def warm_up(self) -> None:
        """Decode a little, so that the first body does not wait for what is loaded on first use."""
        line = b'{"timestamp":"2026-11-21T10:00:00Z","level":"info","message":"a line to begin with"}\n'
        decoder = self._decoder(Body([]))
        decoder.feed(line * (1 + BODY_BYTES_MIN // len(line)))
        decoder.finish()

    def take(self, body: Body, claim: BodyClaim) -> Ingested:
        """Store what the body holds. ConflictError: another body came under its key before.

        Raises what `wire.compressed.inflate` and `Store.append` raise; then nothing was stored.
        """
        began = time.perf_counter()
        batch_id = body.batch_id()
        earlier = None if batch_id is None else self._store.find_batch(batch_id)
        digest = None if batch_id is None else Digest(body)
        try:
            if earlier is None:
                decoder = self._decoder(body)
                for piece in self.plain(body, claim, digest):
                    decoder.feed(piece)
                answer = self._stored(decoder.finish(), body, claim, digest=digest.text() if digest else "")
            else:
                collections.deque(self.plain(body, claim, digest), maxlen=0)
                answer = self._repeat(earlier, digest.text() if digest else "")
        except TooLargeError as error:
            self._metrics.add("tamis_limits_met_total", 1, error.limit_name)
            raise
        self.count(answer, time.perf_counter() - began)
        return answer

    def plain(self, body: Body, claim: BodyClaim, digest: "Digest | None") -> Iterator[bytes]:
        """The body's bytes as they come out of the decompressor; what came in is let go on the way."""
        pieces = self._inflated(body, claim) if body.encoding else _emptied(body.pieces)
        self._metrics.add("tamis_ingest_bytes_total", sum(map(len, body.pieces)), "wire")
        size = 0
        for piece in pieces:
            claim.go_on()
            size += len(piece)
            if digest is not None:
                digest.update(piece)
            yield piece
        self._metrics.add("tamis_ingest_bytes_total", size, "plain")

    def _inflated(self, body: Body, claim: BodyClaim) -> Iterator[bytes]:
        limits = {"bytes_max": self._bytes_max, "ratio_max": self._ratio_max}
        for piece in inflate(_emptied(body.pieces), body.encoding, **limits):  # type: ignore[arg-type]  # both are numbers
            claim.grow(len(piece))
            yield piece

    def _stored(self, decoded: Decoded, body: Body, claim: BodyClaim, *, digest: str) -> Ingested:
        self._metrics.add("tamis_ingest_rest_values_total", decoded.rest_count)
        answer = Ingested(
            received=decoded.received,
            stored=decoded.columns.length,
            rejected=[RejectedLine(one.line, one.reason) for one in decoded.rejected],
            rejected_count=decoded.rejected_count,
        )
        if decoded.columns.length == 0:
            return answer
        batch_id = body.batch_id()
        receipt = b"" if batch_id is None else encode_receipt(Receipt(digest, answer))
        claim.begin_storing()
        appended = self.append(decoded.columns, batch_id=batch_id, receipt=receipt)
        self.gaps.note(body.principal, decoded.columns)
        return self._repeat(appended, digest) if appended.duplicate else answer

    def append(self, columns: Columns, *, batch_id: str | None = None, receipt: bytes = b"") -> Appended:
        """The one way into the store: as `Store.append`, and what the store refuses is counted."""
        try:
            return self._store.append(columns, batch_id=batch_id, receipt=receipt)
        except (OverloadedError, NoSpaceError) as error:
            limit = (
                "store.hot_bytes_max" if isinstance(error, OverloadedError) else "store.disk_reserve_bytes"
            )
            self._metrics.add("tamis_limits_met_total", 1, limit)
            raise

    def _decoder(self, body: Body) -> StreamDecoder:
        options = self.options(body)
        if body.stream is not None:
            return body.stream(options)
        return BodyDecoder(options, self.schemas, count=self.count_block)

    def count_block(self, way: str) -> None:
        """A block was decoded the ``fast`` or the ``general`` way."""
        self._metrics.add("tamis_ingest_blocks_total", 1, way)

    def options(self, body: Body) -> DecodeOptions:
        """How to read a body."""
        return DecodeOptions(
            service=body.service,
            host=body.host,
            fields=FieldNames(
                time=body.fields.time + self._fields.time,
                level=body.fields.level + self._fields.level,
                message=body.fields.message + self._fields.message,
            ),
            zone=self._zone,
            now_ns=self._clock.now_ns(),
            limits=self._own_limits if body.own else self._limits,
        )

    def _repeat(self, earlier: Appended, digest: str) -> Ingested:
        receipt = decode_receipt(earlier.receipt, Receipt)
        if receipt.digest != digest:
            raise ConflictError(
                "this Idempotency-Key came before with another body; use a new key for new records"
            )
        receipt.answer.duplicate = True
        return receipt.answer

    def count(self, answer: Ingested, seconds: float) -> None:
        """A body was taken, and answered."""
        self._metrics.observe("tamis_ingest_seconds", seconds)
        stored = "duplicate" if answer.duplicate else "stored"
        self._metrics.add("tamis_ingest_records_total", answer.stored, stored)
        self._metrics.add("tamis_ingest_records_total", answer.rejected_count, "rejected")


class Digest:
    """Of the lines and of what the URL says of them: the same lines compressed otherwise are the same body."""

    def __init__(self, body: Body) -> None:
        said = repr((body.service, body.host, body.fields)).encode()
        key = hashlib.blake2b(said, digest_size=32).digest()
        self._hash = hashlib.blake2b(digest_size=16, key=key)
        self.update = self._hash.update

    def text(self) -> str:
        """As a receipt keeps it."""
        return self._hash.hexdigest()


def _emptied(pieces: list[bytes]) -> Iterator[bytes]:
    """The pieces in their order, each let go when the next is asked for."""
    pieces.reverse()
    while pieces:
        yield pieces.pop()


def encode_receipt(receipt: Receipt) -> bytes:
    """As bytes beside a batch."""
    plain = msgspec.json.encode(receipt)
    return plain if len(plain) <= RECEIPT_PLAIN_BYTES else b"z" + zlib.compress(plain, 1)


def decode_receipt(data: bytes, kind: type[R]) -> R:
    """What `encode_receipt` wrote."""
    plain = zlib.decompress(data[1:]) if data.startswith(b"z") else data
    return msgspec.json.decode(plain, type=kind)
