"""Channels: what each receiver gets, and what its answers mean."""

import hashlib
import hmac
import json
import logging
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from tamis.errors import ConfigError, SinkUnavailableError
from tamis.pipeline.alerts.alert import Alert, Group, Line, State, to_record
from tamis.pipeline.alerts.channels import create_channel
from tamis.pipeline.alerts.channels.text import print_alert
from tamis.pipeline.base import DELIVERED, Batch, Sink
from tamis.record.model import Record
from tests.support.faulty_server import refuse_with, stall
from tests.support.receivers import MailServer, Receiver

BEGAN = 1_795_262_400_000_000_000


@pytest.fixture(autouse=True)
def _quiet_mail_server() -> Iterator[None]:
    """Its log is not ours."""
    before = logging.getLogger("mail.log").level
    logging.getLogger("mail.log").setLevel(logging.CRITICAL)
    yield
    logging.getLogger("mail.log").setLevel(before)


def alert(state: State = "firing", summary: str = "shop: 10 errors within 60 s: pay <*>") -> Alert:
    return Alert(
        key="shop/errors/p_1",
        state=state,
        rule="errors",
        summary=summary,
        level="ERROR",
        service="shop",
        host="h1",
        count=10,
        threshold=10,
        window_s=60,
        repeat_s=300,
        began=BEGAN,
        last=BEGAN + 5_000_000_000,
        groups=(Group(shape="pay <*>", pattern="p_1", count=10),),
        lines=(Line(timestamp=BEGAN, level="ERROR", message="pay <!channel> 1 & 2", correlation_id="c1"),),
    )


def batch(given: Alert | None = None, id: str = "b-1-1") -> Batch:
    return Batch(id, (to_record(given or alert(), BEGAN, sequence=1),))


def test_a_webhook_gets_the_alert_signed() -> None:
    """JSON; the receiver computes the signature again; the same id for each try."""
    with Receiver() as receiver:
        channel = create_channel(
            f"webhook+http://127.0.0.1:{receiver.port}/in?secret=hush&team=a&header.X-Team=shop"
        )
        assert channel.send(batch(), timeout_s=5) == DELIVERED
        channel.close()
        (request,) = receiver.requests
    body = json.loads(request.body)
    assert (body["state"], body["count"], body["id"], body["key"]) == (
        "firing",
        10,
        "b-1-1",
        "shop/errors/p_1",
    )
    assert body["began"] == "2026-11-21T12:00:00.000Z"
    assert body["lines"][0]["message"] == "pay <!channel> 1 & 2"
    signed = request.headers["x-tamis-timestamp"].encode() + b"." + request.body
    assert (
        request.headers["x-tamis-signature"]
        == "sha256=" + hmac.new(b"hush", signed, hashlib.sha256).hexdigest()
    )
    assert request.headers["idempotency-key"] == "b-1-1"
    assert request.headers["x-team"] == "shop"
    assert request.query == {"team": "a"}
    assert "hush" not in channel.name
    assert "/in" not in channel.name


def test_slack_gets_text_that_mentions_nobody() -> None:
    """What users wrote is escaped; it fits Slack's blocks."""
    with Receiver() as receiver:
        channel = create_channel(f"slack+http://127.0.0.1:{receiver.port}/services/T0/B0/geheim")
        channel.send(batch(alert(summary="x" * 10_000 + "<!here>")), timeout_s=5)
        channel.send(batch(), timeout_s=5)
        channel.close()
        _, body = receiver.bodies
        assert [request.path for request in receiver.requests] == ["/services/T0/B0/geheim"] * 2
        assert "<!" not in json.dumps(receiver.bodies)
        assert (
            max(len(block["text"]["text"]) for sent in receiver.bodies for block in sent["blocks"]) <= 3_000
        )
    assert "pay &lt;!channel&gt; 1 &amp; 2" in body["blocks"][1]["text"]["text"]
    assert "geheim" not in channel.name


def test_pagerduty_triggers_and_resolves_one_incident() -> None:
    """Events v2: the same dedup key from the first notice to the last."""
    with Receiver() as receiver:
        channel = create_channel(f"pagerduty+http://127.0.0.1:{receiver.port}?routing_key=R1")
        for state in ("firing", "going_on", "over"):
            channel.send(batch(alert(state)), timeout_s=5)
        channel.close()
        bodies = receiver.bodies
        assert {request.path for request in receiver.requests} == {"/v2/enqueue"}
    assert [body["event_action"] for body in bodies] == ["trigger", "trigger", "resolve"]
    assert len({body["dedup_key"] for body in bodies}) == 1
    payload = bodies[0]["payload"]
    assert {name: payload[name] for name in ("summary", "source", "severity", "component")} == {
        "summary": "shop: 10 errors within 60 s: pay <*>",
        "source": "h1",
        "severity": "error",
        "component": "shop",
    }
    assert bodies[0]["routing_key"] == "R1"


def test_alertmanager_gets_labels_that_stay_and_an_end() -> None:
    """API v2: the same labels; while it goes on the end lies ahead, when it is over it lies behind."""
    with Receiver() as receiver:
        channel = create_channel(f"alertmanager+http://127.0.0.1:{receiver.port}")
        channel.send(batch(alert("firing")), timeout_s=5)
        channel.send(batch(alert("over")), timeout_s=5)
        channel.close()
        (first,), (second,) = receiver.bodies
        assert receiver.requests[0].path == "/api/v2/alerts"
    assert first["labels"] == second["labels"]
    assert first["labels"]["alertname"] == "TamisErrors"
    assert first["startsAt"] == "2026-11-21T12:00:00.000Z"
    assert second["endsAt"] == "2026-11-21T12:00:05.000Z"
    assert first["annotations"]["summary"].startswith("shop: 10 errors")


FAMILIES = {
    "webhook": "webhook+http://127.0.0.1:{port}/s3cret?secret=s3cret",
    "slack": "slack+http://127.0.0.1:{port}/services/s3cret",
    "pagerduty": "pagerduty+http://127.0.0.1:{port}?routing_key=s3cret",
    "alertmanager": "alertmanager+http://127.0.0.1:{port}/s3cret",
}
Opened = tuple[Sink, Receiver]


@pytest.fixture(params=sorted(FAMILIES))
def opened(request: pytest.FixtureRequest) -> Iterator[Opened]:
    """A channel of each family over HTTP, and its receiver."""
    with Receiver() as receiver:
        channel = create_channel(FAMILIES[request.param].format(port=receiver.port))
        yield channel, receiver
        channel.close()


@pytest.mark.parametrize("status", [302, 401, 403, 404, 408, 429, 500, 503])
def test_what_may_pass_later_is_tried_again(opened: Opened, status: int) -> None:
    """With the wait that the server asks for; no redirect is followed; a URL that is wrong loses nothing."""
    channel, receiver = opened
    receiver.script(refuse_with(status, retry_after="7"))
    with pytest.raises(SinkUnavailableError) as caught:
        channel.send(batch(), timeout_s=5)
    assert (caught.value.status, caught.value.retry_after_s) == (status, 7.0)
    assert "s3cret" not in str(caught.value)
    assert channel.send(batch(), timeout_s=5) == DELIVERED


def test_what_never_passes_is_refused_with_its_reason(opened: Opened) -> None:
    """The dead letter says what the receiver said."""
    channel, receiver = opened
    receiver.script(refuse_with(400, body=b"no such field"))
    outcome = channel.send(batch(), timeout_s=5)
    assert [item.reason for item in outcome.rejected] == ["answered with status 400: no such field"]


def test_a_record_without_an_alert_is_refused(opened: Opened) -> None:
    """Somebody put a channel where a sink for records belongs."""
    channel, receiver = opened
    outcome = channel.send(Batch("b", (Record(timestamp=1),)), timeout_s=5)
    assert receiver.requests == []
    assert "carries no alert" in outcome.rejected[0].reason


def test_a_receiver_that_hangs_or_is_away_costs_no_more_than_the_time_given(opened: Opened) -> None:
    """Nobody knows whether it was told: again later, and then it arrives."""
    channel, receiver = opened
    receiver.script(stall())
    with pytest.raises(SinkUnavailableError, match="in time"):
        channel.send(batch(), timeout_s=0.2)
    receiver.clear()
    receiver.refuse()
    with pytest.raises(SinkUnavailableError):
        channel.send(batch(), timeout_s=5)
    receiver.listen()
    assert channel.send(batch(), timeout_s=5) == DELIVERED


def test_a_channel_shows_no_secret_and_sends_after_close(opened: Opened) -> None:
    """As every sink."""
    channel, receiver = opened
    assert "s3cret" not in channel.name + repr(channel)
    channel.close()
    channel.close()
    assert channel.send(batch(), timeout_s=5) == DELIVERED
    assert len(receiver.requests) == 1
    assert (channel.limits.records, channel.limits.wait_s, channel.spooled) == (1, 0.0, True)


def mail(server: MailServer, more: str = "", scheme: str = "smtp", user: str = "") -> Any:
    return create_channel(
        f"{scheme}://{user}127.0.0.1:{server.port}?to=ops@example.org;second@example.org"
        f"&from=shop@example.org{more}"
    )


def test_a_mail_says_everything_and_the_next_stands_in_its_thread() -> None:
    """Subject, groups, lines; what follows refers to the first; a try has the same id as the one before."""
    with MailServer() as server:
        channel = mail(server)
        for given in (batch(), batch(), batch(alert("over"), "b-2-1")):
            assert channel.send(given, timeout_s=5) == DELIVERED
        first, again, over = server.messages
        assert server.recipients == [["ops@example.org", "second@example.org"]] * 3
    assert first["Subject"] == "[ALERT] shop: 10 errors within 60 s: pay <*>"
    assert over["Subject"].startswith("[OVER]")
    assert first["Message-ID"] == again["Message-ID"] != over["Message-ID"]
    assert over["In-Reply-To"] == first["Message-ID"]
    assert first["Auto-Submitted"] == "auto-generated"
    text = first.get_content()  # type: ignore[attr-defined]
    assert "pay <!channel> 1 & 2" in text
    assert "     10  pay <*>  (p_1)" in text


def test_nothing_in_a_message_becomes_a_header() -> None:
    """Line breaks in a summary are spaces; letters of any script arrive."""
    with MailServer() as server:
        mail(server).send(batch(alert(summary="störung\r\nBcc: evil@example.org\r\n\r\nbody")), timeout_s=5)
        (message,) = server.messages
    assert message["Bcc"] is None
    assert message["Subject"].startswith("[ALERT] störung")


def test_a_mail_server_that_is_busy_is_asked_again_and_one_that_refuses_is_not() -> None:
    """4xx is for now, 5xx for ever; some recipients refused: the others are told."""
    with MailServer() as server:
        channel = mail(server)
        server.refuse += ["451 later", "554 no"]
        with pytest.raises(SinkUnavailableError, match="451"):
            channel.send(batch(), timeout_s=5)
        assert "554" in channel.send(batch(), timeout_s=5).rejected[0].reason
        server.refused_recipients = {"second@example.org": "550 who"}
        assert channel.send(batch(), timeout_s=5) == DELIVERED
        assert server.recipients == [["ops@example.org"]]
        server.refused_recipients["ops@example.org"] = "451 greylisted"
        with pytest.raises(SinkUnavailableError, match="for now"):
            channel.send(batch(), timeout_s=5)
        server.refused_recipients["ops@example.org"] = "550 who"
        assert "every recipient" in channel.send(batch(), timeout_s=5).rejected[0].reason
    with pytest.raises(SinkUnavailableError):
        channel.send(batch(), timeout_s=5)


def certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate for 127.0.0.1, and a server's side of TLS with it."""
    import datetime
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "loopback")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    place = folder / "cert.pem"
    place.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(place)
    return place, context


def test_starttls_with_a_password(tmp_path: Path) -> None:
    """The password goes over TLS, to a server whose certificate is known; otherwise nothing is sent."""
    place, context = certificate(tmp_path)
    with MailServer(password="geheim", tls=context) as server:
        good = mail(server, f"&ca_file={place}", "smtp+starttls", "shop:geheim@")
        assert good.send(batch(), timeout_s=5) == DELIVERED
        unknown = mail(server, "", "smtp+starttls", "shop:geheim@")
        with pytest.raises(SinkUnavailableError, match="certificate"):
            unknown.send(batch(), timeout_s=5)
        wrong = mail(server, f"&ca_file={place}", "smtp+starttls", "shop:falsch@")
        with pytest.raises(SinkUnavailableError, match="535") as caught:
            wrong.send(batch(), timeout_s=5)
        assert "falsch" not in str(caught.value)
        assert len(server.messages) == 1


def test_starttls_goes_no_further_without_it() -> None:
    """A server (or somebody between) that offers no TLS gets neither password nor alert."""
    with MailServer() as server:
        with pytest.raises(SinkUnavailableError, match="STARTTLS"):
            mail(server, "", "smtp+starttls", "shop:geheim@").send(batch(), timeout_s=5)
        assert server.messages == []


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("hooks.slack.com/services/geheim", "must be such as"),
        ("slack://hooks.slack.com/geheim", "must be such as"),
        ("fax+https://example.org/geheim", "no such channel"),
        ("slack+https://hooks.slack.com/geheim?colour=geheim", "does not know: colour"),
        ("pagerduty+https://events.pagerduty.com", "needs routing_key"),
        ("smtp://mail.example.org", "needs to"),
        ("smtp://shop:geheim@mail.example.org?to=a@example.org", "smtp\\+starttls or smtps only"),
        ("smtp://mail.example.org?to=nobody", "must be addresses"),
        ("slack+https://hooks.slack.com:99999/geheim", "is no URL"),
        ("webhook+https://example.org/geheim?verify=maybe", "verify must be on or off"),
    ],
)
def test_a_url_that_cannot_be_is_refused_without_its_secret(url: str, reason: str) -> None:
    """The error names what is wrong, and shows neither path nor password."""
    with pytest.raises(ConfigError, match=reason) as caught:
        create_channel(url)
    assert "geheim" not in str(caught.value)


def test_tls_from_the_start(tmp_path: Path) -> None:
    """`smtps` speaks TLS before anything else, and to nobody whose certificate is unknown."""
    place, context = certificate(tmp_path)
    with MailServer(implicit_tls=context) as server:
        good = mail(server, f"&ca_file={place}", "smtps")
        assert good.send(batch(), timeout_s=5) == DELIVERED
        with pytest.raises(SinkUnavailableError, match="certificate"):
            mail(server, "", "smtps").send(batch(), timeout_s=5)
        assert mail(server, "&verify=off", "smtps").send(batch(), timeout_s=5) == DELIVERED
        assert len(server.messages) == 2


def test_records_write_no_lines_of_their_own() -> None:
    """A line end in a logger's name, a shape, a message or an id forges no line of the notice."""
    forged = "x\r\nBcc: evil@example.org"
    line = Line(
        timestamp=1, level="ERROR", message=forged, logger=forged, correlation_id=forged, error=forged
    )
    group = Group(shape=forged, pattern="p_1", count=1)
    made = structs.replace(alert(), lines=(line,), groups=(group,))
    assert not any(text.startswith("Bcc") for text in print_alert(made).splitlines())
