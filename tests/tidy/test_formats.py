"""Every format version that was ever written has a golden folder."""

from pathlib import Path

import msgspec

from tamis.store.embedded.format.manifest import FORMAT
from tests.tidy.sources import ROOT

GOLDEN = ROOT / "tests/formats"


def without_golden(versions: range, folder: Path) -> list[int]:
    """Versions for which no manifest under `folder`/v<version> says that version."""
    return [version for version in versions if version not in _formats(folder / f"v{version}")]


def _formats(folder: Path) -> set[object]:
    manifests = folder.rglob("manifest.json")
    return {msgspec.json.decode(manifest.read_bytes()).get("format") for manifest in manifests}


def test_every_format_version_has_a_golden_folder() -> None:
    """A release that forgets how to read an old folder is found here."""
    assert without_golden(range(1, FORMAT + 1), GOLDEN) == []


def test_the_rule_can_fail(tmp_path: Path) -> None:
    """A missing folder, and one that holds another version, are seen."""
    for folder, version in (("v1", 1), ("v2", 1)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "manifest.json").write_text(f'{{"format": {version}}}', encoding="utf-8")
    assert without_golden(range(1, 4), tmp_path) == [2, 3]
