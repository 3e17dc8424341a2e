"""Staging: a file is put together beside its place, chunk by checked chunk, before it takes that place.

What an interrupted staging left is gone on with: its chunks are compared again, and the rest is fetched.
"""

import hashlib
import re
from collections.abc import Container, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tamis.disk.base import AppendFile, Disk
from tamis.errors import AbsentError, ManifestError, SourceError
from tamis.integrity.chunks import Chunk
from tamis.integrity.digest import PREFIX, pieces_of, sha256_of
from tamis.integrity.manifest import FileEntry
from tamis.integrity.mirrors import PIECE_BYTES_MAX, Mirror, Mirrors
from tamis.integrity.seeds import Seeds

if TYPE_CHECKING:
    from tamis.telemetry.status_work import Work

PART_NAME: Final = re.compile(r"\.tamis-[0-9a-f]{32}\.part")
"""What a file is called while it is put together: by its digest, so that one of another version is another file."""


def part_of(target: Path, entry: FileEntry) -> Path:
    """Where a file is put together."""
    return target.with_name(f".tamis-{entry.sha256.removeprefix(PREFIX)[:32]}.part")


class Stage:
    """Puts one file together at `part_of(target, entry)`. Used once, by one thread, under the folder's lock."""

    def __init__(
        self, disk: Disk, entry: FileEntry, target: Path, *, seeds: Seeds, mirrors: Mirrors, work: "Work"
    ) -> None:
        self.part = part_of(target, entry)
        self._disk, self._entry, self._seeds, self._mirrors = disk, entry, seeds, mirrors
        self._work = work
        self._digest = hashlib.sha256()

    def run(self) -> Path:
        """Have the file there, whole and safe; its place. UnmendedError when no mirror has what is missing."""
        self._disk.create_folder(self.part.parent)
        with closing(self._disk.open_append(self.part)) as part:
            if self._entry.chunks or not self._entry.size:
                self._from_chunks(part)
            else:
                self._mirrors.ask(self._entry.path, lambda mirror: self._whole(mirror, part))
            part.sync()
        return self.part

    def _from_chunks(self, part: AppendFile) -> None:
        chunks = self._entry.chunk_list()
        waiting = chunks[self._kept(part, chunks) :]
        for run in self._runs(waiting):
            pieces = run if isinstance(run, bytes) else self._fetch(run)
            for piece in [pieces] if isinstance(pieces, bytes) else pieces:
                self._append(part, piece)
        if PREFIX + self._digest.hexdigest() != self._entry.sha256:
            part.truncate(0)
            raise ManifestError(
                f"the chunks of {self._entry.path} do not come to its SHA-256; it is wrong itself"
            )

    def _kept(self, part: AppendFile, chunks: list[Chunk]) -> int:
        """How many chunks at its beginning an earlier staging left as they should be; the rest is cut off."""
        kept = 0
        with closing(self._disk.open_read(self.part)) as file:
            for chunk in chunks:
                data = file.read_at(chunk.offset, chunk.length)
                if sha256_of(data) != chunk.sha256:
                    break
                self._digest.update(data)
                kept += 1
        good = chunks[kept - 1].end if kept else 0
        if part.size > good:
            part.truncate(good)
        self._seeds.add(self.part, chunks[:kept])
        self._work.advance(good)
        return kept

    def _runs(self, chunks: list[Chunk]) -> Iterator[bytes | list[Chunk]]:
        """In order: the bytes of a chunk that is here, or chunks to be fetched together, PIECE_BYTES_MAX at most."""
        run: list[Chunk] = []
        for chunk in chunks:
            here = self._seeds.read(chunk)
            is_full = run and chunk.end - run[0].offset > PIECE_BYTES_MAX
            is_again = here is None and any(chunk.sha256 == one.sha256 for one in run)
            if run and (here is not None or is_full or is_again):
                yield run
                run = []
                here = here or self._seeds.read(chunk)
            if here is None:
                run.append(chunk)
            else:
                yield here
        if run:
            yield run

    def _fetch(self, run: list[Chunk]) -> list[bytes]:
        """The bytes of a run, each chunk of it from the first mirror that has it."""
        path = self._entry.path
        got: dict[Chunk, bytes] = {}

        def take(mirror: Mirror) -> None:
            for group in list(_groups(run, got)):
                mirror.fetch(path, group, got)
            if len(got) < len(run):
                lacks = "lacks some of the bytes wanted" if got else "has none of the bytes wanted"
                raise AbsentError(mirror.source.name, path, f"it {lacks}")

        self._mirrors.ask(path, take)
        self._seeds.add(self.part, run)  # they are there before anyone reads them
        return [got[chunk] for chunk in run]

    def _append(self, part: AppendFile, data: bytes) -> None:
        part.append([data])
        self._digest.update(data)
        self._work.advance(len(data), self._entry.path)

    def _whole(self, mirror: Mirror, part: AppendFile) -> None:
        """A file without chunks comes from one mirror, and is compared at its end; what is there of it is gone on
        with, once.
        """
        digest = hashlib.sha256()
        if part.size > self._entry.size:
            part.truncate(0)
        with closing(self._disk.open_read(self.part)) as file:
            for piece in pieces_of(file):
                digest.update(piece)
        while (start := part.size) < self._entry.size:
            length = min(PIECE_BYTES_MAX, self._entry.size - start)
            piece = mirror.read(self._entry.path, start=start, length=length)
            part.append([piece])
            digest.update(piece)
            self._work.update(note=self._entry.path)
        if PREFIX + digest.hexdigest() != self._entry.sha256:
            part.truncate(0)
            raise SourceError(mirror.source.name, self._entry.path, "gave other bytes than were asked for")
        self._work.advance(self._entry.size)


def _groups(run: list[Chunk], got: Container[Chunk]) -> Iterator[list[Chunk]]:
    """What is not got yet, as runs without a gap."""
    group: list[Chunk] = []
    for chunk in run:
        if chunk in got or (group and group[-1].end != chunk.offset):
            if group:
                yield group
            group = []
        if chunk not in got:
            group.append(chunk)
    if group:
        yield group
