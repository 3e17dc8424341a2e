"""Searches that people keep under a name."""

from dataclasses import dataclass

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.metadata.database import Database


@dataclass(frozen=True, slots=True)
class SavedSearch:
    """A question under a name. `start` and `end` stand as they were written: a relative one stays relative."""

    name: str
    q: str
    start: str | None
    end: str | None
    description: str
    created_ns: int
    changed_ns: int
    changed_by: str


class SavedSearches:
    """Thread-safe; blocks for as long as SQLite needs."""

    def __init__(self, database: Database, clock: Clock = SYSTEM_CLOCK) -> None:
        self._database, self._clock = database, clock

    def all(self) -> list[SavedSearch]:
        """All of them, by name."""
        with self._database.transaction() as connection:
            rows = connection.execute("SELECT * FROM saved_searches ORDER BY name").fetchall()
        return [SavedSearch(*row) for row in rows]

    def find(self, name: str) -> SavedSearch | None:
        """The one of this name."""
        with self._database.transaction() as connection:
            row = connection.execute("SELECT * FROM saved_searches WHERE name = ?", (name,)).fetchone()
        return None if row is None else SavedSearch(*row)

    def put(self, search: SavedSearch, *, most: int) -> bool | None:
        """Keep a search, its times of making and changing being now; whether there was one of this name before.
        None: it would be one more than `most`, and is not kept."""
        now = self._clock.now_ns()
        with self._database.transaction() as connection:
            known = connection.execute(
                "SELECT 1 FROM saved_searches WHERE name = ?", (search.name,)
            ).fetchone()
            count = connection.execute("SELECT count(*) FROM saved_searches").fetchone()[0]
            if known is None and count >= most:
                return None
            connection.execute(
                "INSERT INTO saved_searches VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7) ON CONFLICT (name) DO UPDATE "
                "SET q = ?2, start = ?3, end = ?4, description = ?5, changed_ns = ?6, changed_by = ?7",
                (search.name, search.q, search.start, search.end, search.description, now, search.changed_by),
            )
        return known is not None

    def remove(self, name: str) -> bool:
        """Forget a search; whether there was one."""
        with self._database.transaction() as connection:
            return connection.execute("DELETE FROM saved_searches WHERE name = ?", (name,)).rowcount > 0
