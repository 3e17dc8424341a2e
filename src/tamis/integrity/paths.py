"""Names of files in a manifest: relative, the same on every system, never leading out of their folder."""

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tamis.errors import ManifestError

PATH_CHARS_MAX: Final = 512
OWN_PREFIX: Final = ".tamis"
"""What we keep beside the files, and files that are being put together, are called so."""
_FORBIDDEN: Final = re.compile(r'[\x00-\x1f\x7f<>:"|?*\\]')
"""What Windows has in no name, the other slash, and what nobody can see."""
_DEVICES: Final = frozenset(
    ("con", "prn", "aux", "nul", *(f"{kind}{number}" for kind in ("com", "lpt") for number in range(1, 10)))
)
"""Names that Windows gives to devices, with whatever ending."""


def require_path(path: str) -> None:
    """Raise ManifestError unless a path is relative, plain and within its folder on every system."""
    reason = _wrong_with(path)
    if reason:
        raise ManifestError(f"the path {path[:PATH_CHARS_MAX]!r} {reason}")


def require_distinct(paths: Iterable[str]) -> None:
    """Raise ManifestError when two paths are one, on this system or on one that knows no case; or when one is a
    file and another lies beneath it.
    """
    known: dict[str, str] = {}
    for path in paths:
        folded = fold_path(path)
        other = known.get(folded)
        if other is not None:
            how = "twice" if other == path else f"beside {other!r}, which some systems take for the same name"
            raise ManifestError(f"the path {path!r} stands in it {how}")
        known[folded] = path
    for folded, path in known.items():
        parent = folded
        while "/" in parent:
            parent = parent.rpartition("/")[0]
            if parent in known:
                raise ManifestError(f"the path {path!r} lies beneath {known[parent]!r}, which is a file")


def fold_path(path: str) -> str:
    """A path as systems see it that know no case and compose letters."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def require_inside(folder: Path, path: str) -> Path:
    """Where a file of a manifest is on disk; ManifestError when the path, or a symbolic link on the way to it or in its
    place, leads out of the folder. The folder itself may be a link.
    """
    place = require_place(folder, path)
    _require_no_link(place)
    return place


def require_place(folder: Path, path: str) -> Path:
    """Where a file of a manifest belongs, whatever is in its place; ManifestError when the path, or a symbolic link on
    the way to it, leads out of the folder.
    """
    require_path(path)
    *parts, name = path.split("/")
    place = folder
    for part in parts:
        place = place / part
        _require_no_link(place)
    return place / name


def _require_no_link(place: Path) -> None:
    if place.is_symlink():
        raise ManifestError(f"{place} is a symbolic link; put the file itself there")


def _wrong_with(path: str) -> str:
    if not path or len(path) > PATH_CHARS_MAX:
        return f"must have from 1 to {PATH_CHARS_MAX} characters"
    if path.startswith("/"):
        return "must be relative"
    if found := _FORBIDDEN.search(path):
        return f"holds {found.group()!r}, which some systems have in no name"
    if unicodedata.normalize("NFC", path) != path or not path.isprintable():
        return "holds characters that do not stand for themselves (Unicode NFC, printable)"
    for part in path.split("/"):
        if part in ("", ".", ".."):
            return "must not hold empty parts, `.` or `..`"
        if part != part.strip(" ") or part.endswith("."):
            return "has a part with a blank at its edge or a dot at its end, which some systems drop"
        if part.casefold().startswith(OWN_PREFIX):
            return f"holds {part!r}: names that begin with {OWN_PREFIX} are Tamis' own"
        if part.split(".")[0].casefold() in _DEVICES:
            return f"holds {part!r}, which is a device on some systems"
    return ""
