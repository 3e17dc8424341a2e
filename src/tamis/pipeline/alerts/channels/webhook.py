"""A webhook of one's own: the alert as JSON, signed with HMAC."""

import hashlib
import hmac

import msgspec

from tamis.clock import NS_PER_S
from tamis.pipeline.alerts.alert import Alert
from tamis.pipeline.alerts.channels.base import HttpChannel, Notice, encode
from tamis.pipeline.alerts.channels.text import print_time
from tamis.pipeline.alerts.channels.url import ChannelUrl

SIGNATURE, SIGNED_AT = "X-Tamis-Signature", "X-Tamis-Timestamp"


class WebhookChannel(HttpChannel):
    """Posts the fields of `Alert`, times as RFC 3339, and `id`, the same for each try (also `Idempotency-Key`).

    With a secret: `X-Tamis-Signature` is ``sha256=`` and the hexadecimal HMAC-SHA256 of the text of
    `X-Tamis-Timestamp` (seconds since 1970), a full stop, and the body; a receiver refuses old timestamps.
    """

    def __init__(self, url: ChannelUrl) -> None:
        self._secret = url.take("secret").encode("utf-8")
        names = [name for name in url.options if name.startswith("header.")]
        self._headers = {name.removeprefix("header."): url.take(name) for name in names}
        if not all(
            f"{name}{value}".isascii() and value.isprintable() for name, value in self._headers.items()
        ):
            url.refuse("has a header that is none")
        super().__init__(url, url.path)
        self._path += url.rest_of_query()

    def notice(self, alert: Alert, batch_id: str) -> Notice:
        """The alert as it is."""
        body = msgspec.to_builtins(alert) | {
            "id": batch_id,
            "began": print_time(alert.began),
            "last": print_time(alert.last),
            "lines": [
                {**msgspec.to_builtins(line), "timestamp": print_time(line.timestamp)} for line in alert.lines
            ],
        }
        data = encode(body)
        headers = {"Idempotency-Key": batch_id, **self._headers}
        if self._secret:
            signed_at = str(self._clock.now_ns() // NS_PER_S)
            headers[SIGNED_AT] = signed_at
            headers[SIGNATURE] = f"sha256={sign(self._secret, signed_at, data)}"
        return Notice(data, headers)


def sign(secret: bytes, signed_at: str, body: bytes) -> str:
    """The signature, as receivers compute it too."""
    return hmac.new(secret, signed_at.encode("ascii") + b"." + body, hashlib.sha256).hexdigest()


def create(url: ChannelUrl) -> WebhookChannel:
    """``webhook+https://host/path?secret=…&header.X-Team=shop``; other options go to the receiver as they are."""
    return WebhookChannel(url)
