"""What an embedded store is made of."""

from dataclasses import dataclass

from tamis.disk.lock import FolderLock
from tamis.store.embedded.admission import Admission
from tamis.store.embedded.around import Around
from tamis.store.embedded.batches import BatchIndex
from tamis.store.embedded.commit import Committer
from tamis.store.embedded.delete import Deleter
from tamis.store.embedded.intake import Intake
from tamis.store.embedded.journals import Journals
from tamis.store.embedded.upkeep import Upkeep
from tamis.store.embedded.workshop import Workshop


@dataclass(frozen=True, slots=True)
class StoreParts:
    """The parts of one open store; `store` puts them together."""

    shop: Workshop
    journals: Journals
    committer: Committer
    batches: BatchIndex
    admission: Admission
    intake: Intake
    upkeep: Upkeep
    deleter: Deleter
    around: Around
    lock: FolderLock
    notes: tuple[str, ...]
    """What the start found and mended."""
