"""The file sink: what others do to its file, and what the disk refuses."""

import fcntl
import json
import os
import resource
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tamis.disk.rotated import rotated_files, rotated_path, tidy_rotated
from tamis.disk.rotating import RotatingFile, RotationLimits
from tamis.errors import ConfigError, DiskError, SinkUnavailableError
from tamis.pipeline.base import DELIVERED, Batch, Outcome
from tamis.pipeline.encode import encode_lines
from tamis.pipeline.logfile import LogFile, LogFileLimits
from tamis.pipeline.sinks import create_sink
from tamis.pipeline.sinks.file import FileSink
from tamis.record.model import Record
from tamis.settings import load_settings
from tamis.testing import FakeClock

DAY_NS = 86_400 * 10**9


def batch(*messages: str) -> Batch:
    return Batch("b", tuple(Record(timestamp=1, message=message) for message in messages))


def messages(path: Path) -> list[str]:
    return [json.loads(line)["message"] for line in path.read_bytes().splitlines()]


def sink_for(url: str) -> FileSink:
    sink = create_sink(url, load_settings())
    assert isinstance(sink, FileSink)
    return sink


def test_it_writes_exactly_that_path_and_never_rotates_unasked(tmp_path: Path) -> None:
    """One file, in a folder that is made when it is missing, for owner and group."""
    path = tmp_path / "deep" / "app log.jsonl"
    sink = sink_for(f"file://{tmp_path}/deep/app%20log.jsonl")
    for _ in range(50):
        sink.send(batch("x" * 1_000), timeout_s=1)
    assert [file.name for file in path.parent.iterdir()] == ["app log.jsonl"]
    assert path.stat().st_mode & 0o137 == 0
    assert len(messages(path)) == 50


def test_a_file_that_logrotate_moved_is_opened_anew(tmp_path: Path) -> None:
    """What came before stays in the moved file, what comes later is under the old name."""
    path = tmp_path / "app.jsonl"
    sink = FileSink(path)
    sink.send(batch("a"), timeout_s=1)
    path.rename(tmp_path / "app.jsonl.1")
    sink.send(batch("b"), timeout_s=1)
    path.unlink()
    sink.send(batch("c"), timeout_s=1)
    assert messages(tmp_path / "app.jsonl.1") == ["a"]
    assert messages(path) == ["c"]


def test_a_file_that_was_cut_goes_on_from_its_start(tmp_path: Path) -> None:
    """`copytruncate`: no hole of zeros where the old lines were."""
    path = tmp_path / "app.jsonl"
    sink = FileSink(path)
    sink.send(batch("a" * 100), timeout_s=1)
    os.truncate(path, 0)
    sink.send(batch("b"), timeout_s=1)
    assert messages(path) == ["b"]


def test_a_torn_line_is_ended_before_the_next(tmp_path: Path) -> None:
    """Whoever was killed in the middle of a line costs only that line."""
    path = tmp_path / "app.jsonl"
    path.write_bytes(b'{"message": "to')
    FileSink(path).send(batch("whole"), timeout_s=1)
    torn, line = path.read_bytes().splitlines()
    assert torn == b'{"message": "to'
    assert json.loads(line)["message"] == "whole"


@pytest.mark.parametrize("compress", ["none", "gzip", "zstd"])
def test_by_size_it_keeps_the_newest(tmp_path: Path, compress: str) -> None:
    """No file is larger than asked, and as many are kept as asked."""
    path = tmp_path / "app.jsonl"
    sink = sink_for(f"file://{path}?rotate_bytes=2KB&keep=3&compress={compress}")
    for number in range(20):
        sink.send(batch(*(f"{number} {n}" for n in range(20))), timeout_s=1)
    sink.close()
    tidy_rotated(path, "none", 3)
    ending = {"none": "", "gzip": ".gz", "zstd": ".zst"}[compress]
    rotated = rotated_files(path)
    assert len(rotated) == 3
    assert all(file.name.endswith(ending) for file in rotated)
    assert path.stat().st_size <= 2_000
    assert messages(path)[-1] == "19 19"


def test_a_record_larger_than_a_file_has_a_file_of_its_own(tmp_path: Path) -> None:
    """Lines are never cut."""
    path = tmp_path / "app.jsonl"
    sink = sink_for(f"file://{path}?rotate_bytes=200&keep=0")
    sink.send(batch("a", "b" * 1_000, "c"), timeout_s=1)
    assert [messages(file)[0][0] for file in rotated_files(path)] == ["a", "b"]
    assert messages(path) == ["c"]


def test_by_time_it_rotates_at_midnight_utc(tmp_path: Path) -> None:
    """Also when the process was not there at midnight: the file's own time tells."""
    path, clock = tmp_path / "app.jsonl", FakeClock(20_000 * DAY_NS + 5)
    file = RotatingFile(path, RotationLimits(period_s=86_400), clock=clock)
    file.write(b"yesterday\n")
    os.utime(path, ns=(0, 20_000 * DAY_NS - 1))
    file.write(b"today\n")
    os.utime(path, ns=(0, 20_000 * DAY_NS))
    file.write(b"later\n")
    (rotated,) = rotated_files(path)
    assert rotated.name == "app.jsonl.20241004T000000.000000005"
    assert rotated.read_bytes() == b"yesterday\n"
    assert path.read_bytes() == b"today\nlater\n"


def test_rotated_names_are_free_and_in_order(tmp_path: Path) -> None:
    """Two rotations at one instant have two names; other files beside them are nobody's."""
    path = tmp_path / "app.jsonl"
    (tmp_path / "app.jsonl.20241004T000000.000000000.gz").touch()
    (tmp_path / "app.jsonl.bak").touch()
    assert rotated_path(path, 20_000 * DAY_NS).name == "app.jsonl.20241004T000000.000000001"
    tidy_rotated(path, "none", 1)
    assert (tmp_path / "app.jsonl.bak").exists()


def test_rotate_now(tmp_path: Path) -> None:
    """By hand: an empty file stays, one with lines is rotated and compressed."""
    file = LogFile(tmp_path / "app.jsonl", LogFileLimits(compress="gzip"))
    file.rotate()
    file.write(b"line\n")
    file.rotate()
    assert file.join(10)
    assert [found.suffix for found in rotated_files(file.path)] == [".gz"]
    assert not file.path.exists()


def test_what_a_killed_process_left_uncompressed_is_done_by_the_next(tmp_path: Path) -> None:
    """Its half of an archive is written over, its rotated file compressed."""
    path = tmp_path / "app.jsonl"
    left = tmp_path / "app.jsonl.20241004T000000.000000000"
    left.write_bytes(b"left\n")
    (tmp_path / f"{left.name}.gz.part").write_bytes(b"half")
    file = LogFile(path, LogFileLimits(rotate_bytes=1_000, compress="gzip"))
    file.write(b"line\n")
    assert file.join(10)
    assert sorted(found.name for found in tmp_path.iterdir()) == ["app.jsonl", f"{left.name}.gz"]


def test_no_space_is_told_and_the_batch_may_come_again() -> None:
    """The error names the file."""
    with pytest.raises(SinkUnavailableError, match="/dev/full"):
        FileSink("/dev/full").send(batch("a"), timeout_s=1)


def limit_file_size() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, 1_000))


@pytest.mark.parametrize("shared", ["on", "off"])
def test_a_disk_that_fills_leaves_no_torn_line(tmp_path: Path, shared: str) -> None:
    """A batch of which only a part went in is taken back whole, by a process that is alone and by one that shares."""
    path = tmp_path / "app.jsonl"
    code = f"""
from tamis.errors import SinkUnavailableError
from tests.unit.pipeline.sinks.test_file import batch, sink_for
sink = sink_for("file://{path}?shared={shared}")
taken = 0
try:
    while True:
        sink.send(batch("a" * 50, "b" * 50), timeout_s=1)
        taken += 2
except SinkUnavailableError as error:
    assert "limit of file size" in str(error), error
try:
    sink.send(batch("c" * 5), timeout_s=1)
    taken += 1
except SinkUnavailableError:
    pass
print(taken)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        preexec_fn=limit_file_size,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert len(messages(path)) == int(done.stdout)
    assert path.read_bytes().endswith(b"\n")


def test_a_batch_that_fails_after_a_rotation_comes_again_in_part(tmp_path: Path) -> None:
    """What was written before is not written twice."""
    path = tmp_path / "app.jsonl"
    sink = FileSink(path, LogFileLimits(rotate_bytes=400, keep=0))
    real, calls = os.writev, []

    def fail_second(handle: int, data: object) -> int:
        calls.append(handle)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        return real(handle, data)  # type: ignore[arg-type]  # passed on as it came

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "writev", fail_second)
        given = batch(*(f"{n}" * 50 for n in range(8)))
        outcome = sink.send(given, timeout_s=1)
    assert isinstance(outcome, Outcome)
    assert 0 < len(outcome.retry) < 8
    assert sink.send(Batch("rest", outcome.retry), timeout_s=1) == DELIVERED
    found = [text for file in [*rotated_files(path), path] for text in messages(file)]
    assert found == [record.message for record in given.records]


def test_a_process_that_stands_still_with_the_file_does_not_hang_others(tmp_path: Path) -> None:
    """After the time limit the sink is unavailable; later it writes."""
    path = tmp_path / "app.jsonl"
    sink = FileSink(path)
    sink.send(batch("a"), timeout_s=1)
    with path.open("rb") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        with pytest.raises(SinkUnavailableError, match="another process holds it"):
            sink.send(batch("b"), timeout_s=0.05)
    sink.send(batch("b"), timeout_s=1)
    assert messages(path) == ["a", "b"]


def test_a_rotation_that_fails_costs_no_line(tmp_path: Path) -> None:
    """Lines go on into the file, the failure is told, and the next try comes later."""
    path, told = tmp_path / "app.jsonl", list[DiskError]()
    clock = FakeClock()
    file = RotatingFile(path, RotationLimits(bytes_max=10), failed=told.append, clock=clock)
    file.write(b"12345678\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "rename", lambda *_: (_ for _ in ()).throw(PermissionError(13, "no")))
        file.write(b"abcdefgh\n")
        file.write(b"ABCDEFGH\n")
    assert len(told) == 1
    assert path.read_bytes() == b"12345678\nabcdefgh\nABCDEFGH\n"
    clock.advance(61)
    file.write(b"new\n")
    assert path.read_bytes() == b"new\n"


def test_a_forked_child_has_a_handle_of_its_own(tmp_path: Path) -> None:
    """Parent and child write at once, also when the fork happened while a thread was writing."""
    path = tmp_path / "app.jsonl"
    sink = FileSink(path, LogFileLimits(rotate_bytes=10_000, keep=0))
    stop = threading.Event()
    counts = {"parent": 0}

    def write_on() -> None:
        while not stop.is_set():
            sink.send(batch(f"parent {counts['parent']}"), timeout_s=10)
            counts["parent"] += 1

    writer = threading.Thread(target=write_on)
    writer.start()
    children = []
    for number in range(5):
        pid = os.fork()
        if pid == 0:
            try:
                for n in range(200):
                    sink.send(batch(f"child {number} {n}"), timeout_s=10)
                os._exit(0)
            finally:
                os._exit(1)
        children.append(pid)
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
    stop.set()
    writer.join()
    assert codes == [0] * 5
    found = [text for file in [*rotated_files(path), path] for text in messages(file)]
    wanted = [f"child {number} {n}" for number in range(5) for n in range(200)]
    wanted += [f"parent {n}" for n in range(counts["parent"])]
    assert sorted(found) == sorted(wanted)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("file://app.jsonl", "names a machine"),
        ("file:///var/log/", "names no file"),
        ("file:///a.log?size=3", "no such option"),
        ("file:///a.log?rotate_bytes=much", "rotate_bytes='much' must be a size"),
        ("file:///a.log?rotate_s=often", "rotate_s='often' must be a duration"),
        ("file:///a.log?keep=-1", "keep must not be negative"),
        ("file:///a.log?compress=lz4", "must be one of none, gzip, zstd"),
        ("file:///a.log?format=xml", "must be one of json, ecs, otel"),
        ("file:///a.log?mode=9", "octal"),
        ("file:///a.log?shared=maybe", "shared='maybe' must be true or false"),
    ],
)
def test_what_is_wrong_with_a_url_is_named(url: str, words: str) -> None:
    """With the option and what it may be."""
    with pytest.raises(ConfigError, match=words):
        create_sink(url, load_settings())


def test_options_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names of other schemas, a mode, a path in the working folder."""
    monkeypatch.chdir(tmp_path)
    sink = sink_for("file:app.jsonl?format=ecs&mode=600&shared=off")
    sink.send(batch("a"), timeout_s=1)
    path = tmp_path / "app.jsonl"
    assert json.loads(path.read_bytes())["ecs.version"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert sink.name == f"file {path}"


def test_lines_that_were_made_already_are_written_as_they_are(tmp_path: Path) -> None:
    """The file is the same whether the sink makes the lines or gets them; in another format it makes its own."""
    given = batch("a", "b", "c")
    pieces = (encode_lines(given.records[:2]), encode_lines(given.records[2:]))
    written = Batch(given.id, given.records, pieces)
    ways = {"made": given, "given": written}
    for name, sent in ways.items():
        assert FileSink(tmp_path / name).send(sent, timeout_s=1) == DELIVERED
    assert (tmp_path / "made").read_bytes() == (tmp_path / "given").read_bytes()
    sink_for(f"file://{tmp_path}/ecs?format=ecs").send(written, timeout_s=1)
    assert "ecs.version" in json.loads((tmp_path / "ecs").read_bytes().splitlines()[0])


def test_records_of_pieces_that_failed_are_sent_again(tmp_path: Path) -> None:
    """Those of the pieces before are in the file, once."""
    path = tmp_path / "app.jsonl"
    sink, given = FileSink(path), batch("a", "b", "c")
    pieces = tuple(encode_lines([record]) for record in given.records)
    real, calls = os.writev, []

    def fail_second(handle: int, data: object) -> int:
        calls.append(handle)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        return real(handle, data)  # type: ignore[arg-type]  # passed on as it came

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "writev", fail_second)
        outcome = sink.send(Batch("b", given.records, pieces), timeout_s=1)
    assert outcome.retry == given.records[1:]
    sink.send(Batch("rest", outcome.retry), timeout_s=1)
    assert messages(path) == ["a", "b", "c"]


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    """It is told when the sink is made, not when the first record is to be written."""
    with pytest.raises(ConfigError, match="is a folder; name a file in it"):
        create_sink(f"file://{tmp_path}", load_settings({}, {}))


def test_why_nothing_can_be_written_names_the_path_once(tmp_path: Path) -> None:
    """The sink's name has it already."""
    sink = FileSink(tmp_path)
    with pytest.raises(SinkUnavailableError) as caught:
        sink.send(Batch("1", (Record(timestamp=1, message="m"),)), timeout_s=1)
    assert str(caught.value).count(str(tmp_path)) == 1
