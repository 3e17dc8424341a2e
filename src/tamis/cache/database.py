"""The disk level's file of SQLite: opened when it is needed, shared with other processes, set aside when damaged."""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import Any, Final

from tamis.clock import SYSTEM_CLOCK
from tamis.disk.lock import FolderLock, lock_folder
from tamis.disk.real import RealDisk
from tamis.disk.space import require_space
from tamis.errors import DamageError, DiskError, LockedError

FILE_NAME: Final = "cache-1.db"
"""The number is the version of what is inside: another release has a file of its own."""
DAMAGED_NAME: Final = "cache-1.damaged"
NEW_NAME: Final = "cache-1.new"
BESIDE: Final = ("-wal", "-shm")
NOWHERE: Final = -1
LEFT_BYTES_MAX: Final = 16 * 1024 * 1024
RETRY_S: Final = 0.005

_SCHEMA = """
CREATE TABLE entries (
    key BLOB PRIMARY KEY, value BLOB NOT NULL, end_ms INTEGER NOT NULL, used INTEGER NOT NULL, bytes INTEGER NOT NULL
) STRICT;
CREATE INDEX entries_by_end ON entries (end_ms);
CREATE INDEX entries_by_use ON entries (used);
CREATE TABLE tags (tag BLOB, key BLOB, PRIMARY KEY (tag, key)) STRICT, WITHOUT ROWID;
CREATE INDEX tags_by_key ON tags (key);
CREATE TABLE changes (name BLOB PRIMARY KEY, seq INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX changes_by_seq ON changes (seq);
CREATE TABLE leases (key BLOB PRIMARY KEY, token TEXT NOT NULL, end_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE state (
    epoch TEXT NOT NULL, seq INTEGER NOT NULL, floor INTEGER NOT NULL, prefixes INTEGER NOT NULL,
    bytes INTEGER NOT NULL, entries INTEGER NOT NULL
) STRICT;
"""
_DAMAGE: Final = frozenset((sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR))
_NONSENSE: Final = (ValueError, TypeError, ArithmeticError, LookupError)
"""What a file that is not whole makes of Python's own reading: names that are no UTF-8, numbers that are none."""
_SHORT_READ: Final = 522
_ADVICE: Final = {
    sqlite3.SQLITE_FULL: "free some space, or move the folder",
    sqlite3.SQLITE_READONLY: "let the user that runs Tamis write there",
    sqlite3.SQLITE_CANTOPEN: "let the user that runs Tamis read and write there",
    sqlite3.SQLITE_BUSY: "another process holds it too long",
}
_LEFT: Final[list[object]] = []
"""Connections of a forked process's parent: to close them here would be to touch the parent's file."""


class Connection(sqlite3.Connection):
    """A connection with what the cache asks of it."""

    def one(self, query: str, given: tuple[Any, ...] = ()) -> Any:
        """The first row, which is always there in a file that is whole."""
        rows = self.execute(query, given).fetchall()
        if not rows:
            raise sqlite3.DatabaseError(f"nothing found by {query}")
        return rows[0]


class CacheFile:
    """One connection under a lock. A block is all or nothing, for all processes; what is wrong is a DiskError."""

    def __init__(self, folder: Path, *, timeout_s: float, reserve_bytes: int) -> None:
        self._folder, self._path = folder, folder / FILE_NAME
        self._timeout_s, self._reserve_bytes = timeout_s, reserve_bytes
        self._disk = RealDisk()
        self._connection: Connection | None = None
        self._inode, self._pid = NOWHERE, os.getpid()
        self._lock = threading.Lock()

    def require_space(self, size: int) -> None:
        """Raise NoSpaceError when so much more would take what must stay free."""
        require_space(self._disk, self._folder, size, self._reserve_bytes)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """For one statement that reads."""
        with self._using() as connection:
            yield connection

    @contextmanager
    def changing(self) -> Iterator[Connection]:
        """For statements that belong together."""
        with self._using() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise

    def begin_anew(self) -> None:
        """An empty file takes the place of this one, whatever its size, for all processes."""
        with self._using():
            self._let_go()
            with self._folder_lock():
                self._remove(FILE_NAME, *(FILE_NAME + ending for ending in BESIDE))

    def interrupt(self) -> None:
        """End the statement that runs."""
        connection = self._connection
        if connection is not None:
            with suppress(sqlite3.ProgrammingError):  # closed at this moment
                connection.interrupt()

    def close(self) -> None:
        """Let go of the file. Idempotent."""
        with self._lock:
            self._let_go()

    @contextmanager
    def _using(self) -> Iterator[Connection]:
        if self._pid != os.getpid():
            _LEFT.append(self._connection)
            self._connection, self._lock, self._pid = None, threading.Lock(), os.getpid()
        if not self._lock.acquire(timeout=self._timeout_s):
            raise TimeoutError(f"{self._path}: another thread's call takes over {self._timeout_s:g} s")
        try:
            yield self._opened()
        except sqlite3.Error as error:
            raise self._told(error) from error
        except _NONSENSE as error:
            raise self._set_aside(f"{type(error).__name__}: {error}") from error
        finally:
            self._lock.release()

    def _opened(self) -> Connection:
        if self._connection is not None:
            if self._inode == _inode(self._path):
                return self._connection
            self._let_go()  # another process put another in its place
        end_s = SYSTEM_CLOCK.monotonic_s() + self._timeout_s
        while True:
            self._inode = _inode(self._path)
            if self._inode == NOWHERE:
                self._make()
                self._inode = _inode(self._path)
            connection = self._connect(self._path)
            if self._inode == _inode(self._path):
                self._connection = connection
                return connection
            connection.close()
            if SYSTEM_CLOCK.monotonic_s() >= end_s:
                raise TimeoutError(f"{self._path}: other processes put one file after another in its place")

    def _connect(self, path: Path, mode: str = "rw") -> Connection:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=self._timeout_s,
            check_same_thread=False,
            isolation_level=None,
            factory=Connection,
        )
        try:
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(f"PRAGMA journal_size_limit = {LEFT_BYTES_MAX}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _make(self) -> None:
        """An empty file, whole from the moment that it has its name."""
        self._disk.create_folder(self._folder)
        with self._folder_lock():
            if _inode(self._path) != NOWHERE:
                return
            self._remove(NEW_NAME, *(name + ending for name in (NEW_NAME, FILE_NAME) for ending in BESIDE))
            made = self._folder / NEW_NAME
            os.close(os.open(made, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            with closing(self._connect(made)) as connection:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.executescript(_SCHEMA)
                connection.execute("INSERT INTO state VALUES (?, 0, 0, 0, 0, 0)", (token_hex(8),))
            self._disk.replace(made, self._path)

    def _folder_lock(self) -> FolderLock:
        """Whoever makes or removes the file is the only one, of all processes."""
        end_s = SYSTEM_CLOCK.monotonic_s() + self._timeout_s
        while True:
            try:
                return lock_folder(self._folder, "tamis cache")
            except LockedError:
                if SYSTEM_CLOCK.monotonic_s() >= end_s:
                    raise
                SYSTEM_CLOCK.sleep(RETRY_S)

    def _told(self, error: sqlite3.Error) -> DiskError | DamageError:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
        if code & 0xFF in _DAMAGE or code == _SHORT_READ:
            return self._set_aside(str(error))
        if code & 0xFF in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
            self._let_go()  # what is wrong may be of this connection only
        advice = _ADVICE.get(code & 0xFF, "look at the disk and the kernel's log")
        return DiskError(f"{self._path}: {error}; {advice}")

    def _set_aside(self, reason: str) -> DamageError:
        """Unless another process saw to that."""
        inode = self._inode
        self._let_go()
        with self._folder_lock():
            if inode == _inode(self._path):
                self._disk.replace(self._path, self._folder / DAMAGED_NAME)
                self._remove(*(FILE_NAME + ending for ending in BESIDE))
        return DamageError(
            str(self._path), f"{reason}; it was set aside as {DAMAGED_NAME}, and the cache begins anew"
        )

    def _remove(self, *names: str) -> None:
        for name in names:
            self._disk.remove(self._folder / name)

    def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except OSError:
        return NOWHERE
