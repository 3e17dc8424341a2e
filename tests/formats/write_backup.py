"""Write the golden repository of backups of a format version: run it when a version begins, and never again."""

import sys
from contextlib import closing
from pathlib import Path

from tamis.backup.unlock import Passphrase
from tests.support.backups import QUICK, BackupPlace
from tests.support.embedded import batch, open_quiet

PASSPHRASE = "correct horse battery staple"
MESSAGES = ["order 1 placed", "order 2 placed", "payment of 2 failed", "in the journal"]


def write(folder: Path, home: Path) -> None:
    """Two snapshots: of a segment, and of one with a journal beside it."""
    place = BackupPlace(home, folder, lock=Passphrase(PASSPHRASE))
    with closing(open_quiet(place.data, disk=QUICK)) as store:
        store.append(batch(*MESSAGES[:3]), batch_id="b-1")
        store.seal_now()
        place.back_up(store)
        store.append(batch(*MESSAGES[3:]))
        place.back_up(store)


if __name__ == "__main__":
    write(Path(__file__).parent / "backup_v1", Path(sys.argv[1]))
