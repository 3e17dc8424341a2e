"""Programs that tests need are installed once, told when they cannot be, and missed only where that is allowed."""

import os
from pathlib import Path

import pytest

from tests.support.parts import program
from tools import system_parts

APT = """#!/bin/sh
echo "$@" >> {log}
case "$*" in *install*) printf '#!/bin/sh\\n' > {bin}/sieved; chmod +x {bin}/sieved;; esac
"""
TABLE = '[sieve]\nprograms = ["sieved"]\ndebian = ["sieve-server"]\ntests = ["tests/sieve"]\n'


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with one part in the table and no program but a shell's."""
    (tmp_path / "parts.toml").write_text(TABLE)
    (tmp_path / "bin").mkdir()
    monkeypatch.setattr(system_parts, "TABLE", tmp_path / "parts.toml")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin")
    monkeypatch.delenv(system_parts.VARIABLE, raising=False)
    return tmp_path


def put(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def put_apt(places: Path) -> Path:
    log = places / "apt.log"
    path = f"PATH={os.defpath}\n"
    put(places / "bin/apt-get", APT.format(log=log, bin=places / "bin").replace("\n", f"\n{path}", 1))
    return log


def test_what_is_missing_is_installed_once(places: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The package lists are read anew, then the package is installed; a second run asks apt-get nothing."""
    log = put_apt(places)
    assert system_parts.main() == 0
    assert [line.split()[6:] for line in log.read_text().splitlines()] == [
        ["update"],
        ["install", "--yes", "--no-install-recommends", "sieve-server"],
    ]
    assert capsys.readouterr().out == f"sieve: {places}/bin/sieved\n"
    log.unlink()
    assert system_parts.main() == 0
    assert not log.exists()


def test_without_apt_the_part_is_told_and_in_ci_missed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A sentence names the part, its tests and what would install it; only CI fails for it."""
    assert system_parts.main() == 0
    told = capsys.readouterr().out
    assert "sieve: not there, tests/sieve will be skipped: this system has no apt-get" in told
    assert "apt-get install sieve-server" in told
    monkeypatch.setenv(system_parts.VARIABLE, "all")
    assert system_parts.main() == 1


def test_apt_that_fails_is_told(places: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Which step of apt-get failed stands in the sentence."""
    put(places / "bin/apt-get", "#!/bin/sh\nexit 100\n")
    assert system_parts.main() == 0
    assert "apt-get update failed" in capsys.readouterr().out


def test_only_root_installs(
    places: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Others are told what root would have to do; nothing is tried."""
    log = put_apt(places)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert system_parts.main() == 0
    assert "only root may install packages; as root: apt-get install sieve-server" in capsys.readouterr().out
    assert not log.exists()


def test_a_program_outside_path_is_found_by_its_pattern(places: Path) -> None:
    """Of several versions the last one is used, as PostgreSQL's packages lay them out."""
    (places / "parts.toml").write_text(TABLE.replace("sieved", f"{places}/lib/*/bin/sieved"))
    for version in ("15", "17"):
        (places / f"lib/{version}/bin").mkdir(parents=True)
        put(places / f"lib/{version}/bin/sieved", "#!/bin/sh\n")
    assert program("sieve") == places / "lib/17/bin/sieved"


def test_a_program_without_its_library_is_not_there(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that could not run is as good as none: its packages are installed."""
    monkeypatch.setattr("sys.platform", "linux")
    put(places / "bin/sieved", "#!/bin/sh\n")
    assert program("sieve") == places / "bin/sieved"
    (places / "parts.toml").write_text(f'{TABLE}libraries = ["libno-such-sieve.so.7"]\n')
    log = put_apt(places)
    assert system_parts.main() == 0
    assert "install" in log.read_text()


def test_packages_of_npm_are_part_of_a_part(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program whose packages are not installed is not there; npm installs what the lock says, once."""
    monkeypatch.setattr(system_parts, "ROOT", places)
    put(places / "bin/sieved", "#!/bin/sh\n")
    (places / "client").mkdir()
    (places / "client/package-lock.json").write_text("{}")
    (places / "parts.toml").write_text(f'{TABLE}npm = ["client"]\n')
    assert system_parts.parts()["sieve"].find() is None
    lines = f'PATH={os.defpath}\necho "$@" >> {places}/npm.log\nmkdir -p node_modules\n'
    put(places / "bin/npm", f"#!/bin/sh\n{lines}touch node_modules/.package-lock.json\n")
    assert system_parts.main() == 0
    assert system_parts.main() == 0
    assert (places / "npm.log").read_text().split()[:1] == ["ci"]
    assert (places / "npm.log").read_text().count("ci") == 1
    assert program("sieve") == places / "bin/sieved"


def test_a_test_without_its_part_is_skipped_and_in_ci_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """What CI cannot run must not look like what it ran."""
    with pytest.raises(
        pytest.skip.Exception, match=r"sieve \(sieved\) is not on this machine: make system-parts"
    ):
        program("sieve")
    monkeypatch.setenv(system_parts.VARIABLE, "all")
    with pytest.raises(pytest.fail.Exception, match="TEST_PARTS=all"):
        program("sieve")
