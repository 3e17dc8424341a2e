"""A backup of 5,000,000 records (generated, sealed, merged as a server does), then one after 1 % more records came,
into the same repository: encrypted, compressed, each pack read back. Bytes are what the repository grew by; the
yardstick is the first backup. A third one, with nothing new, is shown beside them; `tar` of the same folder, which
neither encrypts nor looks for what is known, says what the disk can do. The folder is kept for the
next run. What merges write anew counts as new; both backups are of a store that has merged what there was to merge.
"""

import itertools
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.json

from benchmarks.generate import BLOCK_RECORDS, write_files
from benchmarks.report import Goal
from tamis.backup import (
    CreateOptions,
    FolderTarget,
    Passphrase,
    Repository,
    create,
    moment_of_folder,
    open_repository,
    places_of,
    verify,
)
from tamis.disk.real import RealDisk
from tamis.errors import OverloadedError
from tamis.record.model import CORE_TEXT, Columns
from tamis.settings import load_settings
from tamis.store.embedded.options import StoreOptions
from tamis.store.embedded.store import EmbeddedStore, open_store

RECORDS = int(os.environ.get("TAMIS_BENCH_RECORDS", "5000000"))
"""Fewer in development."""
MORE_SHARE = 0.01
BYTES_MAX, TIME_MAX = 0.05, 0.10
MIB = 1 << 20
BATCH_RECORDS = 50_000


@dataclass(frozen=True, slots=True)
class _Made:
    seconds: float
    grown: int


def measure(work: Path) -> list[Goal]:
    """The goals of this part."""
    for name in ("data", "repository", "home"):
        shutil.rmtree(work / name, ignore_errors=True)
    shutil.copytree(filled(work), work / "data")
    first = _back_up(work)
    more = max(1, int(RECORDS * MORE_SHARE))
    with _corpus(work).open("rb") as lines:
        _skip(lines, RECORDS)
        _take(work / "data", lines, more)
    second, third = _back_up(work), _back_up(work)
    tar_s = _tar(work)
    report = verify(_repository(work))
    shutil.rmtree(work / "data")
    return _goals(first, second, third, tar_s, more=more, is_whole=report.is_whole)


def filled(work: Path) -> Path:
    """A data folder with the records, kept from run to run."""
    place, unfinished = work / f"filled-{RECORDS}", work / "filling"
    if not place.exists():
        shutil.rmtree(unfinished, ignore_errors=True)
        with _corpus(work).open("rb") as lines:
            _take(unfinished, lines, RECORDS)
        unfinished.rename(place)
    return place


def _corpus(work: Path) -> Path:
    """The records, and behind them those that come later."""
    return write_files(work, f"backup-{RECORDS}", RECORDS + BLOCK_RECORDS, files=1)[0]


def _goals(
    first: _Made, second: _Made, third: _Made, tar_s: float, *, more: int, is_whole: bool
) -> list[Goal]:
    what = f"backup after {more:,} more records on {RECORDS:,}"
    grown, seconds = second.grown / first.grown, second.seconds / first.seconds
    again = third.seconds / first.seconds
    return [
        Goal(
            f"{what}: bytes", f"{second.grown / MIB:,.1f} MiB", f"first {first.grown / MIB:,.1f} MiB", grown,
            f"≤ {BYTES_MAX}", grown <= BYTES_MAX and is_whole,
        ),
        Goal(
            f"{what}: time", f"{second.seconds:.2f} s", f"first {first.seconds:.2f} s (tar: {tar_s:.2f} s)", seconds,
            f"≤ {TIME_MAX}", seconds <= TIME_MAX,
        ),
        Goal(
            "backup with nothing new: time", f"{third.seconds:.2f} s", f"first {first.seconds:.2f} s", again,
            f"≤ {TIME_MAX}", again <= TIME_MAX,
        ),
    ]  # fmt: skip


def _take(folder: Path, lines: IO[bytes], count: int) -> None:
    """Append so many lines, as the server's batches are, and end as a server does."""
    store = open_store(folder, StoreOptions(durability="memory", shrink_after_s=3_600))
    for first in range(0, count, BATCH_RECORDS):
        columns = _columns(b"".join(_some(lines, min(BATCH_RECORDS, count - first))))
        while not _appended(store, columns):
            time.sleep(0.05)
    store.seal_now()
    while store.merge_now():
        pass
    store.close()


def _skip(lines: IO[bytes], count: int) -> None:
    for _ in itertools.islice(lines, count):
        pass


def _columns(body: bytes) -> Columns:
    """Lines as Arrow reads them: what is measured begins behind them."""
    options = pyarrow.json.ReadOptions(block_size=len(body))
    table = pyarrow.json.read_json(pa.BufferReader(body), options).combine_chunks()
    arrays = {name: table[name].combine_chunks() for name in table.column_names}
    stamps = arrays.pop("timestamp").cast(pa.timestamp("ns", "UTC")).cast(pa.int64())
    core = {name: arrays.pop(name) for name in CORE_TEXT if name in arrays}
    return Columns(len(stamps), stamps, core, arrays)


def _appended(store: EmbeddedStore, columns: Columns) -> bool:
    """Whether there was room; else sealing has to catch up."""
    try:
        store.append(columns)
    except OverloadedError:
        return False
    return True


def _some(lines: IO[bytes], count: int) -> list[bytes]:
    return list(itertools.islice(lines, count))


def _repository(work: Path) -> Repository:
    target = FolderTarget(RealDisk(), work / "repository")
    return open_repository(target, Passphrase("a passphrase for a benchmark"), create=True)


def _back_up(work: Path) -> _Made:
    parts = ("keys.keyring", "keys.file", "audit.ledger", "audit.heads", "audit.signing_key")
    settings = load_settings({name: str(work / "home" / name) for name in parts}, environ={})
    repository, disk = _repository(work), RealDisk()
    before = _size(work / "repository")
    begin = time.monotonic()
    with moment_of_folder(disk, work / "data") as moment:
        create(repository, moment, places_of(settings, work / "data"), disk, CreateOptions())
    seconds = time.monotonic() - begin
    return _Made(seconds, _size(work / "repository") - before)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _tar(work: Path) -> float:
    begin = time.monotonic()
    archive = work / "data.tar"
    subprocess.run(["tar", "-cf", str(archive), "-C", str(work), "data"], check=True, timeout=120)
    with archive.open("rb") as file:
        os.fsync(file.fileno())
    archive.unlink()
    return time.monotonic() - begin
