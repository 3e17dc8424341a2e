"""The stored hashes of tokens and sessions."""

from dataclasses import dataclass
from pathlib import Path

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.metadata.database import Database, open_database
from tamis.metadata.tokens import hash_token, make_token

ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that signed in; `digest` is of the cookie's value."""

    digest: str
    principal: str
    expires_ns: int


class Accounts:
    """Tokens by name, and sessions. Thread-safe; blocks for as long as SQLite needs."""

    def __init__(self, database: Database, clock: Clock = SYSTEM_CLOCK) -> None:
        self._database = database
        self._clock = clock

    def token_hash(self, name: str) -> str | None:
        """What is stored of a token."""
        with self._database.transaction() as connection:
            row = connection.execute("SELECT hash FROM tokens WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def set_token(self, name: str, token: str) -> None:
        """From now on this token belongs to `name`, and no session opened by an earlier one goes on."""
        hashed = hash_token(token)
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO tokens VALUES (?, ?, ?)", (name, hashed, self._clock.now_ns())
            )
            connection.execute("DELETE FROM sessions WHERE principal = ?", (name,))

    def add_session(self, session: Session) -> None:
        """Remember a session, and forget those that ended."""
        now = self._clock.now_ns()
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM sessions WHERE expires_ns <= ?", (now,))
            connection.execute(
                "INSERT INTO sessions VALUES (?, ?, ?, ?)",
                (session.digest, session.principal, now, session.expires_ns),
            )

    def end_session(self, digest: str) -> None:
        """The session is over."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM sessions WHERE digest = ?", (digest,))

    def sessions(self) -> list[Session]:
        """Those that have not ended."""
        now = self._clock.now_ns()
        with self._database.transaction() as connection:
            rows = connection.execute(
                "SELECT digest, principal, expires_ns FROM sessions WHERE expires_ns > ?", (now,)
            ).fetchall()
        return [Session(*row) for row in rows]

    def changes_seen(self) -> int:
        """A number that differs after another process changed something."""
        return self._database.changes_seen()

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()


def reset_admin(folder: Path) -> str:
    """Give the admin of a data folder a new token and return it; the old one and its sessions end.

    Works beside a running server, which notices within a second.
    """
    accounts = Accounts(open_database(folder))
    try:
        token = make_token()
        accounts.set_token(ADMIN, token)
    finally:
        accounts.close()
    return token
