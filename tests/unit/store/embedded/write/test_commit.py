"""Group commit: many batches share one fsync, in order."""

import threading

import pytest

from tamis.disk.real import RealDisk
from tamis.store.embedded.format.layout import Layout
from tamis.store.embedded.write.commit import Committer, Pending
from tamis.store.embedded.write.journals import Journals


class GatedJournals(Journals):
    """A journal whose first sync waits until the test lets it go."""

    def __init__(self, folder):
        super().__init__(
            RealDisk(), Layout(folder), bytes_max=1 << 20, next_number=1, name=lambda number: None
        )
        self.gate, self.syncing = threading.Event(), threading.Event()
        self.syncs = 0

    def sync(self):
        self.syncing.set()
        assert self.gate.wait(30)
        self.syncs += 1
        super().sync()


def pending(name):
    return Pending(table=None, records=b"x", count=2, received=0, memory_bytes=0, batch_id=name)


@pytest.fixture
def journals(tmp_path):
    (tmp_path / "journal").mkdir()
    journals = GatedJournals(tmp_path)
    yield journals
    journals.close()


def test_batches_that_come_during_an_fsync_share_the_next(journals):
    """One is written alone, all that came meanwhile go together, and are shown in order of sequence."""
    shown = []
    committer = Committer(journals, lambda group: shown.append(list(group)), next_seq=1, sync_each=True)
    first = threading.Thread(target=committer.submit, args=(pending("first"),))
    first.start()
    assert journals.syncing.wait(30)
    others = [threading.Thread(target=committer.submit, args=(pending(str(n)),)) for n in range(5)]
    for thread in others:
        thread.start()
    while len(committer.waiting) < 5:
        pass
    assert shown == []
    journals.gate.set()
    for thread in (first, *others):
        thread.join(30)
    assert [len(group) for group in shown] == [1, 5]
    assert journals.syncs == 2
    assert [one.first_seq for group in shown for one in group] == [1, 3, 5, 7, 9, 11]


def test_nothing_is_written_while_somebody_is_alone(journals):
    """A seal begins between two groups, never within one."""
    journals.gate.set()
    shown: list[Pending] = []
    committer = Committer(journals, shown.extend, next_seq=1, sync_each=True)
    with committer.alone():
        thread = threading.Thread(target=committer.submit, args=(pending("late"),))
        thread.start()
        while not committer.waiting:
            pass
        assert shown == []
    thread.join(30)
    assert [one.batch_id for one in shown] == ["late"]
