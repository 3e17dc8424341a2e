"""`Courier`: tells what stands in the outbox, each channel in order, again and again until it is told or too old."""

import logging
import threading
from collections.abc import Sequence

import msgspec

from tamis.clock import NS_PER_S, SYSTEM_CLOCK, Clock
from tamis.errors import ConfigError, DeliveryError, SinkUnavailableError
from tamis.metadata.alert_rows import Happened, Waiting
from tamis.metadata.alerts import AlertBook
from tamis.metadata.rules import RuleBook
from tamis.pipeline.alerts.alert import Alert, to_record
from tamis.pipeline.base import Batch, Sink
from tamis.server.alerts.channels import Channels
from tamis.server.alerts.options import AlertOptions
from tamis.telemetry.metrics import Metrics

_LOG = logging.getLogger("tamis.server")
BACKOFF_FIRST_S, BACKOFF_MAX_S = 1.0, 300.0
CLOSE_S = 2.0
SENDERS = 8
"""So many channels are told at a time: one that hangs holds up the others only when all of these do."""


class Courier:
    """One notice of a channel is on its way at a time, in the order in which they were made. It leaves the outbox when
    its receiver answered for it; after a crash between the two it is sent once more, under the same key (`Batch.id`),
    by which receivers that know keys see that it is the same.
    """

    def __init__(
        self,
        book: AlertBook,
        rules: RuleBook,
        options: AlertOptions,
        *,
        metrics: Metrics,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._book, self._rules, self._options = book, rules, options
        self._metrics, self._clock = metrics, clock
        self._channels = Channels(options)
        self._under_way: dict[str, threading.Thread] = {}
        self._closed = False

    def turn(self) -> None:
        """Begin to tell what is due. Returns at once."""
        waiting, urls = self._book.waiting(), self._rules.channels()
        self._metrics.set("tamis_alerts_waiting", len(waiting))
        for name in [name for name, thread in self._under_way.items() if not thread.is_alive()]:
            del self._under_way[name]
        now_ns = self._clock.now_ns()
        for first in _first_of_each(waiting):
            is_busy = first.channel in self._under_way or len(self._under_way) >= SENDERS
            if is_busy or _is_later(first, now_ns):
                continue
            try:
                sink = self._channels.get(urls, first.channel)
            except ConfigError as error:
                self._settle(first, "refused", error.reason, "unknown")
                continue
            if sink is None:
                self._settle(first, "refused", "there is no such channel", "unknown")
            else:
                thread = threading.Thread(
                    target=self._tell, args=(first, sink), name="tamis-alert-send", daemon=True
                )
                self._under_way[first.channel] = thread
                thread.start()

    def wait(self, timeout_s: float | None = None) -> None:
        """Until what is under way is done."""
        for thread in list(self._under_way.values()):
            thread.join(timeout_s)

    def close(self) -> None:
        """Let what is under way end, for a moment; the rest stays in the outbox, and is told at the next start."""
        self.wait(CLOSE_S / max(len(self._under_way), 1))
        self._closed = True
        self._channels.close()

    def _tell(self, waiting: Waiting, sink: Sink) -> None:
        family = sink.name.partition(" ")[0]
        try:
            reason = self.send(waiting, sink)
        except Exception as error:  # a channel's edge: whatever it is, it is tried again, and said
            if not self._closed:
                self._put_off(waiting, error, family)
            return
        if not self._closed:
            self._settle(waiting, "refused" if reason else "delivered", reason, family)

    def send(self, waiting: Waiting, sink: Sink) -> str:
        """One try; why it never will be told, or "". Raises what the sink raises."""
        record = to_record(msgspec.json.decode(waiting.payload, type=Alert), waiting.created_ns)
        outcome = sink.send(Batch(waiting.id, (record,)), timeout_s=self._options.send_timeout_s)
        if outcome.retry:
            raise SinkUnavailableError(sink.name, "asked to be told again later")
        return outcome.rejected[0].reason if outcome.rejected else ""

    def _put_off(self, waiting: Waiting, error: Exception, family: str) -> None:
        known = error if isinstance(error, SinkUnavailableError) else None
        reason = str(error) if isinstance(error, DeliveryError) else type(error).__name__
        if known is None:
            _LOG.error("telling the channel %s failed", waiting.channel, exc_info=error)
        now_ns = self._clock.now_ns()
        if now_ns - waiting.created_ns >= self._options.retry_for_s * NS_PER_S:
            self._settle(waiting, "given_up", reason, family)
            return
        wait_s = min(BACKOFF_FIRST_S * 2 ** min(waiting.attempts, 20), BACKOFF_MAX_S)
        if known is not None and known.retry_after_s is not None:
            wait_s = max(wait_s, known.retry_after_s)
        self._metrics.add("tamis_alerts_deliveries_total", 1, family, "put_off")
        self._book.put_off(
            waiting.number,
            attempts=waiting.attempts + 1,
            next_ns=now_ns + round(wait_s * NS_PER_S),
            happened=self._happened(waiting, "put_off", reason),
        )

    def _settle(self, waiting: Waiting, what: str, reason: str, family: str) -> None:
        self._metrics.add("tamis_alerts_deliveries_total", 1, family, what)
        if what != "delivered":
            _LOG.warning(
                "the alert %s was not told to the channel %s: %s", waiting.id, waiting.channel, reason
            )
        self._book.settle(waiting.number, self._happened(waiting, what, reason))

    def _happened(self, waiting: Waiting, what: str, reason: str) -> Happened:
        detail = {"notice": waiting.id, "channel": waiting.channel, "attempt": waiting.attempts + 1}
        if reason:
            detail["reason"] = reason
        return Happened(at_ns=self._clock.now_ns(), rule=waiting.rule, what=what, detail=detail)


def _first_of_each(waiting: Sequence[Waiting]) -> list[Waiting]:
    """The oldest notice of each channel."""
    found: dict[str, Waiting] = {}
    for one in waiting:
        found.setdefault(one.channel, one)
    return list(found.values())


def _is_later(waiting: Waiting, now_ns: int) -> bool:
    """Whether its next try is still to come; not so when the calendar was turned back meanwhile."""
    return now_ns < waiting.next_ns and waiting.next_ns - now_ns <= 2 * 3_600 * NS_PER_S
