"""A key in a file that its owner alone may read."""

import os
import stat
from pathlib import Path

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.disk.base import Disk
from tamis.errors import DiskError, KeyUnavailableError
from tamis.keys.cipher import KEY_BYTES
from tamis.keys.providers.base import parse_key, print_key
from tamis.keys.turn import our_turn

_MODE = 0o600
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_FILE_BYTES_MAX = 1_024


class FileProvider:
    """The key as base64 in a file with mode 0600; a file that others may read is refused.

    `create` makes the file whole or not at all. Keep it apart from what it opens, and keep a copy: without it
    everything that it opens is lost.
    """

    def __init__(self, disk: Disk, path: Path, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self.path = path
        self._disk, self._clock = disk, clock

    @property
    def name(self) -> str:
        """Where the key is."""
        return f"file {self.path}"

    def load(self) -> bytes:
        """The key; refuses a file that anyone but its owner may read or write."""
        try:
            facts = self.path.stat()
            if not stat.S_ISREG(facts.st_mode):
                raise KeyUnavailableError(f"{self.path} is no file; name the file that holds the key")
            self._require_private(facts)
            if facts.st_size > _FILE_BYTES_MAX:
                raise KeyUnavailableError(f"{self.path} is too long for a key; check the path")
            text = self._disk.read(self.path).decode("utf-8", "replace")
        except OSError as error:
            raise KeyUnavailableError(f"{self.path} cannot be read: {error.strerror}") from error
        except DiskError as error:
            raise KeyUnavailableError(str(error)) from error
        return parse_key(text, str(self.path))

    def create(self) -> bytes:
        """Make the file with a random key, if it is absent; return the key that is in it."""
        self._disk.create_folder(self.path.parent)
        with our_turn(self.path.parent, self._clock, purpose="making a key"):
            if not self._disk.exists(self.path):
                text = print_key(os.urandom(KEY_BYTES)) + "\n"
                self._disk.write_whole(self.path, [text.encode("ascii")], mode=_MODE)
        return self.load()

    def _require_private(self, facts: os.stat_result) -> None:
        mode = stat.S_IMODE(facts.st_mode)
        if mode & _OTHERS:
            raise KeyUnavailableError(
                f"{self.path} has mode {mode:04o}, so others may read the key; say: chmod 600 {self.path}"
            )
        if facts.st_uid not in (os.geteuid(), 0):
            raise KeyUnavailableError(
                f"{self.path} belongs to user {facts.st_uid}; it must belong to the user that runs Tamis"
            )
