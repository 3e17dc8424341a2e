"""The way of notices to their receivers: in order, again and again, each once as far as anybody can know."""

import ipaddress
import logging
import sqlite3
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta, Struct, field

from tamis.errors import ConfigError
from tamis.metadata.alert_rows import Happened, Waiting
from tamis.metadata.alerts import AlertBook
from tamis.resilience.known import breakers
from tamis.resilience.machine import BreakerState
from tamis.server.alerts.channels import make_channel, shown
from tamis.server.alerts.courier import Courier
from tamis.server.alerts.desk import _trial
from tamis.server.alerts.options import AlertOptions
from tests.support.alert_bench import AlertBench
from tests.support.faulty_server import Fault, Reply, refuse_with, stall
from tests.support.receivers import MailServer, Receiver

HERE = (ipaddress.ip_network("127.0.0.0/8"),)


class Told(AlertBench):
    """A rule `r` that tells the channel `c`, and a courier to carry it."""

    def __init__(self, url: str, **options: Any) -> None:
        super().__init__(networks=HERE, **options)
        self.rules.set_channel("c", url, by="test")
        self.courier = Courier(self.book, self.rules, self.options, metrics=self.metrics, clock=self.clock)
        self.rule(query="pay", window="10s", cooldown="20s", by=["service"])

    def carry(self, seconds: float = 0.0) -> list[str]:
        """Let time pass, tell what is due; what became of it so far."""
        self.clock.pass_s(seconds)
        self.courier.turn()
        self.courier.wait()
        mine = ("delivered", "put_off", "refused", "given_up")
        return [what for what in self.history() if what in mine]

    def close(self) -> None:
        self.courier.close()
        super().close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as made:
        yield made


def test_notices_of_a_channel_come_in_order(receiver: Receiver) -> None:
    """Firing before over, though the receiver was away for both."""
    bench = Told(f"webhook+http://127.0.0.1:{receiver.port}/in")
    receiver.refuse()
    bench.put("pay", service="a")
    bench.tick()
    assert bench.carry() == ["put_off"]
    assert bench.run(30) == ["over"]
    receiver.listen()
    assert bench.carry(5)[-1:] == ["delivered"]
    assert bench.carry()[-1:] == ["delivered"]
    assert [body["state"] for body in receiver.bodies] == ["firing", "over"]
    assert bench.outbox() == []
    bench.close()


def test_tries_come_later_and_later_until_it_is_too_old(receiver: Receiver) -> None:
    """One, two, four seconds, then when the breaker lets through; then it is given up, said, and counted."""
    bench = Told(f"webhook+http://127.0.0.1:{receiver.port}/in", retry_for_s=20)
    receiver.always(refuse_with(503))
    bench.put("pay")
    bench.tick()
    tries = []
    for second in range(40):
        before = len(receiver.requests)
        bench.carry(0 if second == 0 else 1)
        if len(receiver.requests) > before:
            tries.append(second)
    assert tries == [0, 1, 3, 7, 17, 33]
    assert bench.carry()[-1] == "given_up"
    assert bench.outbox() == []
    assert bench.metrics.value("tamis_alerts_deliveries_total", "webhook", "given_up") == 1
    ids = {request.headers["idempotency-key"] for request in receiver.requests}
    assert len(ids) == 1
    bench.close()


def test_a_receiver_says_when_to_come_again(receiver: Receiver) -> None:
    """Retry-After is kept to."""
    bench = Told(f"webhook+http://127.0.0.1:{receiver.port}/in")
    receiver.script(refuse_with(429, retry_after="30"))
    bench.put("pay")
    bench.tick()
    assert bench.carry() == ["put_off"]
    assert bench.carry(29) == ["put_off"]
    assert bench.carry(2) == ["put_off", "delivered"]
    bench.close()


def test_what_is_refused_for_good_is_not_sent_again(receiver: Receiver) -> None:
    """The receiver's reason stands in the history, and the next notice goes out."""
    bench = Told(f"webhook+http://127.0.0.1:{receiver.port}/in")
    receiver.script(refuse_with(422))
    bench.put("pay")
    bench.tick()
    assert bench.carry() == ["refused"]
    assert "422" in bench.history_text()
    bench.run(25)
    assert bench.carry(30) == ["refused", "delivered"]
    bench.close()


def test_redirects_are_not_followed(receiver: Receiver) -> None:
    """Where they lead nobody has looked at."""
    with Receiver() as elsewhere:
        bench = Told(f"webhook+http://127.0.0.1:{receiver.port}/in")
        receiver.always(Fault(answer=Reply(307, b"", {"Location": elsewhere.url})))
        bench.put("pay")
        bench.tick()
        assert bench.carry() == ["put_off"]
        assert not elsewhere.requests
        bench.close()


def test_one_channel_that_hangs_holds_up_no_other(receiver: Receiver) -> None:
    """Each has its own thread and its own order."""
    bench = Told(f"webhook+http://127.0.0.1:{receiver.port}/in", send_timeout_s=60.0)
    with Receiver() as other:
        receiver.always(stall())
        bench.rules.set_channel("d", f"webhook+http://127.0.0.1:{other.port}/in", by="test")
        bench.rule("s", query="pay", notify=["d"])
        bench.put("pay")
        bench.tick()
        bench.courier.turn()
        other.wait_until(lambda: len(other.requests) == 1)
        receiver.close()
        bench.courier.wait()
    bench.close()


def test_a_channel_that_is_gone_ends_what_waits_for_it() -> None:
    """With its reason; nothing waits for ever."""
    bench = Told("webhook+http://127.0.0.1:1/in")
    bench.rule("s", query="pay", notify=["never-made"])
    bench.put("pay")
    bench.tick()
    bench.rules.remove_channel("c", by="test")
    assert bench.carry() == ["refused"]
    assert "there is no such channel" in bench.history_text()
    bench.close()


def test_urls_that_lead_into_the_own_network_are_refused() -> None:
    """At each try, after the name was resolved; the reason says which setting allows it."""
    with Receiver() as own:
        bench = Told(f"webhook+http://localhost:{own.port}/in")
        bench.options = AlertOptions(url="http://tamis")
        bench.courier = Courier(
            bench.book, bench.rules, bench.options, metrics=bench.metrics, clock=bench.clock
        )
        bench.put("pay")
        bench.tick()
        assert bench.carry() == ["put_off"]
        assert "alerts.networks" in bench.history_text()
        assert not own.requests
        bench.close()


def test_mail_goes_through_the_relay_of_the_settings() -> None:
    """Which may stand in the own network; the subject says what, the text shows labels, link and lines."""
    logging.getLogger("mail.log").setLevel(logging.CRITICAL)
    with MailServer() as mail:
        relay = f"smtp://127.0.0.1:{mail.port}?from=tamis@example.org"
        bench = Told("mailto:ann@example.org,bob@example.org", mail=relay)
        bench.put("pay 1 failed", service="shop")
        bench.tick()
        assert bench.carry() == ["delivered"]
        (message,) = mail.messages
        assert mail.recipients == [["ann@example.org", "bob@example.org"]]
        bench.close()
    assert message["Subject"] == "[ALERT] r (service=shop): 1 record within 10 s: pay <*> failed"
    text = message.get_payload(decode=True)
    assert isinstance(text, bytes)
    assert b"service=shop\r\n" in text
    assert b"http://tamis/?q=pay" in text
    assert b"ERROR -: pay 1 failed" in text


def test_mail_servers_in_the_own_network_are_refused() -> None:
    """A channel's own URL is somebody else's word, unlike the setting."""
    with MailServer() as mail:
        sink = make_channel(f"smtp://127.0.0.1:{mail.port}?to=a@example.org", AlertOptions())
        bench = Told("mailto:a@example.org", mail=f"smtp://127.0.0.1:{mail.port}")
        bench.put("pay")
        bench.tick()
        (waiting,) = bench.outbox()
        with pytest.raises(Exception, match=r"alerts\.networks"):
            bench.courier.send(waiting, sink)
        assert not mail.messages
        bench.close()


def test_what_is_shown_of_a_channel_holds_no_secret() -> None:
    """The family and the host."""
    sink = make_channel("slack+https://hooks.slack.com/services/T0/geheim", AlertOptions())
    assert shown(sink) == "slack hooks.slack.com:443"
    with pytest.raises(ConfigError) as caught:
        make_channel("teams+https://example.org/geheim", AlertOptions())
    assert "geheim" not in str(caught.value)


Short = Annotated[str, Meta(min_length=1)]


class PagerDutyPayload(Struct, forbid_unknown_fields=True):
    """What Events API v2 takes, https://developer.pagerduty.com/docs/events-api-v2/trigger-events/"""

    summary: Annotated[str, Meta(min_length=1, max_length=1_024)]
    source: Short
    severity: Literal["critical", "error", "warning", "info"]
    timestamp: datetime | None = None
    component: str | None = None
    group: str | None = None
    class_: str | None = field(name="class", default=None)
    custom_details: dict[str, Any] = {}


class PagerDutyLink(Struct, forbid_unknown_fields=True):
    href: Annotated[str, Meta(pattern="^https?://")]
    text: str | None = None


class PagerDutyEvent(Struct, forbid_unknown_fields=True):
    routing_key: str
    event_action: Literal["trigger", "acknowledge", "resolve"]
    payload: PagerDutyPayload
    dedup_key: Annotated[str, Meta(max_length=255)]
    links: list[PagerDutyLink] = []
    client: str | None = None
    client_url: str | None = None


LabelName = Annotated[str, Meta(pattern="^[a-zA-Z_][a-zA-Z0-9_]*$")]


class PostableAlert(Struct, forbid_unknown_fields=True):
    """`postableAlert` of https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml"""

    labels: dict[LabelName, str]
    startsAt: datetime | None = None  # noqa: N815  (the receiver's name)
    endsAt: datetime | None = None  # noqa: N815  (the receiver's name)
    generatorURL: Annotated[str, Meta(pattern="^https?://")] | None = None  # noqa: N815  (the receiver's name)
    annotations: dict[LabelName, str] = {}


class SlackText(Struct, forbid_unknown_fields=True):
    """A section of Block Kit, https://api.slack.com/reference/block-kit/blocks#section"""

    type: Literal["mrkdwn", "plain_text"]
    text: Annotated[str, Meta(min_length=1, max_length=3_000)]


class SlackSection(Struct, forbid_unknown_fields=True):
    type: Literal["section"]
    text: SlackText


class SlackMessage(Struct, forbid_unknown_fields=True):
    text: Short
    blocks: Annotated[list[SlackSection], Meta(max_length=50)]


@pytest.mark.parametrize(
    ("family", "query", "form"),
    [
        ("pagerduty", "?routing_key=R0", PagerDutyEvent),
        ("alertmanager", "", list[PostableAlert]),
        ("slack", "/services/T0", SlackMessage),
    ],
)
def test_payloads_are_what_their_receivers_document(
    receiver: Receiver, family: str, query: str, form: Any
) -> None:
    """Firing and over, with labels that no receiver would take as they are, and no host."""
    bench = Told(f"{family}+http://127.0.0.1:{receiver.port}{query}")
    bench.rule(query="pay", window="10s", cooldown="20s", by=["http.status", "7th"])
    bench.put("pay <b>1</b> & `x` " + "y" * 5_000, http={"status": 500})
    bench.tick()
    bench.carry()
    bench.run(30)
    bench.carry()
    assert len(receiver.bodies) == 2
    for body in receiver.bodies:
        assert msgspec.convert(body, form, strict=False) is not None
    bench.close()


def _flood(bench: Told, rule: str, count: int) -> None:
    """So many notices of a rule, each about a trouble of its own."""
    now_ns = bench.clock.now_ns()
    alert = msgspec.json.encode(_trial("c", rule, now_ns))
    bench.book.enqueue(
        [
            Waiting(
                id=f"{rule}{n}-1", rule=rule, channel="c", payload=alert, created_ns=now_ns, next_ns=now_ns
            )
            for n in range(count)
        ]
    )


def _keys(receiver: Receiver) -> list[str]:
    return [request.headers["idempotency-key"] for request in receiver.requests]


def test_all_that_is_due_is_told_at_once(receiver: Receiver) -> None:
    """One turn of the desk tells all of a flood, and a rule with one notice is among the first two."""
    bench = Told(f"webhook+http://127.0.0.1:{receiver.port}/in")
    _flood(bench, "flood", 50)
    _flood(bench, "calm", 1)
    bench.carry()
    keys = _keys(receiver)
    assert len(keys) == 51
    assert any("calm" in key for key in keys[:2])
    assert bench.outbox() == []
    bench.close()


def test_a_notice_that_fails_holds_up_no_other_trouble(receiver: Receiver) -> None:
    """It waits by its own time; the channel rests for a second, then tells the others."""
    bench = Told(f"webhook+http://127.0.0.1:{receiver.port}/in")
    receiver.script(refuse_with(503))
    _flood(bench, "a", 1)
    _flood(bench, "b", 3)
    bench.clock.pass_s(1)
    assert bench.carry() == ["put_off"]
    assert sorted(bench.carry(1)) == ["delivered"] * 4 + ["put_off"]
    bench.close()


def test_a_channel_that_fails_is_left_alone_by_its_breaker(receiver: Receiver) -> None:
    """Four failures, whatever fails; then one trial each ten seconds, until one is answered and all is told."""
    bench = Told(f"webhook+http://127.0.0.1:{receiver.port}/in")
    receiver.always(refuse_with(503))
    _flood(bench, "a", 30)
    bench.clock.pass_s(1)
    bench.carry()
    for _ in range(8):
        bench.carry(1)
    assert len(receiver.requests) == 4
    (breaker,) = [one for one in breakers() if one.name == "alert channel c"]
    assert breaker.metrics().state is BreakerState.OPEN
    for _ in range(25):
        bench.carry(1)
    assert len(receiver.requests) == 6
    receiver.clear()
    told = bench.carry(20)
    assert told.count("delivered") == 1 + 29  # the trial, and at once what waited behind it
    assert breaker.metrics().state is BreakerState.CLOSED
    bench.close()


class LateBook(AlertBook):
    """`then` runs once, after the outbox was read."""

    then: Callable[[], None] | None = None

    def queue(self, channel: str | None = None) -> list[Waiting]:
        found = super().queue(channel)
        if channel is None and self.then is not None:
            then, self.then = self.then, None
            then()
        return found


def test_what_settles_while_the_outbox_is_read_is_not_told_twice() -> None:
    """A sender that ends between the reading and the beginning of others left a row that is told already."""
    with Receiver() as receiver:
        receiver.script(stall())
        bench = Told(f"webhook+http://127.0.0.1:{receiver.port}/in", send_timeout_s=60.0)
        book = LateBook(bench.database, bench.clock)
        bench.courier = Courier(book, bench.rules, bench.options, metrics=bench.metrics, clock=bench.clock)
        _flood(bench, "a", 1)
        bench.courier.turn()
        receiver.wait_until(lambda: len(receiver.requests) == 1)

        def settle() -> None:
            receiver.release()
            bench.courier.wait()

        book.then = settle
        bench.carry()
        bench.carry()
        assert len(receiver.requests) == 1
        bench.close()


class FullBook(AlertBook):
    """Cannot write that something was told, for once."""

    is_full = True

    def settle(self, number: int, happened: Happened) -> None:
        if self.is_full:
            raise sqlite3.OperationalError("database or disk is full")
        super().settle(number, happened)


def test_what_was_told_and_could_not_be_written_down_is_not_told_twice(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    """It is written down as soon as that works."""
    bench = Told(f"webhook+http://127.0.0.1:{receiver.port}/in")
    book = FullBook(bench.database, bench.clock)
    bench.courier = Courier(book, bench.rules, bench.options, metrics=bench.metrics, clock=bench.clock)
    _flood(bench, "a", 1)
    assert bench.carry() == []
    assert "telling the channel c failed" in caplog.text
    book.is_full = False
    assert bench.carry() == ["delivered"]
    assert len(receiver.requests) == 1
    bench.close()
