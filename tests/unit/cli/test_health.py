"""What `tamis doctor` finds in a data folder."""

from pathlib import Path

import pytest

from tamis.cli.health.base import Patient
from tamis.cli.health.folder import check_store
from tamis.settings import Settings
from tests.support.embedded import batch, open_quiet


@pytest.mark.parametrize(
    ("gone", "state", "words"),
    [
        ((), "ok", "1 segments"),
        (("manifest.json",), "bad", "manifest.json"),
        (("manifest.json", "manifest.copy.json"), "bad", "no manifest"),
    ],
)
def test_a_store_that_lost_its_manifest_is_no_empty_folder(
    tmp_path: Path, gone: tuple[str, ...], state: str, words: str
) -> None:
    """A folder is healthy without a store only where nothing is left of one."""
    store = open_quiet(tmp_path / "data")
    store.append(batch("a"))
    store.seal_now()
    store.close()
    for name in gone:
        (tmp_path / "data" / name).unlink()
    (found,) = check_store(Patient(Settings(), tmp_path / "data"))
    assert found.state == state
    assert words in found.detail
