"""A disk for power-cut tests: the real `RealDisk` over system calls that can be cut, refused and forgotten.

    disk = FragileDisk(tmp_path, cut_at=17)     # operation 17 is not done: PowerCut, and so for all later ones
    with pytest.raises(PowerCut):
        work(disk)
    disk.after_power_cut("random", seed=3)      # now the folder holds what a real machine would find
    check(RealDisk())

Run once without `cut_at` to learn from `operations` how many there are. All is done on a real folder, so what
reads the paths itself (DuckDB, pyarrow) works. Files written past the disk are left alone.
"""

import contextlib
import errno
import fcntl
import itertools
import os
import random
import shutil
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from tamis.disk.calls import FILE_MODE, SystemCalls
from tamis.disk.real import RealDisk
from tests.support.platter import Change, FileNode, FolderNode, Mode, Node

__all__ = ["FragileCalls", "FragileDisk", "Mode", "PowerCut"]


class PowerCut(BaseException):
    """The machine went off. No handler of the code under test may swallow it, so it is no Exception."""


class FragileCalls(SystemCalls):
    """System calls that remember what is safe. Thread-safe."""

    def __init__(self, root: Path, cut_at: int | None = None) -> None:
        self.root, self.cut_at = root.resolve(), cut_at
        self.log: list[str] = []
        """Each operation that changed the disk; the one of number n stands at n - 1."""
        self.was_cut = False
        self.free: int | None = None
        self._lock = threading.RLock()
        self._handles: dict[int, FileNode | None] = {}
        self._refusals: dict[str, list[int]] = {}
        self._count = itertools.count()
        # Beside the folder, so that both are on one file system.
        self._kept = Path(tempfile.mkdtemp(prefix=".kept-", dir=self.root.parent))
        self.tree = self._adopt(self.root)

    def refuse(self, call: str, error: int, *, after: int = 0) -> None:
        """Let a call (``sync``, ``write``, ``rename``…) fail once with an errno, when `after` more have
        worked.
        """
        self._refusals[call] = [after, error]

    def create(self, path: Path, mode: int = FILE_MODE) -> int:
        with self._operation("create", path):
            handle = super().create(path, mode)
            self._handles[handle] = node = self._keep(path)
            self._folder(path.parent).change(Change(node, None, path.name))
            return handle

    def open_append(self, path: Path) -> int:
        with self._look():
            handle = super().open_append(path)
            self._handles[handle] = self._file(path)
            return handle

    def write(self, handle: int, data: Sequence[memoryview]) -> int:
        node = self._node(handle)
        start = os.fstat(handle).st_size
        try:
            with self._operation("write", node.keeper):
                taken = super().write(handle, data)
        except OSError:
            self._write_half(handle, data)  # a disk that is full or fails takes what it can first
            raise
        except PowerCut:
            if len(self.log) + 1 == self.cut_at:
                self._write_half(handle, data)
            raise
        finally:
            node.wrote(start, os.fstat(handle).st_size - start)
        return taken

    def _write_half(self, handle: int, data: Sequence[memoryview]) -> None:
        """Of a write that is cut off a part has reached the machine's memory."""
        self.log.append("write half")
        joined = b"".join(data)
        os.write(handle, joined[: len(joined) // 2])

    def sync(self, handle: int) -> None:
        node = self._node(handle)
        try:
            with self._operation("sync", node.keeper, idle=not node.writes and not node.cut_off):
                node.synced()  # the real fsync is left out: nothing is lost by it here but time
        except OSError:
            node.sync_failed()
            raise

    def drop_cached(self, handle: int) -> None:
        with self._look():
            self._node(handle).show_device()

    def truncate(self, handle: int, size: int) -> None:
        node = self._node(handle)
        with self._operation("truncate", node.keeper):
            node.truncated(size)
            super().truncate(handle, size)

    def close(self, handle: int) -> None:
        with self._lock:
            if handle in self._handles:
                del self._handles[handle]
                super().close(handle)

    def rename(self, source: Path, target: Path) -> None:
        with self._operation("rename", target):
            super().rename(source, target)
            self._folder(target.parent).change(Change(self._file(source), source.name, target.name))
            if source.parent != target.parent:
                self._folder(source.parent).change(Change(self._file(target), source.name, None))

    def unlink(self, path: Path) -> None:
        with self._operation("unlink", path, idle=not path.exists()):
            super().unlink(path)
            self._folder(path.parent).change(Change(self._file(path), path.name, None))

    def make_folder(self, path: Path) -> None:
        with self._operation("make_folder", path):
            super().make_folder(path)
            self._folder(path.parent).change(Change(FolderNode(), None, path.name))

    def remove_folder(self, path: Path) -> None:
        with self._operation("remove_folder", path, idle=not path.exists()):
            super().remove_folder(path)
            self._folder(path.parent).change(Change(self._folder(path), path.name, None))

    def sync_folder(self, path: Path) -> None:
        outside = not path.resolve().is_relative_to(self.root)
        self.stat(path)
        with self._operation("sync_folder", path, idle=outside or not self._folder(path).pending):
            if not outside:
                self._folder(path).synced()

    def open_read(self, path: Path) -> int:
        with self._look():
            handle = super().open_read(path)
            self._handles[handle] = None
            return handle

    def read_at(self, handle: int, length: int, position: int) -> bytes:
        with self._look():
            return super().read_at(handle, length, position)

    def stat(self, path: Path) -> os.stat_result:
        with self._look():
            return super().stat(path)

    def names(self, path: Path) -> list[str]:
        with self._look():
            return super().names(path)

    def free_bytes(self, path: Path) -> int:
        with self._look():
            return super().free_bytes(path) if self.free is None else self.free

    @contextlib.contextmanager
    def _look(self) -> Iterator[None]:
        with self._lock:
            if self.was_cut:
                raise PowerCut
            yield

    @contextlib.contextmanager
    def _operation(self, call: str, path: Path, *, idle: bool = False) -> Iterator[None]:
        """Count, cut or refuse; an `idle` operation has nothing to change and is not counted."""
        with self._look():
            if not idle and len(self.log) + 1 == self.cut_at:
                self.was_cut = True
                raise PowerCut
            self._refuse_perhaps(call, path)
            yield
            if not idle:
                self.log.append(f"{call} {path.name}")

    def _refuse_perhaps(self, call: str, path: Path) -> None:
        refusal = self._refusals.get(call)
        if refusal is None:
            return
        if refusal[0] == 0:
            del self._refusals[call]
            raise OSError(refusal[1], os.strerror(refusal[1]), str(path))
        refusal[0] -= 1

    def _node(self, handle: int) -> FileNode:
        with self._look():
            node = self._handles[handle]
            assert node is not None, "open for reading only"
            return node

    def _folder(self, path: Path) -> FolderNode:
        node: Node = self.tree
        for name in path.resolve().relative_to(self.root).parts:
            assert isinstance(node, FolderNode)
            node = node.live[name]
        assert isinstance(node, FolderNode)
        return node

    def _file(self, path: Path) -> FileNode:
        node = self._folder(path.parent).live[path.name]
        assert isinstance(node, FileNode)
        return node

    def _keep(self, path: Path) -> FileNode:
        keeper = self._kept / f"{next(self._count)}-{path.name}"
        keeper.hardlink_to(path)
        return FileNode(keeper)

    def _adopt(self, folder: Path) -> FolderNode:
        """What is there at the beginning is safe."""
        node = FolderNode()
        for path in folder.iterdir():
            if path.is_dir():
                node.live[path.name] = self._adopt(path)
            else:
                node.live[path.name] = file = self._keep(path)
                file.synced()
        node.synced()
        return node

    def power_on(self, mode: Mode, seed: int) -> None:
        """Give the folder what a power cut left of it; all of that is safe then."""
        with self._lock:
            self.process_ended()
            _restore(self.root, self.tree, mode=mode, rng=random.Random(seed))
            shutil.rmtree(self._kept)
            self._kept.mkdir()
            self.tree = self._adopt(self.root)

    def process_ended(self) -> None:
        """Handles are closed and locks are gone, as when a process dies."""
        for handle in list(self._handles):
            self.close(handle)
        for link in Path("/proc/self/fd").iterdir():
            with contextlib.suppress(OSError):
                if link.readlink().parent.is_relative_to(self.root) and link.readlink().name == "lock":
                    fcntl.flock(int(link.name), fcntl.LOCK_UN)


def _restore(folder: Path, node: FolderNode, *, mode: Mode, rng: random.Random) -> None:
    after = node.after_cut(mode, rng)
    for name, child in node.live.items():
        if after.get(name) is not child:
            _remove(folder / name)
    for name, child in after.items():
        path = folder / name
        if isinstance(child, FolderNode):
            path.mkdir(exist_ok=True)
            _restore(path, child, mode=mode, rng=rng)
        elif child.changed or not path.exists():
            content = child.after_cut(mode, rng)
            _remove(path)
            path.write_bytes(content)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


class FragileDisk(RealDisk):
    """`RealDisk` on a folder, until operation number `cut_at` (from 1)."""

    def __init__(self, root: Path, cut_at: int | None = None, *, calls: FragileCalls | None = None) -> None:
        self.calls = calls or FragileCalls(root, cut_at)
        super().__init__(self.calls)

    @property
    def operations(self) -> int:
        """How many operations have changed the disk, or made a change safe."""
        return len(self.calls.log)

    @property
    def was_cut(self) -> bool:
        """Whether the cut has happened."""
        return self.calls.was_cut

    def after_power_cut(self, mode: Mode, seed: int = 0) -> None:
        """Rewrite the folder to what a machine would find when it has power again; go on with a new disk.

        Open handles and folder locks of this process under the folder are let go of.
        """
        self.calls.power_on(mode, seed)
        self.calls.was_cut = True

    def restart(self, cut_at: int | None = None) -> None:
        """The process was killed and started again, the machine ran on: what was not safe still is not.

        Operations are counted anew, `cut_at` among those.
        """
        self.calls.process_ended()
        self.calls.log.clear()
        self.calls.cut_at, self.calls.was_cut = cut_at, False

    def refuse(self, call: str, error: int = errno.EIO, *, after: int = 0) -> None:
        """Let a system call (``sync``, ``write``, ``rename``, ``sync_folder``…) fail once."""
        self.calls.refuse(call, error, after=after)
