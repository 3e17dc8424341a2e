"""A keyring's file: keys wrapped by the key-encryption key, and how much of each was used.

JSON, replaced whole: `{"mac": hex, "keyring": {…}}`. The mac is HMAC-SHA-256 over the bytes of `keyring`
with a key made from the key-encryption key, so nobody else can lower a count or bring back a state. Each
wrapped key is bound to the keyring, its id, its purpose and its time.
"""

import hmac
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from tamis.disk.base import Disk
from tamis.errors import DamageError, DecryptionError, FormatError, KeyUnavailableError
from tamis.keys.cipher import KEY_BYTES, derive, make_cipher, seal, unseal
from tamis.keys.envelope import KEY_ID_BYTES, NONCE_BYTES

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

FORMAT: Final = 1
FILE_NAME: Final = "keyring.json"
_MODE: Final = 0o600

State = Literal["active", "retired", "dropped", "destroyed"]
"""Active: encrypts. Retired: only decrypts. Dropped (by policy) and destroyed (by hand): only its name is
left.
"""


class StoredKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key as it stands in the file. `used` counts what was reserved, so it is never too low."""

    id: str
    purpose: str
    created_ns: int
    state: State = "active"
    used: int = 0
    ended_ns: int | None = None
    wrapped: bytes = b""

    def __repr__(self) -> str:
        return f"StoredKey({self.id}, {self.purpose}, {self.state})"

    @property
    def opens(self) -> bool:
        """Whether it can decrypt."""
        return self.state in ("active", "retired")


class StoredKeyring(msgspec.Struct, frozen=True, kw_only=True):
    """The whole file. Keys stand in the order in which they were made."""

    format: int
    id: str
    master_id: str
    keys: tuple[StoredKey, ...] = ()


class _Sealed(msgspec.Struct, frozen=True):
    mac: str
    keyring: msgspec.Raw


class _Head(msgspec.Struct, frozen=True):
    format: int
    master_id: str


class Master:
    """The key-encryption key at work. Shows nothing of it."""

    def __init__(self, secret: bytes) -> None:
        self.id = derive(secret, "master id", 8).hex()
        self._wrapping: AESGCM = make_cipher(derive(secret, "wrapping"))
        self._mac_key = derive(secret, "keyring mac")

    def __repr__(self) -> str:
        return f"Master({self.id})"

    def make_key(self, keyring_id: str, purpose: str, created_ns: int) -> StoredKey:
        """A new random key, wrapped."""
        key_id = os.urandom(KEY_ID_BYTES).hex()
        key = StoredKey(id=key_id, purpose=purpose, created_ns=created_ns)
        return self.wrap(keyring_id, key, os.urandom(KEY_BYTES))

    def wrap(self, keyring_id: str, key: StoredKey, secret: bytes) -> StoredKey:
        """The key with its secret wrapped by this master."""
        nonce, sealed = seal(self._wrapping, secret, _place(keyring_id, key))
        return msgspec.structs.replace(key, wrapped=nonce + sealed)

    def unwrap(self, keyring_id: str, key: StoredKey) -> bytes:
        """The secret of a key; KeyUnavailableError when what was wrapped is no longer what was written."""
        nonce, sealed = key.wrapped[:NONCE_BYTES], key.wrapped[NONCE_BYTES:]
        try:
            return unseal(self._wrapping, nonce, sealed, bound_to=_place(keyring_id, key))
        except (DecryptionError, ValueError):
            raise KeyUnavailableError(
                "its wrapped bytes are damaged; restore the keyring's file from a backup", key_id=key.id
            ) from None

    def mac(self, data: bytes) -> str:
        """The check over the file."""
        return hmac.digest(self._mac_key, data, "sha256").hex()


def _place(keyring_id: str, key: StoredKey) -> bytes:
    return f"tamis key\0{keyring_id}\0{key.id}\0{key.purpose}\0{key.created_ns}".encode()


def new_keyring(master: Master) -> StoredKeyring:
    """One without keys."""
    return StoredKeyring(format=FORMAT, id=os.urandom(8).hex(), master_id=master.id)


def write_keyring(disk: Disk, path: Path, keyring: StoredKeyring, *, master: Master) -> None:
    """Replace the file; safe on return."""
    data = msgspec.json.encode(keyring)
    disk.write_whole(path, [msgspec.json.encode(_Sealed(master.mac(data), msgspec.Raw(data)))], mode=_MODE)


def read_keyring(disk: Disk, path: Path, master: Master) -> StoredKeyring:
    """The file's content, checked.

    KeyUnavailableError when it was made with another key-encryption key, FormatError when a newer release
    made it, DamageError when it is not what was written.
    """
    try:
        sealed = msgspec.json.decode(disk.read(path), type=_Sealed)
        head = msgspec.json.decode(sealed.keyring, type=_Head)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise DamageError(str(path), "is no keyring; restore it from a backup") from None
    if head.format > FORMAT:
        raise FormatError(
            f"{path} has keyring format {head.format}, this release reads {FORMAT}; use a newer one"
        )
    if head.master_id != master.id:
        raise KeyUnavailableError(
            f"{path} was made with the key-encryption key {head.master_id}, the one given is {master.id}; "
            "give the other"
        )
    if not hmac.compare_digest(sealed.mac.encode(), master.mac(bytes(sealed.keyring)).encode()):
        raise DamageError(str(path), "was changed by someone without the key; restore it from a backup")
    try:
        return msgspec.json.decode(sealed.keyring, type=StoredKeyring)
    except msgspec.DecodeError as error:
        raise DamageError(str(path), f"is no keyring ({error}); restore it from a backup") from None
