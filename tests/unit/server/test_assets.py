"""The server's own files: looked at, mended, given out."""

import json
import shutil
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from tamis.disk.real import RealDisk
from tamis.integrity.manifest import parse_manifest
from tamis.integrity.publish import make_manifest
from tamis.server import assets as module
from tamis.server.app import create_app
from tamis.server.assets import EDITION, SHIPPED, AssetKeeper
from tamis.settings import load_settings
from tamis.store.memory import MemoryStore
from tamis.telemetry.metrics import Metrics
from tamis.telemetry.status import StatusBoard
from tests.support.mirror_places import FileServer
from tests.unit.server.conftest import TOKEN as SERVER_TOKEN
from tests.unit.server.conftest import listening

TOKEN = "t" * 32


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what ships, that a test may damage."""
    folder = tmp_path / "shipped"
    folder.mkdir()
    shutil.copytree(SHIPPED / "web", folder / "web")
    shutil.copy(SHIPPED / "manifest.json", folder)
    monkeypatch.setattr(module, "SHIPPED", folder)
    return folder


def settings(**given: object) -> Any:
    values = {f"assets.{key}": value for key, value in given.items()}
    return load_settings({"server.admin_token": TOKEN, **values}, {})


def keeper(folder: Path | None, **given: object) -> AssetKeeper:
    return AssetKeeper(settings(**given), folder, metrics=Metrics(), board=StatusBoard())


def client(folder: Path | None = None, **given: object) -> TestClient:
    app = create_app(settings(**given), MemoryStore(), folder=folder)
    return TestClient(
        app, base_url="http://127.0.0.1", headers={"Authorization": f"Bearer {TOKEN}", "Accept": "text/html"}
    )


def test_what_ships_is_listed_as_it_is() -> None:
    """The manifest in the package names the pages' very bytes."""
    before = parse_manifest((SHIPPED / "manifest.json").read_bytes(), "it")
    now = make_manifest(RealDisk(), SHIPPED, EDITION, before=before, now_ns=0)
    assert now == before, "run: make docs"


def test_pages_are_read_from_what_ships(shipped: Path) -> None:
    """Nothing is copied, nothing is made, while all of it is whole."""
    data = shipped.parent / "data"
    kept = keeper(data)
    assert kept.report.is_whole
    assert {"index.html", "app.js", "icon.svg", "docs.html"} <= set(kept.pages)
    assert kept.pages["app.js"].data == (shipped / "web/app.js").read_bytes()
    assert not data.exists()
    kept.close()


def test_a_damaged_page_is_not_shown_and_mended_from_a_mirror(shipped: Path) -> None:
    """A byte flips in the installed program: 503 with the name, the API goes on; with a mirror it is mended."""
    mirror = shutil.copytree(shipped, shipped.parent / "mirror")
    data = bytearray((shipped / "web/app.js").read_bytes())
    data[10] ^= 1
    (shipped / "web/app.js").write_bytes(data)
    broken = client()
    answer = broken.get("/assets/app.js")
    assert answer.status_code == 503
    assert "web/app.js" in answer.text
    assert broken.get("/").status_code == 200
    assert broken.get("/assets/none.js").status_code == 404
    listed = broken.get("/api/v1/assets").json()
    assert listed["state"] == "degraded"
    assert [one["path"] for one in listed["files"] if one["problem"]] == ["web/app.js"]
    assert listed["degraded"][0]["name"] == "pages"
    kept = keeper(shipped.parent / "data", mirrors=(str(mirror),), reserve_bytes=0)
    assert kept.look().mended == ("web/app.js",)
    assert kept.pages["app.js"].data == (mirror / "web/app.js").read_bytes()
    assert (shipped.parent / "data/assets/web/app.js").exists()
    assert bytes(data) == (shipped / "web/app.js").read_bytes()
    kept.close()


def test_one_tamis_mends_itself_from_another(shipped: Path) -> None:
    """Its manifest and ranges of its files, over HTTP, with a token; without one nothing is given."""
    whole = client()
    manifest = whole.get("/api/v1/assets/files/manifest.json", headers={"Range": "bytes=0-99"})
    text = (shipped / "manifest.json").read_bytes()
    assert (manifest.status_code, manifest.content) == (206, text[:100])
    assert manifest.headers["content-range"] == f"bytes 0-99/{len(text)}"
    part = whole.get("/api/v1/assets/files/web/app.js", headers={"Range": "bytes=5-14"})
    assert (part.status_code, part.content) == (206, (shipped / "web/app.js").read_bytes()[5:15])
    beyond = whole.get("/api/v1/assets/files/manifest.json", headers={"Range": "bytes=9999999-"})
    assert beyond.status_code == 416
    for path in ("routes/assets.py", "web/../run.py", "..%2frun.py", "web", ""):
        assert whole.get(f"/api/v1/assets/files/{path}").status_code == 404, path
    for path in ("", "/files/manifest.json", "/files/web/app.js"):
        refused = whole.get(f"/api/v1/assets{path}", headers={"Authorization": ""})
        assert refused.status_code == 401


def test_a_newer_manifest_is_pulled_only_with_a_trusted_signature(shipped: Path) -> None:
    """Over the network nobody who has no key brings other pages into a server."""
    mirror = shutil.copytree(shipped, shipped.parent / "mirror")
    newer = json.loads((mirror / "manifest.json").read_bytes())
    newer["version"] += 1
    (mirror / "manifest.json").write_text(json.dumps(newer))
    with FileServer(mirror) as server:
        manager = module.asset_manager(settings(mirrors=(server.url,)), shipped.parent / "data")
        with pytest.raises(Exception, match="not signed by a key"):
            manager.update()
        manager.close()


def test_keys_and_mirrors_that_cannot_be_are_refused() -> None:
    """At the start, with the name of the setting."""
    with pytest.raises(Exception, match=r"assets\.keys"):
        settings(keys=("abc",))
    with pytest.raises(Exception, match=r"assets\.mirrors"):
        settings(mirrors=("ftp://mirror.example/x",))


def test_a_running_server_mends_its_pages_by_itself(shipped: Path) -> None:
    """Nobody has to ask; and its board says that it did."""
    mirror = shutil.copytree(shipped, shipped.parent / "mirror")
    (shipped / "web/app.js").unlink()
    kept = keeper(shipped.parent / "data", mirrors=(str(mirror),), reserve_bytes=0)
    assert "app.js" not in kept.pages
    kept.start()
    kept.start()
    deadline = time.monotonic() + 60
    while "app.js" not in kept.pages:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    kept.close()
    kept.close()
    assert kept.report.is_whole
    assert not [thread for thread in threading.enumerate() if thread.name == "tamis-assets"]


def test_over_real_sockets_with_its_token(shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """tamis+http:// as a mirror: mended with the token, refused at once without."""
    broken = shutil.copytree(shipped, shipped.parent / "broken")
    (broken / "web/app.js").unlink()
    with listening(MemoryStore()) as port:
        monkeypatch.setattr(module, "SHIPPED", broken)
        for token, mended in (("wrong" * 8, ()), (SERVER_TOKEN, ("web/app.js",))):
            url = f"tamis+http://{token}@127.0.0.1:{port}"
            manager = module.asset_manager(settings(mirrors=(url,), reserve_bytes=0), shipped.parent / "data")
            report = manager.initialize_and_verify()
            assert report.mended == mended, report
            if not mended:
                assert "401; name a token" in report.findings[0].problem
            manager.close()


def test_a_file_that_went_after_the_look_is_told_of(shipped: Path) -> None:
    """503, no failure of the server."""
    server = client()
    (shipped / "web/app.js").unlink()
    answer = server.get("/api/v1/assets/files/web/app.js")
    assert answer.status_code == 503
    assert "web/app.js" in answer.text
