"""A Tamis server: JSON lines under an idempotency key, so that what is sent twice is stored once."""

import os
from typing import Any

import msgspec

from tamis.errors import BatchTooLargeError
from tamis.http_client.connection import Response
from tamis.pipeline.base import DELIVERED, Batch, Outcome, Rejected
from tamis.pipeline.encode import encode_lines
from tamis.pipeline.sinks.base import RemoteSink
from tamis.pipeline.sinks.cut import cut
from tamis.pipeline.sinks.endpoint import (
    COMPRESS_FROM_BYTES,
    Endpoint,
    best_compression,
    first_words,
    gzipped,
)
from tamis.pipeline.sinks.keyed import KEY, post_once
from tamis.pipeline.sinks.url import BATCH_RECORDS_MAX, SinkUrl, parse_sink_url
from tamis.record.model import Record
from tamis.settings import Settings
from tamis.wire.base import OWN_MEDIA_TYPE

_RATIO_MAX = 200
"""What becomes smaller than that a server may take for an attack, and it is sent as it is."""
_REASON_CHARS_MAX = 300


def create(url: str, settings: Settings) -> "TamisSink":
    """The sink of a URL; a token that is not in it is the settings' (TAMIS_TOKEN)."""
    return TamisSink(url, token=settings.client.token)


class TamisSink(RemoteSink):
    """``http(s)://TOKEN@host:4817``; see `tamis.pipeline.base.Sink`. A batch that is sent twice under its id is stored
    once.
    """

    def __init__(self, url: str, *, token: str = "") -> None:
        parts = parse_sink_url(url)
        if parts.family:
            parts.refuse("a Tamis server's scheme is http or https")
        own = parts.user or parts.password
        token, self._token_from = _token(parts, own, token)
        self.limits = parts.limits()
        self._encoding, self._compress = _compression(parts)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        prefix = f"/{parts.path}" if parts.path else ""
        self._path = f"{prefix}/api/v1/ingest"
        self.name = f"tamis {parts.shown}"
        self._endpoint = Endpoint(self.name, parts.address, headers=headers, trust=parts.trust())
        parts.finish()

    def deliver(self, batch: Batch, until_s: float) -> Outcome:
        """See `RemoteSink`."""
        if len(batch.records) > BATCH_RECORDS_MAX:
            raise BatchTooLargeError(self.name, f"more than {BATCH_RECORDS_MAX:,} records")
        answer = self._post(batch, batch.id, until_s)
        if answer.status == 413 and len(batch.records) == 1:
            answer = self._post(Batch(batch.id, (cut(batch.records[0]),)), f"{batch.id}-cut", until_s)
        return self._outcome(batch, answer)

    def _post(self, batch: Batch, key: str, until_s: float) -> Response:
        body = encode_lines(batch.records)
        return post_once(lambda under: self._post_under(under, body, until_s), key, body)

    def _post_under(self, key: str, body: bytes, until_s: float) -> Response:
        headers = {"Content-Type": OWN_MEDIA_TYPE, KEY: key}
        sent = body
        if self._encoding and len(body) >= COMPRESS_FROM_BYTES:
            compressed = self._compress(body)
            if len(compressed) * _RATIO_MAX >= len(body):
                sent, headers["Content-Encoding"] = compressed, self._encoding
        return self._endpoint.request(
            "POST", self._path, sent, headers=headers, until_s=until_s, plain_bytes=len(body)
        )

    def _outcome(self, batch: Batch, answer: Response) -> Outcome:
        if answer.status == 200:
            found = _json_object(answer)
            if found is None or found.get("received") != len(batch.records):
                raise self._endpoint.unavailable(answer, "the answer is not that of a Tamis server")
            return self._of_lines(batch.records, found, answer)
        if answer.status == 400:
            found = _json_object(answer) or {}
            if found.get("rejected"):
                return self._of_lines(batch.records, found, answer)
            if len(batch.records) == 1:
                return Outcome(rejected=(Rejected(batch.records[0], _detail(answer)),))
            raise BatchTooLargeError(self.name, _detail(answer))
        if answer.status == 413:
            raise BatchTooLargeError(self.name, _detail(answer))
        raise self._endpoint.unavailable(answer, self._refusal(answer))

    def _of_lines(self, records: tuple[Record, ...], found: dict[str, Any], answer: Response) -> Outcome:
        """Each line that was rejected, with its reason; all others are stored."""
        listed = found.get("rejected") or []
        try:
            by_line = dict(enumerate(records, start=1))
            rejected = tuple([Rejected(by_line[row["line"]], str(row["reason"])) for row in listed])
        except (KeyError, TypeError):
            raise self._endpoint.unavailable(answer, "the answer names lines that were not sent") from None
        if found.get("rejected_count", len(rejected)) != len(rejected):
            raise self._endpoint.unavailable(answer, "the answer does not say which records it rejected")
        return Outcome(rejected=rejected) if rejected else DELIVERED

    def _refusal(self, answer: Response) -> str:
        """In words, why the batch has to wait."""
        status = answer.status
        if status in (401, 403):
            said = "does not know" if status == 401 else "does not let in"
            return (
                f"the server {said} the token ({self._token_from}); it told one when it first started, "
                "`tamis users reset-admin` makes a new one"
            )
        if status == 415 and self._encoding == "zstd":
            self._encoding, self._compress = "gzip", gzipped
            return "the server takes no zstd; it gets gzip from now on"
        if status in (301, 302, 307, 308):
            return f"answered with status {status}: it is somewhere else; give the sink that URL"
        if status in (404, 405):
            return f"answered with status {status}: no Tamis server is at {self._path}"
        return _detail(answer)


def _token(parts: SinkUrl, own: str, settings_token: str) -> tuple[str, str]:
    """The token, and in words where it comes from."""
    token, source = (
        (own, "in the sink's URL")
        if own
        else (settings_token or os.environ.get("TAMIS_TOKEN", ""), "TAMIS_TOKEN")
    )
    if not (token.isascii() and token.isprintable()):
        parts.refuse(f"the token ({source}) has characters that no header can hold")
    return token, source if token else "there is none, neither in the sink's URL nor in TAMIS_TOKEN"


def _compression(parts: SinkUrl) -> tuple[str, Any]:
    wish = parts.choice("compress", "auto", "auto", "zstd", "gzip", "off")
    if wish == "off":
        return "", None
    if wish == "gzip":
        return "gzip", gzipped
    best = best_compression()
    if wish == "zstd" and best[0] != "zstd":
        parts.refuse("compress=zstd needs a library here: pip install backports.zstd")
    return best


def _json_object(answer: Response) -> dict[str, Any] | None:
    try:
        found = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return found if isinstance(found, dict) else None


def _detail(answer: Response) -> str:
    """The sentence of a problem document, else what there is."""
    detail = (_json_object(answer) or {}).get("detail")
    return str(detail)[:_REASON_CHARS_MAX] if detail else first_words(answer)
