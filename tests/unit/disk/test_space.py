"""Room is asked for before anything is written."""

from pathlib import Path

import pytest

from tamis.disk.real import RealDisk
from tamis.disk.space import require_space
from tamis.errors import NoSpaceError
from tests.support.fragile_disk import FragileDisk


def test_room_is_needed_bytes_and_the_reserve(tmp_path: Path) -> None:
    """Exactly enough is enough; one byte less is refused with both figures."""
    disk = FragileDisk(tmp_path)
    disk.calls.free = 1_000
    require_space(disk, tmp_path, 900, 100)
    require_space(disk, tmp_path, 1_000)
    with pytest.raises(NoSpaceError) as raised:
        require_space(disk, tmp_path / "file", 901, 100)
    assert (raised.value.needed, raised.value.available) == (1_001, 1_000)
    assert raised.value.path == str(tmp_path / "file")


def test_room_is_known_for_what_is_not_there_yet(tmp_path: Path) -> None:
    """The nearest folder that exists answers."""
    disk = RealDisk()
    assert disk.free_bytes(tmp_path / "a" / "b" / "c") > 0
    with pytest.raises(NoSpaceError):
        require_space(disk, tmp_path / "a" / "b", 1 << 60)
