"""The disk level: entries in a file of SQLite, for all processes of a machine, and for their next start."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from tamis.cache.base import Position
from tamis.cache.database import CacheFile, Connection
from tamis.cache.extensions import Kind
from tamis.cache.limits import WAIT_S_MAX, require_durations, require_whole
from tamis.cache.outside import OutsideLevel
from tamis.cache.packing import Packer, PackingLimits
from tamis.cache.shelf import Kept, Put, Removed
from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.errors import DamageError

ENTRY_BYTES: Final = 200
"""What an entry takes in the file beside its key, value and tags, about."""
TOUCHED_MAX: Final = 10_000
CHANGES_MAX: Final = 500
USED_MAX: Final = 256
"""So many reads are noted together: a read that had to write would wait for other writers."""
LETTERS: Final = (b"k", b"p", b"t")


@dataclass(frozen=True, slots=True)
class DiskLimits:
    """`entries_max` entries of `bytes_max` bytes together, each for `ttl_s` unless it says so; nobody waits longer than
    `timeout_s`. Nothing is written that would leave less than `reserve_bytes` free.
    """

    ttl_s: float = 86_400.0
    entries_max: int = 1_000_000
    bytes_max: int = 500_000_000
    timeout_s: float = 1.0
    reserve_bytes: int = 64 * 1024 * 1024

    def __post_init__(self) -> None:
        require_whole(self, "entries_max", "bytes_max")
        require_whole(self, "reserve_bytes", least=0)
        require_durations(self, "ttl_s")
        require_durations(self, "timeout_s", most=WAIT_S_MAX)


class DiskLevel(OutsideLevel):
    """A SharedLevel in a folder. A process that is killed loses nothing that was written; a damaged file is set aside
    and made anew, empty.
    """

    def __init__(
        self,
        folder: str | Path,
        limits: DiskLimits | None = None,
        *,
        packing: PackingLimits | None = None,
        kinds: Mapping[str, Kind] = MappingProxyType({}),
        name: str = "disk",
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        limits = limits or DiskLimits()
        shelf = DiskShelf(Path(folder), limits, clock=clock)
        super().__init__(name, shelf, limits, packer=Packer(packing, kinds), clock=clock)


class DiskShelf:
    """A Shelf over a file of SQLite."""

    def __init__(self, folder: Path, limits: DiskLimits, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._limits, self._clock = limits, clock
        self.room = limits.bytes_max - ENTRY_BYTES
        self._file = CacheFile(folder, timeout_s=limits.timeout_s * 0.8, reserve_bytes=limits.reserve_bytes)
        self._used: dict[bytes, int] = {}
        self._tick = 0

    def read(self, key: bytes) -> tuple[bytes | None, float]:
        """The bytes and the seconds left."""
        now_ms = self._now_ms()
        with self._file.reading() as db:
            row = db.execute("SELECT value, end_ms FROM entries WHERE key = ?", (key,)).fetchone()
            if row is None:
                return None, 0
            if row[1] <= now_ms:
                return None, 1
        self._used[key] = self._next_tick()
        if len(self._used) >= USED_MAX:
            with self._file.changing() as db:
                self._note_used(db)
        return row[0], (row[1] - now_ms) / 1_000

    def write(self, put: Put) -> Kept:
        """Keep it instead of what was there, and make room."""
        size = len(put.key) + len(put.data) + sum(map(len, put.tags)) + ENTRY_BYTES
        self._file.require_space(size)
        with self._file.changing() as db:
            if put.token:
                self._release(db, put.key, put.token)
            if self._is_late(db, put):
                return Kept(False)
            self._note_used(db)
            _drop(db, [put.key])
            end_ms = self._now_ms() + max(int(put.ttl_s * 1_000), 1)
            db.execute(
                "INSERT INTO entries (key, value, end_ms, used, bytes) VALUES (?, ?, ?, ?, ?)",
                (put.key, put.data, end_ms, self._next_tick(), size),
            )
            db.executemany("INSERT OR IGNORE INTO tags VALUES (?, ?)", [(tag, put.key) for tag in put.tags])
            db.execute("UPDATE state SET bytes = bytes + ?, entries = entries + 1", (size,))
            seq = 0 if put.is_computed else _touch(db, b"k" + put.key)
            expired, evicted = self._make_room(db)
        return Kept(True, seq, expired, evicted)

    def remove(self, key: bytes) -> Removed:
        """Remove an entry."""
        return self._remove(b"k" + key, "SELECT key, end_ms FROM entries WHERE key = ?", (key,))

    def remove_prefix(self, prefix: bytes) -> Removed:
        """Remove all whose key begins so."""
        query = "SELECT key, end_ms FROM entries WHERE key >= ? AND key < ?"
        return self._remove(b"p" + prefix, query, (prefix, prefix + b"\xff"))

    def remove_tag(self, tag: bytes) -> Removed:
        """Remove all that have the tag."""
        query = "SELECT key, end_ms FROM entries WHERE key IN (SELECT key FROM tags WHERE tag = ?)"
        return self._remove(b"t" + tag, query, (tag,))

    def clear(self) -> tuple[int, Position]:
        """Remove all. Of a damaged file it is not known how many there were: none is said."""
        count = 0
        self._used.clear()
        with suppress(DamageError):  # then it was set aside, which is as good
            with self._file.reading() as db:
                count = int(db.one("SELECT count(*) FROM entries WHERE end_ms > ?", (self._now_ms(),))[0])
            self._file.begin_anew()
        return count, self.position()

    def position(self) -> Position:
        """Where it stands."""
        with self._file.reading() as db:
            return _position(db)

    def changes(self, after: Position) -> tuple[Position, list[tuple[bytes, int]] | None]:
        """What changed since."""
        with self._file.reading() as db:
            epoch, seq, floor = db.one("SELECT epoch, seq, floor FROM state")
            position = Position(epoch, seq)
            if position == after:
                return position, []
            if epoch != after.epoch or after.seq < floor:
                return position, None
            query = "SELECT name, seq FROM changes WHERE seq > ? ORDER BY seq LIMIT ?"
            found = db.execute(query, (after.seq, CHANGES_MAX + 1)).fetchall()
        return position, None if len(found) > CHANGES_MAX else found

    def lease(self, key: bytes, token: str, *, seconds: float) -> bool:
        """Take or prolong a lease."""
        now_ms = self._now_ms()
        with self._file.changing() as db:
            taken = db.execute(
                "INSERT INTO leases VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE "
                "SET token = excluded.token, end_ms = excluded.end_ms WHERE token = excluded.token OR end_ms <= ?",
                (key, token, now_ms + int(seconds * 1_000), now_ms),
            )
            return taken.rowcount == 1

    def release(self, key: bytes, token: str) -> None:
        """Give a lease back."""
        with self._file.changing() as db:
            self._release(db, key, token)

    def sizes(self) -> tuple[int, int]:
        """Entries and bytes."""
        with self._file.reading() as db:
            entries, size = db.one("SELECT entries, bytes FROM state")
        return entries, size

    def check(self) -> None:
        """Raise what is wrong: folder not writable, file locked, disk full."""
        self._file.require_space(1)
        with self._file.changing() as db:
            db.execute("UPDATE state SET seq = seq")

    def interrupt(self) -> None:
        """End the statement that runs."""
        self._file.interrupt()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _remove(self, name: bytes, query: str, given: tuple[bytes, ...]) -> Removed:
        now_ms = self._now_ms()
        with self._file.changing() as db:
            rows = db.execute(query, given).fetchall()
            _drop(db, [row[0] for row in rows])
            seq = _touch(db, name)
            if name[:1] == b"p":
                db.execute("UPDATE state SET prefixes = ?", (seq,))
            return Removed(sum(row[1] > now_ms for row in rows), seq)

    def _is_late(self, db: Connection, put: Put) -> bool:
        epoch, floor, prefixes = db.one("SELECT epoch, floor, prefixes FROM state")
        since = put.since
        if epoch != since.epoch or since.seq < floor:
            return True
        if not put.is_computed:
            return False
        names = [b"k" + put.key, *(b"t" + tag for tag in put.tags)]
        if prefixes > since.seq:
            names.extend(b"p" + put.key[:length] for length in range(len(put.key) + 1))
        query = "SELECT 1 FROM changes WHERE name = ? AND seq > ?"
        return any(db.execute(query, (name, since.seq)).fetchone() for name in names)

    def _make_room(self, db: Connection) -> tuple[int, int]:
        query = "SELECT key FROM entries WHERE end_ms <= ? LIMIT 16"
        over = [row[0] for row in db.execute(query, (self._now_ms(),))]
        _drop(db, over)
        evicted = 0
        while True:
            entries, size = db.one("SELECT entries, bytes FROM state")
            few = max(entries - self._limits.entries_max, 1)
            if entries <= self._limits.entries_max and size <= self._limits.bytes_max:
                return len(over), evicted
            query = "SELECT key FROM entries ORDER BY used, rowid LIMIT ?"
            keys = [row[0] for row in db.execute(query, (few,))]
            if not keys:
                raise ValueError(f"nothing is kept, and {entries} entries of {size} bytes are counted")
            _drop(db, keys)
            evicted += len(keys)

    def _note_used(self, db: Connection) -> None:
        used, self._used = self._used, {}
        db.executemany(
            "UPDATE entries SET used = ? WHERE key = ?", [(tick, key) for key, tick in list(used.items())]
        )

    def _release(self, db: Connection, key: bytes, token: str) -> None:
        db.execute(
            "DELETE FROM leases WHERE (key = ? AND token = ?) OR end_ms <= ?", (key, token, self._now_ms())
        )

    def _now_ms(self) -> int:
        return self._clock.now_ns() // 1_000_000

    def _next_tick(self) -> int:
        """The order of use, over processes and starts: the time in microseconds, and never twice the same here."""
        self._tick = max(self._clock.now_ns() // 1_000, self._tick + 1)
        return self._tick


def _drop(db: Connection, keys: list[bytes]) -> None:
    for key in keys:
        row = db.execute("SELECT bytes FROM entries WHERE key = ?", (key,)).fetchone()
        if row is not None:
            db.execute("DELETE FROM entries WHERE key = ?", (key,))
            db.execute("DELETE FROM tags WHERE key = ?", (key,))
            db.execute("UPDATE state SET bytes = bytes - ?, entries = entries - 1", row)


def _touch(db: Connection, name: bytes) -> int:
    """Tell others that they must forget it; the number of the change."""
    seq = int(db.one("UPDATE state SET seq = seq + 1 RETURNING seq")[0])
    db.execute("INSERT OR REPLACE INTO changes VALUES (?, ?)", (name, seq))
    if seq % 1_000 == 0:
        query = "SELECT seq FROM changes ORDER BY seq DESC LIMIT 1 OFFSET ?"
        row = db.execute(query, (TOUCHED_MAX,)).fetchone()
        if row is not None:
            db.execute("DELETE FROM changes WHERE seq <= ?", row)
            db.execute("UPDATE state SET floor = max(floor, ?)", row)
    return seq


def _position(db: Connection) -> Position:
    epoch, seq = db.one("SELECT epoch, seq FROM state")
    return Position(epoch, seq)
