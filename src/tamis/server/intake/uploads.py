"""What systemd-journal-upload sends: a body that need not end, stored as it comes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request

from tamis.errors import DiskError, OverloadedError
from tamis.server.listeners.keeping import Keeper, Kept, keep_entries
from tamis.server.listeners.tally import Tally
from tamis.server.problems import ProblemError
from tamis.server.service import Service
from tamis.wire.journal_stream import Entries, cursor_of

T = TypeVar("T")

BATCH_ENTRIES, BATCH_BYTES = 2_000, 1 << 20
QUIET_S = 0.5
"""What came is stored when nothing more comes for so long."""
RETRY_S = 1.0


class Upload:
    """One request. Holds a batch and an entry at most; reads on only when the store has taken the batch."""

    def __init__(self, service: Service, keeper: Keeper, tally: Tally, *, peer: str) -> None:
        self._service, self._keeper, self._tally, self._peer = service, keeper, tally, peer
        self._entries = Entries(service.settings.server.line_bytes_max)
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._is_first = True
        self._cursor: bytes | None = None
        self.stored = self.repeated = self.rejected = 0

    async def take(self, request: Request) -> None:
        """All of the body, until each entry is safe. ProblemError when it does not end well: what came is stored."""
        try:
            async for piece in self._pieces(request):
                if piece is None:
                    await self._store(is_last=False)
                    continue
                self._add(self._entries.feed(piece))
                if self._pending_bytes >= BATCH_BYTES or len(self._pending) >= BATCH_ENTRIES:
                    await self._store(is_last=False)
        except (ProblemError, ClientDisconnect):
            await self._store(is_last=True)
            raise
        except asyncio.CancelledError:  # the server stops, and has waited long enough
            raise _again(
                "The server stops; send on from your cursor: what is stored already is not stored twice."
            ) from None
        self._add(self._entries.finish())
        await self._store(is_last=True)
        if self._cursor is not None:
            await self._in_thread(partial(self._keeper.mark, self._cursor))

    def _add(self, entries: list[bytes]) -> None:
        self._pending.extend(entries)
        if entries:
            self._cursor = cursor_of(entries[-1])
        self._pending_bytes += sum(map(len, entries))
        for reason in self._entries.rejected:
            self.rejected += 1
            self._tally.reject(self._peer, reason)
        self._entries.rejected.clear()

    async def _pieces(self, request: Request) -> AsyncIterator[bytes | None]:
        """The body as it comes; None when nothing comes for a while."""
        timeout_s = self._service.settings.server.body_timeout_s
        stopping = asyncio.ensure_future(self._service.stopping.wait())
        stream = aiter(request.stream())
        coming = asyncio.ensure_future(anext(stream, b""))
        quiet_s = 0.0
        try:
            while True:
                await asyncio.wait({coming, stopping}, timeout=QUIET_S, return_when=asyncio.FIRST_COMPLETED)
                if coming.done():
                    piece, quiet_s = coming.result(), 0.0
                    if not piece:
                        return
                    coming = asyncio.ensure_future(anext(stream, b""))
                    yield piece
                elif stopping.done():
                    raise _again("The server stops; what came is stored, send on from your cursor.")
                else:
                    quiet_s += QUIET_S
                    if quiet_s >= timeout_s:
                        raise ProblemError(408, f"No byte of the body came for {timeout_s:g} s.")
                    yield None
        finally:
            coming.cancel()
            stopping.cancel()

    async def _store(self, *, is_last: bool) -> None:
        """Store what is pending, however long the store takes: the sender waits meanwhile."""
        pending, self._pending = self._pending, []
        size, self._pending_bytes = self._pending_bytes, 0
        if not pending:
            return
        keep = partial(keep_entries, self._keeper, pending, is_first=self._is_first, is_last=is_last)
        kept = await self._insist(keep, size)
        self._is_first = False
        self._pending[:0] = kept.left
        self._pending_bytes += sum(map(len, kept.left))
        self.stored += kept.stored
        self.repeated += kept.repeated
        self.rejected += kept.rejected_count
        self._tally.store(kept.stored)
        for reason in kept.rejected:
            self._tally.reject(self._peer, reason)
        self._tally.reject_more(kept.rejected_count - len(kept.rejected))

    async def _insist(self, keep: Callable[[], Kept], size: int) -> Kept:
        """Ask the store until it takes them, or the server stops."""
        while True:
            try:
                with self._service.bodies.enter() as claim:
                    claim.grow(size)
                    return await self._in_thread(keep)
            except (OverloadedError, DiskError) as error:
                if self._service.stopping.is_set():
                    raise
                await asyncio.sleep(error.retry_after_s if isinstance(error, OverloadedError) else RETRY_S)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """What came of it; a stop of the server is heard when it is done."""
        doing = asyncio.get_running_loop().run_in_executor(self._service.writes, work)
        try:
            return await asyncio.shield(doing)
        except asyncio.CancelledError:
            await asyncio.wait({doing})
            raise


def _again(detail: str) -> ProblemError:
    problem = ProblemError(503, detail)
    problem.headers.update({"Retry-After": "1", "Connection": "close"})
    return problem
