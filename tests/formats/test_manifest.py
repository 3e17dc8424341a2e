"""Every format of manifests that was ever written is read."""

import shutil
from pathlib import Path

from tamis.integrity.manifest import FORMAT, parse_manifest
from tamis.integrity.storage import StorageManager
from tamis.integrity.trust import Trust
from tests.formats.write_manifest import FILES, PLACE, SIGNER


def test_every_version_has_a_golden_folder() -> None:
    """A release that begins a new version must write its folder."""
    assert FORMAT == "tamis-manifest-1"
    assert parse_manifest((PLACE / "manifest.json").read_bytes(), "it").format == FORMAT


def test_an_old_manifest_is_taken_as_signed(tmp_path: Path) -> None:
    """What was signed is the same bytes today, and the files are what it says."""
    folder = Path(shutil.copytree(PLACE, tmp_path / "golden"))
    (folder / "words.bin").write_bytes(FILES["words.bin"])
    with StorageManager(folder, trust=Trust(name="golden", keys=(SIGNER.public,))) as manager:
        report = manager.initialize_and_verify()
        assert report.is_whole
        assert report.files == 2
        assert manager.manifest is not None
        entry = manager.manifest.by_path()["rules/a.toml"]
    assert (entry.version, entry.required, entry.part, entry.without) == ("0.2", False, "words", "the rest")
    assert [change.text for change in entry.changes] == ["the first"]
