"""Ed25519 signatures; `cryptography` is imported at first use."""

import hashlib
from typing import Final

from tamis.errors import KeyUnavailableError, MissingExtraError
from tamis.keys.providers.base import KeyProvider

PUBLIC_BYTES: Final = 32


class Signer:
    """Signs with one key. Thread-safe; shows nothing of the key."""

    def __init__(self, seed: bytes) -> None:
        try:
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        except ImportError as error:
            raise MissingExtraError("crypto", "signing the ledger") from error
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = self._key.public_key().public_bytes_raw()
        self.key_id = key_id_of(self.public)

    def __repr__(self) -> str:
        return f"Signer({self.key_id})"

    def sign(self, data: bytes) -> bytes:
        """The signature, 64 bytes."""
        return self._key.sign(data)


def open_signer(provider: KeyProvider) -> Signer:
    """The signer whose seed a provider has; made where absent and the provider can."""
    return Signer(provider.create())


def key_id_of(public: bytes) -> str:
    """The name of a public key: 16 hex digits."""
    return hashlib.sha256(public).hexdigest()[:16]


def parse_public(text: str) -> bytes:
    """A public key from its 64 hex digits."""
    try:
        public = bytes.fromhex(text.strip())
    except ValueError:
        public = b""
    if len(public) != PUBLIC_BYTES:
        raise KeyUnavailableError("a public key is 64 hex digits, as `tamis audit verify --json` shows it")
    return public


def is_signed_by(public: bytes, data: bytes, signature: bytes) -> bool:
    """Whether the owner of a public key has signed these bytes."""
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError as error:
        raise MissingExtraError("crypto", "checking signatures") from error
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True
