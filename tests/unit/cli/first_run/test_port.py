"""The port of the first run: what is chosen is kept to, the default gives way."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tamis.cli.first_run.port import port_to_use
from tamis.errors import ConfigError
from tamis.settings import TABLE

NAME = "TAMIS_SERVER_PORT"


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TAMIS_CONFIG", "TAMIS_SERVER_HOST", NAME):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as held:
        yield held.getsockname()[1]


@pytest.fixture
def free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port: int = held.getsockname()[1]
    return port


def test_the_environment_decides_when_no_port_is_given(free: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """TAMIS_SERVER_PORT counts; a given port counts more."""
    monkeypatch.setenv(NAME, str(free))
    assert port_to_use(None) == free
    assert port_to_use(0) == 0


def test_a_settings_file_decides_too(free: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The TOML file that TAMIS_CONFIG names is read."""
    (tmp_path / "tamis.toml").write_text(f"[server]\nport = {free}\n")
    monkeypatch.setenv("TAMIS_CONFIG", str(tmp_path / "tamis.toml"))
    assert port_to_use(None) == free


def test_a_chosen_port_that_is_taken_is_an_error(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who chose a port hears that it is taken, and from where it came; no other is used instead."""
    with pytest.raises(ConfigError, match=f"server.port = {taken} .*argument.*in use"):
        port_to_use(taken)
    monkeypatch.setenv(NAME, str(taken))
    with pytest.raises(ConfigError, match=f"server.port = {taken} .*environment {NAME}.*in use"):
        port_to_use(None)


def test_the_default_gives_way_with_a_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """While another has the default port, any free one is used, and that is said."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            other.bind(("127.0.0.1", TABLE["server.port"].default))
            other.listen()
        except OSError:
            pass  # somebody else has it already: the same to us
        assert port_to_use(None) == 0
    assert "is taken; another is used" in capsys.readouterr().err
