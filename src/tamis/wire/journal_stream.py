"""Entries of systemd's journal export format out of a body that need not end (see `wire.journal_export`)."""

import re

from tamis.wire.journal_export import FIELDS_MAX

_TEXT_ENTRY = re.compile(rb"(?:[A-Z_][A-Z0-9_]{0,63}=[^\n]*+\n){1,%d}+\n" % FIELDS_MAX)
_NAME = re.compile(rb"[A-Z_][A-Z0-9_]{0,63}")
_CURSOR = re.compile(rb"(?:\A|\n)__CURSOR=([^\n]*)\n")
_SIZE_BYTES = 8
_LEFT = b"_="
"""What stands for the beginning of a field that is let go."""


def cursor_of(entry: bytes) -> bytes | None:
    """The journal's own name for an entry."""
    found = _CURSOR.search(entry)
    return found[1] if found else None


class Entries:
    """Takes whole entries, each with its blank line, out of pieces. Not thread-safe.

    Memory: `bytes_max`, and a piece. An entry that is longer, or damaged, is let go with its reason in `rejected`,
    to be taken by whoever counts them; reading goes on at the next.
    """

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._held = bytearray()
        self._at = 0
        """Where the next field begins; the entry itself begins at 0."""
        self._fields = 0
        self._to_skip = 0
        """Bytes of a value that are let go when they come."""
        self._wrong: str | None = None
        """Why the entry that is being read is let go …"""
        self._lost = False
        """… up to the next blank line, because it is not known where its fields end."""
        self.rejected: list[str] = []

    def feed(self, piece: bytes) -> list[bytes]:
        """The entries that are whole now."""
        if self._to_skip:
            skipped = min(self._to_skip, len(piece))
            self._to_skip -= skipped
            piece = piece[skipped:]
        self._held += piece
        found: list[bytes] = []
        while self._held and self._next(found):
            pass
        if len(self._held) > self._bytes_max:
            self._wrong = self._wrong or self._too_long()
            self._let_go()
            if len(self._held) > self._bytes_max:  # within a text that does not end
                self._held[:] = _LEFT
        return found

    def finish(self) -> list[bytes]:
        """The body has ended: an entry may lack its blank line."""
        if self._wrong is not None or self._to_skip:
            self.rejected.append(self._wrong or "the body ended within an entry")
        found = (
            [bytes(self._held) + b"\n"] if self._held and self._wrong is None and self._ends_whole() else []
        )
        if self._held and self._wrong is None and not found:
            self.rejected.append("the body ended within an entry")
        self._held.clear()
        self._at = 0
        return found

    def _ends_whole(self) -> bool:
        return self._at == len(self._held)

    def _next(self, found: list[bytes]) -> bool:
        """Go on by a field, or by an entry at once; False when more has to come."""
        if self._lost:
            return self._find_again()
        if self._at == 0 and self._wrong is None:
            whole = _TEXT_ENTRY.match(self._held)
            if whole is not None and whole.end() <= self._bytes_max + 1:
                found.append(whole[0])
                del self._held[: whole.end()]
                return True
        end = self._field_end()
        if end is None:
            return False
        if end == self._at + 1 and self._held[self._at] == 10:
            self._end_entry(end, found)
        else:
            self._at = end
            self._fields += 1
            if end > self._bytes_max:
                self._wrong = self._wrong or self._too_long()
            if self._fields > FIELDS_MAX:
                self._wrong = self._wrong or f"more than {FIELDS_MAX:,} fields"
            self._let_go()
        return True

    def _end_entry(self, end: int, found: list[bytes]) -> None:
        if self._wrong is not None:
            self.rejected.append(self._wrong)
            self._wrong = None
        elif self._at:
            found.append(bytes(self._held[:end]))
        del self._held[:end]
        self._at = self._fields = 0

    def _field_end(self) -> int | None:
        """Where the field that begins at `_at` ends; None when that is not there yet."""
        held, at = self._held, self._at
        line_end = held.find(b"\n", at)
        if line_end in (-1, at) or held.find(b"=", at, line_end) != -1:
            return None if line_end == -1 else line_end + 1
        if not _NAME.fullmatch(held, at, line_end):
            return self._lose("no field name where one should be")
        value = line_end + 1 + _SIZE_BYTES
        if len(held) < value:
            return None
        end = value + int.from_bytes(held[line_end + 1 : value], "little") + 1
        if len(held) < end:
            if end <= self._bytes_max:
                return None
            self._wrong = self._wrong or self._too_long()
            self._to_skip = end - len(held)
            return len(held)
        return end if held[end - 1] == 10 else self._lose("a field has a wrong length")

    def _lose(self, reason: str) -> int:
        self._wrong = self._wrong or reason
        self._lost = True
        return self._at

    def _find_again(self) -> bool:
        """The next blank line, from where it is not known what anything is."""
        end = self._held.find(b"\n\n", self._at)
        if end == -1:
            keep = len(self._held) - 1 if self._held[-1:] == b"\n" else len(self._held)
            del self._held[:keep]
            self._at = 0
            return False
        self._lost = False
        del self._held[: end + 1]
        self._at = self._fields = 0
        return True

    def _let_go(self) -> None:
        """Keep nothing of an entry that is wrong."""
        if self._wrong is None or self._lost:
            return
        del self._held[: self._at]
        self._at = 0

    def _too_long(self) -> str:
        return f"over line_bytes_max = {self._bytes_max:,}"
