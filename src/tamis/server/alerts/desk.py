"""`AlertDesk`: everything about alert rules of one server, with the thread that looks after them."""

import logging
import secrets
import threading
from collections.abc import Mapping
from typing import Any

import msgspec

from tamis.clock import NS_PER_S, SYSTEM_CLOCK, Clock
from tamis.errors import ConfigError
from tamis.metadata.alert_rows import Happened, RuleRow, Silence, Waiting
from tamis.metadata.alerts import AlertBook
from tamis.metadata.rules import RuleBook
from tamis.pipeline.alerts.alert import Alert, Line
from tamis.server.alerts.channels import check_channel_name, make_channel, shown
from tamis.server.alerts.courier import Courier
from tamis.server.alerts.evaluator import Active, Evaluator
from tamis.server.alerts.options import AlertOptions
from tamis.server.alerts.rule import Rule, compile_rule, parse_rule
from tamis.store.base import Store
from tamis.telemetry.metrics import Metrics

_LOG = logging.getLogger("tamis.server")
RULES_MAX, CHANNELS_MAX, SILENCES_MAX = 1_000, 100, 1_000
CLEANED_EVERY_S = 3_600.0
MEANING = ("query", "kind", "of", "of_min", "by", "window_s", "threshold", "compare", "every_s", "late_s")
"""When one of these changes, what the rule saw and told before means nothing any more."""


class AlertDesk:
    """Rules, channels, silences and history for routes; `start` has them looked after. Thread-safe; every method
    blocks for as long as SQLite needs. Raises ConfigError for what is wrong with what is given.
    """

    def __init__(
        self,
        store: Store,
        rules: RuleBook,
        book: AlertBook,
        options: AlertOptions,
        *,
        metrics: Metrics,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.rules, self.book, self.options = rules, book, options
        self._clock, self._store = clock, store
        self.evaluator = Evaluator(
            store, rules, book, options, metrics=metrics, clock=clock, looked_every_s=options.interval_s
        )
        self._changed, self._ended, self._wake = threading.Event(), threading.Event(), threading.Event()
        self.courier = Courier(book, rules, options, metrics=metrics, clock=clock, freed=self._wake.set)
        self._changed.set()
        self._cleaned_s = -CLEANED_EVERY_S
        self._thread = threading.Thread(target=self._run, name="tamis-alerts", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """End; what is not told yet stays in the outbox. Idempotent."""
        self._ended.set()
        self._wake.set()
        while self._thread.is_alive():
            self.evaluator.cancel()
            self._thread.join(0.05)
        self.courier.close()

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                self.turn()
                self._clean()
            except Exception:  # the thread's edge: what failed is tried again with the next turn
                _LOG.exception("looking after the alert rules failed and goes on")
            self._wake.wait(self.options.interval_s)
            self._wake.clear()

    def _clean(self) -> None:
        """Drop what is old, now and then."""
        now_s = self._clock.monotonic_s()
        if now_s - self._cleaned_s >= CLEANED_EVERY_S:
            self.book.forget_history(self._clock.now_ns() - round(self.options.history_age_s * NS_PER_S))
            self._cleaned_s = now_s

    def turn(self) -> None:
        """Look at what came, and tell what is due."""
        if self._changed.is_set():
            self._changed.clear()
            try:
                self.evaluator.load()
            except BaseException:
                self._changed.set()
                raise
        self.evaluator.tick()
        self.courier.turn()

    def _note_change(self) -> None:
        self._changed.set()
        self._wake.set()

    # rules

    def rule_rows(self) -> list[tuple[RuleRow, Active | None, str]]:
        """Every rule, how it stands, and why it does not work."""
        active, broken = self.evaluator.active, self.evaluator.broken
        return [(row, active.get(row.name), broken.get(row.name, "")) for row in self.rules.rules()]

    def set_rule(self, given: Mapping[str, Any], *, by: str) -> tuple[Rule, bool]:
        """Keep a rule; with whether it was there before."""
        rule = parse_rule(given, "the request")
        compile_rule(rule, "the request")
        missing = sorted(set(rule.notify) - self.rules.channels().keys())
        if missing:
            named = ", ".join(map(repr, missing))
            reason = f"there is no channel {named}; make it first"
            raise ConfigError(f"rule {rule.name}: notify", ", ".join(missing), "the request", reason)
        known = {row.name: row for row in self.rules.rules()}
        if rule.name not in known and len(known) >= RULES_MAX:
            raise ConfigError(
                "rules", len(known), "the request", f"there are {RULES_MAX:,}, the most there may be"
            )
        fresh = rule.name not in known or _means_otherwise(known[rule.name], rule)
        existed = self.rules.set_rule(rule.name, msgspec.json.encode(rule), by=by, fresh=fresh)
        self._note_change()
        return rule, existed

    def remove_rule(self, name: str, *, by: str) -> bool:
        """Forget a rule; whether there was one."""
        removed = self.rules.remove_rule(name, by=by)
        self._note_change()
        return removed

    # channels

    def shown_channels(self) -> dict[str, str]:
        """Channels by name, each without its secrets."""
        made = {}
        for name, url in self.rules.channels().items():
            try:
                made[name] = shown(make_channel(url, self.options))
            except ConfigError as error:
                made[name] = f"does not work: {error.reason}"
        return made

    def set_channel(self, name: str, url: str, *, by: str) -> bool:
        """Keep a channel; whether it was there before."""
        check_channel_name(name)
        make_channel(url, self.options).close()
        if name not in self.rules.channels() and len(self.rules.channels()) >= CHANNELS_MAX:
            raise ConfigError("channels", CHANNELS_MAX, "the request", "are the most there may be")
        return self.rules.set_channel(name, url, by=by)

    def remove_channel(self, name: str, *, by: str) -> bool:
        """Forget a channel that no rule names; whether there was one."""
        users = [
            row.name for row in self.rules.rules() if name in msgspec.json.decode(row.data, type=Rule).notify
        ]
        if users:
            raise ConfigError(
                "channel", name, "the request", f"is named by the rules {', '.join(users[:10])}"
            )
        return self.rules.remove_channel(name, by=by)

    def try_channel(self, name: str, *, by: str) -> str | None:
        """Tell a channel a trial alert now; why that failed, "" when it was told, None: there is no such channel."""
        url = self.rules.channels().get(name)
        if url is None:
            return None
        now_ns = self._clock.now_ns()
        waiting = Waiting(
            id=f"trial-{secrets.token_hex(8)}", rule="", channel=name, created_ns=now_ns, next_ns=now_ns,
            payload=msgspec.json.encode(_trial(name, by, now_ns)),
        )  # fmt: skip
        sink = make_channel(url, self.options)
        try:
            reason = self.courier.send(waiting, sink)
        except Exception as error:  # a channel's edge: whatever it is, whoever tries it is told
            reason = str(error)
        finally:
            sink.close()
        detail = {"channel": name, "by": by, "reason": reason}
        self.book.add_happened(Happened(at_ns=now_ns, rule="", what="channel_tried", detail=detail))
        return reason

    # silences

    def add_silence(
        self, *, rule: str, labels: Mapping[str, str], start_ns: int, until_ns: int, reason: str, by: str
    ) -> Silence:
        """Tell nothing for a while."""
        now_ns = self._clock.now_ns()
        if until_ns <= max(now_ns, start_ns):
            raise ConfigError("until", until_ns, "the request", "must lie ahead, and after the start")
        if not reason.strip():
            raise ConfigError("reason", reason, "the request", "must say why")
        if len(self.rules.silences()) >= SILENCES_MAX:
            raise ConfigError("silences", SILENCES_MAX, "the request", "are the most there may be")
        silence = Silence(
            id=secrets.token_hex(6), rule=rule, labels=dict(labels), from_ns=start_ns, until_ns=until_ns,
            reason=reason[:1_000], made_by=by, made_ns=now_ns,
        )  # fmt: skip
        self.rules.add_silence(silence)
        return silence


def _means_otherwise(row: RuleRow, rule: Rule) -> bool:
    try:
        known = msgspec.json.decode(row.data, type=Rule)
    except msgspec.MsgspecError:
        return True
    return any(getattr(known, name) != getattr(rule, name) for name in MEANING)


def _trial(channel: str, by: str, now_ns: int) -> Alert:
    return Alert(
        key=f"trial/{channel}", state="over", rule="trial",
        summary=f"Tamis tries the channel {channel} for {by}: nothing is wrong", level="INFO", service="tamis", host="",
        count=1, threshold=1, window_s=60, repeat_s=300, began=now_ns, last=now_ns,
        lines=(Line(timestamp=now_ns, level="INFO", message="this is a trial"),),
    )  # fmt: skip
