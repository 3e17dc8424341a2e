"""How a source is read: its format, found from its first bytes or named by the user."""

from dataclasses import replace

from tamis.cli.failure import UsageError
from tamis.wire.base import Decoded, DecodeOptions, WireLimits
from tamis.wire.detect import FORMATS, Format, detect, first_lines

AUTO = "auto"
PLAIN = "plain"


class Reader:
    """A source's format. One that is found to be plain text is looked at again with each block: it may have
    begun with something else than what it is made of.
    """

    def __init__(self, file_format: str, opening: bytes, name: str | None, limits: WireLimits) -> None:
        self._auto, self._name, self._limits = file_format == AUTO, name, limits
        self._format = FORMATS[self._found(opening) if self._auto else file_format]

    @property
    def document(self) -> bool:
        """Whether the source is one value, which cannot be cut."""
        return self._format.document

    def whole_records(self, lines: bytes) -> int:
        """How many of these bytes (whole lines) are records that no later line can belong to."""
        return self._format_of(lines).hold(lines, self._limits)

    def decode(self, body: bytes, options: DecodeOptions) -> Decoded:
        """The records of some whole lines. What a found format cannot read is kept as plain text; of a named
        one it is rejected."""
        if self._auto:
            options = replace(options, keep_unparsed=True)
        return self._format_of(body).decode(body, replace(options, line_as_message=True))

    def _format_of(self, lines: bytes) -> Format:
        if self._auto and self._format.name == PLAIN:
            self._format = FORMATS[self._found(lines)]
        return self._format

    def _found(self, sample: bytes) -> str:
        return detect(first_lines(sample), self._name)


def make_reader(file_format: str, opening: bytes, name: str | None) -> Reader:
    """The reader for a source that begins with `opening`."""
    return Reader(file_format, opening, name, WireLimits())


def check_format(name: str) -> None:
    """UsageError when there is no format of this name."""
    if name != AUTO and name not in FORMATS:
        raise UsageError(
            f"--format {name}: there is no such format; there are {AUTO}, {', '.join(sorted(FORMATS))}"
        )
