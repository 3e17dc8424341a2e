"""What opens a repository: its secret, wrapped by a passphrase or by a key that a provider has.

``config.json`` says what the repository is; ``keys/*.json`` hold its secret, each wrapped another way: any one of them
opens it. The secret is never written but wrapped.
"""

import hashlib
import os
from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec

from tamis.errors import DecryptionError, KeyUnavailableError
from tamis.keys.cipher import KEY_BYTES, derive, make_cipher, seal, unseal
from tamis.keys.envelope import NONCE_BYTES
from tamis.keys.providers.base import KeyProvider

FORMAT: Final = 1
CONFIG: Final = "config.json"
_COST_MAX: Final = 1 << 20
"""Of scrypt's n: what a stranger's file may ask of our memory."""
_N, _R, _P = 1 << 16, 8, 1


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """What a repository says of itself. `sealed`: its objects are encrypted."""

    format: int
    id: str
    sealed: bool
    created_ns: int


class WrappedKey(msgspec.Struct, frozen=True, kw_only=True):
    """The repository's secret, wrapped. `hint` says to people which key it takes, and nothing of the key."""

    format: int
    repository: str
    kind: Literal["passphrase", "provider"]
    hint: str
    salt: bytes = b""
    n: int = 0
    r: int = 0
    p: int = 0
    wrapped: bytes = b""


@dataclass(frozen=True, slots=True)
class Passphrase:
    """A passphrase as the way to a repository's secret; scrypt makes it slow to guess."""

    text: str = field(repr=False)

    def wrap(self, repository: str, secret: bytes) -> WrappedKey:
        """The secret, wrapped."""
        salt = os.urandom(16)
        key = WrappedKey(
            format=FORMAT,
            repository=repository,
            kind="passphrase",
            hint="a passphrase",
            salt=salt,
            n=_N,
            r=_R,
            p=_P,
        )
        return msgspec.structs.replace(key, wrapped=_wrap(self._key(key), key, secret))

    def unwrap(self, key: WrappedKey) -> bytes | None:
        """The secret; None when it was wrapped otherwise, or with another passphrase."""
        if key.kind != "passphrase" or not (0 < key.n <= _COST_MAX and 0 < key.r <= 16 and 0 < key.p <= 4):
            return None
        return _unwrap(self._key(key), key)

    def _key(self, key: WrappedKey) -> bytes:
        text = self.text.encode("utf-8", "surrogatepass")
        return hashlib.scrypt(
            text,
            salt=key.salt,
            n=key.n,
            r=key.r,
            p=key.p,
            dklen=KEY_BYTES,
            maxmem=256 * key.n * key.r + (64 << 20),
        )


@dataclass(frozen=True, slots=True)
class Provided:
    """A key that a provider has: a file, a variable, a vault's command."""

    provider: KeyProvider

    def wrap(self, repository: str, secret: bytes) -> WrappedKey:
        """The secret, wrapped; the provider makes its key where it can and there is none."""
        key = WrappedKey(
            format=FORMAT,
            repository=repository,
            kind="provider",
            hint=self.provider.name,
            salt=os.urandom(16),
        )
        return msgspec.structs.replace(
            key, wrapped=_wrap(self._key(key, self.provider.create()), key, secret)
        )

    def unwrap(self, key: WrappedKey) -> bytes | None:
        """The secret; None when it was wrapped otherwise, or with another key."""
        return None if key.kind != "provider" else _unwrap(self._key(key, self.provider.load()), key)

    def _key(self, key: WrappedKey, given: bytes) -> bytes:
        return derive(given, f"backup wrapping {key.salt.hex()}")


Opener = Passphrase | Provided


def new_secret() -> bytes:
    """A secret for a new repository."""
    return os.urandom(KEY_BYTES)


def unwrap(keys: list[WrappedKey], opener: Opener, where: str) -> bytes:
    """The repository's secret, by whichever of its keys the opener opens. KeyUnavailableError when none does."""
    for key in keys:
        secret = opener.unwrap(key)
        if secret is not None:
            return secret
    hints = ", ".join(sorted({key.hint for key in keys})) or "nothing: its keys are gone"
    raise KeyUnavailableError(f"{where} is not opened by what was given; it was locked with: {hints}")


def _place(key: WrappedKey) -> bytes:
    return f"tamis backup key\0{key.repository}\0{key.kind}".encode()


def _wrap(key: bytes, place: WrappedKey, secret: bytes) -> bytes:
    nonce, sealed = seal(make_cipher(key), secret, _place(place))
    return nonce + sealed


def _unwrap(key: bytes, place: WrappedKey) -> bytes | None:
    nonce, sealed = place.wrapped[:NONCE_BYTES], place.wrapped[NONCE_BYTES:]
    try:
        return unseal(make_cipher(key), nonce, sealed, bound_to=_place(place))
    except (DecryptionError, ValueError):
        return None
