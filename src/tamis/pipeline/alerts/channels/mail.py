"""E-mail: one message for each alert."""

import encodings.idna  # noqa: F401  # smtplib's names for TLS need it; never to be loaded first beside a fork
import re
import smtplib
import socket
import ssl
from contextlib import suppress
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from tamis.clock import NS_PER_S, SYSTEM_CLOCK, Clock
from tamis.errors import SinkUnavailableError
from tamis.http_client.connection import Trust
from tamis.pipeline.alerts.alert import Alert, alert_of
from tamis.pipeline.alerts.channels.base import ONE_AT_ONCE
from tamis.pipeline.alerts.channels.text import TITLES, print_alert
from tamis.pipeline.alerts.channels.url import ChannelUrl
from tamis.pipeline.base import DELIVERED, Batch, Outcome, Rejected
from tamis.record.shape import shape_id

_PERMANENT = 500
_SUBJECT_CHARS_MAX = 200


class MailChannel:
    """A sink (see `tamis.pipeline.base.Sink`) that sends each alert by SMTP. A try has the same Message-ID as the one
    before, and what follows about one trouble stands in its thread.

    ``smtps`` is TLS from the start, ``smtp+starttls`` goes no further without it; a password over plain ``smtp`` is
    refused but on this machine. A server's 4xx: again later; its 5xx about this message: refused.
    """

    limits = ONE_AT_ONCE
    spooled = True

    def __init__(self, url: ChannelUrl, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self.name, self._url, self._clock = url.name, url, clock
        self._to = [part.strip() for part in re.split("[,;]", url.require("to", "to whom")) if part.strip()]
        self._from = url.take("from", f"tamis@{url.address.host}")
        if not all("@" in address and address.isprintable() for address in [*self._to, self._from]):
            url.refuse("to and from must be addresses such as ops@example.org")
        if url.user and url.address.scheme == "plain" and not url.address.loopback:
            url.refuse("a password goes over smtp+starttls or smtps only")
        self._trust = url.trust()

    def send(self, batch: Batch, /, *, timeout_s: float) -> Outcome:
        """One connection; each alert a message."""
        rejected: list[Rejected] = []
        try:
            server = self._connect(timeout_s)
        except (smtplib.SMTPException, OSError) as error:
            raise SinkUnavailableError(self.name, _words(error)) from error
        try:
            for record in batch.records:
                try:
                    message = self._message(alert_of(record), batch.id)
                except ValueError as error:
                    rejected.append(Rejected(record, str(error)))
                    continue
                reason = self._deliver(server, message)
                if reason:
                    rejected.append(Rejected(record, reason))
        finally:
            with suppress(smtplib.SMTPException, OSError):  # the messages are with the server already
                server.quit()
        return Outcome(rejected=tuple(rejected)) if rejected else DELIVERED

    def close(self) -> None:
        """Nothing stays open between alerts."""

    def _connect(self, timeout_s: float) -> smtplib.SMTP:
        address, here = self._url.address, socket.gethostname() or "localhost"  # a full name is asked of DNS
        server: smtplib.SMTP
        if address.scheme == "tls":
            tls = _tls(self._trust)
            server = _OverTls(self._url, here, timeout_s, tls)
        else:
            server = _Plain(self._url, here, timeout_s)
        try:
            if address.scheme == "starttls":
                server.starttls(context=_tls(self._trust))
            if self._url.user:
                server.login(self._url.user, self._url.password)
        except BaseException:
            server.close()
            raise
        return server

    def _deliver(self, server: smtplib.SMTP, message: EmailMessage) -> str:
        """Send it; why it never will be, or "". Some recipients refused: it is told to the others."""
        try:
            server.send_message(message, self._from, self._to)
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            if min(codes) >= _PERMANENT:
                return f"every recipient was refused ({codes[0]})"
            raise SinkUnavailableError(self.name, f"recipients were refused for now ({codes[0]})") from error
        except smtplib.SMTPResponseException as error:
            if error.smtp_code >= _PERMANENT:
                return f"the message was refused: {_words(error)}"
            raise SinkUnavailableError(self.name, _words(error), status=error.smtp_code) from error
        except (smtplib.SMTPException, OSError) as error:
            raise SinkUnavailableError(self.name, _words(error)) from error
        return ""

    def _message(self, alert: Alert, batch_id: str) -> EmailMessage:
        host = self._from.rpartition("@")[2]
        thread = f"<{shape_id(alert.key):016x}.{alert.began}@{host}>"
        message = EmailMessage(policy=SMTP.clone(utf8=False))
        summary = "".join(char if char.isprintable() else " " for char in alert.summary)
        message["Subject"] = f"[{TITLES[alert.state]}] {summary[:_SUBJECT_CHARS_MAX]}"
        message["From"], message["To"] = self._from, ", ".join(self._to)
        message["Date"] = format_datetime(datetime.fromtimestamp(self._clock.now_ns() // NS_PER_S, UTC))
        message["Message-ID"] = thread if alert.state == "firing" else f"<{batch_id}@{host}>"
        if alert.state != "firing":
            message["In-Reply-To"] = message["References"] = thread
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(print_alert(alert))
        return message


class _Plain(smtplib.SMTP):
    """A conversation over a socket that the URL's `dial` made."""

    def __init__(self, url: ChannelUrl, here: str, timeout_s: float) -> None:
        self._dial = url.dial
        super().__init__(url.address.host, url.address.port, here, timeout=timeout_s)

    def _get_socket(self, host: str, port: int, timeout: float | None) -> socket.socket:
        """The one place where smtplib connects."""
        return self._dial(host, port, timeout)


class _OverTls(_Plain):
    """The same within TLS from the start."""

    def __init__(self, url: ChannelUrl, here: str, timeout_s: float, tls: ssl.SSLContext) -> None:
        self._context = tls
        super().__init__(url, here, timeout_s)

    def _get_socket(self, host: str, port: int, timeout: float | None) -> socket.socket:
        return self._context.wrap_socket(super()._get_socket(host, port, timeout), server_hostname=host)


def _tls(trust: Trust) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=trust.ca_file or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not trust.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _words(error: Exception) -> str:
    """What went wrong, without what was sent."""
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error
        words = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
        return f"status {error.smtp_code}: {words[:200]}"
    return str(error)[:200] or type(error).__name__


def create(url: ChannelUrl) -> MailChannel:
    """``smtp+starttls://user:password@host:587?to=ops@example.org&from=shop@example.org``."""
    return MailChannel(url)
