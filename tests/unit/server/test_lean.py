"""The server's memory: what is free goes back to the system when the process has grown."""

from collections.abc import Iterator

from tamis.server.lean import GROWN_BYTES, Slimmer, resident_bytes


class Process:
    """One that takes memory, and gives back what it is asked for."""

    def __init__(self) -> None:
        self.used = self.resident = 100 << 20
        self.trimmed = 0

    def take(self, count: int, *, kept: int) -> None:
        self.resident += count
        self.used += kept

    def trim(self) -> None:
        self.resident = self.used
        self.trimmed += 1


def test_memory_goes_back_when_the_process_has_grown() -> None:
    """Once for each growth: what it still uses then counts as its size, until that has shrunk."""
    process = Process()
    slimmer = Slimmer(resident=lambda: process.resident, trim=process.trim)
    slimmer.look()
    assert process.trimmed == 1
    process.take(GROWN_BYTES - 1, kept=0)
    slimmer.look()
    assert process.trimmed == 1
    process.take(1, kept=GROWN_BYTES // 2)
    slimmer.look()
    slimmer.look()
    assert (process.trimmed, process.resident) == (2, process.used)
    process.used = process.resident = 50 << 20
    slimmer.look()
    process.take(GROWN_BYTES, kept=0)
    slimmer.look()
    assert process.trimmed == 3


def test_it_ends_at_once() -> None:
    """A server that stops does not wait for the next look."""
    looks: Iterator[int] = iter([])
    with Slimmer(resident=lambda: next(looks, 0)):
        assert resident_bytes() > 0
