"""What became of everything that came to a listener: counted, and some of what was refused shown."""

from collections import Counter, deque
from dataclasses import dataclass

from tamis.clock import Clock
from tamis.telemetry.metrics import Metrics

SAMPLES_MAX = 20
BEGIN_BYTES = 120


@dataclass(frozen=True, slots=True)
class Sample:
    """One thing that was not taken: when, from where, why, and how it began."""

    at_ns: int
    peer: str
    reason: str
    begin: str


class Tally:
    """Counts of one listener. Not thread-safe: the event loop's alone.

    A message is stored, rejected (it cannot be kept, and why), or lost (read, and then the server ended before the
    store took it). What is refused were never messages: connections, and datagrams of strangers.
    """

    def __init__(self, protocol: str, *, metrics: Metrics, clock: Clock) -> None:
        self.protocol = protocol
        self._metrics, self._clock = metrics, clock
        self.stored = self.rejected = self.lost = self.cut = self.pauses = self.kernel_drops = 0
        self.connections = self.waiting_bytes = 0
        self.refused: Counter[str] = Counter()
        self.samples: deque[Sample] = deque(maxlen=SAMPLES_MAX)

    def store(self, count: int, *, cut: int = 0) -> None:
        """So many are safe; of so many only the beginning."""
        self.stored += count
        self.cut += cut
        self._count("stored", count)
        if cut:
            self._metrics.add("tamis_listener_cut_total", cut, self.protocol)

    def reject(self, peer: str, reason: str, begin: bytes = b"") -> None:
        """One cannot be kept."""
        self.reject_more(1)
        self._sample(peer, reason, begin)

    def reject_more(self, count: int) -> None:
        """So many cannot be kept; there are samples enough."""
        self.rejected += count
        self._count("rejected", count)

    def lose(self, count: int, reason: str) -> None:
        """So many were read, and will not be stored."""
        self.lost += count
        self._count("lost", count)
        self._sample("", reason, b"")

    def refuse(self, peer: str, reason: str) -> None:
        """A connection or datagram was not taken."""
        self.refused[reason] += 1
        self._metrics.add("tamis_listener_refused_total", 1, self.protocol, reason)
        self._sample(peer, reason, b"")

    def pause(self) -> None:
        """Reading stops until the store has taken what waits."""
        self.pauses += 1
        self._metrics.add("tamis_listener_pauses_total", 1, self.protocol)

    def connect(self, change: int) -> None:
        """So many connections more."""
        self.connections += change
        self._metrics.set("tamis_listener_connections", self.connections, self.protocol)

    def wait(self, change: int) -> None:
        """So many more bytes wait to be stored."""
        self.waiting_bytes += change
        self._metrics.set("tamis_listener_waiting_bytes", self.waiting_bytes, self.protocol)

    def drop(self, count: int) -> None:
        """The system had no room for so many datagrams, as far as it says."""
        self.kernel_drops += count
        self._metrics.add("tamis_listener_kernel_drops_total", count, self.protocol)

    def _count(self, result: str, count: int) -> None:
        self._metrics.add("tamis_listener_messages_total", count, self.protocol, result)

    def _sample(self, peer: str, reason: str, begin: bytes) -> None:
        text = begin[:BEGIN_BYTES].decode("utf-8", "replace")
        self.samples.append(Sample(self._clock.now_ns(), peer, reason, text))


class Tallies:
    """The listeners' tallies, by protocol."""

    def __init__(self, *, metrics: Metrics, clock: Clock) -> None:
        self._metrics, self._clock = metrics, clock
        self._made: dict[str, Tally] = {}

    def of(self, protocol: str) -> Tally:
        """That of a protocol, made when it is first asked for."""
        if protocol not in self._made:
            self._made[protocol] = Tally(protocol, metrics=self._metrics, clock=self._clock)
        return self._made[protocol]

    def all(self) -> list[Tally]:
        """Those there are, by name."""
        return [self._made[name] for name in sorted(self._made)]
