"""The records of a store at one moment, as the files that hold them: of one that runs, or of a folder at rest."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tamis.disk.base import Disk, ReadFile
from tamis.disk.journal import Frame, read_journal
from tamis.disk.lock import lock_folder
from tamis.errors import BackupError, DiskError
from tamis.store.embedded.face import EmbeddedStore
from tamis.store.embedded.format.frames import KIND_BATCH, decode_frame
from tamis.store.embedded.format.layout import Layout
from tamis.store.embedded.format.manifest import Manifest, SegmentEntry
from tamis.store.embedded.format.manifest_file import encode_manifest, read_manifest, refuse_unfinished
from tamis.store.embedded.recovery.replay import journal_numbers

_TRIES = 50
_LOST_AFTER = 10
"""A file of the journal that is not there after so many tries was lost, and not sealed meanwhile."""
_PURPOSE = "tamis backup"


class BytesFile:
    """Bytes as a file that is open for reading."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    @property
    def size(self) -> int:
        """How many."""
        return len(self._data)

    def read_at(self, position: int, length: int) -> bytes:
        """Some of them."""
        return self._data[position : position + length]

    def close(self) -> None:
        """Nothing is held."""


@dataclass(frozen=True, slots=True)
class Item:
    """A file to back up. `sha256` is the digest that it must have, None where nobody knows one before it is read.

    `is_aside`: it is known to be damaged, and only wanted where its content is known already.
    """

    path: str
    open: Callable[[], ReadFile]
    sha256: bytes | None = None
    size: int | None = None
    records: int | None = None
    first_ns: int | None = None
    last_ns: int | None = None
    is_aside: bool = False


@dataclass(frozen=True, slots=True)
class Moment:
    """A store at one moment. Its files stay readable while the context that gave it lasts."""

    store_id: str
    last_seq: int
    records: int
    items: tuple[Item, ...]


@contextmanager
def moment_of_store(store: EmbeddedStore, disk: Disk) -> Iterator[Moment]:
    """Of a running store: everything that a read sees now. Segments are held as by a read; the journal is what was
    in it at that moment, however it goes on. Appends wait for the time that opening its files takes."""
    parts = store.parts
    catalog, layout = parts.shop.catalog, parts.shop.layout
    with ExitStack() as held:
        for tries in range(_TRIES):
            with ExitStack() as trial:
                with parts.committer.alone():
                    manifest, _ = trial.enter_context(catalog.segments())
                    journals = _opened(disk, layout, manifest, trial, is_all_wanted=tries < _LOST_AFTER)
                    hot, last_seq = catalog.hot.records, catalog.hot.last_seq
                    is_still = catalog.manifest is manifest
                if journals is None or not is_still:
                    continue  # a seal came between: its journal is gone, or another manifest is valid
                held.enter_context(trial.pop_all())
            yield _moment(disk, layout, manifest, journals, last_seq=last_seq, hot=hot)
            return
        raise BackupError(f"{layout.folder} changes faster than it can be looked at; try again")


@contextmanager
def moment_of_folder(disk: Disk, folder: Path) -> Iterator[Moment]:
    """Of a folder that no process has open. LockedError when one has, DamageError when no manifest is whole."""
    layout = Layout(folder.resolve())
    refuse_unfinished(disk, layout)
    with lock_folder(layout.folder, _PURPOSE), ExitStack() as held:
        manifest = read_manifest(disk, layout).manifest
        journals = _opened(disk, layout, manifest, held, is_all_wanted=False) or {}
        hot, last_seq = _in_journals(disk, layout, manifest, journals)
        yield _moment(disk, layout, manifest, journals, last_seq=last_seq, hot=hot)


def _in_journals(disk: Disk, layout: Layout, manifest: Manifest, numbers: Iterable[int]) -> tuple[int, int]:
    """How many records stand in the journal only, and the newest sequence."""
    hot, last_seq = 0, manifest.sealed_through
    for number in numbers:
        for item in read_journal(disk, layout.journal(number)):
            if isinstance(item, Frame) and item.kind == KIND_BATCH:
                header, _ = decode_frame(item.payload)
                if header.first_seq > last_seq:
                    hot, last_seq = hot + header.count, max(last_seq, header.first_seq + header.count - 1)
    return hot, last_seq


def _opened(
    disk: Disk, layout: Layout, manifest: Manifest, held: ExitStack, *, is_all_wanted: bool
) -> dict[int, ReadFile] | None:
    """The journal's files, open as long as they are now; None when one is not there."""
    files: dict[int, ReadFile] = {}
    numbers = journal_numbers(disk, layout) if manifest.journals is None else manifest.journals
    for number in numbers:
        try:
            file = disk.open_read(layout.journal(number))
        except DiskError:
            if is_all_wanted:
                return None
            continue
        held.callback(file.close)
        files[number] = file
    return files


def _moment(
    disk: Disk, layout: Layout, manifest: Manifest, journals: dict[int, ReadFile], *, last_seq: int, hot: int
) -> Moment:
    data = encode_manifest(manifest)
    items = [Item("data/manifest.json", lambda: BytesFile(data))]
    for entry in manifest.segments:
        items += _segment(disk, layout, entry, is_aside=False)
    for loss in manifest.losses:
        if loss.segment is not None:
            items += _segment(disk, layout, loss.segment, is_aside=True)
    for number, file in journals.items():
        items.append(Item(f"data/journal/{layout.journal(number).name}", partial(_again, file)))
    records = sum(entry.facts.records for entry in manifest.segments) + hot
    return Moment(manifest.store_id, last_seq, records, tuple(items))


def _segment(disk: Disk, layout: Layout, entry: SegmentEntry, *, is_aside: bool) -> Iterator[Item]:
    facts = entry.facts
    for path, sha256, size, records in (
        (layout.segment(entry.name), entry.sha256, entry.bytes, facts.records),
        (layout.tally(entry.name), entry.tally_sha256, entry.tally_bytes, None),
    ):
        yield Item(
            f"data/segments/{path.relative_to(layout.segments)}",
            partial(disk.open_read, path),
            sha256=bytes.fromhex(sha256) if sha256 else None,
            size=size,
            records=records,
            first_ns=facts.min_ts,
            last_ns=facts.max_ts,
            is_aside=is_aside,
        )


class _Kept:
    """A file that somebody else closes."""

    def __init__(self, file: ReadFile) -> None:
        self._file = file

    @property
    def size(self) -> int:
        return self._file.size

    def read_at(self, position: int, length: int) -> bytes:
        return self._file.read_at(position, max(0, min(length, self._file.size - position)))

    def close(self) -> None:
        pass


def _again(file: ReadFile) -> ReadFile:
    return _Kept(file)
