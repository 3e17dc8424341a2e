"""Blocks to records to a target, counted: received = stored + rejected, always."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from tamis.cli.intake.blocks import RECORD_BYTES_MAX, Block
from tamis.cli.intake.reading import Reader
from tamis.cli.target import Receipt, Target
from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.errors import ConflictError, OverloadedError
from tamis.record.model import Columns, listed_values
from tamis.wire.base import Decoded, DecodeOptions

REJECTIONS_LISTED_MAX = 20
PATIENCE_S = 600.0
"""A target that pushes back is asked again for so long."""
FILE_FIELD = "file"
"""The attribute that holds the path a record was read from, unless the record has one of this name."""


@dataclass(slots=True)
class Tally:
    """What became of everything so far. `rejections` lists the first."""

    received: int = 0
    stored: int = 0
    rejected: int = 0
    bytes_read: int = 0
    rejections: list[str] = field(default_factory=list)

    @property
    def nothing_stored(self) -> bool:
        """Whether there were records and none of them could be kept."""
        return self.received > 0 and self.stored == 0

    def line(self) -> str:
        """The last line of a command."""
        return f"received {self.received:,}, stored {self.stored:,}, rejected {self.rejected:,}"

    def reject(self, where: str, reason: str) -> None:
        """List one rejection, as long as there is room."""
        if len(self.rejections) < REJECTIONS_LISTED_MAX:
            self.rejections.append(f"{where}: {reason}")


class Sender:
    """Decodes blocks and sends them; keeps the tally. A target that pushes back is waited for. One thread at a
    time."""

    def __init__(
        self, target: Target, options: DecodeOptions, tally: Tally, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._target, self._options, self._clock = target, options, clock
        self.tally = tally

    def decode(self, block: Block, reader: Reader, *, path: str | None, service: str | None) -> Decoded:
        """The records of a block, each with its file."""
        decoded = reader.decode(block.data, replace(self._options, service=self._options.service or service))
        return replace(decoded, columns=_with_file(decoded.columns, path)) if path else decoded

    def send(self, block: Block, decoded: Decoded, *, path: str | None, key: str) -> None:
        """Have the records of a block stored; what was sent under `key` before is stored already."""
        where = path or "standard input"
        tally = self.tally
        tally.received += decoded.received
        tally.rejected += decoded.rejected_count
        for one in decoded.rejected:
            tally.reject(f"{where}:{block.first_line + one.line - 1}", one.reason)
        for first, columns in _parts(decoded.columns, len(block.data)):
            receipt = self._append(columns, f"{key}-{first}" if first else key)
            for refused in receipt.rejected:
                line = f"record {first + refused.line} from line {block.first_line}"
                tally.reject(f"{where}: {line}", refused.reason)
            tally.stored += receipt.stored
            tally.rejected += receipt.rejected_count
        tally.bytes_read += block.end - block.start

    def _append(self, columns: Columns, key: str) -> Receipt:
        if not columns.length:
            return Receipt(0, 0)
        give_up_s = self._clock.monotonic_s() + PATIENCE_S
        while True:
            try:
                return self._target.append(columns, key)
            except ConflictError:
                # the key was used for these very bytes, read under other settings: they are stored
                return Receipt(columns.length, columns.length, duplicate=True)
            except OverloadedError as error:
                if self._clock.monotonic_s() + error.retry_after_s > give_up_s:
                    raise
                self._clock.sleep(error.retry_after_s)


def _parts(columns: Columns, size: int) -> Iterator[tuple[int, Columns]]:
    """The records of a block of so many bytes, as many at a time as a body can take, with the place of the first."""
    step = max(1, columns.length * RECORD_BYTES_MAX // max(1, size))
    if step >= columns.length:
        yield 0, columns
        return
    for first in range(0, columns.length, step):
        rows = slice(first, first + step)
        yield (
            first,
            Columns(
                length=min(step, columns.length - first),
                timestamp=columns.timestamp[rows],
                core={name: column[rows] for name, column in columns.core.items()},
                attributes={name: column[rows] for name, column in columns.attributes.items()},
            ),
        )


def _with_file(columns: Columns, path: str) -> Columns:
    own = columns.attributes.get(FILE_FIELD)
    values = [path] * columns.length
    if own is not None:
        values = [path if one is None else one for one in listed_values(own)]
    return replace(columns, attributes={**columns.attributes, FILE_FIELD: values})
