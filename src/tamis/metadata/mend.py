"""Mending the metadata: what a damaged file still gives, or another copy of it."""

import contextlib
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tamis.disk.base import Disk
from tamis.errors import DamageError, SourceError
from tamis.integrity.sources.base import Source
from tamis.metadata.database import FILE_NAME, make_database, require_whole

_NEW = ".meta.db.new"
_BYTES_MAX = 1 << 30
_PIECE_BYTES = 5_000_000


@dataclass(frozen=True, slots=True)
class MendedDatabase:
    """What became of a damaged file: a sentence, and whether everything in it is there again."""

    how: str
    is_all: bool


def mend_database(disk: Disk, folder: Path, sources: Sequence[Source]) -> MendedDatabase | None:
    """Put a whole file in the place of a damaged one; None when nothing is wrong, or there is none. Needs the folder's
    lock. The damaged one goes into the quarantine. Can be killed at any moment and begun again.
    """
    path, new = folder / FILE_NAME, folder / _NEW
    if not disk.exists(path) or _is_whole(path):
        return None
    rows, failed = _saved_rows(path, new)
    origin = _from_copy(disk, sources, new) if failed else None
    quarantine = folder / "quarantine"
    disk.create_folder(quarantine)
    kept = quarantine / FILE_NAME
    number = 1
    while disk.exists(kept):
        number += 1
        kept = quarantine / f"{FILE_NAME}.{number}"
    data = disk.read(new)
    disk.write_whole(kept, [disk.read(path)])
    disk.write_whole(path, [data])
    disk.remove(new)
    if origin is not None:
        return MendedDatabase(
            f"it came from {origin}; what changed after it was copied is not in it", is_all=True
        )
    if not failed:
        return MendedDatabase(f"written anew with all its {rows:,} rows", is_all=True)
    lost = ", ".join(failed)
    return MendedDatabase(
        f"written anew with the {rows:,} rows that could be read; damaged: {lost}. Without its token the next start "
        "gives the admin a new one",
        is_all=False,
    )


def _is_whole(path: Path) -> bool:
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        try:
            require_whole(connection, str(path))
        except DamageError:
            return False
    return True


def _saved_rows(path: Path, new: Path) -> tuple[int, list[str]]:
    """Copy what can be read into a new file; how many rows, and from which tables not all."""
    new.unlink(missing_ok=True)
    failed, rows = [], 0
    with (
        contextlib.closing(make_database(new)) as target,
        contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as source,
    ):
        names = [
            str(row[0])
            for row in target.execute(
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            )
        ]
        for name in names:
            copied, is_all = _copy_table(source, target, name)
            rows += copied
            failed += [] if is_all else [name]
        target.commit()
    return rows, failed


def _copy_table(source: sqlite3.Connection, target: sqlite3.Connection, name: str) -> tuple[int, bool]:
    """`name` is one of our own tables. A row that cannot be read ends the table."""
    copied = 0
    try:
        for row in source.execute(f'SELECT * FROM "{name}"'):  # noqa: S608  (our own table)
            places = ", ".join("?" * len(row))
            target.execute(f'INSERT OR IGNORE INTO "{name}" VALUES ({places})', row)  # noqa: S608  (our own table)
            copied += 1
    except sqlite3.DatabaseError as error:
        return copied, "no such table" in str(error)
    return copied, True


def _from_copy(disk: Disk, sources: Sequence[Source], new: Path) -> str | None:
    """The file of the first other copy that has it whole, at `new`."""
    trial = new.with_name(f"{_NEW}.copy")
    for source in sources:
        try:
            size = source.size(FILE_NAME)
            starts = range(0, min(size, _BYTES_MAX), _PIECE_BYTES)
            pieces = [
                source.read(FILE_NAME, start=start, length=min(_PIECE_BYTES, size - start))
                for start in starts
            ]
        except SourceError:
            continue
        disk.write_whole(trial, pieces)
        is_whole = size > 0 and _is_whole(trial)
        if is_whole:
            disk.write_whole(new, pieces)
        disk.remove(trial)
        if is_whole:
            return source.name
    return None
