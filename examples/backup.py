"""A backup of a store that is open, verified and brought back."""

from pathlib import Path
from tempfile import mkdtemp

from tamis.backup import (
    FolderTarget,
    Passphrase,
    create,
    moment_of_store,
    open_repository,
    places_of,
    restore_folder,
    verify,
)
from tamis.disk.real import RealDisk
from tamis.record.model import Columns, Record
from tamis.settings import load_settings
from tamis.store.embedded.store import open_store

disk, folder = RealDisk(), Path(mkdtemp())
store = open_store(folder / "data")
store.append(Columns.of([Record(timestamp=1_795_262_400_000_000_000, message="order 42 placed")]))

target = FolderTarget(disk, folder / "repository")
repository = open_repository(target, Passphrase("correct horse battery staple"), create=True)
settings = load_settings({"server.data": str(folder / "data")})
with moment_of_store(store, disk) as moment:
    made = create(repository, moment, places_of(settings, folder / "data"), disk)
assert made.snapshot.records == 1

assert verify(repository).is_whole
restored = restore_folder(repository, made.name, folder / "again", disk)
assert not restored.lost
store.close()
