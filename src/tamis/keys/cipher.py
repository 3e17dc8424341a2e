"""AES-256-GCM, and keys made from keys: what is asked of `cryptography`, which is imported at first use."""

import hashlib
import hmac
import os
from typing import TYPE_CHECKING, Final

from tamis.errors import DecryptionError, MissingExtraError
from tamis.keys.envelope import NONCE_BYTES

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES: Final = 32


def make_cipher(key: bytes) -> "AESGCM":
    """The cipher of a key. Thread-safe. MissingExtraError without the library."""
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError as error:
        raise MissingExtraError("crypto", "encryption") from error
    return AESGCM(key)


def seal(cipher: "AESGCM", plaintext: bytes, bound_to: bytes) -> tuple[bytes, bytes]:
    """A fresh random nonce, and ciphertext with tag."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce, cipher.encrypt(nonce, plaintext, bound_to)


def unseal(cipher: "AESGCM", nonce: bytes, sealed: bytes, *, bound_to: bytes) -> bytes:
    """The plaintext; DecryptionError when anything is not as it was sealed."""
    from cryptography.exceptions import InvalidTag

    try:
        return cipher.decrypt(nonce, sealed, bound_to)
    except InvalidTag:
        raise DecryptionError("not what was encrypted, or not in the place it was encrypted for") from None


def derive(secret: bytes, purpose: str, length: int = KEY_BYTES) -> bytes:
    """A key for one purpose from a uniformly random secret: HKDF-SHA-256 (RFC 5869) without salt."""
    info = b"tamis " + purpose.encode("utf-8")
    key = hmac.digest(bytes(hashlib.sha256().digest_size), secret, "sha256")
    made = block = b""
    counter = 1
    while len(made) < length:
        block = hmac.digest(key, block + info + bytes([counter]), "sha256")
        made += block
        counter += 1
    return made[:length]
