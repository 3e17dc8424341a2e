"""One writer's chain: its parts one after the other, its head, what retention leaves of it."""

import os
from dataclasses import dataclass
from typing import Any

import msgspec

from tamis.clock import NS_PER_S, Clock
from tamis.disk.base import Disk
from tamis.disk.journal import TORN_TAIL, Frame, Gap, Journal, read_journal
from tamis.disk.lock import FolderLock, lock_folder
from tamis.errors import FormatError, LedgerError, LockedError
from tamis.integrity.ledger.follow import Follower
from tamis.integrity.ledger.layout import Layout, chain_name
from tamis.integrity.ledger.links import (
    BEGIN,
    CHECKPOINT,
    ENTRY,
    FIRST_LINK,
    FORMAT_VERSION,
    LINK_BYTES,
    Begin,
    Entry,
    is_link,
    link_of,
)
from tamis.integrity.ledger.options import LedgerOptions
from tamis.integrity.ledger.signing import Signer
from tamis.integrity.ledger.statement import Statement, read_statement, sign_statement, signature_problem

_PURPOSE = "writing a ledger"
_ENCODER = msgspec.json.Encoder()
_BARE_BYTES_MAX = 1_024


@dataclass(frozen=True, slots=True)
class Place:
    """Where and how chains are written."""

    disk: Disk
    layout: Layout
    signer: Signer | None
    clock: Clock
    options: LedgerOptions

    @property
    def trusted(self) -> tuple[bytes, ...]:
        """The key that the writer's own statements are signed with."""
        return (self.signer.public,) if self.signer else ()


@dataclass(slots=True)
class _State:
    """Where a chain stands."""

    chain: str
    part: int
    entries: int
    link: bytes
    begun_ns: int


class Chain:
    """A chain open for writing, its folder locked. Not thread-safe: `Ledger` sees to that.

    A failed write or sync closes it for good (JournalClosedError), as its journal.
    """

    def __init__(self, place: Place, name: str, lock: FolderLock, *, journal: Journal, state: _State) -> None:
        self.name = name
        self._place, self._lock, self._journal, self._state = place, lock, journal, state
        self._vouched = -1
        self._write_head(closed=False)

    @property
    def entries(self) -> int:
        """How many entries it has."""
        return self._state.entries

    @property
    def unvouched(self) -> int:
        """How many entries came after the last checkpoint."""
        return self._state.entries - self._vouched

    def append(self, entry: dict[str, Any]) -> int:
        """Write an entry; its number. Not safe before `sync`. LedgerError when it is none: nothing written."""
        state, options = self._state, self._place.options
        now_ns = self._place.clock.now_ns()
        if self._journal.size >= options.part_bytes or self._is_old(now_ns):
            self._begin_next()
        number = state.entries + 1
        try:
            body = _ENCODER.encode(Entry(n=number, at_ns=now_ns, entry=entry))
        except (TypeError, ValueError, OverflowError) as error:
            raise LedgerError(f"an entry must be JSON: {error}") from None
        if len(body) > options.entry_bytes_max:
            raise LedgerError(
                f"an entry of {len(body):,} bytes is over entry_bytes_max = {options.entry_bytes_max:,}"
            )
        self._put(ENTRY, body)
        state.entries = number
        return number

    def sync(self) -> None:
        """Make all entries safe."""
        self._journal.sync()

    def checkpoint(self, *, closed: bool = False) -> None:
        """Make all entries safe and vouch for them; nothing happens when nothing is new."""
        if not self.unvouched and not closed:
            return
        # First the head: then no checkpoint in the file is newer than the head, unless somebody put an old
        # one there.
        self._journal.sync()
        self._put(CHECKPOINT, self._write_head(closed=closed))

    def begin_next_if_old(self) -> None:
        """Begin the next part when this one is old, so that retention can have this one later."""
        if self._is_old(self._place.clock.now_ns()):
            self._begin_next()

    def prune(self) -> int:
        """Remove the parts whose entries are all older than they need be; how many."""
        place = self._place
        cutoff_ns = place.clock.now_ns() - round(place.options.keep_s * NS_PER_S)
        parts = place.layout.parts(place.disk, self.name)
        first = parts[0]
        kept: Begin | None = None
        for number in parts[1:]:
            begin = read_begin(place.disk, place.layout, self.name, number)
            if begin is None or begin.at_ns >= cutoff_ns:
                break
            kept = begin
        if kept is not None:
            self._write_anchor(kept)
            first = kept.part
        gone = [number for number in parts if number < first]
        for number in gone:
            place.disk.remove(place.layout.part(self.name, number))
        return len(gone)

    def close(self) -> None:
        """Vouch for everything, say that it ended, and let others have the chain. Idempotent."""
        try:
            self.checkpoint(closed=True)
            self._journal.close()
        finally:
            self._lock.release()

    def let_go(self) -> None:
        """In a forked child, or after a failure: leave the chain to others as it is."""
        self._journal.abandon()
        self._lock.release()

    def forget(self) -> None:
        """In a forked child: the chain is the parent's."""
        self._journal.abandon()

    def _is_old(self, now_ns: int) -> bool:
        age_ns = now_ns - self._state.begun_ns
        return age_ns >= self._place.options.part_age_s * NS_PER_S and self._state.entries > 0

    def _begin_next(self) -> None:
        self.checkpoint()
        self._journal.close()
        self._state.part += 1
        self._journal = _create_part(self._place, self.name, self._state)

    def _put(self, kind: int, body: bytes) -> None:
        link = link_of(self._state.link, kind, body)
        self._journal.append(kind, [link, body])
        self._state.link = link

    def _write_head(self, *, closed: bool) -> bytes:
        state = self._state
        statement = Statement(
            chain=state.chain,
            part=state.part,
            entries=state.entries,
            link=state.link.hex(),
            at_ns=self._place.clock.now_ns(),
            closed=closed,
        )
        data = sign_statement(statement, "head", self._place.signer)
        self._place.disk.write_whole(self._place.layout.head(self.name), [data])
        self._vouched = state.entries
        return data

    def _write_anchor(self, begin: Begin) -> None:
        statement = Statement(
            chain=begin.chain,
            part=begin.part,
            entries=begin.entries,
            link=begin.before,
            at_ns=self._place.clock.now_ns(),
        )
        data = sign_statement(statement, "anchor", self._place.signer)
        self._place.disk.write_whole(self._place.layout.anchor(self.name), [data])


def take_chain(place: Place) -> Chain:
    """The first whole chain that nobody writes to, or a new one.

    A chain that is damaged, or whose head is another's or says more than there is, is left as it stands:
    going on with it would cover the traces.
    """
    place.disk.create_folder(place.layout.folder)
    place.disk.create_folder(place.layout.heads)
    names = place.layout.chains(place.disk)
    for name in names:
        if place.disk.exists(place.layout.chain(name)):
            chain = try_chain(place, name)
            if chain is not None:
                return chain
    number = max((int(name) for name in names), default=0)
    while True:
        number += 1
        place.disk.create_folder(place.layout.chain(chain_name(number)))
        chain = try_chain(place, chain_name(number))
        if chain is not None:
            return chain


def try_chain(place: Place, name: str) -> Chain | None:
    """A chain open for writing, if it is whole and nobody has it."""
    try:
        lock = lock_folder(place.layout.chain(name), _PURPOSE)
    except LockedError:
        return None
    try:
        opened = _open(place, name)
        if opened is not None:
            return Chain(place, name, lock, journal=opened[0], state=opened[1])
    except FormatError:
        opened = None  # a part in which nothing of a journal is left, or that a newer release wrote
    except BaseException:
        lock.release()
        raise
    lock.release()
    return None


def may_prune(place: Place, name: str) -> bool:
    """Whether there is anything for retention in a chain: opening one leaves a mark in it."""
    parts = place.layout.parts(place.disk, name)
    begin = read_begin(place.disk, place.layout, name, parts[-1]) if parts else None
    age_ns = place.clock.now_ns() - begin.at_ns if begin else 0
    return len(parts) > 1 or age_ns >= place.options.part_age_s * NS_PER_S


def _open(place: Place, name: str) -> tuple[Journal, _State] | None:
    """The journal of the last part and where it stands; None when the chain must be left alone."""
    head = read_statement(place.disk, place.layout.head(name))
    parts = place.layout.parts(place.disk, name)
    if head == "damaged":
        return None
    reached = 0 if head == "absent" else head[1].part
    while parts and parts[-1] > reached and _is_bare(place, name, parts[-1]):
        place.disk.remove(place.layout.part(name, parts.pop()))  # its maker died before it began
    if not parts:
        return _start(place, name) if head == "absent" else None
    statement = None if head == "absent" else head[1]
    return _resume(place, name, parts[-1], head=statement, believed=_is_ours(place, head))


def _is_ours(place: Place, head: object) -> bool:
    """Whether a head was signed by this writer's key, or by none when it has none."""
    if not isinstance(head, tuple):
        return True
    signed = head[0]
    own = place.signer.key_id if place.signer else ""
    return bool(signed.key == own and not signature_problem(signed, "head", place.trusted))


def _start(place: Place, name: str) -> tuple[Journal, _State]:
    state = _State(os.urandom(8).hex(), 1, 0, FIRST_LINK, place.clock.now_ns())
    return _create_part(place, name, state), state


def _resume(
    place: Place, name: str, part: int, *, head: Statement | None, believed: bool
) -> tuple[Journal, _State] | None:
    begin = read_begin(place.disk, place.layout, name, part)
    if begin is None or not believed:
        return None
    follower = Follower(
        trusted=place.trusted,
        link=bytes.fromhex(begin.before),
        entries=begin.entries,
        watched=(head.entries, head.link) if head else None,
    )
    path = place.layout.part(name, part)
    # Looked at before the journal is opened: that cuts a torn tail off, and a damaged part is to stay as it
    # is. Opened for appending before it is looked at: from then on what is read is safe.
    place.disk.open_append(path).close()
    sound = all(_is_sound(item, follower) for item in read_journal(place.disk, path))
    if not sound or follower.missing() or not _agrees(follower, begin, head):
        return None
    state = _State(follower.chain, part, follower.entries, follower.link, begin.at_ns)
    return Journal.open_journal(place.disk, path), state


def _is_sound(item: Frame | Gap, follower: Follower) -> bool:
    if isinstance(item, Gap):
        return item.reason == TORN_TAIL
    return not any(True for _ in follower.take(item))


def _agrees(follower: Follower, begin: Begin, head: Statement | None) -> bool:
    """Whether a head and the last part of its chain say the same."""
    if head is None:
        return begin.part == 1 and follower.entries == 0 and follower.last_checkpoint is None
    if head.chain != follower.chain or head.part > begin.part or head.entries > follower.entries:
        return False
    checkpoint = follower.last_checkpoint
    if checkpoint is not None and (checkpoint.entries, checkpoint.at_ns) > (head.entries, head.at_ns):
        return False
    return follower.saw_watched or head.part < begin.part


def _create_part(place: Place, name: str, state: _State) -> Journal:
    """A part that begins where the chain stands; safe on return."""
    journal = Journal.create_journal(place.disk, place.layout.part(name, state.part))
    state.begun_ns = place.clock.now_ns()
    begin = Begin(
        format=FORMAT_VERSION,
        chain=state.chain,
        part=state.part,
        entries=state.entries,
        before=state.link.hex(),
        at_ns=state.begun_ns,
    )
    body = msgspec.json.encode(begin)
    link = link_of(state.link, BEGIN, body)
    journal.append(BEGIN, [link, body])
    journal.sync()
    state.link = link
    return journal


def read_begin(disk: Disk, layout: Layout, name: str, part: int) -> Begin | None:
    """What a part goes on from; None when it does not begin as it should."""
    for item in read_journal(disk, layout.part(name, part)):
        if not isinstance(item, Frame) or item.kind != BEGIN:
            return None
        try:
            begin = msgspec.json.decode(item.payload[LINK_BYTES:], type=Begin)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        return begin if begin.part == part and is_link(begin.before) else None
    return None


def _is_bare(place: Place, name: str, part: int) -> bool:
    """Whether a part is what a writer leaves that died while it made it: short, and without a frame."""
    path = place.layout.part(name, part)
    if place.disk.size(path) > _BARE_BYTES_MAX:
        return False
    return not any(isinstance(item, Frame) for item in read_journal(place.disk, path))
