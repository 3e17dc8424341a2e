"""Where things are in a store's folder."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tamis.clock import NS_PER_S

_JOURNAL = re.compile(r"(\d{6,})\.journal")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")

SEGMENT_SUFFIX = ".parquet"
TALLY_SUFFIX = ".tally"


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of a store in `folder`."""

    folder: Path

    @property
    def manifest(self) -> Path:
        """What is live."""
        return self.folder / "manifest.json"

    @property
    def manifest_copy(self) -> Path:
        """The same once more, written after it."""
        return self.folder / "manifest.copy.json"

    @property
    def restoring(self) -> Path:
        """Stands there as long as not all of a backup is back in the folder."""
        return self.folder / "restore.json"

    @property
    def journals(self) -> Path:
        """The folder of the journal's files."""
        return self.folder / "journal"

    @property
    def segments(self) -> Path:
        """The folder of the days."""
        return self.folder / "segments"

    @property
    def quarantine(self) -> Path:
        """The folder of what is damaged or unexplained: nothing in it is read for answers."""
        return self.folder / "quarantine"

    def journal(self, number: int) -> Path:
        """A file of the journal."""
        return self.journals / f"{number:06d}.journal"

    def segment(self, name: str) -> Path:
        """A segment's Parquet file."""
        return self.segments / f"{name}{SEGMENT_SUFFIX}"

    def tally(self, name: str) -> Path:
        """A segment's tally."""
        return self.segments / f"{name}{TALLY_SUFFIX}"


def day_of(received_ns: int) -> str:
    """The day of receipt (UTC), which names a segment's folder."""
    return datetime.fromtimestamp(received_ns // NS_PER_S, UTC).strftime("%Y-%m-%d")


def segment_name(day: str, number: int) -> str:
    """The name of a segment, unique for the life of the store."""
    return f"{day}/{number:08d}"


def day_of_segment(name: str) -> str:
    """The day of receipt that a segment's name says."""
    return name.partition("/")[0]


def is_day(name: str) -> bool:
    """Whether a folder's name is that of a day."""
    return _DAY.fullmatch(name) is not None


def journal_number(file_name: str) -> int | None:
    """The number of a journal file; None when the name is none."""
    match = _JOURNAL.fullmatch(file_name)
    return int(match[1]) if match else None
