"""Idempotency keys: a body that is sent again under its key is stored once."""

import hashlib
from collections.abc import Callable

from tamis.http_client.connection import Response

KEY_CHARS_MAX = 255
KEY = "Idempotency-Key"
_KNOWN_WITH_ANOTHER_BODY = 422


def post_once(post: Callable[[str], Response], key: str, body: bytes) -> Response:
    """What `post` is answered under a key that a header can hold.

    When the other side has other bytes under it (written by another release, say) nobody knows whether those were the
    same records: they are sent under a key of their own rather than lost.
    """
    answer = post(_short(key))
    if answer.status == _KNOWN_WITH_ANOTHER_BODY:
        digest = hashlib.blake2b(body, digest_size=8).hexdigest()
        answer = post(_short(f"{key}-{digest}"))
    return answer


def _short(key: str) -> str:
    """The key as a header can hold it; the same for the same."""
    if len(key) <= KEY_CHARS_MAX and key.isascii() and key.isprintable():
        return key
    return hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
