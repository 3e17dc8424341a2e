"""Sockets that carry no token: syslog, GELF, and what systemd-journal-upload sends."""

from dataclasses import dataclass
from pathlib import Path

from tamis.settings.fields import flag, names, optional_file, optional_port, seconds, size, text, whole

OFF = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerSettings:
    """What holds for the listeners of syslog, GELF and the journal. Each is off until it has a port."""

    host: str = text(
        "127.0.0.1", "The address that they listen on; beyond loopback it takes `listener.allow_insecure`."
    )
    allowed: tuple[str, ...] = names(
        "The networks that senders may be in; others are refused.", "127.0.0.0/8", "::1/128"
    )
    allow_insecure: bool = flag(
        OFF,
        "Listen beyond loopback, where whoever is in `listener.allowed` may send, most of it unencrypted.",
    )
    message_bytes_max: int = size(
        "256KiB", "The longest message; of a longer one the beginning is kept, of GELF nothing.", least=480
    )
    waiting_bytes_max: int = size(
        "32MiB",
        "Messages of one listener that wait to be stored; with more it stops reading, so that senders wait.",
        least=1 << 20,
    )
    receive_buffer_bytes: int = size(
        "16MiB",
        "What the system may keep of datagrams that were not read yet; without root it keeps less.",
        least=4096,
    )
    connections_max: int = whole(1_000, "Connections of one listener at a time; more are closed.", least=1)
    source_connections_max: int = whole(100, "So many of them from one address.", least=1)
    idle_timeout_s: float = seconds(
        "24h",
        "A connection that says nothing for so long is closed; senders of syslog lose what they send into that.",
        least=1,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SyslogSettings:
    """Syslog, RFC 5424 and RFC 3164."""

    udp_port: int | None = optional_port("The port for datagrams; 514 is usual, and takes root.")
    tcp_port: int | None = optional_port("The port for streams: lines, or counted octets.")
    tls_port: int | None = optional_port("The port for streams within TLS (RFC 5425); 6514 is usual.")
    tls_cert: Path | None = optional_file(
        "The certificate chain for `tls_port`, PEM; else `server.tls_cert`."
    )
    tls_key: Path | None = optional_file("The private key of `syslog.tls_cert`, PEM.")
    tls_client_ca: Path | None = optional_file(
        "Certificates of authorities, PEM: senders must then show a certificate that one of them signed."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class GelfSettings:
    """GELF, Graylog's format."""

    port: int | None = optional_port(
        "The port for GELF: datagrams, streams, and `POST /gelf`; 12201 is usual."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalSettings:
    """What systemd-journal-upload sends."""

    port: int | None = optional_port("The port for `POST /upload` without a token; 19532 is usual.")
