"""What was computed and is kept: how much, how long, and where (SPEC S12)."""

from dataclasses import dataclass
from pathlib import Path

from tamis.settings.fields import optional_file, real, seconds, size, text, whole


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheSettings:
    """A cache of several levels. Memory is always one; Redis and the disk are when it is said where."""

    entries_max: int = whole(1_000, "Entries in memory; the least recently used makes room.", least=1)
    bytes_max: int = size("64MiB", "Bytes of the entries in memory, about.", least=1)
    ttl_s: float = seconds("300s", "How long an entry stays in memory.", least=0.001)
    negative_ttl_s: float = seconds("30s", "How long it is kept that there is nothing.", least=0.001)
    refresh_share: float = real(
        0.1, "The last part of its time in which an entry is computed anew; 0 is never.", most=0.99
    )
    wait_s: float = seconds(
        "30s", "How long to wait for another's computation before one's own.", least=0.001
    )
    lease_s: float = seconds(
        "5s", "How long a process that died while it computed holds others up.", least=0.1
    )
    follow_interval_s: float = seconds(
        "100ms", "How soon memory forgets what another process changed in Redis or on the disk.", least=0.001
    )
    compress_bytes: int = size("1024", "Larger values are compressed in Redis and on the disk.")
    value_bytes_max: int = size(
        "8MiB",
        "The largest value in Redis and on the disk, before compression; larger ones stay in memory.",
        least=1,
    )
    redis_url: str = text(
        "", "The Redis server, as redis://host:6379/0, rediss://… or unix://…; empty is none.", secret=True
    )
    redis_namespace: str = text("tamis", "What the names of all keys in Redis begin with.")
    redis_ttl_s: float = seconds("1h", "How long an entry stays in Redis.", least=0.001)
    redis_bytes_max: int = size("256MiB", "Bytes of the entries in Redis, about.", least=1024)
    redis_timeout_s: float = seconds("250ms", "How long to wait for Redis.", least=0.001)
    disk: Path | None = optional_file("A folder for entries on this machine's disk, for all its processes.")
    disk_ttl_s: float = seconds("24h", "How long an entry stays on the disk.", least=0.001)
    disk_bytes_max: int = size("500MB", "Bytes of the entries on the disk.", least=65_536)
    disk_timeout_s: float = seconds("1s", "How long to wait for the disk.", least=0.001)
    disk_reserve_bytes: int = size("64MiB", "Free space that the cache never uses.")
