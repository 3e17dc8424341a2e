"""Whether a ledger is what was written: it looks and changes nothing, also while writers are at work."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from tamis.disk.base import Disk
from tamis.disk.journal import TORN_TAIL, Gap, read_journal
from tamis.errors import DiskError, FormatError
from tamis.integrity.ledger.follow import Follower, Problem
from tamis.integrity.ledger.layout import Layout
from tamis.integrity.ledger.links import FIRST_LINK, is_link
from tamis.integrity.ledger.statement import Signed, Statement, read_statement, signature_problem

FINDINGS_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was written: in which chain, which part (0: none), at which byte, about
    which entry.
    """

    chain: str
    problem: str
    part: int = 0
    position: int = 0
    entry: int | None = None


@dataclass(slots=True)
class Report:
    """What was found. `more` counts findings beyond FINDINGS_MAX; notes are no damage."""

    chains: int = 0
    entries: int = 0
    bytes: int = 0
    findings: list[Finding] = field(default_factory=list)
    more: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """Whether everything is as it was written."""
        return not self.findings

    def add(self, finding: Finding) -> None:
        """Tell of something, or count it when there is much already."""
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(finding)
        else:
            self.more += 1


@dataclass(frozen=True, slots=True)
class _Look:
    """One chain being looked at."""

    disk: Disk
    layout: Layout
    trusted: tuple[bytes, ...]
    name: str
    report: Report

    def tell(self, problem: str, *, part: int = 0, position: int = 0, entry: int | None = None) -> None:
        self.report.add(Finding(self.name, problem, part, position, entry))


def verify_ledger(disk: Disk, layout: Layout, *, trusted: tuple[bytes, ...] = ()) -> Report:
    """Follow every chain from its beginning (or its anchor) to its head, in bounded memory.

    `trusted` are the public keys whose signatures count; without any, none is checked, and a note says so.
    What came after the last checkpoint and was cut off leaves no trace; everything else does: changed,
    removed, put in, moved and cut entries, files that are gone, a head that is older than its chain.
    """
    report = Report()
    if not trusted:
        report.notes.append("signatures were not checked: no key was given")
    for name in layout.chains(disk):
        report.chains += 1
        _verify_chain(_Look(disk, layout, trusted, name, report))
    if not report.chains:
        report.notes.append("there is no chain")
    return report


def _verify_chain(look: _Look) -> None:
    # Before the parts: a writer at work goes on, and the parts hold at least what the head speaks of.
    head = _read(look, "head")
    anchor = _read(look, "anchor")
    follower = _follower(look, anchor, head)
    parts = look.layout.parts(look.disk, look.name)
    first = anchor.part if anchor else 1
    if any(part < first for part in parts):
        look.report.notes.append(f"chain {look.name}: parts before {first} are about to be removed")
    expected = first
    for part in (part for part in parts if part >= first):
        for missing in range(expected, min(part, expected + FINDINGS_MAX)):
            look.tell(f"part {missing} is gone", part=missing)
        expected = part + 1
        _verify_part(look, follower, part, is_last=part == parts[-1])
    look.report.entries += follower.found
    _compare(look, follower, head, parts)


def _read(look: _Look, kind: str) -> Statement | None:
    """A chain's head or anchor, as far as it can be believed."""
    path = look.layout.head(look.name) if kind == "head" else look.layout.anchor(look.name)
    read = read_statement(look.disk, path)
    if read == "damaged":
        look.tell(f"its {kind} {path} is damaged")
    if isinstance(read, str):
        return None
    signed, statement = read
    problem = _distrust(signed, kind, look.trusted)
    if problem or not is_link(statement.link):
        look.tell(f"its {kind} {problem or 'holds no link'}")
        return None
    return statement


def _distrust(signed: Signed, kind: str, trusted: tuple[bytes, ...]) -> str:
    return signature_problem(signed, "head" if kind == "head" else "anchor", trusted)


def _follower(look: _Look, anchor: Statement | None, head: Statement | None) -> Follower:
    return Follower(
        trusted=look.trusted,
        link=bytes.fromhex(anchor.link) if anchor else FIRST_LINK,
        entries=anchor.entries if anchor else 0,
        watched=(head.entries, head.link) if head else None,
    )


def _verify_part(look: _Look, follower: Follower, part: int, *, is_last: bool) -> None:
    path = look.layout.part(look.name, part)
    follower.begun = None
    try:
        look.report.bytes += look.disk.size(path)
        for item in read_journal(look.disk, path):
            if isinstance(item, Gap):
                _tell_gap(look, follower, item, part=part, is_last=is_last)
                continue
            for problem in follower.take(item):
                look.tell(problem.text, part=part, position=item.position, entry=problem.entry)
    except FormatError:
        look.tell("nothing of it can be recognised, or a newer release wrote it", part=part)
        follower.lost()
    except DiskError as error:
        look.tell(f"cannot be read: {error}", part=part)
        follower.lost()
    else:
        if follower.begun is None and not is_last:
            look.tell("does not begin as a part begins", part=part)


def _tell_gap(look: _Look, follower: Follower, gap: Gap, *, part: int, is_last: bool) -> None:
    if not gap.length:
        return  # frames out of sequence: the numbers of the entries say it better
    follower.lost()
    if gap.reason == TORN_TAIL and is_last:
        look.report.notes.append(
            f"chain {look.name}: the last {gap.length:,} bytes are a write that was cut short"
        )
        return
    look.tell(f"{gap.length:,} bytes: {gap.reason}", part=part, position=gap.position)


def _compare(look: _Look, follower: Follower, head: Statement | None, parts: list[int]) -> None:
    """What the head says against what is there."""
    for problem in _missing(follower, head):
        look.tell(problem.text, entry=problem.entry)
    last = parts[-1] if parts else 0
    if head is None:
        if not look.disk.exists(look.layout.head(look.name)) and (follower.found or last > 1):
            look.tell("its head is gone")
        return
    if head.part > last:
        look.tell(f"its last parts are gone: its head speaks of part {head.part}, the last is {last}")
    elif not follower.saw_watched and head.entries <= follower.entries:
        look.tell(f"the head vouches for other entries up to {head.entries}", entry=head.entries)
    if head.chain != follower.chain and follower.chain:
        look.tell("its head is another chain's")
    _compare_again(look, follower, head)


def _missing(follower: Follower, head: Statement | None) -> Iterator[Problem]:
    before = follower.entries
    if head is not None:
        follower.expect_entries(head.entries)
    for numbers in follower.missing():
        first, last = numbers[0], numbers[-1]
        what = f"entry {first} is" if first == last else f"entries {first} to {last} are"
        cut = ": the end was cut off" if last > before else ""
        yield Problem(f"{what} gone{cut}", first)


def _compare_again(look: _Look, follower: Follower, head: Statement) -> None:
    """Whether the head is as new as what it is the head of; a writer may have written another meanwhile."""
    read = read_statement(look.disk, look.layout.head(look.name))
    newest = head if isinstance(read, str) else read[1]
    checkpoint = follower.last_checkpoint
    if checkpoint is not None and (checkpoint.entries, checkpoint.at_ns) > (newest.entries, newest.at_ns):
        look.tell(f"its head was replaced by an older one, of entry {newest.entries}", entry=newest.entries)
    if newest.closed and follower.entries > newest.entries:
        look.tell(f"it was closed after entry {newest.entries}, and something was put in behind that")
