"""Those who are told alerts: a mail server and a webhook's receiver, on loopback."""

import json
import ssl
from email import message_from_bytes
from email.message import Message
from email.policy import default
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.support.faulty_server import FaultyServer, Reply, Request


class _AnyPort(Controller):
    """Listens on a port that was free."""

    def _trigger_server(self) -> None:
        assert self.server is not None
        self.port = self.server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        super()._trigger_server()


class MailServer:
    """A real SMTP server. `refuse` holds answers for the next messages, such as "451 later"; `password` is what it
    wants (user `shop`), once TLS is there if it has a certificate;
    with `implicit_tls` it is there from the start.
    """

    def __init__(
        self,
        *,
        password: str = "",
        tls: ssl.SSLContext | None = None,
        implicit_tls: ssl.SSLContext | None = None,
    ) -> None:
        self.messages: list[Message] = []
        self.recipients: list[list[str]] = []
        self.refuse: list[str] = []
        self.refused_recipients: dict[str, str] = {}
        self._password = password
        options: dict[str, Any] = {"tls_context": tls, "require_starttls": tls is not None}
        if password:
            options |= {
                "authenticator": self._authenticate,
                "auth_required": True,
                "auth_require_tls": tls is not None,
            }
        self._controller = _AnyPort(self, hostname="127.0.0.1", port=0, ssl_context=implicit_tls, **options)

    @property
    def port(self) -> int:
        return int(self._controller.port)

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address in self.refused_recipients:
            return self.refused_recipients[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.refuse:
            return self.refuse.pop(0)
        assert isinstance(envelope.content, bytes)
        self.messages.append(message_from_bytes(envelope.content, policy=default))
        self.recipients.append(list(envelope.rcpt_tos))
        return "250 OK"

    def _authenticate(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any
    ) -> AuthResult:
        wanted = LoginPassword(b"shop", self._password.encode())
        return AuthResult(success=isinstance(data, LoginPassword) and data == wanted, handled=False)

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._controller.stop()


class Receiver(FaultyServer):
    """Takes whatever is posted."""

    def answer(self, request: Request) -> Reply:
        return Reply(202, b"ok")

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(request.body) for request in self.requests]
