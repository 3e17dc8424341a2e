"""Following a chain frame by frame, and saying what is not as it was written."""

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from tamis.disk.journal import Frame
from tamis.integrity.ledger.links import (
    BEGIN,
    CHECKPOINT,
    ENTRY,
    FIRST_LINK,
    FORMAT_VERSION,
    LINK_BYTES,
    Begin,
    Numbered,
    link_of,
)
from tamis.integrity.ledger.statement import Signed, Statement, parse_statement, signature_problem

_BEGIN = msgspec.json.Decoder(Begin)
_NUMBERED = msgspec.json.Decoder(Numbered)

Watched = tuple[int, str]
"""After so many entries, this link (hex)."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong at a frame, and which entry it is about."""

    text: str
    entry: int | None = None


class Follower:
    """Follows one chain, from its first frame or from what an anchor says.

    After something wrong it goes on from what stands there, so that each thing is told once.
    """

    def __init__(
        self,
        *,
        trusted: tuple[bytes, ...] = (),
        link: bytes = FIRST_LINK,
        entries: int = 0,
        watched: Watched | None = None,
    ) -> None:
        self.chain = ""
        self.link, self.entries = link, entries
        self.found = 0
        """Entries met."""
        self.begun: Begin | None = None
        self.last_checkpoint: Statement | None = None
        self.saw_watched = False
        self._trusted, self._watched = trusted, watched
        self._missing: list[range] = []
        self._lost = False

    def lost(self) -> None:
        """Bytes before the next frame are no frame."""
        self._lost = True

    def take(self, frame: Frame) -> Iterator[Problem]:
        """Go on by one frame."""
        link, body = frame.payload[:LINK_BYTES], frame.payload[LINK_BYTES:]
        try:
            match frame.kind:
                case _ if len(link) < LINK_BYTES:
                    yield Problem("a frame that no ledger has was put in")
                case kind if kind == BEGIN:
                    yield from self._begin(_BEGIN.decode(body), link, body)
                case kind if kind == ENTRY:
                    yield from self._entry(_NUMBERED.decode(body), link, body)
                case kind if kind == CHECKPOINT:
                    yield from self._checkpoint(link, body)
                case kind:
                    yield Problem(f"a frame of kind {kind}, which no ledger has, was put in")
        except (msgspec.DecodeError, UnicodeDecodeError):
            yield Problem("a frame holds what no ledger writes: it was changed or put in")
        if self._watched == (self.entries, self.link.hex()):
            self.saw_watched = True

    def missing(self) -> list[range]:
        """The numbers of entries that were not met."""
        return list(self._missing)

    def expect_entries(self, entries: int) -> None:
        """So many entries there must be by now; what is missing of them was removed."""
        if entries > self.entries:
            self._missing.append(range(self.entries + 1, entries + 1))
            self.entries = entries
            self._lost = True

    def _begin(self, begin: Begin, link: bytes, body: bytes) -> Iterator[Problem]:
        if begin.format > FORMAT_VERSION:
            yield Problem(f"part {begin.part} was written by a newer release; verify it with that")
        self.expect_entries(begin.entries)
        yield from self._hangs(BEGIN, link, body, what=f"the beginning of part {begin.part}")
        if self.chain and begin.chain != self.chain:
            yield Problem(f"part {begin.part} belongs to another chain ({begin.chain})")
        self.chain = self.chain or begin.chain
        self.begun = begin

    def _entry(self, entry: Numbered, link: bytes, body: bytes) -> Iterator[Problem]:
        if entry.n <= self.entries:
            moved = self._find_missing(entry.n)
            what = "stands out of its place" if moved else "stands there again, or was put in"
            self.found += moved
            yield Problem(f"entry {entry.n} {what}", entry.n)
            return
        self.expect_entries(entry.n - 1)
        self.entries = entry.n
        self.found += 1
        yield from self._hangs(ENTRY, link, body, what=f"entry {entry.n}", entry=entry.n)

    def _checkpoint(self, link: bytes, body: bytes) -> Iterator[Problem]:
        parsed = parse_statement(body)
        if parsed is None:
            yield Problem(f"the checkpoint after entry {self.entries} was changed")
            return
        signed, statement = parsed
        if statement.entries < self.entries:
            yield Problem(
                f"the checkpoint at entry {statement.entries} stands out of its place, or entries were put in",
                statement.entries,
            )
            return
        self.expect_entries(statement.entries)
        yield from self._vouch(signed, statement)
        yield from self._hangs(CHECKPOINT, link, body, what=f"the checkpoint at entry {self.entries}")
        self.last_checkpoint = statement

    def _vouch(self, signed: Signed, statement: Statement) -> Iterator[Problem]:
        problem = signature_problem(signed, "head", self._trusted)
        where = f"the checkpoint at entry {statement.entries}"
        if problem:
            yield Problem(f"{where} {problem}", statement.entries)
        elif not self._lost and (statement.link != self.link.hex() or statement.chain != self.chain):
            yield Problem(f"the entries before {where} are not those that it vouches for", statement.entries)

    def _hangs(
        self, kind: int, link: bytes, body: bytes, *, what: str, entry: int | None = None
    ) -> Iterator[Problem]:
        """Whether a frame hangs on the one before; go on from it in any case."""
        if link != link_of(self.link, kind, body) and not self._lost:
            yield Problem(
                f"{what} does not follow from what stands before: it was changed, or what was before is gone",
                entry,
            )
        self.link, self._lost = link, False

    def _find_missing(self, number: int) -> bool:
        for index, numbers in enumerate(self._missing):
            if number in numbers:
                parts = (range(numbers.start, number), range(number + 1, numbers.stop))
                self._missing[index : index + 1] = [part for part in parts if part]
                return True
        return False
