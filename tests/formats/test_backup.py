"""Every format of a repository of backups that was ever written is read."""

import shutil
from contextlib import closing
from pathlib import Path

import pytest

from tamis.backup import restore_folder, verify
from tamis.backup.sealing import VERSION
from tamis.backup.snapshot import FORMAT
from tamis.backup.unlock import FORMAT as CONFIG_FORMAT
from tamis.backup.unlock import Passphrase
from tests.formats.write_backup import MESSAGES, PASSPHRASE
from tests.support.backups import QUICK, BackupPlace
from tests.support.embedded import messages, open_quiet

HERE = Path(__file__).parent


@pytest.fixture(params=[1])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> BackupPlace:
    folder = Path(shutil.copytree(HERE / f"backup_v{request.param}", tmp_path / "golden"))
    return BackupPlace(tmp_path / "home", folder, lock=Passphrase(PASSPHRASE))


def test_every_version_has_a_golden_repository() -> None:
    """A release that begins a new version must write its folder."""
    assert (VERSION, FORMAT, CONFIG_FORMAT) == (1, 1, 1)
    assert (HERE / "backup_v1/config.json").exists()


def test_old_repositories_are_verified_and_restored(place: BackupPlace, tmp_path: Path) -> None:
    """Whole, and every record of both snapshots comes back."""
    repository = place.open(create=False)
    assert verify(repository, wait_s=0).is_whole
    for name, expected in zip(repository.snapshots(), (MESSAGES[:3], MESSAGES), strict=True):
        assert not restore_folder(repository, name, tmp_path / name[:8], QUICK).lost
        with closing(open_quiet(tmp_path / name[:8], disk=QUICK)) as store:
            assert messages(store) == sorted(expected)
            assert store.find_batch("b-1") is not None


def test_old_repositories_take_new_backups(place: BackupPlace, tmp_path: Path) -> None:
    """A newer release goes on with what an older one began."""
    repository = place.open(create=False)
    restore_folder(repository, list(repository.snapshots())[-1], place.data, QUICK)
    made = place.back_up()
    assert made.snapshot.number == 3
    assert verify(repository, wait_s=0).is_whole
