"""What a disk really holds: for each file and folder, what is safe and what only the running machine sees."""

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

Mode = Literal["forget", "keep", "random"]
"""``forget`` all that was not synced; ``keep`` all (the process died, not the machine); ``random``: each
part.
"""


@dataclass(eq=False, slots=True)
class FileNode:
    """A file's content. It stands at `keeper`, a second name that the code under test does not know, so that
    it can come back under a name that was taken from it.
    """

    keeper: Path
    safe_bytes: int = 0
    """So many bytes at the beginning are as they were at the last sync."""
    cut_off: bytes = b""
    """Safe bytes after those, which a truncation that is not yet safe took away."""
    writes: list[range] = field(default_factory=list)
    """Not yet safe, in order."""
    doomed: list[range] = field(default_factory=list)
    """Met a failed sync: the machine shows them, and no later sync makes them safe."""

    @property
    def changed(self) -> bool:
        """Whether a power cut may change it."""
        return bool(self.writes or self.cut_off or self.doomed)

    def wrote(self, start: int, length: int) -> None:
        """Bytes were appended."""
        self.writes.append(range(start, start + length))

    def truncated(self, size: int) -> None:
        """To be told before it happens."""
        if size < self.safe_bytes:
            self.cut_off = self.keeper.read_bytes()[size : self.safe_bytes] + self.cut_off
            self.safe_bytes = size
        self.writes = [part for part in (range(w.start, min(w.stop, size)) for w in self.writes) if part]
        self.doomed = [part for part in (range(w.start, min(w.stop, size)) for w in self.doomed) if part]

    def synced(self) -> None:
        """All writes are safe, but for the doomed."""
        self.safe_bytes, self.cut_off = self.keeper.stat().st_size, b""
        self.writes.clear()

    def sync_failed(self) -> None:
        """As Linux does it: the pages count as written, the error is told once, the bytes are not on the
        disk.
        """
        self.doomed += self.writes
        self.writes.clear()

    def show_device(self) -> None:
        """Memory's copy is dropped: the machine sees that the doomed bytes are not there."""
        with self.keeper.open("r+b") as file:
            for part in self.doomed:
                file.seek(part.start)
                file.write(bytes(len(part)))
        self.doomed.clear()

    def after_cut(self, mode: Mode, rng: random.Random) -> bytes:
        """The content that the machine finds when it has power again."""
        seen = self.keeper.read_bytes()
        if mode == "keep":
            return seen
        content = bytearray(seen[: self.safe_bytes])
        for part in self.doomed:
            content[part.start : min(part.stop, len(content))] = bytes(len(content[part.start : part.stop]))
        if mode == "forget":
            return bytes(content + self.cut_off)
        if rng.random() < 0.5:
            content += self.cut_off
        for part in self.writes:
            _write_perhaps(content, part, seen=seen, rng=rng)
        return bytes(content)


def _write_perhaps(content: bytearray, part: range, *, seen: bytes, rng: random.Random) -> None:
    """Lose a write, or keep it whole, or up to a byte with nothing, zeros or rubbish in the place of the
    rest.
    """
    fate = rng.choice(("lost", "whole", "whole", "torn", "zeros", "rubbish"))
    if fate == "lost":
        return
    kept = len(part) if fate == "whole" else rng.randrange(len(part) + 1)
    rest = len(part) - kept
    data = seen[part.start : part.start + kept]
    data += {"zeros": bytes(rest), "rubbish": rng.randbytes(rest)}.get(fate, b"")
    if len(content) < part.start:
        content += bytes(part.start - len(content))
    content[part.start : part.start + len(data)] = data


@dataclass(eq=False, slots=True)
class FolderNode:
    """A folder's names: as the machine sees them, as at the last sync, and what was done between."""

    live: dict[str, "Node"] = field(default_factory=dict)
    safe: dict[str, "Node"] = field(default_factory=dict)
    pending: list["Change"] = field(default_factory=list)

    def change(self, change: "Change") -> None:
        """Do it; it is not safe yet."""
        change.apply(self.live)
        self.pending.append(change)

    def synced(self) -> None:
        """All names are safe."""
        self.safe = dict(self.live)
        self.pending.clear()

    def after_cut(self, mode: Mode, rng: random.Random) -> dict[str, "Node"]:
        """The names that the machine finds when it has power again."""
        if mode == "keep":
            return dict(self.live)
        names = dict(self.safe)
        if mode == "random":
            likely = rng.choice((0.2, 0.5, 0.8, 1.0))
            for change in self.pending:
                if rng.random() < likely:
                    change.apply(names)
        return names


Node: TypeAlias = FileNode | FolderNode


@dataclass(frozen=True, slots=True)
class Change:
    """`node` loses the name `old` and gets the name `new`, at once; None for no name."""

    node: Node
    old: str | None
    new: str | None

    def apply(self, names: dict[str, Node]) -> None:
        """To what a folder holds."""
        if self.old is not None and names.get(self.old) is self.node:
            del names[self.old]
        if self.new is not None:
            names[self.new] = self.node
