"""Verify: it finds what is wrong, says nothing about what is right, and can look at a store that runs."""

import threading

import pytest

from tamis.errors import DamageError, FormatError
from tamis.store.embedded.recovery.verify import verify
from tamis.store.embedded.store import open_store
from tests.support.embedded import batch, open_quiet


@pytest.fixture
def store(tmp_path):
    store = open_quiet(tmp_path / "data", merge_count=2)
    store.append(batch("a", "b"))
    store.seal_now()
    store.append(batch("c"))
    yield store
    store.close()


def test_a_running_store_is_whole(store, tmp_path):
    """The folder is not locked, and nothing is changed."""
    report = verify(tmp_path / "data")
    assert report.is_whole
    assert (report.segments, report.records, report.notes) == (1, 2, ())
    assert report.bytes == sum(path.stat().st_size for path in (tmp_path / "data/segments").rglob("*.*"))


def test_what_is_in_the_journal_only_is_counted_apart(store, tmp_path):
    """Records that segments hold are not counted again, wherever else they still stand."""
    store.append(batch("d", "e"))
    report = verify(tmp_path / "data")
    assert (report.records, report.journal_records) == (2, 3)
    assert report.journal_bytes == sum(path.stat().st_size for path in (tmp_path / "data/journal").iterdir())


def test_a_changed_byte_is_found_only_by_looking_at_all(store, tmp_path):
    """`full` compares digests; without it files are measured."""
    path = tmp_path / "data/segments/2026-11-21/00000001.parquet"
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(data)
    assert verify(tmp_path / "data", full=False).is_whole
    (finding,) = verify(tmp_path / "data").findings
    assert (finding.path, finding.records) == ("segments/2026-11-21/00000001", 2)
    assert "SHA-256" in finding.problem


def test_a_folder_without_a_store_is_an_error(tmp_path):
    """It is not reported as whole."""
    with pytest.raises(FormatError, match="holds no store"):
        verify(tmp_path)


def test_a_store_without_a_manifest_is_damaged(store, tmp_path):
    """A folder in which only segments or journals are left is not one without a store."""
    store.append(batch("a"))
    store.close()
    for name in ("manifest.json", "manifest.copy.json"):
        (tmp_path / "data" / name).unlink()
    (finding,) = verify(tmp_path / "data").findings
    assert "no manifest" in finding.problem
    with pytest.raises(DamageError, match="no manifest"):
        open_store(tmp_path / "data", create=False)


def test_a_store_that_merges_meanwhile_is_whole(store, tmp_path):
    """Files that go while verify looks are no damage."""
    reports = []
    done = threading.Event()

    def look():
        while not done.is_set():
            reports.append(verify(tmp_path / "data"))

    thread = threading.Thread(target=look)
    thread.start()
    for number in range(12):
        store.append(batch(f"m{number}"))
        store.seal_now()
        store.merge_now()
    done.set()
    thread.join()
    assert reports
    assert [finding for report in reports for finding in report.findings] == []
