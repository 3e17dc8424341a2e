"""Which manifest is in force: the newest that is trusted, of the folder's own and what was shipped."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tamis.disk.base import Disk
from tamis.errors import DiskError, IntegrityError, ManifestError
from tamis.integrity.manifest import FILE_NAME, Manifest, parse_manifest
from tamis.integrity.mirrors import Mirror, Mirrors
from tamis.integrity.trust import (
    Known,
    Trust,
    is_expired,
    require_current,
    require_no_step_back,
    require_trusted,
)


@dataclass(slots=True)
class Installed:
    """The manifest in force, or None. `problem` is what is wrong with the folder's own, `notes` the rest."""

    manifest: Manifest | None = None
    problem: str = ""
    notes: list[str] = field(default_factory=list)


def load_installed(
    disk: Disk, folder: Path, shipped: Path | None, *, trust: Trust, known: Known, now: Callable[[], int]
) -> Installed:
    """The manifest in force. What was shipped came with the program and is trusted like it; the folder's own counts
    when it is signed as `trust` says and is no step back. An expired one stays in force: nobody has a newer one here.
    """
    found = Installed()
    own: Manifest | None = None
    path = folder / FILE_NAME
    try:
        if path.is_symlink() or disk.exists(path):
            own = _read(disk, path)
            require_trusted(own, trust, source=str(path))
            require_no_step_back(own, known, source=str(path))
        elif shipped is None or known.version:
            found.problem = f"{path} is missing"
    except (IntegrityError, DiskError) as error:
        own, found.problem = None, str(error)
    base: Manifest | None = None
    if shipped is not None:
        try:
            base = _read(disk, shipped / FILE_NAME)
        except (IntegrityError, DiskError) as error:
            found.notes.append(f"what was shipped cannot be told: {error}")
    given = [one for one in (own, base) if one is not None]
    found.manifest = max(given, key=lambda one: one.version, default=None)
    if found.manifest is not None and is_expired(found.manifest, now()):
        found.notes.append(
            f"the manifest expired on {found.manifest.expires}; it stays in force until a newer one is pulled"
        )
    return found


def newest_of(
    mirrors: Mirrors, *, trust: Trust, known: Known, now: Callable[[], int]
) -> tuple[Manifest | None, list[str]]:
    """The newest manifest that mirrors have and that is taken, and why others are not."""

    def one(mirror: Mirror) -> Manifest:
        name = f"{mirror.source.name}: {FILE_NAME}"
        if not (mirror.source.is_local or trust.keys or trust.keyless_from_afar):
            raise ManifestError(f"{name} is not signed by a key that is trusted here: none is named")
        manifest = mirror.manifest()
        require_trusted(manifest, trust, source=name)
        require_current(manifest, now, source=name)
        require_no_step_back(manifest, known, source=name)
        return manifest

    found, refused = mirrors.ask_each(FILE_NAME, one)
    return max(found, key=lambda manifest: manifest.version, default=None), refused


def _read(disk: Disk, path: Path) -> Manifest:
    if path.is_symlink():
        raise ManifestError(f"{path} is a symbolic link; put the file itself there")
    return parse_manifest(disk.read(path), str(path))
