"""The blocks of one file on their way: in order, each once, with the file's position kept on disk."""

from msgspec.structs import replace

from tamis.cli.intake.blocks import Block
from tamis.cli.intake.identity import PRINT_BYTES, TAIL_BYTES, UNKNOWN, Fingerprint, fingerprint
from tamis.cli.intake.positions import Position, Positions
from tamis.cli.intake.reading import Reader
from tamis.cli.intake.sending import Sender
from tamis.clock import Clock


class Courier:
    """Sends what is queued. What the target raises comes out of `send`, and the next `send` sends the same block
    under the same key again.
    """

    def __init__(
        self,
        position: Position,
        sender: Sender,
        positions: Positions,
        *,
        path: str,
        service: str,
        clock: Clock,
    ) -> None:
        self.position = position
        self._sender, self._positions, self._clock = sender, positions, clock
        self._path, self._service = path, service
        self._waiting: list[Block] = []

    def queue(self, *blocks: Block | None) -> None:
        """Blocks to send after those that wait already."""
        self._waiting.extend(block for block in blocks if block is not None)

    def send(self, reader: Reader, head: bytes) -> None:
        """Send all that wait. `head` is how the file begins now."""
        while self._waiting:
            self._send(self._waiting[0], reader, head)
            self._waiting.pop(0)

    def put(self, position: Position) -> None:
        """The file stands elsewhere now."""
        self.position = position
        self._positions.put(position)

    def save(self) -> None:
        """Make the position last."""
        self._positions.save_if_changed()

    def _send(self, block: Block, reader: Reader, head: bytes) -> None:
        """Say on disk what is about to be sent, send it, move on."""
        before = self.position
        known = before.print if before.print.length == PRINT_BYTES else fingerprint(head[:PRINT_BYTES])
        pending = replace(
            before, path=self._path, pending=block.end, print=known, read_ns=self._clock.now_ns()
        )
        self.put(pending)
        self.save()
        decoded = self._sender.decode(block, reader, path=self._path, service=self._service)
        self._sender.send(block, decoded, path=self._path, key=f"{before.id}-{block.start}-{block.end}")
        line = block.first_line + block.data.count(b"\n")
        self.put(replace(pending, offset=block.end, pending=0, line=line, tail=_tail_of(block)))


def _tail_of(block: Block) -> Fingerprint:
    """Of the last bytes of a block; not known where some of a long line were let go."""
    whole = len(block.data) == block.end - block.start
    return fingerprint(block.data[-TAIL_BYTES:]) if whole else UNKNOWN
