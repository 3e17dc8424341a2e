"""How far each followed file was read: kept on disk, so that a restart goes on where it stopped.

Before a block is sent, its range stands in the file as pending; when it is acknowledged, `offset` moves behind it.
A crash between the two leaves the range pending: the next start sends exactly those bytes again under the same
key, and the target knows whether it has them.
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from tamis.cli.intake.identity import UNKNOWN, Fingerprint, Place
from tamis.disk.base import Disk
from tamis.errors import FormatError

VERSION = 1
FILES_MAX = 20_000
"""More files than this: the ones read longest ago are forgotten."""


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """One file: bytes before `offset` are acknowledged, those up to `pending` may be.

    `id` is made anew for each content (a truncation begins another), and is part of every key. `print` is how the
    file begins, `tail` what stands before `offset`: both tell whether it is still the same content. `done`: it is not
    read any more (a copy of what was read, or a compressed file). `read_ns` is when it was last read.
    """

    device: int
    inode: int
    path: str
    id: str
    print: Fingerprint = UNKNOWN
    tail: Fingerprint = UNKNOWN
    done: bool = False
    offset: int = 0
    line: int = 1
    pending: int = 0
    read_ns: int = 0


class _Saved(msgspec.Struct, frozen=True):
    version: int
    files: list[Position]


class Positions:
    """The positions of one target, in one file. Not thread-safe: one follower has them."""

    def __init__(self, disk: Disk, path: Path) -> None:
        self._disk, self._path = disk, path
        self._files = {Place(one.device, one.inode): one for one in self._read()}
        self._changed = False

    def get(self, place: Place) -> Position | None:
        """Where a file stands."""
        return self._files.get(place)

    def put(self, position: Position) -> None:
        """Remember where a file stands; `save_if_changed` makes it last."""
        self._files[Place(position.device, position.inode)] = position
        self._changed = True

    def forget(self, place: Place) -> None:
        """The file is read to its end and gone."""
        self._files.pop(place, None)
        self._changed = True

    def all(self) -> Iterator[Position]:
        """Every file known."""
        yield from tuple(self._files.values())

    def save_if_changed(self) -> None:
        """Make it last: when this returns, a power cut takes nothing of it away."""
        if not self._changed:
            return
        files = sorted(self._files.values(), key=lambda one: one.read_ns)[-FILES_MAX:]
        self._disk.create_folder(self._path.parent)
        self._disk.write_whole(self._path, [msgspec.json.encode(_Saved(VERSION, files))])
        self._changed = False

    def _read(self) -> list[Position]:
        if not self._disk.exists(self._path):
            return []
        try:
            saved = msgspec.json.decode(self._disk.read(self._path), type=_Saved)
        except msgspec.DecodeError as error:
            raise FormatError(
                f"{self._path}: not the positions of followed files ({error}); remove it to read all again"
            ) from None
        if saved.version != VERSION:
            raise FormatError(
                f"{self._path}: of another release (version {saved.version}); remove it to read all again"
            )
        return saved.files
