"""`tamis demo` as a person runs it: a server and a shop of real processes."""

import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from tamis.cli.demo.shop.world import grouped, make_world
from tests.support.commands import environment, tamis_here, wait_for

SEED = 1
SERVICES = {"web", "stock", "payment", "mail", "agent", "visitors"}
PROC = Path("/proc")
MARK = "DEMO_TEST_MARK"
LOOPBACK = {"0100007F", "00000000000000000000000001000000"}
LISTENING = "0A"
needs_proc = pytest.mark.skipif(not PROC.is_dir(), reason="looks at processes in /proc")


@dataclass(frozen=True, slots=True)
class Run:
    """What a run left."""

    code: int
    said: str
    data: Path
    home: Path
    leaks: frozenset[str]
    """Secrets that were seen in any file while it ran."""


def secrets() -> list[str]:
    """What must be in no file: each customer's card as it is and as people write it, and address."""
    world = make_world(SEED)
    return [text for one in world.customers for text in (one.card, grouped(one.card), one.email)]


def seen_in(folder: Path, wanted: list[str]) -> set[str]:
    """Which texts stand in any file of a folder."""
    found = set()
    for place, _, names in os.walk(folder):  # files and folders may go while it looks: walk passes over them
        for name in names:
            with suppress(OSError):
                path = Path(place, name)
                content = path.read_bytes() if path.is_file() else b""
                found |= {text for text in wanted if text.encode() in content}
    return found


def start(home: Path, *arguments: str, mark: str = "") -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tamis.cli", "demo", "--seed", str(SEED), "--port", "0", *arguments]
    (home / "temporary").mkdir()
    given = environment(home, TMPDIR=str(home / "temporary"), **{MARK: mark})
    return subprocess.Popen(
        command, cwd=home, env=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """25 seconds with cards leaking into messages."""
    home = tmp_path_factory.mktemp("demo")
    data, wanted, leaks = home / "data", secrets(), set[str]()
    with start(home, "--for", "25", "--data", str(data), "--fault", "card-leak") as process:
        while process.poll() is None:
            leaks |= seen_in(home, wanted)
            time.sleep(0.3)
        assert process.stdout is not None
        said = process.stdout.read()
    return Run(process.returncode, said, data, home, frozenset(leaks | seen_in(home, wanted)))


@pytest.fixture(scope="module")
def records(run: Run) -> list[dict[str, object]]:
    """Everything that arrived."""
    exported = tamis_here("export", "*", "--format", "ndjson", "--data", str(run.data), home=run.home)
    assert exported.code == 0, exported.err
    return [msgspec.json.decode(line) for line in exported.out.splitlines()]


def test_it_ends_by_itself_in_order(run: Run) -> None:
    """Exit code 0, no trace, the link and a command that works are printed first, the fault is told."""
    assert run.code == 0, run.said
    assert "Traceback" not in run.said
    assert "/?token=" in run.said.splitlines()[2]
    assert "tamis search 'level>=error' --data" in run.said
    assert "fault: payment logs whole gateway requests" in run.said
    assert list((run.home / "temporary").iterdir()) == []


def test_every_record_arrives_once(run: Run, records: list[dict[str, object]]) -> None:
    """Each process accounts for each record, none dropped; the server has exactly as many of each service."""
    told = re.findall(
        r"^  (\w+) +([\d,]+) sent, +([\d,]+) delivered, +([\d,]+) sampled out, 0 dropped$", run.said, re.M
    )
    delivered: Counter[str] = Counter()
    for name, *numbers in told:
        sent, arrived, sampled = (int(number.replace(",", "")) for number in numbers)
        assert sent == arrived + sampled > 0
        delivered[name] += arrived
    assert set(delivered) == SERVICES, run.said
    assert Counter(str(record["service"]) for record in records) == delivered


def test_cards_and_addresses_reach_no_file(run: Run, records: list[dict[str, object]]) -> None:
    """The messages arrive, with masks in the place of cards and addresses; spool, journal and store never had
    them, also within their compressed parts."""
    requests = [str(one["message"]) for one in records if "gateway request for" in str(one["message"])]
    assert requests
    assert all("card=***" in message and "@mail.example" not in message for message in requests)
    everything = msgspec.json.encode(records).decode()
    assert [text for text in secrets() if text in everything] == []
    assert run.leaks == frozenset()


def test_one_id_joins_the_services(records: list[dict[str, object]]) -> None:
    """A checkout's records in web, stock, payment and mail have one correlation id, and one trace."""
    for field in ("correlation_id", "trace_id"):
        services: defaultdict[object, set[object]] = defaultdict(set)
        for record in records:
            services[record.get(field)].add(record["service"])
        services.pop(None, None)
        assert any({"web", "stock", "payment", "mail"} <= joined for joined in services.values()), field


def test_records_are_varied(run: Run, records: list[dict[str, object]]) -> None:
    """At least 60 different sentences, of several levels, each with the version of its service."""
    patterns = tamis_here("patterns", "--json", "--limit", "1000", "--data", str(run.data), home=run.home)
    assert len(msgspec.json.decode(patterns.out)["patterns"]) >= 60
    assert {"DEBUG", "INFO", "WARNING"} <= {record["level"] for record in records}
    assert all("version" in attributes_of(record) for record in records)


def attributes_of(record: dict[str, object]) -> dict[str, object]:
    attributes = record.get("attributes")
    return attributes if isinstance(attributes, dict) else record


def marked(mark: str) -> list[int]:
    """Processes that were started with the mark in their environment."""
    found = []
    for place in PROC.iterdir():
        with suppress(OSError):
            if place.name.isdigit() and f"{MARK}={mark}".encode() in (place / "environ").read_bytes():
                found.append(int(place.name))
    return found


def module_of(pid: int) -> str:
    """The last part of the module that a process runs."""
    with suppress(OSError, ValueError):  # gone, or not yet what it will be
        arguments = (PROC / str(pid) / "cmdline").read_bytes().decode().split("\0")
        return arguments[arguments.index("-m") + 1].rpartition(".")[2]
    return "?"


def modules(mark: str) -> set[str]:
    """What the processes with the mark run."""
    return {module_of(pid) for pid in marked(mark)}


def listening(pids: list[int]) -> list[str]:
    """The local addresses (hexadecimal) on which processes listen for TCP."""
    sockets = set()
    for pid in pids:
        with suppress(OSError):
            for link in (PROC / str(pid) / "fd").iterdir():
                with suppress(OSError):
                    sockets.add(str(link.readlink()))
    rows = [
        row.split() for name in ("tcp", "tcp6") for row in (PROC / "net" / name).read_text().splitlines()[1:]
    ]
    return [
        row[1].partition(":")[0] for row in rows if row[3] == LISTENING and f"socket:[{row[9]}]" in sockets
    ]


def read_until(process: "subprocess.Popen[str]", text: str) -> None:
    """Read on until a line holds the text."""
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if text in line:
            return
    raise AssertionError("".join(said))


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """A demonstration that is up, and its mark."""
    mark = uuid.uuid4().hex
    with start(tmp_path, "--fault", "card-leak", mark=mark) as process:
        try:
            read_until(process, f"seed {SEED}")
            yield process, mark
        finally:
            for pid in marked(mark) if PROC.is_dir() else [process.pid]:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


@needs_proc
def test_nothing_is_left_when_it_is_killed(running: tuple["subprocess.Popen[str]", str]) -> None:
    """After kill -9 of the parent every process ends by itself within seconds. None listened beyond loopback."""
    process, mark = running
    assert wait_for(lambda: {"cli", "served", *SERVICES} <= modules(mark)), modules(mark)
    assert wait_for(lambda: len(listening(marked(mark))) >= len(SERVICES))
    assert set(listening(marked(mark))) <= LOOPBACK
    process.kill()
    process.wait()
    assert wait_for(lambda: not marked(mark)), modules(mark)


@needs_proc
def test_a_process_that_falls_over_is_started_again(running: tuple["subprocess.Popen[str]", str]) -> None:
    """It is said, it runs again, and the end by SIGTERM is in order all the same."""
    process, mark = running
    assert wait_for(lambda: "payment" in modules(mark))
    (payment,) = [pid for pid in marked(mark) if module_of(pid) == "payment"]
    os.kill(payment, signal.SIGKILL)
    read_until(process, "payment ended by itself (signal 9); started again")
    assert wait_for(lambda: "payment" in modules(mark))
    (again,) = [pid for pid in marked(mark) if module_of(pid) == "payment"]
    assert again != payment
    process.send_signal(signal.SIGTERM)
    read_until(process, "Stopped.")
    assert process.wait(60) in (0, 1)
    assert marked(mark) == []
