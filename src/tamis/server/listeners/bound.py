"""The sockets of listeners, and their TLS."""

import contextlib
import socket
import ssl
from typing import NoReturn

from tamis.errors import ConfigError
from tamis.server.front.listen import BACKLOG
from tamis.server.local import is_loopback
from tamis.settings import Settings

KEEPALIVE = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))
"""Ends connections whose other side is gone; Linux hands it on from the listening socket."""
BOTH_TRIES = 20
"""Numbers tried, when the system chooses one for connections and for datagrams."""
SO_RCVBUFFORCE = 33
"""Linux: a receive buffer beyond net.core.rmem_max, for root."""


def check_listeners(settings: Settings) -> None:
    """Refuse to take records of strangers, unless the settings insist; and TLS without a certificate."""
    listener = settings.listener
    wanted = any(settings.value(key) is not None for key in PORTS)
    if wanted and not is_loopback(listener.host) and not listener.allow_insecure:
        _fail(
            settings,
            "listener.host",
            "whoever is in listener.allowed may send there, most of it unencrypted: set "
            "listener.allow_insecure = true when that is meant",
        )
    if settings.syslog.tls_port is not None:
        syslog_tls(settings)


PORTS = ("syslog.udp_port", "syslog.tcp_port", "syslog.tls_port", "gelf.port", "journal.port")


def bind_stream(settings: Settings, key: str, port: int) -> socket.socket:
    """A socket for connections; ConfigError says why not."""
    return _bind(settings, key, port, kind=socket.SOCK_STREAM)


def bind_datagrams(settings: Settings, key: str, port: int) -> socket.socket:
    """A socket for datagrams; ConfigError says why not."""
    return _bind(settings, key, port, kind=socket.SOCK_DGRAM)


def bind_both(settings: Settings, key: str, port: int) -> tuple[socket.socket, socket.socket]:
    """Sockets for connections and for datagrams with one number; ConfigError says why not."""
    with contextlib.ExitStack() as unfit:  # held, so that the system gives another number
        for _ in range(0 if port else BOTH_TRIES):
            stream = bind_stream(settings, key, port)
            with contextlib.suppress(ConfigError):
                return stream, bind_datagrams(settings, key, stream.getsockname()[1])
            unfit.callback(stream.close)
    stream = bind_stream(settings, key, port)
    try:
        return stream, bind_datagrams(settings, key, stream.getsockname()[1])
    except ConfigError:
        stream.close()
        raise


def _bind(settings: Settings, key: str, port: int, *, kind: socket.SocketKind) -> socket.socket:
    host = settings.listener.host
    try:
        found = socket.getaddrinfo(host or None, port, type=kind, flags=socket.AI_PASSIVE)
        family, _, _, _, address = min(found, key=lambda one: one[0] != socket.AF_INET)
        bound = socket.socket(family, kind)
    except OSError as error:
        _fail(settings, "listener.host", str(error.strerror))
    try:
        if kind == socket.SOCK_STREAM:
            _prepare_stream(bound)
        else:
            _enlarge(bound, settings.listener.receive_buffer_bytes)
        bound.bind(address)
        if kind == socket.SOCK_STREAM:
            bound.listen(BACKLOG)
    except OSError as error:
        bound.close()
        _fail(settings, key, f"cannot listen there: {error.strerror}; choose another")
    return bound


def _prepare_stream(bound: socket.socket) -> None:
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE:
        if hasattr(socket, name):
            bound.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _enlarge(bound: socket.socket, size: int) -> None:
    """Ask the system for a receive buffer; without root it gives what net.core.rmem_max allows."""
    for option in (SO_RCVBUFFORCE, socket.SO_RCVBUF):
        with contextlib.suppress(OSError):
            bound.setsockopt(socket.SOL_SOCKET, option, size)
            return


def syslog_tls(settings: Settings) -> ssl.SSLContext:
    """TLS 1.2 and newer, as RFC 9662 has it; with `syslog.tls_client_ca` senders show a certificate."""
    syslog = settings.syslog
    cert, key = syslog.tls_cert or settings.server.tls_cert, syslog.tls_key
    if syslog.tls_cert is None:
        key = settings.server.tls_key
    if cert is None:
        _fail(settings, "syslog.tls_port", "needs a certificate: syslog.tls_cert and syslog.tls_key")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(cert, key)
    except (OSError, ssl.SSLError) as error:
        _fail(settings, "syslog.tls_cert", f"cannot be loaded: {error}")
    if syslog.tls_client_ca is not None:
        try:
            context.load_verify_locations(syslog.tls_client_ca)
        except (OSError, ssl.SSLError) as error:
            _fail(settings, "syslog.tls_client_ca", f"cannot be loaded: {error}")
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _fail(settings: Settings, key: str, reason: str) -> NoReturn:
    value = settings.value(key)
    shown = value if isinstance(value, int) else str(value)
    raise ConfigError(key, shown, settings.sources.get(key, "default"), reason)
