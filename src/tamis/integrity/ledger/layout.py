"""Where a ledger's files are.

::

    folder/0001/000001.ledger     a chain's parts, one after the other
    folder/0001/lock              held by the chain's writer
    heads/0001.head               how far it had come at the last checkpoint
    heads/0001.anchor             where it begins, when older parts were removed
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tamis.disk.base import Disk

_CHAIN: Final = re.compile(r"\d{4,}")
_PART: Final = re.compile(r"(\d{6,})\.ledger")
_HEAD: Final = re.compile(r"(\d{4,})\.(?:head|anchor)")


@dataclass(frozen=True, slots=True)
class Layout:
    """The two folders, and the names in them."""

    folder: Path
    heads: Path

    def chain(self, name: str) -> Path:
        """The folder of a chain."""
        return self.folder / name

    def part(self, name: str, number: int) -> Path:
        """A part of a chain."""
        return self.folder / name / f"{number:06}.ledger"

    def head(self, name: str) -> Path:
        """The head of a chain."""
        return self.heads / f"{name}.head"

    def anchor(self, name: str) -> Path:
        """The anchor of a chain."""
        return self.heads / f"{name}.anchor"

    def chains(self, disk: Disk) -> list[str]:
        """All chains that there are, or that there should be: with files, a head or an anchor."""
        found = [name for name in _names(disk, self.folder) if _CHAIN.fullmatch(name)]
        found += [match[1] for name in _names(disk, self.heads) if (match := _HEAD.fullmatch(name))]
        return sorted(set(found), key=lambda name: (len(name), name))

    def parts(self, disk: Disk, name: str) -> list[int]:
        """The numbers of a chain's parts, in order."""
        names = _names(disk, self.chain(name))
        return sorted(int(match[1]) for part in names if (match := _PART.fullmatch(part)))


def chain_name(number: int) -> str:
    """The name of the chain of a number, from 1."""
    return f"{number:04}"


def _names(disk: Disk, folder: Path) -> list[str]:
    return disk.names(folder) if disk.exists(folder) else []
