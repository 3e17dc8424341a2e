"""The SQLite file beside the records: opened, migrated, and shared by threads one at a time."""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tamis.disk.failure import disk_errors
from tamis.errors import DamageError, FormatError

FILE_NAME = "meta.db"
_ADVICE = (
    "tokens, sessions, alert rules and saved searches are in it, records are not; `tamis repair` brings back what can "
    "be read, or takes it from another copy of the folder"
)

_MIGRATIONS = (
    """
    CREATE TABLE tokens (name TEXT PRIMARY KEY, hash TEXT NOT NULL, created_ns INTEGER NOT NULL) STRICT;
    CREATE TABLE sessions (
        digest TEXT PRIMARY KEY, principal TEXT NOT NULL,
        created_ns INTEGER NOT NULL, expires_ns INTEGER NOT NULL
    ) STRICT;
    """,
    """
    CREATE TABLE rules (
        name TEXT PRIMARY KEY, data TEXT NOT NULL, created_ns INTEGER NOT NULL, changed_ns INTEGER NOT NULL,
        changed_by TEXT NOT NULL, seen_seq INTEGER, evaluated_ns INTEGER
    ) STRICT;
    CREATE TABLE alert_channels (
        name TEXT PRIMARY KEY, url TEXT NOT NULL, changed_ns INTEGER NOT NULL, changed_by TEXT NOT NULL
    ) STRICT;
    CREATE TABLE alert_incidents (
        id TEXT PRIMARY KEY, rule TEXT NOT NULL, key TEXT NOT NULL, data TEXT NOT NULL, UNIQUE (rule, key)
    ) STRICT;
    CREATE TABLE alert_outbox (
        number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, rule TEXT NOT NULL, channel TEXT NOT NULL,
        payload TEXT NOT NULL, created_ns INTEGER NOT NULL, attempts INTEGER NOT NULL, next_ns INTEGER NOT NULL,
        UNIQUE (id, channel)
    ) STRICT;
    CREATE TABLE alert_silences (
        id TEXT PRIMARY KEY, rule TEXT NOT NULL, labels TEXT NOT NULL, from_ns INTEGER NOT NULL,
        until_ns INTEGER NOT NULL, reason TEXT NOT NULL, made_by TEXT NOT NULL, made_ns INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE alert_history (
        number INTEGER PRIMARY KEY AUTOINCREMENT, at_ns INTEGER NOT NULL, rule TEXT NOT NULL, what TEXT NOT NULL,
        detail TEXT NOT NULL
    ) STRICT;
    CREATE INDEX alert_history_by_rule ON alert_history (rule, number);
    """,
    """
    CREATE TABLE saved_searches (
        name TEXT PRIMARY KEY, q TEXT NOT NULL, start TEXT, end TEXT, description TEXT NOT NULL,
        created_ns INTEGER NOT NULL, changed_ns INTEGER NOT NULL, changed_by TEXT NOT NULL
    ) STRICT;
    """,
)
"""Script n brings a file from version n to n + 1; a released script never changes."""


class Database:
    """One connection under a lock. Every change is safe when its block ends."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing."""
        with self._lock, self._connection:
            yield self._connection

    def changes_seen(self) -> int:
        """A number that differs after another process changed the file."""
        with self._lock:
            return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def close(self) -> None:
        """Let go of the file. Idempotent."""
        with self._lock:
            self._connection.close()


def open_database(folder: Path | None) -> Database:
    """The metadata of a data folder, made when it is not there (mode 0600); None keeps it in memory.

    Raises DamageError when it is no database any more, or one with damaged pages; DiskError when it cannot be opened.
    """
    path = ":memory:"
    if folder is not None:
        file = folder / FILE_NAME
        with disk_errors("open", file):
            os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
        path = str(file)
    connection = sqlite3.connect(path, timeout=10, check_same_thread=False, isolation_level="IMMEDIATE")
    try:
        require_whole(connection, path)
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA synchronous = FULL")
        _migrate(connection, path)
    except BaseException:
        connection.close()
        raise
    return Database(connection)


def require_whole(connection: sqlite3.Connection, path: str) -> None:
    """Raise DamageError unless every page of a file is as SQLite would have written it."""
    try:
        found = [str(row[0]) for row in connection.execute("PRAGMA quick_check(1)")]
    except sqlite3.OperationalError:
        raise  # somebody else has it, or it cannot be written: that is no damage
    except sqlite3.DatabaseError as error:
        found = [str(error)]
    if found != ["ok"]:
        raise DamageError(path, f"{found[0]}; {_ADVICE}")


def make_database(path: Path) -> sqlite3.Connection:
    """A new, empty file of today's version."""
    connection = sqlite3.connect(path)
    _migrate(connection, str(path))
    return connection


def _migrate(connection: sqlite3.Connection, path: str) -> None:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > len(_MIGRATIONS):
        raise FormatError(
            f"{path} has version {version}, this release reads up to {len(_MIGRATIONS)}; use a newer Tamis"
        )
    for number in range(version, len(_MIGRATIONS)):
        connection.executescript(
            f"BEGIN IMMEDIATE; {_MIGRATIONS[number]} PRAGMA user_version = {number + 1}; COMMIT;"
        )
