"""What a server has beside its records: metadata, keys, audit, settings; where it is, and what of it is backed up."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec

from tamis.backup.moment import BytesFile, Item
from tamis.backup.restored import FILE_NAME
from tamis.disk.base import Disk
from tamis.errors import BackupError
from tamis.settings import TABLE, Settings

META = "meta.db"
_DOCUMENTS = "documents"


@dataclass(frozen=True, slots=True)
class Places:
    """Where things are. `secrets` are files that hold a key in clear, by the name they have in a backup."""

    data: Path
    keyring: Path
    audit: Path
    heads: Path
    secrets: dict[str, Path]
    config: Path | None
    settings: Settings


def places_of(settings: Settings, data: Path) -> Places:
    """What the settings say."""
    secrets = {"audit.key": settings.audit.signing_key.expanduser()}
    if settings.keys.provider == "file":
        secrets["master.key"] = settings.keys.file.expanduser()
    return Places(
        data=data,
        keyring=settings.keys.keyring.expanduser(),
        audit=settings.audit.ledger.expanduser(),
        heads=settings.audit.heads.expanduser(),
        secrets=secrets,
        config=_config(settings),
        settings=settings,
    )


def _config(settings: Settings) -> Path | None:
    """The file that settings came from."""
    files = {text.removeprefix("file ") for text in settings.sources.values() if text.startswith("file ")}
    return Path(min(files)) if files else None


def other_items(disk: Disk, places: Places, *, sealed: bool) -> Iterator[Item]:
    """Everything but the records. Keys in clear go into an encrypted repository only.

    The heads of the audit come before its chains: a chain that is longer than its head says is whole.
    """
    yield from _metadata(places.data / META)
    yield from _file(disk, places.data / FILE_NAME, f"data/{FILE_NAME}")
    yield from _files(disk, places.data / _DOCUMENTS, f"data/{_DOCUMENTS}", suffix=".journal")
    yield from _files(disk, places.keyring, "keys", suffix=".json")
    yield from _files(disk, places.heads, "heads")
    for chain in _folders(disk, places.audit):
        yield from _files(disk, chain, f"audit/{chain.name}", suffix=".ledger")
    shown = {row.key: {"value": row.value, "source": row.source} for row in places.settings.resolved()}
    yield _bytes_item("settings/settings.json", msgspec.json.format(msgspec.json.encode(shown)))
    if places.config is not None and (sealed or not _has_secret(places.settings)):
        yield from _file(disk, places.config, "settings/tamis.toml")
    if sealed:
        for name, path in places.secrets.items():
            yield from _file(disk, path, f"secrets/{name}")


def left_out(disk: Disk, places: Places, *, sealed: bool) -> tuple[str, ...]:
    """What is not in a backup that one might look for there, in sentences."""
    if sealed:
        return ()
    found = [str(path) for path in places.secrets.values() if disk.exists(path)]
    if places.config is not None and _has_secret(places.settings):
        found.append(str(places.config))
    return tuple(f"{path} is not in it, because the repository is not encrypted" for path in found)


def _has_secret(settings: Settings) -> bool:
    return any(row.secret and settings.sources.get(key, "").startswith("file ") for key, row in TABLE.items())


def _metadata(path: Path) -> Iterator[Item]:
    """SQLite's own backup: a moment of the file, whoever writes to it meanwhile."""
    if not path.exists():
        return
    try:
        with (
            closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=60)) as source,
            closing(sqlite3.connect(":memory:")) as copy,
        ):
            source.backup(copy)
            data = copy.serialize()
    except sqlite3.Error as error:
        raise BackupError(
            f"{path} cannot be backed up ({error}); check it with sqlite3, or restore it"
        ) from error
    yield _bytes_item(f"data/{META}", data)


def _files(disk: Disk, folder: Path, called: str, *, suffix: str = "") -> Iterator[Item]:
    if not disk.exists(folder):
        return
    for name in disk.names(folder):
        if name.endswith(suffix) and not name.startswith(".") and name != "lock":
            yield from _file(disk, folder / name, f"{called}/{name}")


def _folders(disk: Disk, folder: Path) -> list[Path]:
    if not disk.exists(folder):
        return []
    return [folder / name for name in disk.names(folder) if (folder / name).is_dir()]


def _file(disk: Disk, path: Path, called: str) -> Iterator[Item]:
    if path.is_file():
        yield Item(called, partial(disk.open_read, path))


def _bytes_item(path: str, data: bytes) -> Item:
    return Item(path, lambda: BytesFile(data))
