"""A keyring's file while it is open: read, changed while no other process does, its ciphers at hand."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tamis.clock import NS_PER_S, Clock
from tamis.disk.base import Disk
from tamis.errors import DiskError, KeysError, KeyUnavailableError, StoreError
from tamis.keys import turnover
from tamis.keys.cipher import make_cipher
from tamis.keys.providers.base import KeyProvider
from tamis.keys.stored import FILE_NAME, Master, StoredKeyring, read_keyring, write_keyring
from tamis.keys.turn import our_turn
from tamis.keys.turnover import Change

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM


class KeyFile:
    """The file of one keyring. Its owner sees to it that one thread at a time changes anything.

    `keyring` is what the file said last; `ciphers` holds purpose and cipher of the keys that were used.
    """

    def __init__(
        self, disk: Disk, folder: Path, *, provider: KeyProvider, master: Master, clock: Clock
    ) -> None:
        self.folder, self.master = folder, master
        self.ciphers: dict[str, tuple[str, AESGCM]] = {}
        self._disk, self._provider, self._clock = disk, provider, clock
        self.keyring = read_keyring(disk, self._path, master)

    def read(self) -> StoredKeyring:
        """Believe the file, also where another process has dropped or destroyed a key."""
        return self._use(read_keyring(self._disk, self._path, self.master))

    def change(self, change: Callable[[StoredKeyring, int], Change]) -> Change:
        """Read, change and write the file while no other process does; safe on return."""
        with our_turn(self.folder, self._clock, purpose="changing a keyring"):
            made = change(read_keyring(self._disk, self._path, self.master), self._clock.now_ns())
            write_keyring(self._disk, self._path, made.keyring, master=self.master)
            self._use(made.keyring)
        return made

    def rewrap(self, provider: KeyProvider) -> Change:
        """Wrap all keys with the key-encryption key of another provider."""
        new, old = Master(provider.create()), self.master
        with our_turn(self.folder, self._clock, purpose="wrapping keys anew"):
            keyring = read_keyring(self._disk, self._path, old)
            made = turnover.rewrap(keyring, old=old, new=new, now_ns=self._clock.now_ns())
            write_keyring(self._disk, self._path, made.keyring, master=new)
            self.master, self._provider = new, provider
            self._use(made.keyring)
        return made

    def check(self) -> list[str]:
        """What is wrong, in sentences, with what the provider and the file say now."""
        try:
            given = Master(self._provider.load())
            keyring = read_keyring(self._disk, self._path, given)
        except (KeysError, StoreError, DiskError) as error:
            return [str(error)]
        wrong = []
        for key in keyring.keys:
            if key.opens:
                try:
                    given.unwrap(keyring.id, key)
                except KeyUnavailableError as error:
                    wrong.append(str(error))
        return wrong

    def open_cipher(self, key_id: str) -> "tuple[str, AESGCM]":
        """Purpose and cipher of a key; KeyUnavailableError when it does not open."""
        purpose, secret = self.secret(key_id)
        made = self.ciphers[key_id] = (purpose, make_cipher(secret))
        return made

    def secret(self, key_id: str) -> tuple[str, bytes]:
        """Purpose and secret of a key; KeyUnavailableError when it does not open."""
        if all(key.id != key_id for key in self.keyring.keys):  # another process may have made it since
            self.read()
        key = turnover.require_key(self.keyring, key_id)
        if not key.opens:
            raise KeyUnavailableError(_gone(key.state, key.ended_ns), key_id=key_id)
        return key.purpose, self.master.unwrap(self.keyring.id, key)

    @property
    def _path(self) -> Path:
        return self.folder / FILE_NAME

    def _use(self, keyring: StoredKeyring) -> StoredKeyring:
        self.keyring = keyring
        opening = {key.id for key in keyring.keys if key.opens}
        self.ciphers = {key_id: known for key_id, known in self.ciphers.items() if key_id in opening}
        return keyring


def _gone(state: str, ended_ns: int | None) -> str:
    from datetime import UTC, datetime

    day = datetime.fromtimestamp((ended_ns or 0) / NS_PER_S, UTC).date().isoformat()
    if state == "destroyed":
        return f"it was destroyed on {day}; what it encrypted cannot be read again"
    return f"it was dropped on {day}, because newer ones took its place; keys.field_keep says how many stay"
