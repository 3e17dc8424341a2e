"""Ledgers for tests: made in a folder, taken apart into frames, put together again with valid checks."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tamis.disk.base import Disk
from tamis.disk.calls import SystemCalls
from tamis.disk.frame import encode_first, encode_header
from tamis.disk.journal import Frame, read_journal
from tamis.disk.real import RealDisk
from tamis.integrity.ledger import Layout, Ledger, LedgerOptions, Report, Signer, open_ledger, verify_ledger
from tests.support.hand_clock import HandClock

SALT = b"saltsalt"


class Unsynced(SystemCalls):
    """Damage has nothing to do with syncs, and they take time."""

    def sync(self, handle: int) -> None:
        pass

    def sync_folder(self, path: Path) -> None:
        pass


DISK = RealDisk(Unsynced())


@dataclass
class LedgerPlace:
    """A folder with a ledger."""

    root: Path
    disk: Disk = DISK
    signer: Signer | None = field(default_factory=lambda: Signer(bytes(range(32))))
    clock: HandClock = field(default_factory=HandClock)
    options: LedgerOptions = field(default_factory=lambda: LedgerOptions(checkpoint_entries=5))

    @property
    def layout(self) -> Layout:
        return Layout(self.root / "audit", self.root / "heads")

    @property
    def trusted(self) -> tuple[bytes, ...]:
        return (self.signer.public,) if self.signer else ()

    def open(self) -> Ledger:
        layout = self.layout
        return open_ledger(
            self.disk,
            layout.folder,
            heads=layout.heads,
            signer=self.signer,
            clock=self.clock,
            options=self.options,
        )

    def write(self, count: int) -> None:
        """So many entries, and a clean end."""
        with self.open() as ledger:
            for number in range(count):
                ledger.append({"what": f"thing {number}"})

    def verify(self) -> Report:
        return verify_ledger(self.disk, self.layout, trusted=self.trusted)

    def problems(self) -> str:
        return "\n".join(finding.problem for finding in self.verify().findings)

    def part(self, number: int = 1, chain: str = "0001") -> Path:
        return self.layout.part(chain, number)

    @property
    def head(self) -> Path:
        return self.layout.head("0001")

    def frames(self, number: int = 1) -> list[Frame]:
        return [item for item in read_journal(self.disk, self.part(number)) if isinstance(item, Frame)]

    def rewrite(self, frames: Iterable[tuple[int, bytes]], number: int = 1) -> None:
        """Replace a part as somebody who knows the format would: numbers and checks are right."""
        pieces = [encode_first(SALT)]
        for index, (kind, payload) in enumerate(frames, start=1):
            pieces.append(encode_header(SALT, index, kind=kind, payload=[memoryview(payload)]) + payload)
        self.part(number).write_bytes(b"".join(pieces))
