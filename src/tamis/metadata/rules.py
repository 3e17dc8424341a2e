"""What alert rules are: the rules themselves, the channels they tell, and when they are silent."""

import msgspec

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.metadata.alert_rows import Happened, RuleRow, Silence
from tamis.metadata.alerts import write_happened
from tamis.metadata.database import Database


class RuleBook:
    """Rules, channels and silences. Thread-safe; blocks for as long as SQLite needs."""

    def __init__(self, database: Database, clock: Clock = SYSTEM_CLOCK) -> None:
        self._database, self._clock = database, clock

    def rules(self) -> list[RuleRow]:
        """All rules, by name."""
        with self._database.transaction() as connection:
            rows = connection.execute(
                "SELECT name, data, created_ns, changed_ns, changed_by, seen_seq, evaluated_ns FROM rules ORDER BY name"
            ).fetchall()
        return [RuleRow(row[0], row[1].encode(), *row[2:]) for row in rows]

    def set_rule(self, name: str, data: bytes, *, by: str, fresh: bool) -> bool:
        """Keep a rule; whether it was there before. `fresh`: what it saw and told before means nothing to it now."""
        now = self._clock.now_ns()
        with self._database.transaction() as connection:
            known = connection.execute("SELECT 1 FROM rules WHERE name = ?", (name,)).fetchone() is not None
            connection.execute(
                "INSERT INTO rules (name, data, created_ns, changed_ns, changed_by) VALUES (?1, ?2, ?3, ?3, ?4) "
                "ON CONFLICT (name) DO UPDATE SET data = ?2, changed_ns = ?3, changed_by = ?4",
                (name, data.decode(), now, by),
            )
            if fresh:
                connection.execute(
                    "UPDATE rules SET seen_seq = NULL, evaluated_ns = NULL WHERE name = ?", (name,)
                )
                connection.execute("DELETE FROM alert_incidents WHERE rule = ?", (name,))
            write_happened(
                connection,
                [Happened(at_ns=now, rule=name, what="changed" if known else "made", detail={"by": by})],
            )
        return known

    def remove_rule(self, name: str, *, by: str) -> bool:
        """Forget a rule, its incidents, and what it still had to tell; whether there was one. Its history stays."""
        with self._database.transaction() as connection:
            if not connection.execute("DELETE FROM rules WHERE name = ?", (name,)).rowcount:
                return False
            connection.execute("DELETE FROM alert_incidents WHERE rule = ?", (name,))
            connection.execute("DELETE FROM alert_outbox WHERE rule = ?", (name,))
            write_happened(
                connection,
                [Happened(at_ns=self._clock.now_ns(), rule=name, what="removed", detail={"by": by})],
            )
        return True

    def channels(self) -> dict[str, str]:
        """The URLs of channels by their names."""
        with self._database.transaction() as connection:
            return dict(connection.execute("SELECT name, url FROM alert_channels ORDER BY name").fetchall())

    def set_channel(self, name: str, url: str, *, by: str) -> bool:
        """Keep a channel; whether it was there before."""
        now = self._clock.now_ns()
        with self._database.transaction() as connection:
            known = (
                connection.execute("SELECT 1 FROM alert_channels WHERE name = ?", (name,)).fetchone()
                is not None
            )
            connection.execute(
                "INSERT OR REPLACE INTO alert_channels VALUES (?, ?, ?, ?)", (name, url, now, by)
            )
            detail = {"by": by, "channel": name}
            write_happened(connection, [Happened(at_ns=now, rule="", what="channel_set", detail=detail)])
        return known

    def remove_channel(self, name: str, *, by: str) -> bool:
        """Forget a channel and what it still had to tell; whether there was one."""
        with self._database.transaction() as connection:
            if not connection.execute("DELETE FROM alert_channels WHERE name = ?", (name,)).rowcount:
                return False
            connection.execute("DELETE FROM alert_outbox WHERE channel = ?", (name,))
            detail = {"by": by, "channel": name}
            write_happened(
                connection,
                [Happened(at_ns=self._clock.now_ns(), rule="", what="channel_removed", detail=detail)],
            )
        return True

    def silences(self) -> list[Silence]:
        """Those that are not over yet."""
        with self._database.transaction() as connection:
            rows = connection.execute(
                "SELECT id, rule, labels, from_ns, until_ns, reason, made_by, made_ns FROM alert_silences "
                "WHERE until_ns > ? ORDER BY made_ns, id",
                (self._clock.now_ns(),),
            ).fetchall()
        names = Silence.__struct_fields__
        return [
            msgspec.convert(
                {**dict(zip(names, row, strict=True)), "labels": msgspec.json.decode(row[2])}, Silence
            )
            for row in rows
        ]

    def add_silence(self, silence: Silence) -> None:
        """From now on nothing is told of what it means."""
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO alert_silences VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    silence.id, silence.rule, msgspec.json.encode(silence.labels).decode(), silence.from_ns,
                    silence.until_ns, silence.reason, silence.made_by, silence.made_ns,
                ),
            )  # fmt: skip
            detail = {"by": silence.made_by, "id": silence.id, "reason": silence.reason}
            write_happened(
                connection,
                [Happened(at_ns=silence.made_ns, rule=silence.rule, what="silence_set", detail=detail)],
            )

    def end_silence(self, id: str, *, by: str) -> bool:
        """It is over; whether there was one."""
        now = self._clock.now_ns()
        with self._database.transaction() as connection:
            row = connection.execute(
                "UPDATE alert_silences SET until_ns = ?1 WHERE id = ?2 AND until_ns > ?1 RETURNING rule",
                (now, id),
            ).fetchone()
            if row is None:
                return False
            write_happened(
                connection,
                [Happened(at_ns=now, rule=row[0], what="silence_ended", detail={"by": by, "id": id})],
            )
        return True
