"""Where the server may listen, and what it shows of it."""

import socket
import ssl
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI

from tamis.errors import ConfigError
from tamis.server.front.listen import bind, check_listen, public_url, tls_context
from tamis.server.local import LocalServer, is_loopback, read_local, remove_local, write_local
from tamis.settings import Settings, load_settings


def made(**values: object) -> Settings:
    return load_settings({f"server.{name}": value for name, value in values.items()}, {})


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.9.1"])
def test_loopback_needs_nothing(host: str) -> None:
    """On this machine alone, clear text is fine."""
    check_listen(made(host=host))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "logs.example", ""])
def test_beyond_loopback_takes_tls_or_a_word(host: str, tmp_path: Path) -> None:
    """Else it is refused, and the sentence says both ways out."""
    with pytest.raises(ConfigError, match=r"tls_cert.*allow_insecure"):
        check_listen(made(host=host))
    check_listen(made(host=host, allow_insecure=True))
    check_listen(made(host=host, tls_cert=tmp_path / "c", tls_key=tmp_path / "k"))


def test_a_taken_port_is_told() -> None:
    """The sentence names the setting and the way out."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ConfigError, match=r"server\.port.*--port"):
            bind(made(port=taken.getsockname()[1]))


def test_an_unknown_host_is_told() -> None:
    """A name that means nothing is the setting's fault."""
    with pytest.raises(ConfigError, match=r"server\.host"):
        bind(made(host="no.such.host.invalid", allow_insecure=True))


def test_a_port_may_be_chosen() -> None:
    """Port 0 is any free one, and the address that is shown has it."""
    bound = bind(made(port=0))
    port = bound.getsockname()[1]
    bound.close()
    assert port > 0
    assert public_url(made(), port) == f"http://127.0.0.1:{port}"
    assert public_url(made(host="::"), 1) == "http://[::1]:1"
    assert public_url(made(tls_cert="c", tls_key="k"), 1).startswith("https://")


def test_a_certificate_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """ConfigError names the setting."""
    (tmp_path / "cert.pem").write_text("nothing", encoding="ascii")
    with pytest.raises(ConfigError, match=r"server\.tls_cert"):
        tls_context(made(tls_cert=tmp_path / "cert.pem", tls_key=tmp_path / "cert.pem"))
    assert tls_context(made()) is None
    assert ssl.HAS_TLSv1_3


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("[::1]", True), ("::ffff:127.0.0.1", True), ("localhost", True), ("10.0.0.1", False),
     ("localhost.example", False), ("", False), ("::ffff:10.0.0.1", False), ("fe80::1%lo", False)],
)  # fmt: skip
def test_loopback_is_known(host: str, expected: object) -> None:
    """Every form of this machine's own addresses, and nothing else."""
    assert is_loopback(host) is expected


def test_the_local_note_is_for_its_owner(tmp_path: Path) -> None:
    """Mode 0600, new at each start, gone at the stop; a note of a process that is gone is none."""
    import os

    assert read_local(tmp_path) is None
    first = LocalServer("http://127.0.0.1:1", "one", os.getpid())
    write_local(tmp_path, first)
    assert read_local(tmp_path) == first
    assert (tmp_path / "local.json").stat().st_mode & 0o777 == 0o600
    write_local(tmp_path, LocalServer("http://127.0.0.1:1", "two", 2**22 + 1))
    assert read_local(tmp_path) is None
    remove_local(tmp_path)
    remove_local(tmp_path)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "local.json").write_text("half a no", encoding="ascii")
    assert read_local(tmp_path) is None


@pytest.mark.anyio
async def test_ready_is_who_listens_everywhere(app: FastAPI, caller: httpx2.AsyncClient) -> None:
    """A store that is open is not enough while ports are not, nor once the server stops."""
    service = app.state.service
    service.is_listening = False
    answer = await caller.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (503, "starting")
    service.is_listening = True
    assert (await caller.get("/readyz")).status_code == 200
    service.stopping.set()
    answer = await caller.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (503, "stopping")
