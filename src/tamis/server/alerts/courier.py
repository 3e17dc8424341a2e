"""`Courier`: tells what stands in the outbox, each channel by turns, again and again until it is told or too old."""

import logging
import math
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from tamis.clock import NS_PER_S, SYSTEM_CLOCK, Clock
from tamis.errors import ConfigError, DeliveryError, SinkUnavailableError
from tamis.metadata.alert_rows import Happened, Waiting
from tamis.metadata.alerts import AlertBook
from tamis.metadata.rules import RuleBook
from tamis.pipeline.alerts.alert import Alert, to_record
from tamis.pipeline.base import Batch, Sink
from tamis.resilience.breaker import Permit
from tamis.server.alerts.channels import Channel, Channels
from tamis.server.alerts.options import AlertOptions
from tamis.server.alerts.turns import RETRY_AFTER_S_MAX, Turns
from tamis.telemetry.metrics import Metrics

_LOG = logging.getLogger("tamis.server")
BACKOFF_FIRST_S, BACKOFF_MAX_S = 1.0, 300.0
CLOSED_POLL_S = 0.5
CLOSE_S = 2.0
SENDERS = 8
"""So many channels are told at a time. When more have something due, each gives up its place after what it tells."""
REREAD_COUNT, REREAD_S = 100, 1.0
"""The outbox is read again after so many notices or so long, so that what came meanwhile has its turn."""


class Courier:
    """One notice of a channel is on its way at a time, the next goes as soon as its receiver answered; whose turn it is
    `Turns` says. A notice leaves the outbox when its receiver answered for it; after a crash between the two it is sent
    once more, under the same key (`Batch.id`), by which receivers that know keys see that it is the same. `freed` is
    called when a sender is free for a channel that had to wait for one.
    """

    def __init__(
        self,
        book: AlertBook,
        rules: RuleBook,
        options: AlertOptions,
        *,
        metrics: Metrics,
        clock: Clock = SYSTEM_CLOCK,
        freed: Callable[[], None] = lambda: None,
    ) -> None:
        self._book, self._rules, self._options = book, rules, options
        self._metrics, self._clock, self._freed = metrics, clock, freed
        self._channels = Channels(options, clock)
        self._under_way: dict[str, threading.Thread] = {}
        self._turns: dict[str, Turns] = {}
        self._begun: dict[str, int] = {}
        self._told: dict[str, Happened] = {}
        """What was told or refused and could not be written down, by what it is: it is not told again."""
        self._is_short, self._stopping, self._closed = False, False, False

    def turn(self) -> None:
        """Begin to tell what is due. Returns at once."""
        for name in [name for name, thread in self._under_way.items() if not thread.is_alive()]:
            del self._under_way[name]
        by_channel: dict[str, list[Waiting]] = {}
        for (
            one
        ) in self._book.queue():  # after the ended threads were dropped: what these settled is not among it
            by_channel.setdefault(one.channel, []).append(one)
        self._metrics.set("tamis_alerts_waiting", sum(map(len, by_channel.values())))
        self._turns = {name: self._turns.get(name) or Turns(self._clock) for name in by_channel}
        self._is_short, urls = False, self._rules.channels()
        for name in sorted(by_channel, key=lambda name: self._begun.get(name, 0)):
            if name in self._under_way or self._turns[name].due(by_channel[name]) is None:
                continue
            if len(self._under_way) >= SENDERS:
                self._is_short = True
                return
            self._begin(name, urls, by_channel[name])

    def _begin(self, name: str, urls: Mapping[str, str], queue: Sequence[Waiting]) -> None:
        reason = "there is no such channel"
        try:
            channel = self._channels.get(urls, name)
        except ConfigError as error:
            channel, reason = None, error.reason
        if channel is None:
            for one in queue:
                self._settle(one, "refused", reason, "unknown")
            return
        self._begun[name] = max(self._begun.values(), default=0) + 1
        thread = threading.Thread(
            target=self._tell_all,
            args=(name, channel, self._turns[name]),
            name="tamis-alert-send",
            daemon=True,
        )
        self._under_way[name] = thread
        thread.start()

    def wait(self, timeout_s: float | None = None) -> None:
        """Until what is under way is done."""
        for thread in list(self._under_way.values()):
            thread.join(timeout_s)

    def close(self) -> None:
        """Let what is under way end, for a moment; the rest stays in the outbox, and is told at the next start."""
        self._stopping = True
        self.wait(CLOSE_S / max(len(self._under_way), 1))
        self._closed = True
        self._channels.close()

    def _tell_all(self, name: str, channel: Channel, turns: Turns) -> None:
        """One after the other, until nothing is due, or another channel waits for a sender."""
        try:
            while self._tell_next(name, channel, turns) and not self._is_short:
                pass
        except Exception:  # the thread's edge: the outbox says what is still to be told
            if not self._closed:
                _LOG.exception("telling the channel %s failed and goes on", name)
        if self._is_short:
            self._freed()

    def _tell_next(self, name: str, channel: Channel, turns: Turns) -> bool:
        """Tell what is next; whether there was something."""
        if self._stopping:
            return False
        queue, until_s = deque(self._book.queue(name)), self._clock.monotonic_s() + REREAD_S
        first = turns.due(queue)
        one = first
        for _ in range(REREAD_COUNT):
            if one is None or self._stopping or self._is_short or self._clock.monotonic_s() > until_s:
                break
            permit = channel.breaker.allow()
            if permit is None:
                turns.rest(max(channel.breaker.metrics().retry_after_s or CLOSED_POLL_S, CLOSED_POLL_S))
                break
            turns.serve(one)
            queue.remove(one)
            try:
                self._tell(one, channel.sink, turns, permit=permit)
            finally:
                permit.release()
            one = turns.due(queue)
        return first is not None

    def _tell(self, waiting: Waiting, sink: Sink, turns: Turns, *, permit: Permit) -> None:
        family = sink.name.partition(" ")[0]
        known = self._told.get(_mark(waiting))
        if known is not None:
            self._write_down(waiting, known)
            return
        payload = self._book.payload(waiting)
        if payload is None:
            return
        waiting = replace(waiting, payload=payload)
        try:
            reason = self.send(waiting, sink, limit_s=permit.limit_s)
        except Exception as error:  # a channel's edge: whatever it is, it is tried again, and said
            permit.failure(error)
            turns.failed(getattr(error, "retry_after_s", None))
            if not self._closed:
                self._put_off(waiting, error, family)
            return
        permit.success()
        turns.answered()
        if not self._closed:
            self._settle(waiting, "refused" if reason else "delivered", reason, family)

    def send(self, waiting: Waiting, sink: Sink, *, limit_s: float | None = None) -> str:
        """One try; why it never will be told, or "". Raises what the sink raises."""
        timeout_s = min(self._options.send_timeout_s, limit_s or math.inf)
        record = to_record(msgspec.json.decode(waiting.payload, type=Alert), waiting.created_ns)
        outcome = sink.send(Batch(waiting.id, (record,)), timeout_s=timeout_s)
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
            wait_s = max(wait_s, min(known.retry_after_s, RETRY_AFTER_S_MAX))
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
        self._write_down(waiting, self._happened(waiting, what, reason))

    def _write_down(self, waiting: Waiting, happened: Happened) -> None:
        """That nothing more is to be told of it; held until it is written."""
        mark = _mark(waiting)
        self._told[mark] = happened
        self._book.settle(waiting.number, happened)
        del self._told[mark]

    def _happened(self, waiting: Waiting, what: str, reason: str) -> Happened:
        detail = {"notice": waiting.id, "channel": waiting.channel, "attempt": waiting.attempts + 1}
        if reason:
            detail["reason"] = reason
        return Happened(at_ns=self._clock.now_ns(), rule=waiting.rule, what=what, detail=detail)


def _mark(waiting: Waiting) -> str:
    """What tells it from every other in the outbox."""
    return f"{waiting.channel} {waiting.id}"
