"""What a provider of key-encryption keys promises, and the form that such a key has as text."""

import binascii
from base64 import b64encode, urlsafe_b64decode
from typing import Protocol

from tamis.errors import KeyUnavailableError
from tamis.keys.cipher import KEY_BYTES

MAKE_ONE = "make one with: openssl rand -base64 32"


class KeyProvider(Protocol):
    """Where a secret of 32 bytes comes from: the key-encryption key of a keyring, or a signing key.

    Thread-safe. Whatever goes wrong is a KeyUnavailableError that says where and what to do, and holds
    nothing of the key.
    """

    @property
    def name(self) -> str:
        """Where the key is, for people: ``file /etc/tamis/master.key``."""
        ...

    def load(self) -> bytes:
        """The 32 bytes. The same at every call, until somebody changes them."""
        ...

    def create(self) -> bytes:
        """Make the key where it is absent and return it; return the one that is there otherwise.

        Atomic also between processes: all get the same one. A provider that cannot make keys says what to
        do instead.
        """
        ...


def parse_key(text: str, where: str) -> bytes:
    """32 bytes from base64 in either alphabet, with or without padding and white space around."""
    plain = text.strip().rstrip("=").replace("+", "-").replace("/", "_")
    try:
        key = urlsafe_b64decode((plain + "=" * (-len(plain) % 4)).encode("ascii"))
    except (binascii.Error, UnicodeEncodeError):
        key = b""
    # The decoder passes over letters that are none of base64: only what prints the same was meant.
    if len(key) != KEY_BYTES or len(plain) != len(print_key(key).rstrip("=")):
        raise KeyUnavailableError(f"{where} does not hold {KEY_BYTES} bytes in base64; {MAKE_ONE}")
    return key


def print_key(key: bytes) -> str:
    """Base64 with padding, as `openssl rand -base64 32` prints it."""
    return b64encode(key).decode("ascii")
