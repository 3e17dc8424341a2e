"""The Redis level: entries that processes and machines share."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from secrets import token_hex
from types import MappingProxyType
from typing import Any, Final

from tamis.cache.base import Position
from tamis.cache.extensions import Kind
from tamis.cache.limits import WAIT_S_MAX, require_durations, require_whole
from tamis.cache.outside import OutsideLevel
from tamis.cache.packing import Packer, PackingLimits
from tamis.cache.shelf import Kept, Put, Removed
from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.errors import ConfigError, MissingExtraError

PARTS: Final = ("values", "names", "ends", "used", "touched", "meta", "leases")
ENTRY_BYTES: Final = 600
"""What an entry takes in Redis beside its key and value, about; redis.lua says the same."""
_NAMESPACE = re.compile(r"[A-Za-z0-9._:-]{1,64}")


@dataclass(frozen=True, slots=True)
class RedisLimits:
    """`entries_max` entries of `bytes_max` bytes together, each for `ttl_s` unless it says so; nobody waits longer than
    `timeout_s` for an answer.
    """

    ttl_s: float = 3_600.0
    entries_max: int = 1_000_000
    bytes_max: int = 256 * 1024 * 1024
    timeout_s: float = 0.25

    def __post_init__(self) -> None:
        require_whole(self, "entries_max", "bytes_max")
        require_durations(self, "ttl_s")
        require_durations(self, "timeout_s", most=WAIT_S_MAX)


class RedisLevel(OutsideLevel):
    """A SharedLevel in a Redis server (7 or later, or what speaks as it does), by its URL: redis://, rediss://, unix://.

    All that is kept is under the names `{namespace}:…`: caches with one name space share their entries. Nothing is
    connected before the first use. Whoever may write to the server may put wrong values in, but nothing that does harm
    when it is read: values are data of checked types, never code.
    """

    def __init__(
        self,
        url: str,
        limits: RedisLimits | None = None,
        *,
        namespace: str = "tamis",
        packing: PackingLimits | None = None,
        kinds: Mapping[str, Kind] = MappingProxyType({}),
        name: str = "redis",
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        limits = limits or RedisLimits()
        if not _NAMESPACE.fullmatch(namespace):
            reason = "must be 1 to 64 letters, digits, dots, colons, dashes or underscores"
            raise ConfigError("namespace", namespace, "RedisLevel", reason)
        shelf = RedisShelf(url, limits, namespace=namespace, clock=clock)
        super().__init__(name, shelf, limits, packer=Packer(packing, kinds), clock=clock)


class RedisShelf:
    """A Shelf: every operation is one call of redis.lua."""

    def __init__(self, url: str, limits: RedisLimits, *, namespace: str, clock: Clock = SYSTEM_CLOCK) -> None:
        self._limits, self._clock = limits, clock
        self.room = limits.bytes_max - ENTRY_BYTES
        self._keys = [f"{{{namespace}}}:{part}" for part in PARTS]
        self._client = _client(url, limits.timeout_s)
        self._script = self._client.register_script(
            files("tamis.cache").joinpath("redis.lua").read_text(encoding="utf-8")
        )

    def read(self, key: bytes) -> tuple[bytes | None, float]:
        """The bytes and the seconds left."""
        answer = self._call("read", b"k" + key)
        if answer[0] == 1 and isinstance(answer[2], bytes):
            return answer[2], int(answer[1]) / 1_000
        return None, float(len(answer) > 1)

    def write(self, put: Put) -> Kept:
        """Keep it instead of what was there, and make room."""
        limits = self._limits
        answer = self._call(
            "write",
            b"k" + put.key,
            put.data,
            max(int(put.ttl_s * 1_000), 1),
            limits.bytes_max,
            limits.entries_max,
            *put.since,
            int(put.is_computed),
            put.token,
            *put.tags,
        )
        return Kept(True, *map(int, answer[1:4])) if answer[0] == 1 else Kept(False)

    def remove(self, key: bytes) -> Removed:
        """Remove an entry."""
        count, seq = self._call("remove", b"k" + key)
        return Removed(int(count), int(seq))

    def remove_prefix(self, prefix: bytes) -> Removed:
        """Remove all whose key begins so."""
        return self._remove_many("remove_prefix", prefix)

    def remove_tag(self, tag: bytes) -> Removed:
        """Remove all that have the tag."""
        return self._remove_many("remove_tag", tag)

    def clear(self) -> tuple[int, Position]:
        """Remove all."""
        count, seq, epoch = self._call("clear")
        return int(count), Position(epoch.decode(), int(seq))

    def position(self) -> Position:
        """Where it stands."""
        epoch, seq = self._call("position")
        return Position(epoch.decode(), int(seq))

    def changes(self, after: Position) -> tuple[Position, list[tuple[bytes, int]] | None]:
        """What changed since."""
        epoch, seq, amount, *found = self._call("changes", *after)
        position = Position(epoch.decode(), int(seq))
        if amount != b"some":
            return position, None
        pairs = zip(found[::2], found[1::2], strict=True)
        return position, [(name, int(number)) for name, number in pairs]

    def lease(self, key: bytes, token: str, *, seconds: float) -> bool:
        """Take or prolong a lease."""
        return bool(self._call("lease", b"k" + key, token, int(seconds * 1_000))[0])

    def release(self, key: bytes, token: str) -> None:
        """Give a lease back."""
        self._call("release", b"k" + key, token)

    def sizes(self) -> tuple[int, int]:
        """Entries and bytes."""
        entries, size = self._call("statistics")
        return int(entries), int(size)

    def check(self) -> None:
        """Raise what is wrong: nobody there, wrong password, no more memory, read-only."""
        self.sizes()
        self.lease(b"", "check", seconds=1)
        self.release(b"", "check")

    def interrupt(self) -> None:
        """Cut all connections: what waits on them ends."""
        self._client.connection_pool.disconnect(inuse_connections=True)

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def _remove_many(self, operation: str, name: bytes) -> Removed:
        total, first_seq, is_first = 0, 0, 1
        while True:
            count, seq, has_more = self._call(operation, name, is_first)
            total, first_seq, is_first = total + int(count), first_seq or int(seq), 0
            if not has_more:
                return Removed(total, first_seq)

    def _call(self, operation: str, *given: Any) -> list[Any]:
        now_ms = 0 if self._clock is SYSTEM_CLOCK else self._clock.now_ns() // 1_000_000
        found = self._script(keys=self._keys, args=[operation, now_ms, token_hex(8), *given])
        if not isinstance(found, list) or not found:
            raise ValueError(f"Redis answered {operation} with {type(found).__name__}, not as redis.lua does")
        return found


def _client(url: str, timeout_s: float) -> Any:
    try:
        from redis import Redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry
    except ImportError:
        raise MissingExtraError("redis", "a cache level in Redis") from None
    try:
        return Redis.from_url(
            url,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
            client_name=f"tamis-cache-{os.getpid()}",
        )
    except ValueError as error:
        raise ConfigError("url", _without_password(url), "RedisLevel", str(error)) from None


def _without_password(url: str) -> str:
    return re.sub(r"//[^@/]*@", "//***@", url)
