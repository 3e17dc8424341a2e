"""`tamis status`: what people and programs see of a server's status."""

import gc
import json
from collections.abc import Iterator

import pytest

from tamis.cli import run
from tamis.cli.options import Where
from tamis.cli.status import Lines, _events
from tamis.resilience.breaker import CircuitBreaker
from tamis.resilience.limits import BreakerLimits
from tamis.store.memory import MemoryStore
from tamis.telemetry.status import BOARD
from tests.unit.server.conftest import TOKEN, listening


@pytest.fixture(autouse=True)
def _an_empty_board() -> Iterator[None]:
    gc.collect()
    BOARD.after_fork()
    yield
    BOARD.after_fork()


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("TAMIS_TOKEN", TOKEN)
    with listening(MemoryStore(), tail__interval_s="10ms") as port:
        yield f"http://127.0.0.1:{port}"


def test_it_shows_works_events_degraded_parts_and_breakers(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With shares, units and times that people read, and no control characters; as JSON the answer itself."""
    breaker = CircuitBreaker("mail", BreakerLimits(failures_to_open=1))
    breaker.permit().failure(OSError())
    BOARD.degrade("semantic search", "its model is missing")
    with BOARD.doing("scrub", total=4 << 30, unit="bytes") as work:
        work.advance(1 << 30, "b\x1b[31m.seg")
        assert run(["status", "--url", url]) == 0
        text = capsys.readouterr().out
        assert run(["status", "--url", url, "--json"]) == 0
        answer = json.loads(capsys.readouterr().out)
    assert "The server is ready." in text
    assert "semantic search: its model is missing (since " in text
    assert "mail: open, tried again in " in text
    assert "last error OSError" in text
    assert "25 %  1.0 GiB of 4.0 GiB" in text
    assert "b\\x1b[31m.seg" in text
    assert "warning  breaker: mail is open: 1 failure" in text
    assert [one["name"] for one in answer["works"]] == ["scrub"]


def test_following_shows_what_changes(url: str) -> None:
    """Every event once; a line for a work's progress now and then, and always for its end."""
    lines = Lines()
    shown: list[str] = []
    events = _events(Where(url=url))
    shown += lines.of(
        next(events).name, json.loads('{"state":"ready","breakers":[],"degraded":[],"works":[],"events":[]}')
    )
    BOARD.degrade("semantic search", "its model is missing")
    with BOARD.doing("backup", total=3) as work:
        work.advance(3)
    while not any("done" in line for line in shown):
        event = next(events)
        shown += lines.of(event.name, json.loads(event.data))
    events.close()
    assert sum("degraded: semantic search" in line for line in shown) == 1
    assert any(line.startswith("done") and "backup" in line and "3 of 3" in line for line in shown)
    assert "Nothing runs beside questions and intake." in shown


def test_progress_has_a_line_now_and_then() -> None:
    """A work that gets on ten times a second has one line a second at most; of parts only what changed is said."""
    work = {
        "id": 1, "name": "copy", "state": "running", "done": 1, "total": None, "unit": "files", "note": "",
        "rate": 2.5, "left_s": None, "elapsed_s": 1.0,
    }  # fmt: skip
    lines = Lines()
    assert len([line for _ in range(100) for line in lines.of("work", work)]) <= 2
    assert list(lines.of("work", {**work, "state": "failed", "note": "OSError"})) == [
        "failed   copy  1 files  2.5 files/s  in 1.0 s  OSError"
    ]
    parts = {"state": "ready", "degraded": [], "breakers": []}
    assert list(lines.of("parts", parts)) == ["The server is ready."]
    closed = {"name": "mail", "state": "closed", "retry_after_s": 0.0, "last_failure": ""}
    assert list(lines.of("parts", {**parts, "breakers": [closed]})) == ["mail: closed"]


def test_a_folder_without_a_server_has_no_status(
    tmp_path: object, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says how to start one, and ends with 2."""
    assert run(["status", "--data", str(tmp_path)]) == 2
    assert "tamis serve" in capsys.readouterr().err
