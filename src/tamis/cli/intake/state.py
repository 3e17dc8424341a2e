"""Where the positions of followed files are kept: a folder for each target, held by one follower at a time."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tamis.cli.intake.positions import Positions
from tamis.cli.target import Target
from tamis.disk.lock import lock_folder
from tamis.disk.real import RealDisk

FILE_NAME = "positions.json"


@contextmanager
def open_positions(target: Target, folder: Path | None) -> Iterator[Positions]:
    """The positions for a target; LockedError when another follower has them."""
    folder = folder or default_folder(target)
    disk = RealDisk()
    disk.create_folder(folder)
    with lock_folder(folder, "tamis ingest --follow"):
        yield Positions(disk, folder / FILE_NAME)


def default_folder(target: Target) -> Path:
    """In the user's state folder, by the identity of the store: a new store is filled from the beginning."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "tamis" / "follow" / identity_of(target)


def identity_of(target: Target) -> str:
    """The id of the target's store; where that is not told, a name made of its address."""
    return target.store_id() or hashlib.blake2b(target.name.encode(), digest_size=8).hexdigest()
