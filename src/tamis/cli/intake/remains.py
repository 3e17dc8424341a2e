"""What a rotation left behind: the rest of a file under another name, or in a copy, or compressed."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tamis.cli.intake.identity import Place, begins_as, head_of_path, place_of
from tamis.cli.intake.positions import Position, Positions
from tamis.errors import WireError


@dataclass(frozen=True, slots=True)
class Remains:
    """A file beside `path` that holds what `position` says was partly read."""

    path: Path
    place: Place
    modified_ns: int


def siblings(path: Path) -> Iterator[Remains]:
    """The files that rotation may have made of `path`: of its name and more, oldest first."""
    found = []
    for other in path.parent.glob(f"{_escaped(path.name)}[.-]*"):
        try:
            stat = other.stat()
        except OSError:
            continue
        if other.is_file():
            found.append(Remains(other, place_of(stat), stat.st_mtime_ns))
    yield from sorted(found, key=lambda one: one.modified_ns)


def find_remains(position: Position, path: Path, *, moved: bool) -> Remains | None:
    """The file that `path`'s old content is in now: renamed (`moved`: the same inode), else copied or compressed."""
    if position.print.length == 0:
        return None
    candidates = list(siblings(path))
    if moved:
        for one in candidates:
            if one.place == Place(position.device, position.inode) and is_copy(one.path, position):
                return one
    return next((one for one in reversed(candidates) if is_copy(one.path, position)), None)


def is_copy(path: Path, position: Position) -> bool:
    """Whether a file begins as the known one does."""
    try:
        return position.print.length > 0 and begins_as(head_of_path(path), position.print)
    except (OSError, WireError):
        return False


def find_original(path: Path, positions: Positions) -> Position | None:
    """The known file that `path` is a copy of: of a shorter name in the same folder, with the same beginning."""
    for known in positions.all():
        name = Path(known.path)
        rotated = path.name.startswith((f"{name.name}.", f"{name.name}-")) and path.parent == name.parent
        if rotated and is_copy(path, known):
            return known
    return None


def find_unseen(remains: Remains, path: Path, positions: Positions) -> list[Remains]:
    """Files rotated after `remains`, which nobody has read: whole generations between two looks."""
    return [
        one
        for one in siblings(path)
        if one.modified_ns > remains.modified_ns
        and positions.get(one.place) is None
        and one.path != remains.path
    ]


def _escaped(name: str) -> str:
    return "".join(f"[{char}]" if char in "*?[" else char for char in name)
