"""The bytes of a file, wherever they are: under another name in the folder, or at a mirror. Compared before use."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tamis.disk.base import Disk
from tamis.errors import AbsentError, DiskError, UnmendedError
from tamis.integrity.mirrors import PIECE_BYTES_MAX, Mirror, Mirrors
from tamis.store.embedded.format.layout import Layout
from tamis.store.embedded.format.segment_files import digest_of_file
from tamis.store.embedded.recovery.quarantine import files_in


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file of the segments' folder as it was written."""

    path: Path
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Got:
    """Its bytes, and where they come from."""

    pieces: Sequence[bytes]
    origin: str


class Fetcher:
    """Looks in the folder, then asks the mirrors. Used by one thread at a time.

    A file is in memory while it is compared: nothing that is wrong is ever written.
    """

    def __init__(self, disk: Disk, layout: Layout, mirrors: Mirrors) -> None:
        self._disk, self._layout, self._mirrors = disk, layout, mirrors
        self.problems: list[str] = []

    def fetch(self, wanted: Wanted) -> Got | None:
        """The bytes; None when nobody has them."""
        if not wanted.sha256:
            return None  # a release that wrote no digests: nothing could be compared
        return self._from_folder(wanted) or self._from_mirrors(wanted)

    def _from_folder(self, wanted: Wanted) -> Got | None:
        """A file that was moved, copied, exchanged with another, or set apart while it could not be read."""
        layout = self._layout
        for path in (*files_in(self._disk, layout.segments), *files_in(self._disk, layout.quarantine)):
            try:
                if path == wanted.path or self._disk.size(path) != wanted.bytes:
                    continue
                if digest_of_file(self._disk, path) == wanted.sha256:
                    return Got([self._disk.read(path)], str(path.relative_to(layout.folder)))
            except DiskError:
                continue
        return None

    def _from_mirrors(self, wanted: Wanted) -> Got | None:
        if not self._mirrors.all:
            return None
        path = wanted.path.relative_to(self._layout.folder).as_posix()
        try:
            return self._mirrors.ask(path, lambda mirror: self._read(mirror, path, wanted))
        except UnmendedError as error:
            self.problems.append(str(error))
            return None

    def _read(self, mirror: Mirror, path: str, wanted: Wanted) -> Got:
        if mirror.source.size(path) != wanted.bytes:
            raise AbsentError(mirror.source.name, path, "it is another version of the file")
        total, pieces = hashlib.sha256(), []
        for start in range(0, wanted.bytes, PIECE_BYTES_MAX):
            piece = mirror.read(path, start=start, length=min(PIECE_BYTES_MAX, wanted.bytes - start))
            total.update(piece)
            pieces.append(piece)
        if total.hexdigest() != wanted.sha256:
            raise AbsentError(
                mirror.source.name, path, "it is another version of the file, or damaged there too"
            )
        return Got(pieces, mirror.source.name)
