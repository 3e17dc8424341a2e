"""Keyed hashes: the same text is seen to be the same, without being seen."""

import hmac
from typing import Final

HASH_BYTES: Final = 16


def keyed_hash(key: bytes, purpose: str, text: str) -> str:
    """HMAC-SHA-256 over purpose and text, cut to 16 bytes, as hex."""
    data = purpose.encode("utf-8") + b"\0" + text.encode("utf-8", "surrogatepass")
    return hmac.digest(key, data, "sha256")[:HASH_BYTES].hex()
