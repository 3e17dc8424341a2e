"""The stderr sink: terminals, pipes, and streams that are gone."""

import contextlib
import io
import json
import os
import pty
import re
import threading
from collections.abc import Iterator
from typing import TextIO

import pytest

from tamis.errors import ConfigError, SinkUnavailableError
from tamis.pipeline.base import DELIVERED, Batch
from tamis.pipeline.sinks import create_sink
from tamis.pipeline.sinks.stderr import StderrSink
from tamis.record.model import Record
from tamis.settings import load_settings


def batch(*messages: str) -> Batch:
    return Batch("b", tuple(Record(timestamp=1, level="INFO", message=message) for message in messages))


@pytest.fixture
def pipe() -> Iterator[tuple[int, TextIO]]:
    reader, writer = os.pipe()
    stream = os.fdopen(writer, "w", encoding="ascii")
    yield reader, stream
    with contextlib.suppress(OSError):
        os.close(reader)
    with contextlib.suppress(OSError):
        stream.close()


@pytest.fixture
def terminal() -> Iterator[tuple[int, TextIO]]:
    master, slave = pty.openpty()
    stream = os.fdopen(slave, "w", encoding="utf-8")
    yield master, stream
    os.close(master)
    with contextlib.suppress(OSError):
        stream.close()


def read_json(data: bytes) -> list[str]:
    return [json.loads(line)["message"] for line in data.splitlines()]


def test_a_pipe_gets_json(pipe: tuple[int, TextIO]) -> None:
    """Whoever collects it can read it; bytes of UTF-8 whatever the stream's encoding."""
    reader, stream = pipe
    assert StderrSink(stream=stream, environ={}).send(batch("a", "ü注"), timeout_s=1) == DELIVERED
    assert read_json(os.read(reader, 4_096)) == ["a", "ü注"]


@pytest.mark.parametrize(
    ("environ", "coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False), ({"FORCE_COLOR": "0"}, False)],
)
def test_a_terminal_gets_lines_for_people(
    terminal: tuple[int, TextIO], environ: dict[str, str], coloured: bool
) -> None:
    """With colours, unless somebody said no."""
    master, stream = terminal
    StderrSink(stream=stream, environ=environ).send(batch("hello"), timeout_s=1)
    data = os.read(master, 4_096)
    assert b"INFO" in data
    assert b"hello" in data
    assert not data.startswith(b"{")
    assert (b"\x1b[" in data) == coloured


def test_force_color_means_people_anywhere(pipe: tuple[int, TextIO]) -> None:
    """For logs of a build that are shown with colours."""
    reader, stream = pipe
    StderrSink(stream=stream, environ={"FORCE_COLOR": "1"}).send(batch("hello"), timeout_s=1)
    assert b"\x1b[32mINFO" in os.read(reader, 4_096)


def test_whatever_stands_in_for_stderr_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A redirected stream gets text, also one that takes ASCII alone; `sys.stderr` is looked up each time."""
    sink = create_sink("stderr?format=json", load_settings())
    text = io.StringIO()
    with contextlib.redirect_stderr(text):
        sink.send(batch("ü"), timeout_s=1)
    assert read_json(text.getvalue().encode()) == ["ü"]
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stderr", io.TextIOWrapper(raw, encoding="ascii"))
    assert sink.send(batch("ü", "b"), timeout_s=1) == DELIVERED
    assert len(raw.getvalue().splitlines()) == 2


def test_what_was_printed_before_stands_before(pipe: tuple[int, TextIO]) -> None:
    """Text that waits in the stream's buffer goes first."""
    reader, stream = pipe
    stream.write("printed\n")
    StderrSink(stream=stream, environ={}).send(batch("logged"), timeout_s=1)
    assert os.read(reader, 4_096).startswith(b"printed\n{")


def test_a_stream_that_is_gone_refuses_the_records(pipe: tuple[int, TextIO]) -> None:
    """Closed by its reader, closed here, or never there: counted, with the reason, and nothing is raised."""
    reader, stream = pipe
    os.close(reader)
    sink = StderrSink(stream=stream, environ={})
    for _ in range(2):
        outcome = sink.send(batch("a", "b"), timeout_s=1)
        assert [refused.record.message for refused in outcome.rejected] == ["a", "b"]
        assert "stderr is gone" in outcome.rejected[0].reason
    closed = io.StringIO()
    closed.close()
    assert len(StderrSink(stream=closed, environ={}).send(batch("a"), timeout_s=1).rejected) == 1


def test_a_process_without_stderr(monkeypatch: pytest.MonkeyPatch) -> None:
    """`sys.stderr` is None where a program was started without one."""
    monkeypatch.setattr("sys.stderr", None)
    assert len(StderrSink(environ={}).send(batch("a"), timeout_s=1).rejected) == 1


def test_a_reader_that_does_not_read_makes_it_unavailable(pipe: tuple[int, TextIO]) -> None:
    """Nothing hangs; when the reader reads again, every record comes once and whole."""
    reader, stream = pipe
    sink = StderrSink(stream=stream, environ={})
    wanted = [f"{n} {'x' * 700}" for n in range(400)]
    left = batch(*wanted).records
    outcome = sink.send(Batch("b", left), timeout_s=0.05)
    assert 0 < len(outcome.retry) < 400
    left = outcome.retry
    with pytest.raises(SinkUnavailableError, match="nobody read it"):
        sink.send(Batch("b", left), timeout_s=0.05)
    got: list[bytes] = []

    def read_on() -> None:
        while data := os.read(reader, 1 << 16):
            got.append(data)

    collector = threading.Thread(target=read_on)
    collector.start()
    while left:
        left = sink.send(Batch("b", left), timeout_s=5).retry
    stream.close()
    collector.join()
    assert read_json(b"".join(got)) == wanted


def test_a_pipe_that_does_not_block_gets_everything(pipe: tuple[int, TextIO]) -> None:
    """Some parents hand down a pipe in that mode; a record larger than the pipe is finished before the next."""
    reader, stream = pipe
    os.set_blocking(stream.fileno(), False)
    sink = StderrSink(stream=stream, environ={})
    left = batch("x" * 200_000, "after").records
    outcome = sink.send(Batch("b", left), timeout_s=0.05)
    assert [record.message for record in outcome.retry] == ["after"]
    got: list[bytes] = []

    def read_on() -> None:
        while data := os.read(reader, 1 << 16):
            got.append(data)

    collector = threading.Thread(target=read_on)
    collector.start()
    assert sink.send(Batch("b", outcome.retry), timeout_s=5) == DELIVERED
    stream.close()
    collector.join()
    assert read_json(b"".join(got)) == ["x" * 200_000, "after"]


def test_several_writers_share_a_pipe_without_tearing_lines(pipe: tuple[int, TextIO]) -> None:
    """Each write is so small that the system keeps it whole: the workers of a server share their stderr."""
    reader, stream = pipe
    got: list[bytes] = []

    def read_on() -> None:
        while data := os.read(reader, 1 << 16):
            got.append(data)

    collector = threading.Thread(target=read_on)
    collector.start()
    copies = [os.fdopen(os.dup(stream.fileno()), "w", encoding="utf-8") for _ in range(4)]
    stream.close()

    def write(copy: TextIO, name: int) -> None:
        sink = StderrSink(stream=copy, environ={})
        for first in range(0, 500, 50):
            part = batch(*(f"{name} {n} {'x' * (n % 300)}" for n in range(first, first + 50)))
            assert sink.send(part, timeout_s=10) == DELIVERED
        copy.close()

    writers = [threading.Thread(target=write, args=(copy, name)) for name, copy in enumerate(copies)]
    for writer in writers:
        writer.start()
    for writer in [*writers, collector]:
        writer.join()
    assert len({message[: message.rindex(" ")] for message in read_json(b"".join(got))}) == 2_000


@pytest.mark.parametrize("url", ["stderr?format=xml", "stderr?colour=red", "stderr://host"])
def test_what_is_wrong_is_named(url: str) -> None:
    """With what there is instead."""
    with pytest.raises(ConfigError, match=re.escape("stderr")):
        create_sink(url, load_settings())
