"""When backups are due, and a desk that keeps to it."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tamis.backup.desk import BackupDesk
from tamis.backup.jobs import WAITING_MAX, JobBook
from tamis.backup.schedule import RETRY_S, Due, Rhythm, next_due
from tamis.clock import NS_PER_S, SYSTEM_CLOCK
from tamis.errors import BackupError
from tamis.settings import Settings, load_settings
from tamis.store.embedded.face import EmbeddedStore
from tamis.telemetry import status
from tamis.telemetry.metrics import Metrics
from tests.support.backups import QUICK
from tests.support.commands import wait_for
from tests.support.embedded import HandClock, batch, open_quiet

DAILY = Rhythm(interval_s=86_400, jitter_s=600)
NOW = HandClock().now_ns()
PATIENCE_S = 60.0


def seconds(due: Due | None) -> float:
    assert due is not None
    return (due.at_ns - NOW) / NS_PER_S


def test_the_next_comes_an_interval_after_the_last_and_a_little_later() -> None:
    """Not all machines begin at once."""
    found = {seconds(next_due(DAILY, now_ns=NOW, last_ns=NOW - 1_000 * NS_PER_S)) for _ in range(50)}
    assert min(found) >= 85_400
    assert max(found) <= 86_000
    assert len(found) > 1


def test_missed_ones_are_caught_up_once() -> None:
    """However many were missed while nothing ran, one is made soon after the start."""
    for last in (None, NOW - 30 * 86_400 * NS_PER_S, NOW - 86_401 * NS_PER_S):
        due = next_due(DAILY, now_ns=NOW, last_ns=last)
        assert due is not None
        assert due.is_missed
        assert 0 <= seconds(due) <= 60


def test_what_failed_is_tried_again_later_and_later() -> None:
    """Up to the interval; off is never."""
    waits = [
        seconds(next_due(DAILY, now_ns=NOW, last_ns=None, failures=n, failed_ns=NOW)) for n in (1, 2, 3, 50)
    ]
    assert waits == [RETRY_S, 2 * RETRY_S, 4 * RETRY_S, 86_400]
    assert next_due(Rhythm(interval_s=0), now_ns=NOW, last_ns=None) is None


def test_few_jobs_wait_and_one_stands_for_its_like() -> None:
    """Whoever asks twice gets the one that waits; too many are refused."""
    book = JobBook(HandClock())
    first = book.add("create", "by a", dict)
    assert first is not None
    assert book.add("create", "by a", dict) is first
    for n in range(WAITING_MAX - 1):
        assert book.add("restore", f"by {n}", dict) is not None
    assert book.add("restore", "one more", dict) is None
    assert book.take() is first


class Machine:
    """A store with a desk beside it."""

    def __init__(self, home: Path, **backup: object) -> None:
        self.data, self.metrics = home / "data", Metrics()
        self.clock: Any = HandClock()
        self.store: EmbeddedStore = open_quiet(self.data, disk=QUICK, clock=self.clock)
        self.settings: Settings = load_settings(
            {
                "server.data": str(self.data),
                "keys.keyring": str(home / "keys"),
                "audit.ledger": str(home / "audit"),
                "audit.heads": str(home / "heads"),
                "backup.repository": str(home / "repository"),
                "backup.file": str(home / "backup.key"),
                "backup.jitter_s": 0,
                **{f"backup.{name}": value for name, value in backup.items()},
            },
            environ={},
        )
        self.desk = self.new_desk()

    def new_desk(self) -> BackupDesk:
        return BackupDesk(
            self.store, self.settings, self.data, metrics=self.metrics, clock=self.clock, disk=QUICK
        )

    def close(self) -> None:
        self.desk.stop()
        self.store.close()

    def again(self) -> None:
        """As after a start of the server."""
        self.desk.stop()
        self.desk = self.new_desk()
        self.desk.start()

    def done(self, kind: str = "create") -> list[dict[str, Any] | None]:
        return [job.result for job in self.desk.jobs.views() if job.kind == kind and job.state == "done"]

    def wait(self, *, done: int, kind: str = "create") -> None:
        def is_done() -> bool:
            self.desk._wake.set()
            return len(self.done(kind)) >= done

        assert wait_for(is_done, PATIENCE_S), list(self.desk.jobs.views())


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with closing(Machine(tmp_path, keep_last=2, keep_daily=0, keep_weekly=0, keep_monthly=0)) as machine:
        yield machine


def test_backups_are_made_by_the_schedule_and_pruned(machine: Machine) -> None:
    """The first at once, the next a day later, and only as many are kept as the settings say."""
    machine.store.append(batch("x"))
    machine.desk.start()
    for number in range(1, 5):
        machine.wait(done=number)
        machine.clock.pass_s(86_400)
    assert wait_for(lambda: len(machine.desk.snapshots()["snapshots"]) == 2)
    assert machine.metrics.value("tamis_backup_runs_total", "create", "done") >= 4
    assert machine.metrics.value("tamis_backup_added_bytes_total") > 0
    assert machine.desk.state()["newest"] is not None


def test_one_that_was_missed_is_made_after_a_start(machine: Machine) -> None:
    """And one that is not due yet is not."""
    machine.desk.start()
    machine.wait(done=1)
    machine.again()
    assert machine.desk.state()["newest"] is not None
    assert wait_for(lambda: machine.desk.state()["next_ns"] is not None)
    assert machine.desk.state()["next_ns"] > machine.clock.now_ns()
    machine.clock.pass_s(5 * 86_400)
    machine.again()
    machine.wait(done=1)


def test_a_backup_that_is_too_old_is_told(machine: Machine) -> None:
    """As a problem, on the status board, in a metric; and no longer once one was made."""
    machine.desk.start()
    machine.wait(done=1)
    assert machine.desk.problems() == ()
    machine.desk.stop()
    machine.clock.pass_s(49 * 3_600)
    assert "49.0 h old" in machine.desk.problems()[0]
    (machine.data.parent / "repository").rename(machine.data.parent / "away")
    machine.again()
    assert wait_for(lambda: len(machine.desk.problems()) == 2, PATIENCE_S)
    assert "holds no repository" in machine.desk.problems()[1]
    assert wait_for(lambda: machine.metrics.value("tamis_backup_problems") == 2, PATIENCE_S)
    assert any(one.name == "backups" for one in status.look().degraded)
    assert not (machine.data.parent / "repository/config.json").exists()
    (machine.data.parent / "away").rename(machine.data.parent / "repository")
    machine.desk.ask_backup("by hand")
    machine.wait(done=1)
    assert machine.desk.problems() == ()


def test_the_repository_is_read_back_by_the_schedule(machine: Machine) -> None:
    """Damage is told until it is mended."""
    machine.store.append(batch(*(f"record {n}" for n in range(100))))
    machine.desk.start()
    machine.wait(done=1)
    pack = next((machine.data.parent / "repository/packs").rglob("*/*"))
    whole = pack.read_bytes()
    pack.write_bytes(whole[:200] + b"\0\0\0\0" + whole[204:])
    machine.clock.pass_s(8 * 86_400)
    machine.wait(done=1, kind="verify")
    assert any("damaged" in problem for problem in machine.desk.problems())
    pack.write_bytes(whole)
    machine.desk.ask_verify("by hand")
    machine.wait(done=2, kind="verify")
    assert not any("damaged" in problem for problem in machine.desk.problems())


def test_a_stop_calls_off_what_runs(tmp_path: Path) -> None:
    """The server does not wait for a backup that takes hours."""
    with closing(Machine(tmp_path, bytes_per_s=1, interval_s=0)) as machine:
        machine.store.append(batch(*(f"record {n}" for n in range(100))))
        machine.clock = SYSTEM_CLOCK
        real = machine.new_desk()
        machine.desk = real
        real.start()
        real.ask_backup("by hand")
        assert wait_for(lambda: real.jobs.views()[0].state == "running", PATIENCE_S)
        real.stop()
        assert not real._thread.is_alive()


def test_without_a_repository_nothing_is_made(tmp_path: Path) -> None:
    """And whoever asks is told what to set."""
    with closing(Machine(tmp_path)) as machine:
        desk = BackupDesk(machine.store, Settings(), machine.data, metrics=Metrics(), clock=machine.clock)
        desk.start()
        assert not desk.is_possible
        assert desk.problems() == ()
        with pytest.raises(BackupError, match=r"backup\.repository"):
            desk.ask_backup("by hand")
        desk.stop()
