"""Mirrors: sources asked in order until one gives bytes that are right."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.errors import AbsentError, IntegrityError, ManifestError, SourceError, UnmendedError
from tamis.integrity.chunks import Chunk
from tamis.integrity.digest import sha256_of
from tamis.integrity.manifest import FILE_NAME, MANIFEST_BYTES_MAX, Manifest, parse_manifest
from tamis.integrity.sources.base import Source
from tamis.resilience.breaker import CircuitBreaker
from tamis.resilience.limits import BreakerLimits
from tamis.resilience.machine import Verdict
from tamis.resilience.retry import Backoff, RetryLimits, Wait

T = TypeVar("T")

PIECE_BYTES_MAX: Final = 5_000_000
"""No more is asked for at once."""
TRIES: Final = RetryLimits(attempts_max=4, first_s=2.0, factor=2.0)
"""Three more tries, after 2, 4 and 8 s."""
REST: Final = BreakerLimits(failures_to_open=4, open_s=60.0, half_open_call_s=120.0)
"""A mirror that failed for one file so often is not asked for the next ones, for a minute."""


MISSES_MAX: Final = 3
"""So many wrong pieces, one after the other, and a mirror has another version of a file."""


def _verdict(error: Exception) -> Verdict:
    """That a mirror lacks a file says nothing against it, and a full disk of ours says nothing at all."""
    if isinstance(error, AbsentError):
        return Verdict.SUCCESS
    return Verdict.FAILURE if isinstance(error, SourceError) else Verdict.NONE


@dataclass(slots=True)
class Mirror:
    """A source, the breaker round it, and what it was found to have. Used by one thread at a time."""

    source: Source
    breaker: CircuitBreaker
    bytes_read: int = 0
    _places: dict[str, tuple[str, int]] | None = None
    _misses: dict[str, int] = field(default_factory=dict)

    def read(self, path: str, *, start: int, length: int) -> bytes:
        """Bytes of a file, as they come."""
        data = self.source.read(path, start=start, length=length)
        self.bytes_read += len(data)
        if len(data) != length:
            raise SourceError(self.source.name, path, f"gave {len(data):,} bytes of {length:,}")
        return data

    def read_whole(self, path: str, bytes_max: int) -> bytes:
        """A small file; SourceError when it is not."""
        size = self.source.size(path)
        if size > bytes_max:
            raise SourceError(self.source.name, path, f"has {size:,} bytes; over {bytes_max:,} is not read")
        pieces = [
            self.read(path, start=start, length=min(PIECE_BYTES_MAX, size - start))
            for start in range(0, size, PIECE_BYTES_MAX)
        ]
        return b"".join(pieces)

    def manifest(self) -> Manifest:
        """Its own manifest, unbelieved; ManifestError when that is none."""
        data = self.read_whole(FILE_NAME, MANIFEST_BYTES_MAX)
        return parse_manifest(data, f"{self.source.name}: {FILE_NAME}")

    def fetch(self, path: str, run: Sequence[Chunk], into: dict[Chunk, bytes]) -> None:
        """Add those chunks of a file that it has, each compared with its digest. `run` lies without a gap in the file
        as it should be; in another version of it they may be in other places: the mirror's own manifest says where.
        """
        before, absent = len(into), None
        if self._misses.get(path, 0) < MISSES_MAX:
            try:
                into.update(self._in_place(path, run))
                self._misses[path] = 0 if len(into) > before else self._misses.get(path, 0) + 1
            except AbsentError as error:
                absent, self._misses[path] = error, MISSES_MAX
        for chunk in run:
            place = None if chunk in into else self._index().get(chunk.sha256)
            if place is not None:
                data = self.read(place[0], start=place[1], length=chunk.length)
                if sha256_of(data) != chunk.sha256:
                    raise SourceError(self.source.name, path, "gave other bytes than its own manifest says")
                into[chunk] = data
        if len(into) == before and absent is not None:
            raise absent

    def _in_place(self, path: str, run: Sequence[Chunk]) -> Iterator[tuple[Chunk, bytes]]:
        """Those that are where they should be."""
        start = run[0].offset
        data = memoryview(self.read(path, start=start, length=run[-1].end - start))
        for chunk in run:
            piece = bytes(data[chunk.offset - start : chunk.end - start])
            if sha256_of(piece) == chunk.sha256:
                yield chunk, piece

    def _index(self) -> dict[str, tuple[str, int]]:
        """Where its own manifest says that chunks are. Whether that is so, the chunks themselves tell."""
        if self._places is None:
            try:
                files = self.manifest().files
            except (AbsentError, ManifestError):
                files = ()
            self._places = {
                chunk.sha256: (entry.path, chunk.offset) for entry in files for chunk in entry.chunk_list()
            }
        return self._places


class Mirrors:
    """Sources, those on this machine first, each behind a breaker. Used by one thread at a time."""

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        tries: RetryLimits = TRIES,
        clock: Clock = SYSTEM_CLOCK,
        wait: Wait | None = None,
        rest: BreakerLimits = REST,
    ) -> None:
        ordered = sorted(sources, key=lambda source: not source.is_local)
        self.all = tuple(
            Mirror(source, CircuitBreaker(f"mirror {source.name}", rest, clock=clock, classify=_verdict))
            for source in ordered
        )
        self._tries, self._clock, self._wait = tries, clock, wait or clock.sleep

    @property
    def bytes_read(self) -> int:
        """Bytes that came from mirrors, right or not."""
        return sum(mirror.bytes_read for mirror in self.all)

    def ask(self, path: str, attempt: Callable[[Mirror], T]) -> T:
        """What `attempt` makes of the first mirror with which it works.

        AbsentError takes a mirror out of the question; after another SourceError all that are left have another turn
        2, 4 and 8 s later. UnmendedError tells what each one said last.
        """
        return self._ask(self.all, path, attempt, backoff=Backoff(self._tries, clock=self._clock))

    def ask_each(self, path: str, attempt: Callable[[Mirror], T]) -> tuple[list[T], list[str]]:
        """What `attempt` makes of each mirror, and why of others nothing. Waiting for those that do not answer is left
        to the case that none does.
        """
        made, refused = self._each(self.all, path, attempt, backoff=None)
        if not made:
            made, refused = self._each(
                self.all, path, attempt, backoff=Backoff(self._tries, clock=self._clock)
            )
        return made, refused

    def _each(
        self, mirrors: Sequence[Mirror], path: str, attempt: Callable[[Mirror], T], *, backoff: Backoff | None
    ) -> tuple[list[T], list[str]]:
        made: list[T] = []
        refused: list[str] = []
        for mirror in mirrors:
            try:
                made.append(self._ask((mirror,), path, attempt, backoff=backoff))
            except IntegrityError as error:
                refused.append(str(error))
        return made, refused

    def _ask(
        self, mirrors: Sequence[Mirror], path: str, attempt: Callable[[Mirror], T], *, backoff: Backoff | None
    ) -> T:
        asked = list(mirrors)
        said: dict[str, str] = {}
        while True:
            for mirror in tuple(asked):
                name = mirror.source.name
                permit = mirror.breaker.allow()
                if permit is None:
                    said.setdefault(name, f"{name} is left alone for a while, after it failed")
                    continue
                try:
                    with permit:
                        return attempt(mirror)
                except SourceError as error:
                    said[name] = str(error)
                    if isinstance(error, AbsentError):
                        asked.remove(mirror)
            may_answer = any(mirror.breaker.state == "closed" for mirror in asked)
            wait_s = backoff.next_wait_s() if backoff is not None and may_answer else None
            if wait_s is None or self._wait(wait_s):
                raise UnmendedError((path,), _told(path, said))

    def close(self) -> None:
        """Close the sources."""
        for mirror in self.all:
            mirror.source.close()


def _told(path: str, said: dict[str, str]) -> str:
    if not said:
        return f"{path} cannot be had: no mirror is named"
    return f"{path} cannot be had from any mirror: {'; '.join(said.values())}"
