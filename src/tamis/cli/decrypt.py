"""``tamis decrypt``: text with its envelopes opened."""

import json as stdlib_json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from tamis.cli.failure import Exit, UsageError
from tamis.cli.keys import open_for_reading
from tamis.cli.terminal import say, visible
from tamis.errors import DecryptionError, KeyUnavailableError
from tamis.settings import load_settings

if TYPE_CHECKING:
    from tamis.keys import Keyring

LINE_BYTES_MAX = 64 << 20
REASONS_MAX = 20


def decrypt(*file: Path, config: Path | None = None, bound_to: str = "") -> int:
    """Replace every envelope in a text (tamis:v1:…) by what is in it, and print the text.

    An envelope that does not open stays as it is. Exits with 1 when there was one; why is told at the end.

    Parameters
    ----------
    file
        The files to read, one after the other; standard input when none is named.
    config
        The TOML file; else the one that TAMIS_CONFIG names.
    bound_to
        What the envelopes were bound to; nothing by default.
    """
    for path in file:
        if not path.is_file():
            raise UsageError(f"{path}: there is no such file")
    opener = Opener(open_for_reading(load_settings(toml_path=config)), bound_to.encode())
    for line in _lines(file):
        _print(opener.open_line(line))
    _tell(opener)
    return int(Exit.FOUND if opener.closed else Exit.DONE)


class Opener:
    """Opens envelopes inside lines, and counts."""

    def __init__(self, keyring: "Keyring", bound_to: bytes) -> None:
        from tamis.keys import TEXT_ENVELOPE

        self.opened = 0
        self.closed: Counter[str] = Counter()
        self._keyring, self._bound_to = keyring, bound_to
        self._pattern = TEXT_ENVELOPE

    def open_line(self, line: str) -> str:
        """The line with what its envelopes hold.

        In JSON, and between double quotes, it is written as JSON writes text, so that it stays one value.
        """
        if self._pattern.search(line) is None:
            return line
        whole = _is_json(line)
        return self._pattern.sub(lambda match: self._open(match, quoted=whole or _is_quoted(match)), line)

    def _open(self, match: re.Match[str], *, quoted: bool) -> str:
        try:
            text = self._keyring.decrypt_text(match[0], bound_to=self._bound_to)
        except (DecryptionError, KeyUnavailableError) as error:
            self.closed[str(error)] += 1
            return match[0]
        self.opened += 1
        return stdlib_json.dumps(text, ensure_ascii=not _is_utf8(text))[1:-1] if quoted else text


def _lines(files: tuple[Path, ...]) -> Iterator[str]:
    if not files:
        yield from _lines_of(sys.stdin.buffer)
    for path in files:
        with path.open("rb") as file:
            yield from _lines_of(file)


def _lines_of(file: BinaryIO) -> Iterator[str]:
    while line := file.readline(LINE_BYTES_MAX):
        yield line.decode("utf-8", "surrogateescape")


def _print(line: str) -> None:
    if sys.stdout.isatty():
        print(visible(line), end="")
    else:
        sys.stdout.buffer.write(line.encode("utf-8", "surrogateescape" if _is_escaped(line) else "replace"))


def _tell(opener: Opener) -> None:
    sys.stdout.flush()
    if not opener.closed:
        return
    count = opener.closed.total()
    say(f"tamis: {count:,} of {count + opener.opened:,} envelopes did not open and stay as they are:")
    for reason, times in opener.closed.most_common(REASONS_MAX):
        say(f"  {reason} ({times:,})")


def _is_json(line: str) -> bool:
    if not line.lstrip().startswith(("{", "[", '"')):
        return False
    try:
        msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return False
    return True


def _is_quoted(match: re.Match[str]) -> bool:
    before, after = match.string[: match.start()], match.string[match.end() :]
    return before.endswith('"') and after.startswith('"')


def _is_utf8(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _is_escaped(text: str) -> bool:
    """Whether every surrogate in it stands for a byte that was no UTF-8."""
    return all("\udc80" <= c <= "\udcff" for c in text if "\ud800" <= c <= "\udfff")
