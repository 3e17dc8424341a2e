"""A ledger's entries, to be read elsewhere."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from tamis.clock import NS_PER_S
from tamis.disk.base import Disk
from tamis.disk.journal import Frame, read_journal
from tamis.errors import FormatError
from tamis.integrity.ledger.layout import Layout
from tamis.integrity.ledger.links import ENTRY, LINK_BYTES, Entry

_LINE = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One entry as it stands in a ledger. `link` (hex) is what later entries hang on."""

    chain: str
    number: int
    at_ns: int
    entry: dict[str, Any]
    link: str


def read_ledger(
    disk: Disk, layout: Layout, *, start_ns: int | None = None, end_ns: int | None = None
) -> Iterator[LedgerEntry]:
    """Every readable entry from `start_ns` to before `end_ns`, chains merged by time, in bounded memory.

    Damage is passed over: `verify_ledger` tells of it.
    """
    chains = (_read_chain(disk, layout, name) for name in layout.chains(disk))
    for entry in heapq.merge(*chains, key=lambda entry: entry.at_ns):
        if (start_ns is None or entry.at_ns >= start_ns) and (end_ns is None or entry.at_ns < end_ns):
            yield entry


def export_ledger(
    disk: Disk, layout: Layout, *, start_ns: int | None = None, end_ns: int | None = None
) -> Iterator[bytes]:
    """The same as lines of NDJSON: chain, number, at (RFC 3339), entry, link."""
    for entry in read_ledger(disk, layout, start_ns=start_ns, end_ns=end_ns):
        line = {
            "chain": entry.chain,
            "number": entry.number,
            "at": print_instant(entry.at_ns),
            "entry": entry.entry,
            "link": entry.link,
        }
        yield _LINE.encode(line) + b"\n"


def print_instant(at_ns: int) -> str:
    """RFC 3339 in UTC, with as many digits as the instant has."""
    from datetime import datetime, timedelta

    seconds, rest = divmod(at_ns, NS_PER_S)
    day = (datetime(1970, 1, 1) + timedelta(seconds=seconds)).isoformat()
    digits = f"{rest:09}"
    while digits.endswith("000"):
        digits = digits[:-3]
    return f"{day}.{digits}Z" if digits else f"{day}Z"


def _read_chain(disk: Disk, layout: Layout, name: str) -> Iterator[LedgerEntry]:
    for part in layout.parts(disk, name):
        try:
            for item in read_journal(disk, layout.part(name, part)):
                if isinstance(item, Frame) and item.kind == ENTRY:
                    entry = _read_entry(item.payload, name)
                    if entry is not None:
                        yield entry
        except FormatError:
            continue


def _read_entry(payload: bytes, name: str) -> LedgerEntry | None:
    try:
        entry = msgspec.json.decode(payload[LINK_BYTES:], type=Entry)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return LedgerEntry(name, entry.n, entry.at_ns, entry.entry, payload[:LINK_BYTES].hex())
