"""Which documents with an id are stored already, so that one that is sent again is not stored again.

A digest of each id goes to a journal of its own before the batch that the document is in goes to the store's, with the
batch's name: after a crash a document counts as stored when the store knows that batch.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tamis.disk.base import Disk
from tamis.disk.journal import Frame, Journal, read_journal
from tamis.disk.real import RealDisk
from tamis.errors import JournalClosedError, TamisError
from tamis.store.base import Store
from tamis.wire.bulk_ids import NO_IDENTITIES, Identities, unpack

FOLDER = "documents"
FILES_KEPT = 3
"""With so many files of half of what is remembered, all of it is on disk."""
RUN_SHARE = 16
"""Runs are merged up to this part of what is remembered: so much is forgotten at a time."""
_KIND = 1
_SUFFIX = ".journal"


class Claim:
    """Documents that one body brings; nobody else's body with one of them is taken meanwhile.

    `exists` says for each whether one with its id is stored already, `same` whether with the same source.
    """

    def __init__(self, owner: "Documents", identities: Identities) -> None:
        self._owner = owner
        self._noted = NO_IDENTITIES
        self.keys = np.unique(identities.words[:, 0])
        self.exists: Any = np.zeros(len(identities), np.bool_)
        self.same: Any = np.zeros(len(identities), np.bool_)

    def note(self, identities: Identities, batch_id: str | None) -> str | None:
        """Write down, safely, that these are about to be stored in a batch of this name, or of one that is made for
        it; the name."""
        self._noted = identities
        return self._owner.write(identities, batch_id) if len(identities) else batch_id

    def keep(self) -> None:
        """What was noted is stored now."""
        self._owner.remember(self._noted)


class Documents:
    """The newest `ids_max` ids of documents. Thread-safe. Without a folder they are forgotten at the end.

    What was written before the last start is known as long as the store remembers its batch (24 h).
    """

    def __init__(self, folder: Path | None, store: Store, *, ids_max: int, disk: Disk | None = None) -> None:
        self._folder = None if folder is None else folder / FOLDER
        self._store, self._ids_max, self._disk = store, ids_max, disk or RealDisk()
        self._changed = threading.Condition()
        self._under_way: list[Any] = []
        self._known = Runs(ids_max)
        self._files: _Files | None = None
        self._loaded = False

    @contextmanager
    def claim(self, identities: Identities) -> Iterator[Claim]:
        """Wait until nobody else has one of these, and have them."""
        made = Claim(self, identities)
        if not len(identities):
            yield made
            return
        with self._changed:
            while any(_overlap(made.keys, others) for others in self._under_way):
                self._changed.wait()
            self._load()
            made.exists, made.same = self._known.find(identities)
            self._under_way.append(made.keys)
        try:
            yield made
        finally:
            with self._changed:
                self._under_way = [one for one in self._under_way if one is not made.keys]
                self._changed.notify_all()

    def write(self, identities: Identities, batch_id: str | None) -> str | None:
        """See `Claim.note`."""
        if self._files is None:
            return batch_id
        name = batch_id or f"bulk-{os.urandom(12).hex()}"
        self._files.append(name, identities)
        return name

    def remember(self, identities: Identities) -> None:
        """These are stored."""
        with self._changed:
            self._known.add(identities)

    def close(self) -> None:
        """Let go of the files. Idempotent."""
        with self._changed:
            if self._files is not None:
                self._files.close()

    def _load(self) -> None:
        """Read what earlier starts wrote, once, when an id comes."""
        if self._loaded or self._folder is None:
            return
        files = _Files(self._disk, self._folder, ids_max=max(1, self._ids_max // 2))
        for batch_id, identities in files.read():
            if self._store.find_batch(batch_id) is not None:
                self._known.add(identities)
        self._files, self._loaded = files, True


def _overlap(keys: Any, others: Any) -> bool:
    return bool(np.isin(keys, others, assume_unique=True).any())


class Runs:
    """Identities in sorted runs, newest first; the oldest run goes when there are too many. Not thread-safe."""

    def __init__(self, ids_max: int) -> None:
        self._ids_max, self._run_max = ids_max, ids_max // RUN_SHARE
        self._runs: list[tuple[Any, Any]] = []

    def __len__(self) -> int:
        return sum(len(keys) for keys, _ in self._runs)

    def add(self, identities: Identities) -> None:
        """Remember these."""
        if not len(identities):
            return
        words = identities.words
        while self._runs and len(self._runs[0][0]) <= len(words) and 2 * len(words) <= self._run_max:
            words = np.concatenate([words, self._runs.pop(0)[1]])
        words = words[np.argsort(words[:, 0], kind="stable")]
        self._runs.insert(0, (np.ascontiguousarray(words[:, 0]), words))
        while len(self) > self._ids_max and len(self._runs) > 1:
            self._runs.pop()

    def find(self, identities: Identities) -> tuple[Any, Any]:
        """Which of these have a known id, and which of those a source that is known under it."""
        exists = np.zeros(len(identities), np.bool_)
        same = np.zeros(len(identities), np.bool_)
        wanted = np.ascontiguousarray(identities.words[:, 0])
        for keys, words in self._runs:
            first = np.searchsorted(keys, wanted)
            for place in np.flatnonzero(keys[np.minimum(first, len(keys) - 1)] == wanted).tolist():
                at = int(first[place])
                _, low, content = identities.words[place]
                while at < len(keys) and keys[at] == wanted[place]:
                    if words[at, 1] == low:
                        exists[place] = True
                        same[place] |= words[at, 2] == content
                    at += 1
        return exists, same


class _Files:
    """The journals of one folder: numbered, a new one when the last is full, the oldest ones removed."""

    def __init__(self, disk: Disk, folder: Path, *, ids_max: int) -> None:
        self._disk, self._folder, self._ids_max = disk, folder, ids_max
        self._lock = threading.Lock()
        self._journal: Journal | None = None
        self._numbers = self._found()
        self._count = ids_max
        """Ids in the newest file; one that was there before is not written to any more."""

    def _found(self) -> list[int]:
        self._disk.create_folder(self._folder)
        stems = [
            name.removesuffix(_SUFFIX) for name in self._disk.names(self._folder) if name.endswith(_SUFFIX)
        ]
        return sorted(int(stem) for stem in stems if stem.isdecimal() and stem.isascii())

    def _path(self, number: int) -> Path:
        return self._folder / f"{number}{_SUFFIX}"

    def read(self) -> Iterator[tuple[str, Identities]]:
        """What was written before, oldest first: batches and the identities in them."""
        for number in self._numbers:
            try:
                for item in read_journal(self._disk, self._path(number)):
                    if isinstance(item, Frame):
                        yield _unpacked(bytes(item.payload))
            except TamisError:
                continue  # documents that are not known are stored again, never lost

    def append(self, batch_id: str, identities: Identities) -> None:
        """Write, and return when it is safe."""
        with self._lock:
            if self._journal is None or self._count >= self._ids_max:
                self._begin()
            journal = self._journal
            assert journal is not None
            self._count += len(identities)
            try:
                journal.append(_KIND, [_packed(batch_id), identities.packed()])
            except JournalClosedError:
                self._journal = None
                raise
        try:
            journal.sync()
        except JournalClosedError:
            with self._lock:
                self._journal = None
            raise

    def _begin(self) -> None:
        """A new file; the oldest ones go."""
        if self._journal is not None:
            self._journal.close()
        number = self._numbers[-1] + 1 if self._numbers else 1
        self._journal = Journal.create_journal(self._disk, self._path(number))
        self._numbers.append(number)
        self._count = 0
        while len(self._numbers) > FILES_KEPT:
            self._disk.remove(self._path(self._numbers.pop(0)))

    def close(self) -> None:
        with self._lock:
            if self._journal is not None:
                self._journal.close()
                self._journal = None


def _packed(batch_id: str) -> bytes:
    name = batch_id.encode()
    return len(name).to_bytes(8, "little") + name


def _unpacked(payload: bytes) -> tuple[str, Identities]:
    end = 8 + int.from_bytes(payload[:8], "little")
    return payload[8:end].decode(), unpack(payload[end:])
