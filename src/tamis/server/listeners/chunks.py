"""GELF's chunks, put together for a listener, with what does not become whole counted."""

from tamis.clock import Clock
from tamis.server.listeners.tally import Tally
from tamis.wire.gelf import Chunks


class GelfJoin:
    """Makes messages of datagrams. For one event loop."""

    def __init__(self, bytes_max: int, tally: Tally, clock: Clock) -> None:
        self._chunks = Chunks(bytes_max)
        self._tally, self._clock = tally, clock

    def message(self, datagram: bytes, peer: str) -> bytes | None:
        """The message that is whole now; None: more is to come, or it was no chunk."""
        message = self._chunks.add(datagram, peer, now_s=self._clock.monotonic_s())
        self._count()
        return message

    def expire(self) -> None:
        """Give up what did not become whole in time."""
        self._chunks.expire(self._clock.monotonic_s())
        self._count()

    def end(self) -> None:
        """Give up all."""
        self._chunks.end()
        self._count()

    def _count(self) -> None:
        for peer, reason in self._chunks.lost:
            self._tally.reject(peer, reason)
        self._chunks.lost.clear()
