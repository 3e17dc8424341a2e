"""What alert rules came to: where they stand, what is to be told, what happened."""

import sqlite3
from collections.abc import Iterable, Sequence

import msgspec

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.metadata.alert_rows import Change, Happened, Incident, Waiting
from tamis.metadata.database import Database

HISTORY_MAX = 100_000
"""Entries that are kept in all; the oldest go first."""


class AlertBook:
    """Incidents, notices on their way, and the history. Thread-safe; blocks for as long as SQLite needs."""

    def __init__(self, database: Database, clock: Clock = SYSTEM_CLOCK) -> None:
        self._database, self._clock = database, clock

    def incidents(self, rule: str | None = None) -> list[Incident]:
        """The incidents of a rule, or of all."""
        with self._database.transaction() as connection:
            rows = connection.execute(
                "SELECT data FROM alert_incidents WHERE ?1 IS NULL OR rule = ?1 ORDER BY rule, key", (rule,)
            ).fetchall()
        return [msgspec.json.decode(row[0], type=Incident) for row in rows]

    def keep(self, changes: Iterable[Change]) -> None:
        """Everything that evaluations came to, in one transaction: where rules stand, and what is to be told. What was
        seen of a rule that is another by now, or none, is dropped.
        """
        with self._database.transaction() as connection:
            for change in changes:
                done = connection.execute(
                    "UPDATE rules SET seen_seq = ?, evaluated_ns = ? WHERE name = ? AND changed_ns = ?",
                    (change.seen_seq, change.evaluated_ns, change.rule, change.changed_ns),
                )
                if not done.rowcount:
                    continue
                connection.executemany(
                    "DELETE FROM alert_incidents WHERE id = ?", [(one,) for one in change.forgotten]
                )
                for one in change.incidents:
                    connection.execute(
                        "INSERT OR REPLACE INTO alert_incidents VALUES (?, ?, ?, ?)",
                        (one.id, one.rule, one.key, msgspec.json.encode(one).decode()),
                    )
                _enqueue(connection, change.waiting)
                write_happened(connection, change.happened)

    def enqueue(self, waiting: Sequence[Waiting]) -> None:
        """Have notices told; those that wait already under their id and channel are not told twice."""
        with self._database.transaction() as connection:
            _enqueue(connection, waiting)

    def waiting(self) -> list[Waiting]:
        """What is still to be told, oldest first."""
        with self._database.transaction() as connection:
            rows = connection.execute(
                "SELECT number, id, rule, channel, payload, created_ns, attempts, next_ns FROM alert_outbox "
                "ORDER BY number"
            ).fetchall()
        return [
            Waiting(
                number=row[0], id=row[1], rule=row[2], channel=row[3], payload=row[4].encode(),
                created_ns=row[5], attempts=row[6], next_ns=row[7],
            )
            for row in rows
        ]  # fmt: skip

    def queue(self, channel: str | None = None) -> list[Waiting]:
        """What is still to be told, to one channel or to all, oldest first; without what it says."""
        with self._database.transaction() as connection:
            rows = connection.execute(
                "SELECT number, id, rule, channel, created_ns, attempts, next_ns FROM alert_outbox "
                "WHERE ?1 IS NULL OR channel = ?1 ORDER BY number",
                (channel,),
            ).fetchall()
        return [
            Waiting(
                number=row[0], id=row[1], rule=row[2], channel=row[3],
                created_ns=row[4], attempts=row[5], next_ns=row[6],
            )
            for row in rows
        ]  # fmt: skip

    def payload(self, waiting: Waiting) -> bytes | None:
        """What a notice says; None when it is not to be told any more."""
        with self._database.transaction() as connection:
            row = connection.execute(
                "SELECT payload FROM alert_outbox WHERE number = ? AND id = ?", (waiting.number, waiting.id)
            ).fetchone()
        return None if row is None else row[0].encode()

    def put_off(self, number: int, *, attempts: int, next_ns: int, happened: Happened) -> None:
        """A try failed; the next comes later."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE alert_outbox SET attempts = ?, next_ns = ? WHERE number = ?",
                (attempts, next_ns, number),
            )
            write_happened(connection, [happened])

    def settle(self, number: int, happened: Happened) -> None:
        """It was told, or never will be: its lines are kept no longer."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM alert_outbox WHERE number = ?", (number,))
            write_happened(connection, [happened])

    def add_happened(self, happened: Happened) -> None:
        """Something happened beside evaluations."""
        with self._database.transaction() as connection:
            write_happened(connection, [happened])

    def history(self, rule: str | None, *, limit: int, before: int | None = None) -> list[Happened]:
        """What happened, newest first: of a rule or of all; `before` is the number where the last page ended."""
        with self._database.transaction() as connection:
            rows = connection.execute(
                "SELECT number, at_ns, rule, what, detail FROM alert_history "
                "WHERE (?1 IS NULL OR rule = ?1) AND number < ?2 ORDER BY number DESC LIMIT ?3",
                (rule, 1 << 62 if before is None else before, limit),
            ).fetchall()
        return [
            Happened(
                number=row[0], at_ns=row[1], rule=row[2], what=row[3], detail=msgspec.json.decode(row[4])
            )
            for row in rows
        ]

    def forget_history(self, before_ns: int) -> None:
        """Drop entries and silences from before an instant, and what is too many."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM alert_history WHERE at_ns < ?", (before_ns,))
            connection.execute("DELETE FROM alert_silences WHERE until_ns < ?", (before_ns,))
            connection.execute(
                "DELETE FROM alert_history WHERE number <= (SELECT max(number) FROM alert_history) - ?",
                (HISTORY_MAX,),
            )


def _enqueue(connection: sqlite3.Connection, waiting: Iterable[Waiting]) -> None:
    connection.executemany(
        "INSERT OR IGNORE INTO alert_outbox (id, rule, channel, payload, created_ns, attempts, next_ns) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (one.id, one.rule, one.channel, one.payload.decode(), one.created_ns, one.attempts, one.next_ns)
            for one in waiting
        ],
    )


def write_happened(connection: sqlite3.Connection, happened: Iterable[Happened]) -> None:
    """Put entries into the history, within a transaction."""
    connection.executemany(
        "INSERT INTO alert_history (at_ns, rule, what, detail) VALUES (?, ?, ?, ?)",
        [(one.at_ns, one.rule, one.what, msgspec.json.encode(one.detail).decode()) for one in happened],
    )
