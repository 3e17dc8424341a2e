"""OTLP over HTTP: collectors, and what else takes OpenTelemetry's logs."""

from typing import Any

import msgspec

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.errors import BatchTooLargeError
from tamis.http_client.connection import Response
from tamis.pipeline.base import DELIVERED, Batch, Outcome, Rejected
from tamis.pipeline.encode import write_lines
from tamis.pipeline.sinks.base import RemoteSink
from tamis.pipeline.sinks.cut import cut
from tamis.pipeline.sinks.endpoint import COMPRESS_FROM_BYTES, Endpoint, first_words, gzipped
from tamis.pipeline.sinks.keyed import KEY, post_once
from tamis.pipeline.sinks.otlp_form import request_of
from tamis.pipeline.sinks.otlp_protobuf import encode_request, message_of, rejected_of
from tamis.pipeline.sinks.url import SinkUrl, basic_credentials, parse_sink_url
from tamis.settings import Settings

FAMILY = "otlp"
JSON, PROTOBUF = "application/json", "application/x-protobuf"
_PATH = "v1/logs"
_REASON_CHARS_MAX = 500


def create(url: str, _settings: Settings) -> "OtlpSink":
    """The sink of a URL."""
    return OtlpSink(url)


class OtlpSink(RemoteSink):
    """``otlp+http(s)://host:4318``; see `tamis.pipeline.base.Sink`.

    OTLP knows no batch ids: a batch whose answer was lost is sent again and may stand there twice, unless the receiver
    honours `Idempotency-Key`, as a Tamis server does; each record's `log.record.uid` tells copies from records. What a
    receiver rejects it only counts, so that when it rejects some of a batch, the whole batch goes to the dead letters:
    nothing is lost, and what was taken may be sent again.
    """

    def __init__(self, url: str, *, clock: Clock = SYSTEM_CLOCK) -> None:
        parts = parse_sink_url(url)
        if parts.family != FAMILY:
            parts.refuse("the scheme must be otlp+http or otlp+https")
        path = parts.path if parts.path.endswith(_PATH) else f"{parts.path}/{_PATH}"
        self._path = f"/{path.strip('/')}"
        self._kind = {"json": JSON, "protobuf": PROTOBUF}[
            parts.choice("encoding", "json", "json", "protobuf")
        ]
        self._gzip = parts.flag("gzip", default=True)
        self.limits = parts.limits()
        self.name = f"{FAMILY} {parts.shown}"
        headers = {**_credentials(parts), **parts.headers(), "Accept": self._kind}
        self._endpoint = Endpoint(self.name, parts.address, headers=headers, trust=parts.trust(), clock=clock)
        parts.finish()

    def deliver(self, batch: Batch, until_s: float) -> Outcome:
        """See `RemoteSink`."""
        answer = self._post(batch, batch.id, until_s)
        if answer.status == 413 and len(batch.records) == 1:
            answer = self._post(Batch(batch.id, (cut(batch.records[0]),)), f"{batch.id}-cut", until_s)
        if not 200 <= answer.status < 300:
            return self._refused(batch, answer)
        count, reason = self._rejected(answer)
        if count <= 0:
            return DELIVERED
        if count < len(batch.records):
            reason = f"{count} of these {len(batch.records)} were rejected, nobody says which: {reason}"
        return Outcome(rejected=tuple([Rejected(record, reason) for record in batch.records]))

    def _post(self, batch: Batch, key: str, until_s: float) -> Response:
        request = request_of(batch)
        body = write_lines([request]) if self._kind == JSON else encode_request(request)
        headers, sent = {"Content-Type": self._kind}, body
        if self._gzip and len(body) > COMPRESS_FROM_BYTES:
            headers["Content-Encoding"], sent = "gzip", gzipped(body)

        def post(under: str) -> Response:
            return self._endpoint.request(
                "POST",
                self._path,
                sent,
                headers={**headers, KEY: under},
                until_s=until_s,
                plain_bytes=len(body),
            )

        return post_once(post, key, body)

    def _refused(self, batch: Batch, answer: Response) -> Outcome:
        """Nothing of it was taken. 400 is the data's fault: which record's, halves will show."""
        status, one = answer.status, len(batch.records) == 1
        if status == 413 or (status == 400 and not one):
            raise BatchTooLargeError(self.name, self._reason(answer))
        if status == 400:
            return Outcome(rejected=(Rejected(batch.records[0], self._reason(answer)),))
        reason = self._reason(answer)
        if status in (401, 403):
            reason = (
                f"the receiver does not let in the credentials of the sink's URL (status {status}); "
                "write TOKEN@ or user:password@ before the host, or header.<name>=… behind it"
            )
        elif status in (301, 302, 307, 308, 404, 405):
            reason = f"answered with status {status}: no OTLP receiver is at {self._path}"
        raise self._endpoint.unavailable(answer, reason)

    def _rejected(self, answer: Response) -> tuple[int, str]:
        """How many were rejected, and why; nobody knows when the answer cannot be read."""
        kind = answer.headers.get("content-type", "")
        try:
            if kind.startswith(PROTOBUF):
                count, reason = rejected_of(answer.body)
            else:
                count, reason = _json_rejected(answer.body)
        except (ValueError, TypeError, AttributeError):
            raise self._endpoint.unavailable(answer, "the answer is not that of an OTLP receiver") from None
        return count, reason[:_REASON_CHARS_MAX]

    def _reason(self, answer: Response) -> str:
        """The status' message in words."""
        is_protobuf = answer.headers.get("content-type", "").startswith(PROTOBUF)
        try:
            message = message_of(answer.body) if is_protobuf else msgspec.json.decode(answer.body)["message"]
        except (ValueError, KeyError, TypeError):
            return first_words(answer)
        return f"answered with status {answer.status}: {message}"[:_REASON_CHARS_MAX]


def _json_rejected(body: bytes) -> tuple[int, str]:
    found: Any = msgspec.json.decode(body) if body.strip() else {}
    partial = found.get("partialSuccess") or {}
    return int(partial.get("rejectedLogRecords") or 0), str(partial.get("errorMessage") or "")


def _credentials(parts: SinkUrl) -> dict[str, str]:
    """``TOKEN@`` is a bearer's token, ``user:password@`` both."""
    if parts.password:
        return basic_credentials(parts)
    if not parts.user:
        return {}
    if not (parts.user.isascii() and parts.user.isprintable()):
        parts.refuse("the token has characters that no header can hold")
    return {"Authorization": f"Bearer {parts.user}"}
