"""One file as it grows: read, cut into blocks, handed to its courier."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec.structs import replace

from tamis.cli.intake.blocks import RECORD_BYTES_MAX, Block, Cutter
from tamis.cli.intake.courier import Courier
from tamis.cli.intake.identity import PRINT_BYTES, begins_as, place_of, same_content
from tamis.cli.intake.positions import Position
from tamis.cli.intake.reading import Reader, make_reader
from tamis.cli.intake.sample import SAMPLE_BYTES
from tamis.clock import Clock
from tamis.wire.compressed import encoding_of, read_file

READ_BYTES = 1 << 18
POLL_BYTES = 1 << 22
"""A file that grows fast does not keep the others waiting."""
HOLD_S = 1.0
"""The last record of a file may get more lines; after so long without any it is taken as it is."""
GRACE_S = 10.0
"""A file that was renamed or removed is read until it has not grown for so long: its writer may still have it."""


class FollowedFile:
    """A file read from its position on.

    `on_replaced` is called when the content was replaced (the file was cut), before the new content is read; it
    returns the position of the new one. A `fading` file has been rotated away already. Raises what the target
    raises; the same call may then be made again.
    """

    def __init__(
        self,
        path: Path,
        courier: Courier,
        *,
        file_format: str,
        clock: Clock,
        on_replaced: Callable[[Position, Path], Position],
        fading: bool = False,
    ) -> None:
        self.path, self._courier, self._format, self._fading = path, courier, file_format, fading
        self._clock, self._on_replaced = clock, on_replaced
        self._file = path.open("rb", buffering=0)
        self.compressed = bool(encoding_of(self._bytes_at(0, 16)))
        self._open: tuple[Cutter, Reader] | None = None
        self._seen = (-1, -1)
        self._grown_s = clock.monotonic_s()
        self.ended = False

    def poll(self) -> bool:
        """Read and send what is new; whether anything was. `ended` is set when nothing can come any more."""
        stat = os.fstat(self._file.fileno())
        moved = False
        if (stat.st_size, stat.st_mtime_ns) != self._seen:
            moved = self._grow(stat)
        now_s = self._clock.monotonic_s()
        if moved:
            self._grown_s = now_s
        elif now_s - self._grown_s >= HOLD_S:
            self._settle(now_s - self._grown_s)
        return moved

    def read_to_end(self) -> None:
        """Read and send everything: the file grows no more. It may be compressed."""
        cutter, _ = self._opened()
        self._send()
        for piece in self._pieces(cutter.offset):
            self._courier.queue(*cutter.feed(piece))
            self._send()
        self._finish()
        self.ended = True

    def stop(self) -> None:
        """Send the lines that are whole, and close; a line without an end is left for the next start."""
        try:
            if self._open is not None:
                self._courier.queue(self._open[0].flush(lines=True))
                self._send()
        finally:
            self.close()

    def close(self) -> None:
        """Close the file and make its position last."""
        self._file.close()
        self._courier.save()

    def _grow(self, stat: os.stat_result) -> bool:
        """Read what came since the last look; whether that was anything."""
        if self._was_replaced(stat.st_size):
            self._courier.put(self._on_replaced(self._courier.position, self.path))
            self._open = None
        if not stat.st_size:
            self._seen = (stat.st_size, stat.st_mtime_ns)
            return False
        cutter, _ = self._opened()
        self._send()
        read = 0
        for piece in self._pieces(cutter.offset):
            read += len(piece)
            self._courier.queue(*cutter.feed(piece))
            self._send()
            if read >= POLL_BYTES:
                break
        else:
            self._seen = (stat.st_size, stat.st_mtime_ns)
        self._courier.queue(cutter.flush())
        self._send()
        return read > 0

    def _was_replaced(self, size: int) -> bool:
        offset = self._open[0].offset if self._open else self._courier.position.offset
        known = self._courier.position
        if self.compressed:
            return not begins_as(self._head(), known.print)
        handle = self._file.fileno()
        return size < offset or not same_content(handle, known.print, known.tail, offset=known.offset)

    def _settle(self, quiet_s: float) -> None:
        """Nothing came for a while: take the last record as it is; end when the file has lost its name."""
        if self._open is not None:
            self._courier.queue(self._open[0].flush(lines=True))
            self._send()
        self._courier.save()
        if quiet_s >= GRACE_S and (self._fading or not self._has_its_name()):
            self._finish()
            self.ended = True

    def _finish(self) -> None:
        """Send what is left, with or without a newline."""
        cutter, _ = self._opened()
        self._courier.queue(cutter.finish())
        self._send()
        if self.compressed:
            self._courier.put(replace(self._courier.position, done=True))

    def _has_its_name(self) -> bool:
        try:
            return place_of(self.path.stat()) == place_of(os.fstat(self._file.fileno()))
        except OSError:
            return False

    def _opened(self) -> tuple[Cutter, Reader]:
        """Cutter and reader. At first, the block that may have been sent before a crash is queued again."""
        if self._open is None:
            position = self._courier.position
            opening = b"".join(self._pieces(0, SAMPLE_BYTES))[:SAMPLE_BYTES]
            reader = make_reader(self._format, opening, str(self.path))
            offset, line = position.offset, position.line
            if position.pending > position.offset:
                block = self._block_again(position)
                self._courier.queue(block)
                offset, line = block.end, line + block.data.count(b"\n")
            cutter = Cutter(reader.whole_records, offset=offset, line=line, document=reader.document)
            self._open = cutter, reader
        return self._open

    def _block_again(self, position: Position) -> Block:
        """The very block whose fate is not known."""
        size = position.pending - position.offset
        data = b"".join(self._pieces(position.offset, size))[:size]
        end = data.find(b"\n")
        if end > RECORD_BYTES_MAX:  # as the cutter does with a line that is too long
            data = data[:RECORD_BYTES_MAX] + data[end:]
        return Block(data, position.offset, position.pending, position.line)

    def _send(self) -> None:
        _, reader = self._opened()
        self._courier.send(reader, self._head())

    def _head(self) -> bytes:
        return b"".join(self._pieces(0, PRINT_BYTES))[:PRINT_BYTES]

    def _pieces(self, offset: int, wanted: int | None = None) -> Iterator[bytes]:
        """The file's bytes (decompressed) from `offset` on, to its end or until `wanted` are there."""
        plain = iter(lambda: self._bytes_at(offset, READ_BYTES), b"")
        for piece in read_file(self.path, offset=offset) if self.compressed else plain:
            yield piece
            offset += len(piece)
            if wanted is not None:
                wanted -= len(piece)
                if wanted <= 0:
                    return

    def _bytes_at(self, offset: int, size: int) -> bytes:
        return os.pread(self._file.fileno(), size, offset)
