"""Suppression: repeats of a record are held back, and arrive as one with their number."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice
from typing import Final

from msgspec.structs import replace

from tamis.clock import NS_PER_S
from tamis.record.attributes import Value
from tamis.record.model import INSTANT_MAX, Record
from tamis.settings.processors import SuppressSettings

REPEAT_COUNT: Final = "repeat_count"
_EVICTED: Final = 5
_LONGEST: Final = 8


@dataclass(slots=True)
class _Seen:
    """A message in the cache. `last` is the newest of `repeats` records that were held back."""

    ends_ns: int
    lasts_ns: int
    repeats: int = 0
    last: Record | None = None


class Suppress:
    """Lets the first record of a logger, level and message through; its repeats within `keep_s` are counted and
    arrive as one record: the last of them, with `repeat_count`, how many it stands for.

    They arrive when the time is over, and are then counted on for twice as long (up to eight times `keep_s`); a
    message that did not repeat is forgotten. At most `entries_max` messages are known, by a hash; when there are
    more, the oldest fifth goes, and what was held back of it is sent. Nothing is lost at the end either.
    """

    name = "suppress"
    reason = "suppressed"
    only_drops = True
    """No record is another one afterwards."""

    def __init__(self, *, entries_max: int = 1_000, keep_s: float = 300.0) -> None:
        self._entries_max, self._keep_ns = entries_max, int(keep_s * NS_PER_S)
        self._seen: dict[bytes, _Seen] = {}
        self._waiting: list[Record] = []

    def process(self, record: Record, /) -> Record | None:
        """The record when it is new; None when it is a repeat."""
        key = _key(record)
        seen = self._seen.get(key)
        if seen is not None and record.timestamp < seen.ends_ns:
            seen.repeats, seen.last = seen.repeats + 1, record
            return None
        if seen is not None:
            self._end(key, seen, record.timestamp)
            if key in self._seen:
                return self.process(record)
        if len(self._seen) < self._entries_max or self._evict():
            self._seen[key] = _Seen(record.timestamp + self._keep_ns, self._keep_ns)
        return record

    def failed(self, record: Record, /) -> Record:
        """Suppression is a convenience: the record goes on."""
        return record

    def due(self, now_ns: int, /) -> Sequence[Record]:
        """What was held back of messages whose time is over, and of those that had to make room."""
        over = [(key, seen) for key, seen in self._seen.items() if seen.ends_ns <= now_ns]
        for key, seen in over:
            self._end(key, seen, now_ns)
        if now_ns >= INSTANT_MAX:  # the end: whatever comes after it begins anew
            self._seen.clear()
        sent, self._waiting = self._waiting, []
        return sent

    def _end(self, key: bytes, seen: _Seen, now_ns: int) -> None:
        """A message's time is over: send what was held back, and go on for longer when there was something."""
        if not self._send(seen):
            del self._seen[key]
            return
        seen.lasts_ns = min(seen.lasts_ns * 2, self._keep_ns * _LONGEST)
        seen.ends_ns = now_ns + seen.lasts_ns

    def _send(self, seen: _Seen) -> bool:
        last, repeats = seen.last, seen.repeats
        if last is None:
            return False
        attributes: dict[str, Value] = {**last.attributes, REPEAT_COUNT: repeats}
        self._waiting.append(replace(last, attributes=attributes))
        seen.last, seen.repeats = None, 0
        return True

    def _evict(self) -> bool:
        """Make room; not while as much as that waits to be sent already."""
        if len(self._waiting) >= self._entries_max:
            return False
        for key in list(islice(self._seen, max(self._entries_max // _EVICTED, 1))):
            self._send(self._seen.pop(key))
        return True


def _key(record: Record) -> bytes:
    digest = blake2b(digest_size=16)
    for text in (record.logger, record.level, record.message):
        data = (text or "").encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.digest()


def suppress_from(settings: SuppressSettings) -> Suppress:
    """Suppression as the settings say."""
    return Suppress(entries_max=settings.entries_max, keep_s=settings.keep_s)
