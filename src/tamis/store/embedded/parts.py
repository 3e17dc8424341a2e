"""What an embedded store is made of."""

from dataclasses import dataclass

from tamis.disk.lock import FolderLock
from tamis.store.embedded.keep.delete import Deleter
from tamis.store.embedded.keep.keeper import Lane
from tamis.store.embedded.keep.upkeep import Upkeep
from tamis.store.embedded.keep.workshop import Workshop
from tamis.store.embedded.recovery.around import Around
from tamis.store.embedded.repair.repairer import Repairer
from tamis.store.embedded.write.admission import Admission
from tamis.store.embedded.write.batches import BatchIndex
from tamis.store.embedded.write.commit import Committer
from tamis.store.embedded.write.intake import Intake
from tamis.store.embedded.write.journals import Journals


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
    repairer: Repairer
    mending: Lane
    lock: FolderLock
    notes: tuple[str, ...]
    """What the start found and mended."""
