"""A server whose files are damaged while it runs: it says so, goes on, and mends itself or is mended."""

import shutil
import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2

from tests.support.commands import (
    TOKEN,
    Server,
    running_server,
    start,
    start_server,
    tamis,
    tamis_here,
    wait_for,
)

WAIT_S = 60
SETTINGS = {
    "TAMIS_STORE_SEGMENT_AGE_S": "0.2",
    "TAMIS_STORE_SCRUB_INTERVAL_S": "1",
    "TAMIS_STORE_SCRUB_BYTES_PER_S": "50MB",
}


def ask(server: Server, path: str, **parameters: str) -> Any:
    headers = {"Authorization": f"Bearer {TOKEN}", "Accept": "application/json"}
    return httpx2.get(server.url + path, params=parameters, headers=headers, timeout=WAIT_S).json()


def send(server: Server, *words: str) -> None:
    body = "".join(f'{{"message":"{word}"}}\n' for word in words)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    answer = httpx2.post(server.url + "/api/v1/ingest", content=body, headers=headers, timeout=WAIT_S)
    assert answer.status_code == 200, answer.text


def facts(server: Server) -> Any:
    return ask(server, "/readyz")["facts"]


def sealed(server: Server, folder: Path) -> list[Path]:
    """The segments, once everything is in one."""
    assert wait_for(lambda: facts(server)["hot_records"] == 0 and facts(server)["segments"] > 0, WAIT_S)
    return sorted(folder.glob("segments/*/*.parquet"))


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_a_running_server_is_damaged_told_and_mended(tmp_path: Path) -> None:
    """It is degraded and names what is missing; `tamis repair` has it mend itself from a copy, while it answers and
    takes in; a token from elsewhere may name no place to mend from."""
    with running_server(tmp_path, **SETTINGS) as server:
        send(server, "one", "two", "three")
        (path,) = sealed(server, server.data)
        copy = Path(shutil.copytree(server.data, tmp_path / "copy"))
        flip(path)
        assert wait_for(lambda: bool(ask(server, "/readyz")["status"] == "degraded"), WAIT_S)
        answer = ask(server, "/api/v1/count")
        assert answer["count"] == 0
        assert "3 records" in answer["warnings"][0]
        assert ask(server, "/api/v1/count", start="2001-01-01", end="2001-01-02")["warnings"] == []
        degraded = ask(server, "/api/v1/status")["degraded"]
        assert any("tamis repair" in one["text"] for one in degraded)
        alone = tamis_here("repair", str(server.data), home=tmp_path)
        assert alone.code == 1
        assert "3 records" in alone.out
        refused = httpx2.post(
            server.url + "/api/v1/repair",
            json={"from": [str(copy)]},
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=WAIT_S,
        )
        assert refused.status_code == 403
        mended = tamis("repair", str(server.data), "--from", str(copy), home=tmp_path)
        assert mended.code == 0, mended
        assert "it came from folder" in mended.out
        assert ask(server, "/api/v1/count") | {"as_of": "", "took_ms": 0} == {
            "as_of": "", "took_ms": 0, "count": 3, "warnings": [],
        }  # fmt: skip
        assert ask(server, "/readyz")["status"] == "ready"
        send(server, "four")
        assert ask(server, "/api/v1/count")["count"] == 4


def test_a_server_with_a_mirror_mends_itself(tmp_path: Path) -> None:
    """Nobody asks for it: what the scrub finds damaged comes from the mirror that the settings name."""
    with running_server(tmp_path, **SETTINGS) as server:
        send(server, "one", "two", "three")
        sealed(server, server.data)
    copy = Path(shutil.copytree(server.data, tmp_path / "copy"))
    with running_server(tmp_path, **SETTINGS, TAMIS_STORE_MIRRORS=str(copy)) as server:
        (path,) = sealed(server, server.data)
        good = path.read_bytes()
        path.unlink()
        assert wait_for(lambda: path.exists() and path.read_bytes() == good, WAIT_S)
        assert wait_for(lambda: bool(ask(server, "/readyz")["status"] == "ready"), WAIT_S)
        assert ask(server, "/api/v1/count")["count"] == 3


def test_a_folder_that_cannot_be_served_says_what_is_broken_and_is_repaired(tmp_path: Path) -> None:
    """Both manifests gone, and the accounts damaged: each is one sentence with what to do; after a repair that was
    killed and begun again the records are there."""
    server = start_server(tmp_path, **SETTINGS)
    send(server, "one", "two", "three")
    sealed(server, server.data)
    server.stop()
    folder = server.data
    for name in ("manifest.json", "manifest.copy.json"):
        (folder / name).unlink()
    with closing(sqlite3.connect(folder / "meta.db")) as connection:
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    accounts = bytearray((folder / "meta.db").read_bytes())
    accounts[:size] = bytes(size)
    (folder / "meta.db").write_bytes(accounts)
    told = tamis("serve", "--data", str(folder), "--port", "0", home=tmp_path)
    assert told.code == 3
    assert "meta.db" in told.err
    assert "tamis repair" in told.err
    killed = start("repair", str(folder), home=tmp_path, output=tmp_path / "killed.log")
    assert wait_for(lambda: (folder / "quarantine").exists() or killed.poll() is not None, WAIT_S)
    killed.send_signal(signal.SIGKILL)
    killed.wait(WAIT_S)
    tamis_here("repair", str(folder), home=tmp_path)
    again = tamis_here("repair", str(folder), home=tmp_path)
    assert (again.code, tamis_here("verify", str(folder), home=tmp_path).code) == (0, 0), again
    with running_server(tmp_path, **SETTINGS) as server:
        assert ask(server, "/api/v1/count")["count"] == 3
