"""What is packed to be carried elsewhere."""

import runpy
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tamis.errors import UnmendedError
from tamis.integrity.pack import pack
from tamis.integrity.trust import Trust
from tests.support.hand_clock import HandClock
from tests.support.mirror_places import (
    BIG,
    CONTENT,
    SMALL,
    STRANGER,
    Flaky,
    Place,
    hasty_disk,
    make_mirror,
    no_network,
)
from tests.tidy.sources import ROOT


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A folder that is whole."""
    made = Place(tmp_path)
    made.fill()
    yield made
    made.close()


@pytest.mark.parametrize("name", ["packed", "packed.tar"])
def test_a_pack_fills_a_storage_in_a_closed_network(
    place: Place, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Folder or archive: everything comes from it, checked and signed as in the open."""
    target = place.folder.parent / name
    pack(place.manager(), target, disk=hasty_disk(), clock=HandClock())
    other = Place(place.folder.parent / "other")
    with no_network(monkeypatch):
        assert other.manager(target).initialize_and_verify().is_whole
    assert other.content() == CONTENT
    other.close()


def test_a_pack_may_carry_another_signature(place: Place) -> None:
    """Whoever carries it vouches for it where only their key is known."""
    target = place.folder.parent / "packed.tar"
    pack(place.manager(), target, signer=STRANGER, disk=hasty_disk())
    other = Place(place.folder.parent / "other")
    trust = Trust(name="shop", keys=(STRANGER.public,))
    assert other.manager(target, trust=trust).initialize_and_verify().is_whole
    assert not other.manager(place.mirror, trust=trust).verify().modes
    other.close()


def test_the_same_files_make_the_same_archive(place: Place) -> None:
    """Byte for byte, whoever packs and when; and nothing but plain files is in it."""
    for name in ("a.tar", "b.tar"):
        pack(place.manager(), place.folder.parent / name, disk=hasty_disk())
    first, second = ((place.folder.parent / name).read_bytes() for name in ("a.tar", "b.tar"))
    assert first == second
    with tarfile.open(place.folder.parent / "a.tar") as archive:
        assert set(archive.getnames()) == {"manifest.json", *CONTENT}
        assert all(one.isreg() for one in archive)


def test_a_folder_that_was_packed_before_gets_what_is_new(place: Place) -> None:
    """And loses what is no more."""
    target = place.folder.parent / "packed"
    pack(place.manager(), target, disk=hasty_disk(), clock=HandClock())
    make_mirror(place.mirror, {**CONTENT, SMALL: b"2"})
    place.manager().update()
    pack(place.manager(), target, disk=hasty_disk(), clock=HandClock())
    assert (target / SMALL).read_bytes() == b"2"
    assert (target / BIG).read_bytes() == CONTENT[BIG]


@pytest.mark.parametrize("name", ["packed", "packed.tar"])
def test_nothing_is_packed_that_is_not_whole(place: Place, name: str) -> None:
    """The error names the file; nothing is left of the pack."""
    data = bytearray(CONTENT[BIG])
    data[9] ^= 1
    (place.folder / BIG).write_bytes(data)
    with pytest.raises(UnmendedError, match=BIG):
        pack(place.manager(Flaky(place.folder / "nothing")), place.folder.parent / name, disk=hasty_disk())
    assert not (place.folder.parent / name).exists()


def test_the_example_does_what_its_page_says(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Filled, mended, updated, degraded."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    runpy.run_path(str(ROOT / "examples/keep_files_whole.py"), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "ready ('models/words.bin',)"
    assert lines[2:4] == ["('models/words.bin',) True", "2 ('models/words.bin',) True"]
    assert lines[4].startswith("search by meaning - models/words.bin is missing")
    assert lines[4].endswith("words are searched")
