"""Which files are meant: names, folders, globs."""

import glob
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tamis.cli.failure import UsageError
from tamis.cli.intake.sample import looks_binary, read_sample
from tamis.errors import WireError

STANDARD_INPUT = "-"
_GLOB = re.compile(r"[*?\[]")
_ENDING = re.compile(
    r"(\.(gz|zst|xz|bz2|log|txt|jsonl|ndjson|json|out|err)|[.-]\d{1,14}|[.-]\d{4}-\d\d-\d\d)$", re.IGNORECASE
)

_OF_STORES = ("local.json", "lock", "manifest.json", "manifest.copy.json")
"""Files at the top of a data folder that are text, but no log; one holds the token of the server at work there."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file to read; `named` when the user wrote its very name, so that it is not passed over in silence."""

    path: Path
    named: bool


def find_sources(arguments: Iterable[str], *, strict: bool = True) -> Iterator[Source]:
    """The files that names, folders (with all below them) and globs stand for, each once, in order.

    A name that stands for nothing is a UsageError, or nothing when not `strict`. Hidden files below folders
    are left out.
    """
    seen: set[str] = set()
    for argument in arguments:
        for source in _of_argument(argument, strict=strict):
            real = os.path.realpath(source.path)
            if real not in seen:
                seen.add(real)
                yield source


def _of_argument(argument: str, *, strict: bool) -> Iterator[Source]:
    if not argument:
        raise UsageError("the name of a file is empty; . is this folder, - is standard input")
    path = Path(argument).expanduser()
    if path.is_dir():
        yield from (Source(file, named=False) for file in _below(path))
    elif path.exists():
        yield Source(path, named=True)
    elif _GLOB.search(argument):
        yield from _of_glob(str(path), strict=strict)
    elif strict:
        raise UsageError(f"{argument}: there is no such file or folder")


def _of_glob(pattern: str, *, strict: bool) -> Iterator[Source]:
    found = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207  # patterns may be absolute
    if strict and not found:
        raise UsageError(f"{pattern}: no file matches")
    for path in map(Path, found):
        files = _below(path) if path.is_dir() else (path,)
        yield from (Source(file, named=False) for file in files)


def _below(folder: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(root, name) for name in sorted(files) if not name.startswith("."))


def why_not(path: Path, *, any_bytes: bool = False) -> str | None:
    """Why a file cannot or should not be read, in a word; None when it can. `any_bytes`: binary ones too."""
    if path.name in _OF_STORES and (path.parent / "segments").is_dir():
        return "a data folder's own"
    if not path.is_file():
        return "no regular file" if path.exists() else "not there"
    try:
        sample = read_sample(path)
    except PermissionError:
        return "permission denied"
    except OSError as error:
        return error.strerror or str(error)
    except WireError as error:
        return str(error)
    return "binary" if not any_bytes and looks_binary(sample) else None


def service_of(path: Path) -> str:
    """The service that a file's name suggests: ``/var/log/dpkg.log.1.gz`` → ``dpkg``; where the name is only a
    date or number, that of its folder.
    """
    name = path.name
    while (shorter := _ENDING.sub("", name)) not in ("", name):
        name = shorter
    name = name.strip(".-_")
    dated = not name or name[0].isdigit()
    return (path.absolute().parent.name.strip(".-_") if dated else "") or name or path.name
