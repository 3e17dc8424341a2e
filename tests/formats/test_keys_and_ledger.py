"""Every format of keyring, envelope and ledger that was ever written is read."""

import shutil
from pathlib import Path

import pytest

from tamis.integrity.ledger import read_ledger
from tamis.integrity.ledger.links import FORMAT_VERSION
from tamis.keys.envelope import VERSION
from tamis.keys.stored import FORMAT
from tests.formats.write_keys_and_ledger import ENTRIES, PLACE, TEXT
from tests.support.keyrings import KeyringPlace
from tests.support.ledgers import LedgerPlace

HERE = Path(__file__).parent


@pytest.fixture(params=[1])
def golden(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return Path(shutil.copytree(HERE / f"keys_and_ledger_v{request.param}", tmp_path / "golden"))


def test_every_version_has_a_golden_folder() -> None:
    """A release that begins a new version must write its folder."""
    assert (FORMAT, VERSION, FORMAT_VERSION) == (1, 1, 1)
    assert (HERE / "keys_and_ledger_v1/keys/keyring.json").exists()


def test_old_envelopes_open(golden: Path) -> None:
    """In both forms, with the keyring as it was written; the hash is the same."""
    keyring = KeyringPlace(golden / "keys").open()
    assert keyring.decrypt_text((golden / "envelope.txt").read_text("utf-8"), bound_to=PLACE) == TEXT
    assert keyring.decrypt((golden / "envelope.bin").read_bytes(), bound_to=PLACE) == TEXT.encode()
    assert keyring.hash_text(TEXT) == (golden / "hash.txt").read_text("utf-8")


def test_old_ledgers_are_verified_and_go_on(golden: Path) -> None:
    """Whole, every entry readable, and the next writer takes the chain up."""
    place = LedgerPlace(golden)
    assert place.verify().is_whole
    place.write(3)
    assert place.verify().is_whole
    assert len(list(read_ledger(place.disk, place.layout))) == ENTRIES + 3
    assert place.layout.chains(place.disk) == ["0001"]
