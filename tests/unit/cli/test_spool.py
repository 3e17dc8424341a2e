"""`tamis spool`, as people call it."""

import json
from pathlib import Path

from tamis.clock import SYSTEM_CLOCK
from tamis.disk.lock import lock_folder
from tamis.disk.real import RealDisk
from tamis.pipeline.base import Rejected
from tamis.pipeline.delivery.dead import DeadLetters
from tamis.pipeline.parcel import Parcel, encode_records
from tamis.pipeline.sinks import create_sink
from tamis.pipeline.spool.spool import new_begin
from tamis.pipeline.spool.store import SpoolStore
from tamis.record.model import Record
from tamis.settings import Settings
from tests.support.commands import TOKEN, running_server, tamis_here

STATE = Path(".local/state/tamis")
URL = f"http://{TOKEN}@127.0.0.1:9"


def records(count: int) -> list[Record]:
    stamp = SYSTEM_CLOCK.now_ns()
    return [
        Record(timestamp=stamp + n, message=f"order {n} \x1b[31mplaced", level="INFO", attributes={"n": n})
        for n in range(count)
    ]


def leave(home: Path, url: str = URL, count: int = 10) -> SpoolStore:
    """What an application has left that was killed."""
    store = SpoolStore(home / STATE, create_sink(url, Settings()).name)
    spool = store.create("0a1b2c3d")
    rows = records(count)
    form, payload = encode_records(rows)
    spool.append(Parcel(rows, form, payload, 9, 0.0))
    spool.settle(range(3))
    spool.seal()
    spool.close()
    return store


def leave_dead(home: Path, store: SpoolStore) -> None:
    dead = DeadLetters(RealDisk(), store.dead_place, new_begin(store.sink, "0a1b2c3d", SYSTEM_CLOCK))
    dead.add([Rejected(records(1)[0], "no such index")], "batch-1")
    dead.close()


def test_what_waits_and_what_was_refused_is_listed(tmp_path: Path) -> None:
    """Each process's records for each sink, with how many, how large, and who has them now."""
    store = leave(tmp_path)
    leave_dead(tmp_path, store)
    [waiting, refused] = json.loads(tamis_here("spool", "list", "--json", home=tmp_path).out)["spools"]
    assert (waiting["kind"], waiting["sink"], waiting["records"]) == ("waiting", store.sink, 7)
    assert (refused["kind"], refused["records"], refused["in_use_by"]) == ("refused", 1, None)
    assert waiting["bytes"] > 500
    assert TOKEN not in json.dumps(waiting)
    with lock_folder(Path(waiting["folder"]), "spool of an application"):
        told = tamis_here("spool", "list", home=tmp_path).out
    assert "spool of an application" in told


def test_records_are_shown_without_driving_the_terminal(tmp_path: Path) -> None:
    """Those not settled, oldest first; dead letters with their reasons."""
    leave_dead(tmp_path, leave(tmp_path))
    [waiting, refused] = json.loads(tamis_here("spool", "list", "--json", home=tmp_path).out)["spools"]
    shown = tamis_here("spool", "show", waiting["name"], "--limit", "2", home=tmp_path).out
    assert [line.split()[0] for line in shown.splitlines()] == ["1", "2"]
    assert "order 3" in shown
    assert "\x1b" not in shown
    rows = tamis_here("spool", "show", waiting["name"], "--json", home=tmp_path).out.splitlines()
    assert [json.loads(row)["attributes"]["n"] for row in rows] == [3, 4, 5, 6, 7, 8, 9]
    assert "refused: no such index" in tamis_here("spool", "show", refused["name"], home=tmp_path).out
    [row] = tamis_here("spool", "show", refused["name"], "--json", home=tmp_path).out.splitlines()
    assert (json.loads(row)["reason"], json.loads(row)["batch"]) == ("no such index", "batch-1")


def test_replay_sends_to_a_server(tmp_path: Path) -> None:
    """What waits for a server's sink arrives there, and the spool is gone; a second replay finds nothing."""
    with running_server(tmp_path) as server:
        url = server.url.replace("://", f"://{TOKEN}@")
        leave(tmp_path, url)
        ran = tamis_here("spool", "replay", "--url", url, "--json", home=tmp_path)
        [sent] = json.loads(ran.out)["sinks"]
        assert (ran.code, sent["sent"], sent["waiting"]) == (0, 7, 0)
        assert json.loads(tamis_here("spool", "list", "--json", home=tmp_path).out) == {"spools": []}
        found = tamis_here("search", "order", "--json", "--url", server.url, home=tmp_path, TAMIS_TOKEN=TOKEN)
        assert len(found.out.splitlines()) == 7
        assert "0 records sent" in tamis_here("spool", "replay", "--url", url, home=tmp_path).out


def test_a_spool_in_use_is_told_and_not_touched(tmp_path: Path) -> None:
    """`drop` refuses it by name, `replay` passes it by; without a holder `drop` removes it."""
    leave(tmp_path)
    [waiting] = json.loads(tamis_here("spool", "list", "--json", home=tmp_path).out)["spools"]
    with lock_folder(Path(waiting["folder"]), "an application"):
        refused = tamis_here("spool", "drop", waiting["name"], home=tmp_path)
        assert (refused.code, "an application" in refused.err) == (3, True)
        passed = tamis_here("spool", "replay", "--url", URL, home=tmp_path)
        assert (passed.code, "0 records sent" in passed.out) == (0, True)
    dropped = tamis_here("spool", "drop", waiting["name"], home=tmp_path)
    assert (dropped.code, "7 records dropped" in dropped.err) == (0, True)
    assert not Path(waiting["folder"]).exists()


def test_wrong_use_is_told(tmp_path: Path) -> None:
    """A name that is not there, no name, and no sink that has a spool."""
    for arguments in (("show", "1-00000000"), ("drop",), ("drop", "1-00000000"), ("replay",)):
        assert tamis_here("spool", *arguments, home=tmp_path).code == 2, arguments
