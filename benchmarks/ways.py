"""The ways in which chDB takes records in: which of them a figure is measured against is said by its name."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Way:
    """A way to insert. `compression` is LZ4 (ClickHouse's default) or ZSTD(1)."""

    name: str
    compression: str = "LZ4"
    synced: bool = True
    blocks: bool = True
    threads: int = 1


FASTEST_SYNCED = Way("one INSERT from the file, synced", blocks=False)
SAME_BODIES = Way("4 MB bodies, each synced, 2 clients", threads=2)
WAYS = (
    SAME_BODIES,
    Way("4 MB bodies, not synced, 2 clients", synced=False, threads=2),
    Way("one INSERT from the file, synced, ZSTD(1)", blocks=False, compression="ZSTD(1)"),
    Way("one INSERT from the file, not synced", blocks=False, synced=False),
    FASTEST_SYNCED,
)
CHOICES = {"all": WAYS, "goals": (SAME_BODIES, FASTEST_SYNCED), "fastest": (FASTEST_SYNCED,)}
