"""The folder lock between processes, within one, and across death and fork."""

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tamis.disk.lock import LOCK_NAME, FolderLock, lock_folder
from tamis.errors import DiskError, LockedError

HOLD = """
import sys
from pathlib import Path
from tamis.disk.lock import lock_folder
lock = lock_folder(Path(sys.argv[1]), "tamis serve")
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_holder_is_told_of_the_first(tmp_path: Path) -> None:
    """LockedError names the process and what it does, also within one process."""
    with lock_folder(tmp_path, "tamis ingest --data"):
        with pytest.raises(LockedError) as raised:
            lock_folder(tmp_path)
        assert raised.value.holder == f"process {os.getpid()} (tamis ingest --data)"
        assert str(tmp_path) in str(raised.value)
    lock_folder(tmp_path).release()


def test_release_is_idempotent_and_takes_no_other_lock_away(tmp_path: Path) -> None:
    """A second release of an old lock leaves a new holder alone."""
    first = lock_folder(tmp_path)
    first.release()
    second = lock_folder(tmp_path)
    first.release()
    with pytest.raises(LockedError):
        lock_folder(tmp_path)
    second.release()


def test_the_kernel_releases_the_lock_of_a_killed_process(tmp_path: Path) -> None:
    """After kill -9 the folder is free at once, whatever stands in the lock file."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(LockedError, match=rf"process {holder.pid} \(tamis serve\)"):
            lock_folder(tmp_path)
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert (tmp_path / LOCK_NAME).read_text() == f"{holder.pid} tamis serve\n"
        lock_folder(tmp_path).release()


def test_a_forked_child_does_not_hold_its_parents_lock(tmp_path: Path) -> None:
    """A child that lives longer than its parent keeps nobody out; its end takes nothing from the parent."""
    lock = lock_folder(tmp_path)
    ready, say_ready = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(say_ready, b"x")
        signal.pause()
    try:
        assert os.read(ready, 1) == b"x"
        lock.forget()  # as the parent's death: its handle is gone, the child's copy would keep the lock
        lock = lock_folder(tmp_path)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(ready)
        os.close(say_ready)
    with pytest.raises(LockedError):
        lock_folder(tmp_path)
    lock.release()


def test_a_lock_file_with_nothing_legible_in_it(tmp_path: Path) -> None:
    """A holder that has not yet written its name is still a holder."""
    with lock_folder(tmp_path):
        (tmp_path / LOCK_NAME).write_bytes(b"")
        with pytest.raises(LockedError, match="another process"):
            lock_folder(tmp_path)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """The lock does not make the folder."""
    with pytest.raises(DiskError, match="check that the path is right"):
        lock_folder(tmp_path / "absent")


def test_a_lock_file_that_was_removed_meanwhile_holds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between opening the file and locking it, its last holder removed it and another made a new one: that one has
    the folder.
    """
    flock, began, others = fcntl.flock, list[bool](), list[FolderLock]()

    def late(handle: int, operation: int) -> None:
        if not began:
            began.append(True)
            (tmp_path / LOCK_NAME).unlink()
            others.append(lock_folder(tmp_path, "the other"))
        flock(handle, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    with pytest.raises(LockedError):
        lock_folder(tmp_path)
    others[0].release()
    lock_folder(tmp_path).release()
