"""Spools where the system says no: too many open files, a newer release's file, a sync that fails, a full quota."""

import errno
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tamis.disk.base import ReadFile
from tamis.disk.frame import FORMAT_VERSION, SALT_BYTES, encode_first
from tamis.disk.real import RealDisk
from tamis.errors import DiskError, FormatError
from tamis.pipeline.delivery.replay import replay
from tamis.pipeline.limits import QueueLimits
from tamis.pipeline.spool.place import folders
from tamis.pipeline.spool.store import SpoolStore
from tests.support.sinks import QUICK, SMALL_SPOOL, SPOOLED, Gathering, Pipe, captured, until


class Exhausted(RealDisk):
    """A disk of a process that may open no more files for reading, while `is_exhausted`."""

    is_exhausted = True
    refused = 0

    def open_read(self, path: Path) -> ReadFile:
        if self.is_exhausted:
            self.refused += 1
            raise DiskError(f"cannot read {path}") from OSError(errno.EMFILE, "too many open files")
        return super().open_read(path)


def far() -> Gathering:
    return Gathering("far http://127.0.0.1:1", SPOOLED, spooled=True)


def put(pipe: Pipe, start: int, end: int) -> None:
    for n in range(start, end):
        pipe.put(captured(n=n))


def numbers(sink: Gathering) -> list[object]:
    return [record.attributes["n"] for record in sink.records]


def files(folder: Path) -> list[Path]:
    places = (folder / "spool").glob("*")
    return [file for place in places for one in folders(RealDisk(), place) for file in one.glob("*.journal")]


def counts(pipe: Pipe, sink: Gathering) -> Any:
    return pipe.metrics.snapshot().sinks[sink.name]


def leave(folder: Path, records: int) -> Gathering:
    """Records of a process that is gone, in a spool; the sink that takes them now."""
    gone = far()
    gone.away = True
    pipe = Pipe(gone, folder=folder)
    put(pipe, 0, records)
    until(lambda: pipe.metrics.snapshot().sinks[gone.name].spooled == records)
    pipe.dispatcher.close(2)
    return far()


def test_a_spool_that_cannot_be_read_now_is_not_removed(tmp_path: Path) -> None:
    """Without a free handle nobody knows what stands in a spool: it is left, and sent once there is one."""
    sink = leave(tmp_path, 500)
    before = files(tmp_path)
    assert before
    disk = Exhausted()
    store = SpoolStore(tmp_path, sink.name, disk=disk, limits=SMALL_SPOOL)
    with pytest.raises(DiskError, match="cannot read"):
        store.adopt()
    assert files(tmp_path) == before
    disk.is_exhausted = False
    assert replay(sink, store, limits=QUICK).delivered == 500
    assert numbers(sink) == list(range(500))


def test_replay_gives_up_on_what_cannot_be_read(tmp_path: Path) -> None:
    """When reading fails again and again, replay ends, and what is left stays."""
    sink = leave(tmp_path, 500)
    disk = Exhausted()
    disk.is_exhausted = False
    store = SpoolStore(tmp_path, sink.name, disk=disk, limits=SMALL_SPOOL)

    def exhaust(_records: int) -> None:
        disk.is_exhausted = True

    counts = replay(sink, store, limits=QUICK, sent=exhaust)
    assert 0 < counts.delivered < 500
    assert counts.dropped == {}
    disk.is_exhausted = False
    replay(sink, store, limits=QUICK)
    assert numbers(sink) == list(range(500))


def test_a_newer_release_s_spool_is_left_alone(tmp_path: Path) -> None:
    """A file of a format that only a newer release reads stays; other processes' spools are sent all the same."""
    leave(tmp_path, 10)
    (newer,) = files(tmp_path)
    newer.write_bytes(encode_first(bytes(SALT_BYTES), FORMAT_VERSION + 1))
    with pytest.raises(FormatError, match="newer"):
        SpoolStore(tmp_path, far().name, limits=SMALL_SPOOL).adopt()
    sink = leave(tmp_path, 10)
    store = SpoolStore(tmp_path, sink.name, limits=SMALL_SPOOL)
    assert replay(sink, store, limits=QUICK).delivered == 10
    assert files(tmp_path) == [newer]


def test_what_cannot_be_read_back_now_is_read_later(tmp_path: Path) -> None:
    """The own spool, while no file can be opened: nothing counts as damaged, and the order holds."""
    sink = far()
    sink.away = True
    pipe = Pipe(sink, folder=tmp_path, queue=QueueLimits(records_max=100))
    store = pipe.dispatcher.deliveries[0].store
    assert store is not None
    store.disk = disk = Exhausted()
    put(pipe, 0, 1_000)
    until(lambda: pipe.metrics.snapshot().sinks[sink.name].spooled == 1_000)
    sink.away = False
    until(lambda: disk.refused)
    put(pipe, 1_000, 1_010)
    assert not pipe.dispatcher.flush(0.05)
    disk.is_exhausted = False
    until(lambda: pipe.dispatcher.flush(5) and not pipe.waiting(), 20)
    assert numbers(sink) == list(range(1_010))
    pipe.check_sum(1_010)
    assert pipe.metrics.snapshot().sinks[sink.name].dropped == {}
    assert pipe.dispatcher.close(5)


def test_what_could_not_be_synced_is_sent_once(tmp_path: Path) -> None:
    """With `durable="disk"` a sync fails: the records go to another file, and neither this process nor the next
    sends one twice.
    """
    sink = far()
    sink.away = True
    pipe = Pipe(sink, folder=tmp_path, queue=QueueLimits(durable="disk"))
    put(pipe, 0, 5)
    store = pipe.dispatcher.deliveries[0].store
    spool = pipe.dispatcher.deliveries[0]._own.backlog.spool
    assert store is not None
    assert spool is not None
    assert spool._journal is not None

    def refuse() -> None:
        raise DiskError("the device failed")

    spool._journal._file.sync = refuse  # type: ignore[method-assign]  # the device of this one file
    put(pipe, 5, 10)
    pipe.check_sum(10)
    assert counts(pipe, sink).spooled == 10
    pipe.dispatcher.close(1)
    heir = far()
    assert replay(heir, store, limits=QUICK).delivered == 10
    assert numbers(heir) == list(range(10))
    assert files(tmp_path) == []


def test_processes_share_one_quota(tmp_path: Path) -> None:
    """Three processes fill their spools for a sink that is away: together they hold about what one may."""
    limits = replace(SMALL_SPOOL, bytes_max=400_000)
    pipes = []
    for _ in range(3):
        sink = far()
        sink.away = True
        pipes.append(Pipe(sink, folder=tmp_path, spool=limits))
    for start in range(0, 1_500, 100):
        for pipe in pipes:
            for n in range(start, start + 100):
                pipe.put(captured(n=n, text="x" * 200))
            until(lambda pipe=pipe: not pipe.metrics.snapshot().queued)  # type: ignore[misc]
    held = sum(file.stat().st_size for file in files(tmp_path))
    assert 300_000 < held < 480_000
    for pipe in pipes:
        pipe.check_sum(1_500)
        pipe.dispatcher.close(0.1)
