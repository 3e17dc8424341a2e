"""Applications and servers that are killed: what is lost, who says so, and that nothing arrives twice."""

import signal
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.calls import Loss, loss_of
from tests.support.commands import Server, start_server, wait_for
from tests.system.chaos.applications import application, keys_of, let_run, wait_for_all
from tests.system.chaos.arrivals import (
    Arrival,
    assert_all_once,
    assert_in_order,
    at_tamis,
    count_at,
    in_file,
    losses_at,
)

PROMISE_S = 0.05
NO_PATIENCE = {"TAMIS_INGEST_GAP_SETTLE_S": "0"}
"""A gap counts as lost at once."""
ATTEMPTS = 3
RUN_S = 0.5
THREADS, FLOOD_S = 4, 0.2
STANDSTILL_S = 5.0
"""Longer than a process stands still on a busy machine."""
WAIT_S = 60.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = start_server(tmp_path, **NO_PATIENCE)
    yield made
    if made.process.poll() is None:
        assert made.stop() == 0
    assert "Traceback" not in made.output.read_text("utf-8")


def again(server: Server, tmp_path: Path) -> Server:
    """The server, killed, on the same port."""
    server.kill()
    begun = start_server(tmp_path, port=str(urlsplit(server.url).port), **NO_PATIENCE)
    server.process, server.output = begun.process, begun.output
    return server


def killed(folder: Path, url: str, names: Iterable[str], **how: Any) -> dict[str, list[tuple[int, float]]]:
    """What streaming applications, all at once, told before they were killed."""
    with ExitStack() as stack:
        apps = [stack.enter_context(application(folder, name, url, **how)) for name in names]
        for app in apps:
            app.stream()
        let_run(RUN_S)
        return {app.name: app.kill() for app in apps}


def left_behind(folder: Path, server: Server, name: str) -> None:
    """The next application delivers what the last one left, and ends."""
    with application(folder, name, server.url) as heir:
        heir.ask("burst", count=1)
        wait_for_nothing_in(folder)
        wait_for_all(heir)
        heir.end()


def wait_for_nothing_in(folder: Path) -> None:
    spools = folder / "state" / "spool"
    assert wait_for(lambda: len([*spools.glob("*/*/*.journal")]) <= 1, WAIT_S), [*spools.rglob("*")]


def of(found: list[Arrival], name: str) -> list[int]:
    """The numbers of the records that an application streamed, in the order in which they came."""
    return [int(arrival.key.split("/")[2]) for arrival in found if arrival.key.startswith(f"{name}/stream/")]


def test_a_killed_application_loses_the_last_moments_at_most(tmp_path: Path, server: Server) -> None:
    """`kill -9` costs what was logged in the last 50 ms at most, whether the server is there or not (in most of some
    attempts, on a machine as busy as this); what is left arrives once, in order, without a gap.
    """
    told = killed(tmp_path, server.url, [f"there{attempt}" for attempt in range(ATTEMPTS)])
    server.kill()
    told |= killed(tmp_path, server.url, [f"away{attempt}" for attempt in range(ATTEMPTS)])
    again(server, tmp_path)
    left_behind(tmp_path, server, "heir")
    found = at_tamis(server)
    assert_in_order(found)
    losses: dict[str, list[float]] = {"there": [], "away": []}
    for name, said in told.items():
        numbers = of(found, name)
        assert numbers == list(range(len(numbers)))
        assert numbers
        end_s = said[-1][1]
        age_s = max((end_s - instant for number, instant in said if number > len(numbers)), default=0.0)
        losses[name.rstrip("012")].append(age_s)
    for ages in losses.values():
        assert sorted(ages)[ATTEMPTS // 2] <= PROMISE_S, losses
        assert max(ages) < 1.0, losses
    assert losses_at(server) == {}


def test_applications_that_log_in_a_loop_lose_no_more(tmp_path: Path, server: Server) -> None:
    """Four threads log as fast as they can, to a server and to a file, and the process is killed: of both what was
    logged in the last 50 ms of the processor's time is missing at most, in most of some attempts.
    """
    names = [f"flood{attempt}" for attempt in range(ATTEMPTS)]
    for name in names:
        file = tmp_path / f"{name}.jsonl"
        with application(tmp_path, name, server.url, f"file://{file}") as app:
            app.ask("flood", path=str(tmp_path / f"{name}.calls"), threads=THREADS)
            assert wait_for(lambda: file.exists() and file.stat().st_size > 0, WAIT_S)  # noqa: B023  # called here
            let_run(FLOOD_S)
            app.kill()
    left_behind(tmp_path, server, "heir")
    found = at_tamis(server)
    assert_in_order(found)
    losses: dict[str, list[Loss]] = {"server": [], "file": []}
    for name in names:
        calls = tmp_path / f"{name}.calls"
        losses["server"].append(loss_of(calls, arrived(found, name)))
        losses["file"].append(loss_of(calls, arrived(in_file(tmp_path / f"{name}.jsonl"), name)))
    for own in losses.values():
        assert sorted(loss.processor_s for loss in own)[ATTEMPTS // 2] <= PROMISE_S, losses
        assert max(loss.clock_s for loss in own) < STANDSTILL_S, losses
    assert losses_at(server) == {}


def arrived(found: list[Arrival], name: str) -> dict[int, int]:
    """How many records of each thread of a flood came, which are the first ones, in order."""
    numbers: dict[int, list[int]] = {thread: [] for thread in range(THREADS)}
    for arrival in found:
        if arrival.key.startswith(f"{name}/"):
            _, thread, number = arrival.key.split("/")
            numbers[int(thread)].append(int(number))
    assert all(own == list(range(len(own))) for own in numbers.values()), name
    return {thread: len(own) for thread, own in numbers.items()}


def test_a_durable_application_loses_nothing(tmp_path: Path, server: Server) -> None:
    """Every record whose call had returned arrives, once, in order."""
    server.kill()
    told = killed(tmp_path, server.url, ["app0", "app1"], durable="process")
    again(server, tmp_path)
    left_behind(tmp_path, server, "heir")
    found = at_tamis(server)
    assert_in_order(found)
    for name, said in told.items():
        numbers = of(found, name)
        assert numbers == list(range(len(numbers)))
        assert len(numbers) >= said[-1][0] > 0


def test_both_are_killed_again_and_again(tmp_path: Path, server: Server) -> None:
    """Server and application in turn, in the middle of the stream: every record that a durable call returned for is
    there once, in order, and the server knows of no loss.
    """
    told = {}
    for attempt in range(2):
        with application(tmp_path, f"app{attempt}", server.url, durable="process") as app:
            app.stream()
            let_run(RUN_S)
            again(server, tmp_path)
            let_run(RUN_S / 2)
            told[app.name] = app.kill()
    left_behind(tmp_path, server, "heir")
    found = at_tamis(server)
    assert_in_order(found)
    for name, said in told.items():
        numbers = of(found, name)
        assert numbers == list(range(len(numbers)))
        assert len(numbers) >= said[-1][0]
    assert losses_at(server) == {}


def test_records_that_no_memory_was_for_are_losses_at_the_server(tmp_path: Path, server: Server) -> None:
    """Policy drop, no spool, and the server away: the server, back, counts as lost what the application counted as
    dropped after numbering it, exactly.
    """
    how: dict[str, Any] = {"overflow": "drop", "spool_enabled": False, "queue_records_max": 500}
    with application(tmp_path, "app", server.url, **how) as app:
        app.ask("burst", count=100)
        wait_for_all(app)
        server.kill()
        app.ask("burst", count=5_000, rate=10_000.0)
        again(server, tmp_path)
        wait_for_all(app)
        app.ask("burst", count=10)
        wait_for_all(app)
        last = app.end()
    (sink,) = last["sinks"].values()
    numbered = sum(sink["dropped"].values()) - sum(last["dropped"].values())
    assert numbered > 100
    assert sum(losses_at(server).values()) == numbered
    assert count_at(server) == sink["delivered"]
    assert sink["delivered"] + sum(sink["dropped"].values()) == sum(last["logged"].values())
    assert_in_order(at_tamis(server), whole=False)


def test_damage_in_the_spool_is_a_loss_at_the_server(tmp_path: Path, server: Server) -> None:
    """A frame that was damaged on the disk is skipped and counted by who replays it, and the server says the same."""
    server.kill()
    with application(tmp_path, "app", server.url) as app:
        app.ask("burst", count=2_000, rate=10_000.0)
        assert app.ask("flush")["done"]
        app.kill()
    journal = max((tmp_path / "state" / "spool").glob("*/*/*.journal"), key=lambda path: path.stat().st_size)
    content = bytearray(journal.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 16] = bytes(16)
    journal.write_bytes(content)
    again(server, tmp_path)
    with application(tmp_path, "heir", server.url) as heir:
        heir.ask("burst", count=1)
        wait_for_nothing_in(tmp_path)
        wait_for_all(heir)
        last = heir.end()
    lost = sum(sum(sink["dropped"].values()) for sink in last["sinks"].values())
    assert lost > 0
    assert sum(losses_at(server).values()) == lost
    assert count_at(server) == 2_001 - lost


def test_a_server_that_stands_still(tmp_path: Path, server: Server) -> None:
    """SIGSTOP: connections open and nobody answers. The application goes on, and ends with everything in the spool
    or delivered; the next one delivers the rest, once.
    """
    with application(tmp_path, "app", server.url, env={"TAMIS_LOG_EXIT_S": "1"}) as app:
        app.ask("burst", count=200)
        server.process.send_signal(signal.SIGSTOP)
        took = app.ask("burst", count=2_000, level="error")
        assert took["slowest_s"] < 2.0
        app.ask("shutdown", seconds=1.0)
        last = app.end()
        server.process.send_signal(signal.SIGCONT)
    left_behind(tmp_path, server, "heir")
    found = [arrival for arrival in at_tamis(server) if arrival.key.startswith("app/")]
    assert_all_once(found, keys_of("app", last["logged"]))
    assert_in_order(found)
    assert losses_at(server) == {}
