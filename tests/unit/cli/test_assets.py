"""``tamis assets``: exit codes, and what is printed."""

import io
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from rich.console import Console
from rich.progress import Progress

from tamis.cli import run
from tamis.cli.show.works import WorkBars
from tamis.integrity.publish import publish
from tamis.server import assets as module
from tamis.server.assets import SHIPPED
from tamis.telemetry.status import BoardLimits, StatusBoard
from tests.support.mirror_places import hasty_disk

Call = Callable[..., tuple[int, str]]


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what ships, that a test may damage."""
    folder = tmp_path / "shipped"
    shutil.copytree(SHIPPED / "web", folder / "web")
    shutil.copy(SHIPPED / "manifest.json", folder)
    monkeypatch.setattr(module, "SHIPPED", folder)
    return folder


@pytest.fixture
def call(tmp_path: Path, capsys: pytest.CaptureFixture[str], shipped: Path) -> Call:
    """Runs `tamis assets …` on a data folder of its own."""
    data = tmp_path / "data"
    data.mkdir()

    def made(*words: str) -> tuple[int, str]:
        code = run(["assets", *words, "--data", str(data)])
        return code, capsys.readouterr().out

    return made


def damage(shipped: Path) -> bytes:
    """Flip a byte of the pages; what was there before."""
    before = (shipped / "web/app.js").read_bytes()
    (shipped / "web/app.js").write_bytes(before[:-2] + b"??")
    return before


def test_whole_files_are_listed_and_verified(call: Call) -> None:
    """A line each; exit code 0."""
    code, text = call("list")
    assert code == 0
    assert any(line.startswith("web/app.js\t") and line.endswith("\twhole") for line in text.splitlines())
    assert call("verify")[0] == 0


def test_damage_is_found_named_and_mended(call: Call, shipped: Path, tmp_path: Path) -> None:
    """1 while it is damaged, 0 once a mirror has mended it; the mode is named."""
    assert call("pack", str(tmp_path / "p.tar"))[0] == 0
    before = damage(shipped)
    code, text = call("verify")
    assert code == 1
    assert "damaged  web/app.js" in text
    assert "degraded pages" in text
    assert call("repair")[0] == 1
    code, text = call("repair", "--from", str(tmp_path / "p.tar"), "--json")
    report = msgspec.json.decode(text)
    assert (code, report["whole"], report["mended"]) == (0, True, ["web/app.js"])
    assert (tmp_path / "data/assets/web/app.js").read_bytes() == before
    assert call("verify", "--quick")[0] == 0


def test_a_signed_pack_is_pulled_where_its_key_is_named(
    call: Call, shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nowhere else: 3, with nothing changed."""
    code, key = call("pack", str(tmp_path / "old"), "--sign", str(tmp_path / "key"))
    assert (code, len(key.strip())) == (0, 64)
    newer = shutil.copytree(shipped, tmp_path / "newer")
    (newer / "web/app.js").write_text("newer")
    publish(newer, module.EDITION, disk=hasty_disk())
    with monkeypatch.context() as patched:
        patched.setattr(module, "SHIPPED", newer)
        assert call("pack", str(tmp_path / "p.tar"), "--sign", str(tmp_path / "key"))[1] == key
    stranger = "0" * 63 + "1"
    assert call("pull", "--from", str(tmp_path / "p.tar"), "--key", stranger)[0] == 3
    assert not (tmp_path / "data/assets/web").exists()
    code, text = call("pull", "--from", str(tmp_path / "p.tar"), "--key", key.strip(), "--json")
    report = msgspec.json.decode(text)
    assert (code, report["version"], report["mended"]) == (0, 2, ["web/app.js"])
    assert (tmp_path / "data/assets/web/app.js").read_text() == "newer"


def test_a_folder_that_is_not_there_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    """2, with its name."""
    assert run(["assets", "list", "--data", "/nowhere/at/all"]) == 2
    assert "/nowhere/at/all" in capsys.readouterr().err


def test_bars_show_what_is_under_way_and_go_when_it_is_done() -> None:
    """Name, file and bytes of a work; nothing of it is left after its end."""
    screen = io.StringIO()
    board = StatusBoard(BoardLimits(progress_interval_s=0))
    console = Console(file=screen, force_terminal=True, width=100)
    bars = WorkBars(Progress(*Progress.get_default_columns(), console=console, transient=True))
    board.listen(bars.show)
    with board.doing("mend files", total=100, unit="bytes") as work:
        work.update(done=40, note="models/words.bin")
        board.tell("other", "is no work")
        (task,) = bars.progress.tasks
        assert (task.completed, task.total) == (40, 100)
        assert task.description == "mend files  models/words.bin"
    assert bars.progress.tasks == []
