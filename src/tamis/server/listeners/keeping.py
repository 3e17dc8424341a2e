"""What listeners decoded, into the store: counted as the bodies of requests are."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec

from tamis.record.model import Columns
from tamis.server.intake.ingest import Body
from tamis.server.questions.answers import Ingested, RejectedLine
from tamis.server.service import Opened
from tamis.wire.base import Decoded, DecodeOptions
from tamis.wire.journal_export import decode
from tamis.wire.journal_stream import cursor_of

REASONS_MAX = 20
_LAST = b"last\0"


class Run(msgspec.Struct, frozen=True):
    """What is kept beside a batch of a journal's entries: how many there are, and the digest of their cursors."""

    count: int
    digest: str = ""


class Keeper:
    """Stores decoded batches of one principal. Thread-safe; blocks until they are safe."""

    def __init__(self, opened: Opened, principal: str) -> None:
        self._opened, self._principal = opened, principal

    def options(self, *, line_bytes_max: int | None = None) -> DecodeOptions:
        """How to read what comes now."""
        options = self._opened.ingester.options(Body([]))
        if line_bytes_max is None:
            return options
        return replace(options, limits=replace(options.limits, line_bytes_max=line_bytes_max))

    def keep(self, decoded: Decoded, *, batch_id: str | None = None, receipt: bytes = b"") -> None:
        """Store a batch; nothing of it when one came under its id before. Raises what `Store.append` raises."""
        began = time.perf_counter()
        answer = Ingested(
            received=decoded.received,
            stored=decoded.columns.length,
            rejected=[RejectedLine(one.line, one.reason) for one in decoded.rejected[:REASONS_MAX]],
            rejected_count=decoded.rejected_count,
        )
        if decoded.columns.length:
            appended = self._opened.ingester.append(decoded.columns, batch_id=batch_id, receipt=receipt)
            answer.duplicate = appended.duplicate
            self._opened.ingester.gaps.note(self._principal, decoded.columns)
        self._opened.ingester.count(answer, time.perf_counter() - began)

    def find(self, batch_id: str) -> Run | None:
        """What was kept beside an earlier batch."""
        earlier = self._opened.store.find_batch(batch_id)
        return None if earlier is None else msgspec.json.decode(earlier.receipt, type=Run)

    def mark(self, cursor: bytes) -> None:
        """An upload ended well with this entry: systemd may begin the next one with it again."""
        nothing = Columns(length=0, timestamp=[])
        receipt = msgspec.json.encode(Run(1))
        self._opened.ingester.append(nothing, batch_id=self.batch_id(_LAST + cursor), receipt=receipt)

    def was_last(self, cursor: bytes | None) -> bool:
        """Whether an upload ended with this entry."""
        return cursor is not None and self.find(self.batch_id(_LAST + cursor)) is not None

    def batch_id(self, name: bytes) -> str:
        """The store's name for a batch that its sender names so."""
        named = self._principal.encode() + b"\0" + name
        return "entries-" + hashlib.blake2b(named, digest_size=16).hexdigest()


@dataclass(slots=True)
class Kept:
    """What became of some entries of a journal; `left` have to wait for those behind them."""

    stored: int
    repeated: int
    rejected: list[str]
    rejected_count: int
    left: list[bytes]


def keep_entries(keeper: Keeper, entries: Sequence[bytes], *, is_first: bool, is_last: bool) -> Kept:
    """Store entries of a journal, those that were stored before left out.

    A sender that was interrupted begins again behind the last entry it knows to be safe. What we stored beyond that
    is told by cursors: a batch is known by its first one, and its receipt holds the digest of all of them. And it
    may begin with that entry itself (`Keeper.mark`).
    """
    kept = Kept(0, 0, [], 0, [])
    cursors = [cursor_of(entry) for entry in entries]
    begin = at = int(is_first and keeper.was_last(cursors[0]))
    kept.repeated = begin
    while at < len(entries):
        known = _find(keeper, cursors[at])
        if known is None:
            at += 1
            continue
        end = at + known.count
        if end > len(entries) and not is_last:
            kept.left = list(entries[at:])
            break
        if end <= len(entries) and _digest(cursors[at:end]) == known.digest:
            _keep(keeper, entries[begin:at], cursors[begin:at], kept)
            kept.repeated += end - at
            begin = at = end
        else:
            at += 1
    _keep(keeper, entries[begin:at], cursors[begin:at], kept)
    return kept


def _find(keeper: Keeper, cursor: bytes | None) -> Run | None:
    return None if cursor is None else keeper.find(keeper.batch_id(cursor))


def _keep(keeper: Keeper, entries: Sequence[bytes], cursors: Sequence[bytes | None], kept: Kept) -> None:
    if not entries:
        return
    decoded = decode(b"".join(entries), keeper.options())
    first = cursors[0]
    if first is None or keeper.find(keeper.batch_id(first)) is not None:
        keeper.keep(decoded)
    else:
        receipt = msgspec.json.encode(Run(len(entries), _digest(cursors)))
        keeper.keep(decoded, batch_id=keeper.batch_id(first), receipt=receipt)
    kept.stored += decoded.columns.length
    kept.rejected_count += decoded.rejected_count
    kept.rejected.extend(one.reason for one in decoded.rejected[:REASONS_MAX])


def _digest(cursors: Sequence[bytes | None]) -> str:
    joined = b"\n".join(cursor or b"" for cursor in cursors)
    return hashlib.blake2b(joined, digest_size=16).hexdigest()
