"""The envelope around encrypted bytes: which key, which nonce, what was sealed.

::

    binary   version 1 | key id 8 | nonce 12 | ciphertext | tag 16
    text     tamis:v1:<key id, 16 hex digits>:<base64url of nonce, ciphertext and tag, no padding>

AES-256-GCM. Version, key id, purpose and what the caller binds it to are associated data: an envelope moved
to another place, or given another key's id, does not open.
"""

import binascii
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Final

from tamis.errors import DecryptionError

VERSION: Final = 1
KEY_ID_BYTES: Final = 8
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
OVERHEAD_BYTES: Final = 1 + KEY_ID_BYTES + NONCE_BYTES + TAG_BYTES
"""How much longer an envelope is than what is in it."""
TEXT_PREFIX: Final = "tamis:v1:"
TEXT_ENVELOPE: Final = re.compile(r"tamis:v1:[0-9a-f]{16}:[A-Za-z0-9_-]{38,}")
"""Where a text envelope stands in other text."""
_PARTS: Final = re.compile(r"tamis:v1:([0-9a-f]{16}):([A-Za-z0-9_-]{38,})")
_DOMAIN: Final = b"tamis envelope\0"


@dataclass(frozen=True, slots=True)
class Envelope:
    """An envelope, taken apart. `sealed` is ciphertext and tag."""

    key_id: str
    nonce: bytes
    sealed: bytes


def encode(envelope: Envelope) -> bytes:
    """The binary form."""
    return b"".join((bytes([VERSION]), bytes.fromhex(envelope.key_id), envelope.nonce, envelope.sealed))


def decode(data: bytes) -> Envelope:
    """From the binary form; DecryptionError when it is none."""
    if len(data) < OVERHEAD_BYTES:
        raise DecryptionError(f"an envelope has at least {OVERHEAD_BYTES} bytes, this has {len(data)}")
    if data[0] != VERSION:
        raise DecryptionError(
            f"the envelope has version {data[0]}, this release opens {VERSION}; use a newer one"
        )
    nonce_at = 1 + KEY_ID_BYTES
    sealed_at = nonce_at + NONCE_BYTES
    return Envelope(data[1:nonce_at].hex(), bytes(data[nonce_at:sealed_at]), bytes(data[sealed_at:]))


def print_text(envelope: Envelope) -> str:
    """The text form."""
    packed = urlsafe_b64encode(envelope.nonce + envelope.sealed).rstrip(b"=").decode("ascii")
    return f"{TEXT_PREFIX}{envelope.key_id}:{packed}"


def parse_text(text: str) -> Envelope:
    """From the text form; DecryptionError when it is none."""
    match = _PARTS.fullmatch(text)
    if match is None:
        raise DecryptionError(f"this text is no envelope; one begins with {TEXT_PREFIX}")
    try:
        packed = urlsafe_b64decode(match[2] + "=" * (-len(match[2]) % 4))
    except binascii.Error:
        raise DecryptionError("the envelope was cut: its base64 is not whole") from None
    return Envelope(match[1], packed[:NONCE_BYTES], packed[NONCE_BYTES:])


def associated_data(key_id: str, purpose: str, bound_to: bytes) -> bytes:
    """What the seal covers beside the plaintext."""
    return b"".join(
        (_DOMAIN, bytes([VERSION]), bytes.fromhex(key_id), purpose.encode("utf-8"), b"\0", bound_to)
    )
