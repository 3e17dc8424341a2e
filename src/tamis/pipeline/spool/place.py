"""Where spools are: a folder for each sink, in it one for each process that logged.

::

    <state>/spool/<sink>/<process id>-<random>/000001.journal …   held by its process with a lock
    <state>/spool/<sink>/damaged/…                                bytes that were not whole, for people
    <state>/dead/<sink>/<process id>-<random>/000001.journal      what the sink refused
"""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from tamis.disk.base import Disk
from tamis.disk.lock import LOCK_NAME, FolderLock, lock_folder
from tamis.errors import DiskError, LockedError

DAMAGED = "damaged"
SPOOL, DEAD_LETTERS = "spool", "dead"
_NAME_CHARS = 40
_TRIES = 5


def sink_key(name: str) -> str:
    """The name of a sink's folder: readable, and another one for each sink."""
    words = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:_NAME_CHARS].strip("-")
    return f"{words}-{sha256(name.encode()).hexdigest()[:8]}"


def part_name(number: int) -> str:
    """Of the files of one process, in order."""
    return f"{number:06}.journal"


def part_names(disk: Disk, folder: Path) -> list[str]:
    """The files of one process that are there, in order."""
    return [name for name in disk.names(folder) if re.fullmatch(r"\d{6}\.journal", name)]


def create_own(disk: Disk, place: Path, purpose: str) -> FolderLock:
    """A new folder of this process in a sink's, held."""
    failure = DiskError(f"{place}: no folder could be made and held; look who else works there")
    for _ in range(_TRIES):
        folder = place / f"{os.getpid()}-{os.urandom(4).hex()}"
        try:
            disk.create_folder(folder)
            lock = lock_folder(folder, purpose)
        except LockedError:  # another process took the empty folder for one that was left
            continue
        except DiskError as error:
            if not isinstance(error.__cause__, FileNotFoundError):
                raise
            failure = error  # it may have removed it already
            continue
        if disk.exists(folder / LOCK_NAME):
            return lock
        lock.release()
    raise failure


def folders(disk: Disk, place: Path) -> list[Path]:
    """The folders of processes in a sink's folder, oldest name first."""
    if not disk.exists(place):
        return []
    return [place / name for name in disk.names(place) if re.fullmatch(r"\d+-[0-9a-f]{8}", name)]


def hold_orphans(disk: Disk, place: Path, purpose: str) -> Iterator[FolderLock]:
    """The folders whose process is gone, each held from now on."""
    for folder in folders(disk, place):
        with suppress(LockedError, DiskError):  # in use, or another process has just finished it
            yield lock_folder(folder, purpose)


def remove_folder(disk: Disk, lock: FolderLock) -> None:
    """Remove a folder that we hold, in which nothing is left but the lock."""
    with suppress(DiskError, OSError):
        (lock.path / LOCK_NAME).unlink(missing_ok=True)
        disk.remove_folder(lock.path)
    with suppress(DiskError, OSError):
        lock.release()


def size_of(disk: Disk, folder: Path) -> int:
    """Bytes of the files in the folder of a process."""
    total = 0
    with suppress(DiskError):  # it may be gone meanwhile
        for name in part_names(disk, folder):
            total += disk.size(folder / name)
    return total


def others_bytes(disk: Disk, place: Path, own: Path | None) -> int:
    """Bytes of the files of processes in a sink's folder, but for our own."""
    with suppress(DiskError):
        return sum(size_of(disk, folder) for folder in folders(disk, place) if folder != own)
    return 0
