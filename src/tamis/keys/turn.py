"""One process at a time: waiting for the lock of a folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tamis.clock import Clock
from tamis.disk.lock import FolderLock, lock_folder
from tamis.errors import LockedError

TIMEOUT_S: Final = 10.0
_FIRST_S: Final = 0.001
_LONGEST_S: Final = 0.05


@contextmanager
def our_turn(folder: Path, clock: Clock, *, purpose: str, timeout_s: float = TIMEOUT_S) -> Iterator[None]:
    """Hold an existing folder while the context lasts; LockedError when others have it for `timeout_s`."""
    with _wait(folder, clock, purpose=purpose, timeout_s=timeout_s):
        yield


def _wait(folder: Path, clock: Clock, *, purpose: str, timeout_s: float) -> FolderLock:
    deadline = clock.monotonic_s() + timeout_s
    pause = _FIRST_S
    while True:
        try:
            return lock_folder(folder, purpose)
        except LockedError:
            if clock.monotonic_s() >= deadline:
                raise
        clock.sleep(pause)
        pause = min(2 * pause, _LONGEST_S)
