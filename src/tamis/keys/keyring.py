"""The keyring: encrypts with the newest key of a purpose, decrypts with every key it still has."""

import os
import threading
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.disk.base import Disk
from tamis.errors import DecryptionError
from tamis.keys import envelope as forms
from tamis.keys import turnover
from tamis.keys.cipher import derive, seal, unseal
from tamis.keys.hashing import keyed_hash
from tamis.keys.keyfile import KeyFile
from tamis.keys.policy import FIELDS, HASH, POLICIES, STORAGE, Policy
from tamis.keys.providers.base import KeyProvider
from tamis.keys.stored import (
    FILE_NAME,
    Master,
    StoredKey,
    StoredKeyring,
    new_keyring,
    write_keyring,
)
from tamis.keys.turn import our_turn
from tamis.keys.turnover import Change, KeyEvent, Reserved

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_PURPOSE_CHARS_MAX: Final = 64


def ignore_event(event: KeyEvent) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFacts:
    """What may be told of a key. `uses_max` and `ends_ns` say when the next one takes its place."""

    id: str
    purpose: str
    state: str
    created_ns: int
    ended_ns: int | None
    used: int
    uses_max: int
    ends_ns: int | None


class Keyring:
    """Keys for many purposes in one file; open it with `open_keyring`.

    Thread-safe, and safe to share: several processes may have one file open, a forked child goes on with its
    parent's. Uses are counted before they happen: a block of them is written to the file, safely, and a crash
    loses the rest of the block, never the count. So an encryption may write to the disk, and raise DiskError
    when that is refused.
    """

    def __init__(
        self,
        file: KeyFile,
        *,
        clock: Clock,
        policies: Mapping[str, Policy],
        on_event: Callable[[KeyEvent], None],
    ) -> None:
        self._file, self._clock, self._policies, self._on_event = file, clock, policies, on_event
        self._lock = threading.RLock()
        self._reserved: dict[str, Reserved] = {}
        self._hash_key: bytes | None = None
        _open_keyrings.add(self)

    def __repr__(self) -> str:
        return f"Keyring({str(self._file.folder)!r}, {len(self._file.keyring.keys)} keys)"

    def encrypt(self, data: bytes, *, purpose: str = FIELDS, bound_to: bytes = b"") -> bytes:
        """A binary envelope around `data` (up to 2 GiB) that opens only with the same `bound_to`."""
        return forms.encode(self._seal(data, purpose, bound_to))

    def decrypt(self, data: bytes, *, purpose: str = FIELDS, bound_to: bytes = b"") -> bytes:
        """What is in a binary envelope.

        KeyUnavailableError names the key when it was dropped, destroyed or never here; DecryptionError when
        the envelope was changed or stands in another place.
        """
        return self._unseal(forms.decode(data), purpose, bound_to)

    def encrypt_text(self, text: str, *, purpose: str = FIELDS, bound_to: bytes = b"") -> str:
        """A text envelope, ``tamis:v1:…``. With nothing to bind it to, `tamis decrypt` opens it anywhere.

        Lone surrogates, which no UTF-8 has, come out again as they went in.
        """
        return forms.print_text(self._seal(text.encode("utf-8", "surrogatepass"), purpose, bound_to))

    def decrypt_text(self, text: str, *, purpose: str = FIELDS, bound_to: bytes = b"") -> str:
        """What is in a text envelope; errors as for `decrypt`."""
        data = self._unseal(forms.parse_text(text), purpose, bound_to)
        return data.decode("utf-8", "surrogatepass")

    def hash_text(self, text: str, *, purpose: str = FIELDS) -> str:
        """32 hex digits that say whether two texts are the same, and nothing else without the key.

        The same text has the same hash for as long as the keyring lives, also after rotation.
        """
        key = self._hash_key
        if key is None:
            key = self._hash_key = self._open_hash_key()
        return keyed_hash(key, purpose, text)

    def rotate(self, purpose: str = FIELDS) -> str:
        """Begin with a new key now; its id. Processes that have a block of the old one use that up first."""
        with self._lock:
            policy = self._policy(purpose)
            change = self._change(
                lambda keyring, now: turnover.next_key(
                    keyring, purpose, policy, master=self._file.master, now_ns=now
                )
            )
            self._reserved.pop(purpose, None)
            return next(event.key_id for event in change.events if event.action == "created")

    def destroy(self, key_id: str) -> None:
        """Forget a key for good, and with it all that it encrypted. Idempotent."""
        with self._lock:
            self._change(lambda keyring, now: turnover.destroy_key(keyring, key_id, now_ns=now))
            self._reserved = {p: r for p, r in self._reserved.items() if r.key_id != key_id}
            self._hash_key = None

    def rewrap(self, provider: KeyProvider) -> None:
        """Wrap all keys with another key-encryption key. Nothing that they encrypted changes.

        Other processes that have the keyring open must be started again with the new provider.
        """
        with self._lock:
            self._tell(self._file.rewrap(provider))

    def facts(self) -> list[KeyFacts]:
        """What the file says of every key now, oldest first."""
        with self._lock:
            return [self._facts(key) for key in self._file.read().keys]

    def check(self) -> list[str]:
        """What is wrong, in sentences; empty when every key that should open does.

        Asks the provider again, and reads the file again.
        """
        return self._file.check()

    def _policy(self, purpose: str) -> Policy:
        if not purpose or len(purpose) > _PURPOSE_CHARS_MAX or not purpose.isprintable():
            raise ValueError(f"a purpose is 1 to {_PURPOSE_CHARS_MAX} printable characters, not {purpose!r}")
        return self._policies.get(purpose, STORAGE)

    def _seal(self, data: bytes, purpose: str, bound_to: bytes) -> forms.Envelope:
        key_id, cipher = self._take(purpose)
        nonce, sealed = seal(cipher, data, forms.associated_data(key_id, purpose, bound_to))
        return forms.Envelope(key_id, nonce, sealed)

    def _unseal(self, envelope: forms.Envelope, purpose: str, bound_to: bytes) -> bytes:
        made_for, cipher = self._cipher(envelope.key_id)
        if made_for != purpose:
            raise DecryptionError(f"key {envelope.key_id} is for {made_for}, not for {purpose}")
        place = forms.associated_data(envelope.key_id, purpose, bound_to)
        return unseal(cipher, envelope.nonce, envelope.sealed, bound_to=place)

    def _take(self, purpose: str) -> "tuple[str, AESGCM]":
        """One use of the key that encrypts now."""
        with self._lock:
            held = self._reserved.get(purpose)
            if (
                held is None
                or not held.uses
                or (held.until_ns is not None and self._clock.now_ns() >= held.until_ns)
            ):
                held = self._reserve(purpose)
            self._reserved[purpose] = Reserved(held.key_id, held.uses - 1, held.until_ns)
            return held.key_id, self._cipher(held.key_id)[1]

    def _reserve(self, purpose: str) -> Reserved:
        policy = self._policy(purpose)
        block: list[Reserved] = []

        def change(keyring: StoredKeyring, now_ns: int) -> Change:
            made, reserved = turnover.reserve(
                keyring, purpose, policy, master=self._file.master, now_ns=now_ns
            )
            block.append(reserved)
            return made

        self._change(change)
        return block[0]

    def _change(self, change: Callable[[StoredKeyring, int], Change]) -> Change:
        made = self._file.change(change)
        self._tell(made)
        return made

    def _tell(self, change: Change) -> None:
        for event in change.events:
            self._on_event(event)

    def _cipher(self, key_id: str) -> "tuple[str, AESGCM]":
        """Purpose and cipher of a key that opens."""
        found = self._file.ciphers.get(key_id)
        if found is None:
            with self._lock:
                found = self._file.open_cipher(key_id)
        return found

    def _open_hash_key(self) -> bytes:
        with self._lock:
            known = turnover.active_key(self._file.keyring, HASH)
            key_id = known.id if known is not None else self._reserve(HASH).key_id
            return derive(self._file.secret(key_id)[1], "keyed hash")

    def _facts(self, key: StoredKey) -> KeyFacts:
        policy = self._policy(key.purpose)
        return KeyFacts(
            id=key.id,
            purpose=key.purpose,
            state=key.state,
            created_ns=key.created_ns,
            ended_ns=key.ended_ns,
            used=key.used,
            uses_max=policy.rotate_uses,
            ends_ns=turnover.ends_ns(key, policy) if key.state == "active" else None,
        )

    def forget_reserved(self) -> None:
        """In a forked child: what was reserved is the parent's."""
        self._lock = threading.RLock()
        self._reserved = {}


def open_keyring(
    disk: Disk,
    folder: Path,
    *,
    provider: KeyProvider,
    clock: Clock = SYSTEM_CLOCK,
    policies: Mapping[str, Policy] = POLICIES,
    on_event: Callable[[KeyEvent], None] = ignore_event,
) -> Keyring:
    """The keyring of a folder, made where absent; the key-encryption key with it, where the provider can.

    `on_event` is called, after the change is safe, when a key is made, retired, dropped or destroyed; it must
    not raise, and must not use the keyring. KeyUnavailableError when the key-encryption key is not to be had,
    or is not the one that the keyring was made with; MissingExtraError without the extra ``crypto``.
    """
    path = folder / FILE_NAME
    disk.create_folder(folder)
    master = Master(provider.load() if disk.exists(path) else provider.create())
    if not disk.exists(path):
        with our_turn(folder, clock, purpose="making a keyring"):
            if not disk.exists(path):
                write_keyring(disk, path, new_keyring(master), master=master)
    file = KeyFile(disk, folder, provider=provider, master=master, clock=clock)
    return Keyring(file, clock=clock, policies=policies, on_event=on_event)


def has_keyring(disk: Disk, folder: Path) -> bool:
    """Whether a keyring is in a folder: `open_keyring` would make one otherwise."""
    return disk.exists(folder / FILE_NAME)


_open_keyrings: "weakref.WeakSet[Keyring]" = weakref.WeakSet()


def _forget_in_child() -> None:
    for keyring in list(_open_keyrings):
        keyring.forget_reserved()


os.register_at_fork(after_in_child=_forget_in_child)
