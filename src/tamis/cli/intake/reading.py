"""How a source is read: its format, found from its first bytes or named by the user."""

from typing import Protocol

from tamis.record.model import Columns
from tamis.wire import jsonlines
from tamis.wire.base import Decoded, DecodeOptions


class Reader(Protocol):
    """A format, for one source."""

    def whole_records(self, lines: bytes) -> int:
        """How many of these bytes (whole lines) are records that no later line can belong to."""
        ...

    def decode(self, body: bytes, options: DecodeOptions) -> Decoded:
        """The records of some whole lines."""
        ...


class _Plain:
    def whole_records(self, lines: bytes) -> int:
        return len(lines)

    def decode(self, body: bytes, options: DecodeOptions) -> Decoded:
        if body.startswith(b"{"):
            return jsonlines.decode(body, options)
        lines = body.decode("utf-8", "replace").splitlines()
        n = len(lines)
        return Decoded(Columns(n, [None] * n, {"message": lines, "service": [options.service] * n}, {}), n)


def make_reader(file_format: str, opening: bytes, path: str | None) -> Reader:
    """The reader for a source that begins with `opening`."""
    return _Plain()


def check_format(name: str) -> None:
    """UsageError when there is no format of this name."""
