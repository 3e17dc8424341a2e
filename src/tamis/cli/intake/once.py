"""Files and standard input read once, from beginning to end: one block is decoded while the last is sent."""

import os
import selectors
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

from tamis.cli.intake.blocks import Block, Cutter
from tamis.cli.intake.reading import Reader, make_reader
from tamis.cli.intake.sample import SAMPLE_BYTES, looks_binary
from tamis.cli.intake.sending import Sender
from tamis.errors import TamisError, WireError
from tamis.wire.compressed import encoding_of, inflate, read_file

READ_BYTES = 1 << 16
FLUSH_S = 1.0
"""What came in by standard input is sent at the latest after so long without more."""


class OncePass:
    """Reads sources one after the other and sends them; a context, which waits for the last block."""

    def __init__(self, sender: Sender, file_format: str, on_progress: Callable[[], None]) -> None:
        self._sender, self._format, self._on_progress = sender, file_format, on_progress
        self._run_id = uuid.uuid4().hex
        self._blocks = 0
        self._pool = ThreadPoolExecutor(1, "send")
        self._sending: Future[None] | None = None

    def __enter__(self) -> "OncePass":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None or issubclass(kind, KeyboardInterrupt):
                self._wait()
        finally:
            self._pool.shutdown()

    def read_path(self, path: Path, service: str) -> None:
        """A whole file. WireError when its compression is damaged; what came before is sent."""
        self._read(read_file(path), str(path), service)

    def read_pieces(self, pieces: Iterator[bytes], path: Path, service: str) -> None:
        """A part of a file that begins with a line."""
        self._read(pieces, str(path), service)

    def read_descriptor(self, descriptor: int, service: str | None) -> None:
        """Standard input, as it comes; decompressed by its first bytes."""
        self._read(_decompressed(_pieces(descriptor)), None, service)

    def _read(self, pieces: Iterator[bytes], path: str | None, service: str | None) -> None:
        opening, held = _opening(pieces)
        if path is None and looks_binary(opening[:SAMPLE_BYTES]) and self._format == "auto":
            raise WireError("standard input looks binary; name its --format to take it anyway")
        reader = make_reader(self._format, opening, path)
        cutter = Cutter(reader.whole_records, document=reader.document)
        damage: TamisError | None = None
        try:
            for piece in held:
                blocks = cutter.feed(piece) if piece else _flushed(cutter)
                for block in blocks:
                    self._send(block, reader, path=path, service=service)
        except WireError as error:
            damage = error
        last = cutter.finish()
        if last is not None:
            self._send(last, reader, path=path, service=service)
        self._wait()
        if damage is not None:
            raise damage

    def _send(self, block: Block, reader: Reader, *, path: str | None, service: str | None) -> None:
        decoded = self._sender.decode(block, reader, path=path, service=service)
        self._wait()
        self._blocks += 1
        key = f"{self._run_id}-{self._blocks}"
        self._sending = self._pool.submit(self._sender.send, block, decoded, path=path, key=key)

    def _wait(self) -> None:
        """Until the block under way is acknowledged."""
        sending, self._sending = self._sending, None
        if sending is not None:
            sending.result()
            self._on_progress()


def _flushed(cutter: Cutter) -> Iterator[Block]:
    block = cutter.flush(lines=True)
    if block is not None:
        yield block


def _opening(pieces: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """The first bytes (as many as a sample takes), and all pieces, those included. An empty piece, which stands
    for a pause, ends the sample."""
    opening: list[bytes] = []
    size = 0
    for piece in pieces:
        opening.append(piece)
        size += len(piece)
        if size >= SAMPLE_BYTES or (not piece and size):
            break
    return b"".join(opening), _chained(opening, pieces)


def _chained(first: list[bytes], rest: Iterator[bytes]) -> Iterator[bytes]:
    yield from first
    yield from rest


def _pieces(descriptor: int) -> Iterator[bytes]:
    """What can be read, as soon as it can be; an empty piece when nothing came for a while."""
    try:
        selector = selectors.DefaultSelector()
        selector.register(descriptor, selectors.EVENT_READ)
    except (OSError, ValueError):  # a regular file cannot be waited for, and need not be
        yield from iter(lambda: os.read(descriptor, READ_BYTES), b"")
        return
    with selector:
        while True:
            if not selector.select(FLUSH_S):
                yield b""
                continue
            piece = os.read(descriptor, READ_BYTES)
            if not piece:
                return
            yield piece


def _decompressed(pieces: Iterator[bytes]) -> Iterator[bytes]:
    head = b""
    for piece in pieces:
        head += piece
        if len(head) >= 6 or (not piece and head):
            break
    encoding = encoding_of(head)
    if not encoding:
        yield head
        yield from pieces
        return
    yield from inflate(_chained([head], pieces), encoding)
