"""Where listeners may listen, and with which TLS."""

import datetime
import ipaddress
import socket
import ssl
from contextlib import closing
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tamis.errors import ConfigError
from tamis.server.listeners.allowed import Networks, allowed_networks, peer_address
from tamis.server.listeners.bound import bind_both, bind_datagrams, bind_stream, check_listeners, syslog_tls
from tamis.settings import Settings, load_settings


def settings_of(**given: object) -> Settings:
    return load_settings({name.replace("__", "."): value for name, value in given.items()}, {})


def write_certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A self-signed certificate, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    cert, private = folder / f"{name}.pem", folder / f"{name}-key.pem"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return cert, private


def test_beyond_loopback_it_takes_a_word() -> None:
    """Whoever may reach the port may write records: that is said before it happens."""
    check_listeners(settings_of(listener__host="0.0.0.0"))  # nothing listens
    with pytest.raises(ConfigError, match=r"listener\.allow_insecure"):
        check_listeners(settings_of(listener__host="0.0.0.0", syslog__udp_port=0))
    check_listeners(settings_of(listener__host="0.0.0.0", syslog__udp_port=0, listener__allow_insecure=True))


def test_tls_takes_a_certificate(tmp_path: Path) -> None:
    """Its own, or the server's."""
    with pytest.raises(ConfigError, match="needs a certificate"):
        check_listeners(settings_of(syslog__tls_port=0))
    cert, key = write_certificate(tmp_path, "server")
    check_listeners(settings_of(syslog__tls_port=0, server__tls_cert=str(cert), server__tls_key=str(key)))
    with pytest.raises(ConfigError, match="cannot be loaded"):
        syslog_tls(settings_of(syslog__tls_cert=str(tmp_path / "none.pem"), syslog__tls_key=str(key)))


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext) -> None:
    """Both sides of a handshake in memory; SSLError when one refuses."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        server.wrap_bio(to_server, to_client, server_side=True),
        client.wrap_bio(to_client, to_server, server_hostname="127.0.0.1"),
    ]
    for _ in range(10):
        for side in sides:
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue


def test_senders_show_a_certificate_where_the_settings_want_one(tmp_path: Path) -> None:
    """RFC 5425's mutual authentication."""
    cert, key = write_certificate(tmp_path, "server")
    known_cert, known_key = write_certificate(tmp_path, "known")
    given = {"syslog__tls_cert": str(cert), "syslog__tls_key": str(key)}
    client = ssl.create_default_context(cafile=str(cert))
    shake_hands(syslog_tls(settings_of(**given)), client)
    strict = syslog_tls(settings_of(**given, syslog__tls_client_ca=str(known_cert)))
    with pytest.raises(ssl.SSLError):
        shake_hands(strict, client)
    client.load_cert_chain(known_cert, known_key)
    shake_hands(strict, client)


def test_a_port_that_is_taken_is_named() -> None:
    """The setting, and what to do."""
    with closing(bind_stream(settings_of(), "syslog.tcp_port", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=r"syslog\.tcp_port = .*choose another"):
            bind_stream(settings_of(syslog__tcp_port=port), "syslog.tcp_port", port)
    with pytest.raises(ConfigError, match=r"listener\.host"):
        bind_stream(settings_of(listener__host="no.such.host.invalid"), "syslog.tcp_port", 0)


def test_one_number_for_connections_and_datagrams() -> None:
    """GELF's: given or chosen; when datagrams cannot have it, nothing stays open."""
    stream, datagrams = bind_both(settings_of(), "gelf.port", 0)
    with closing(stream), closing(datagrams):
        port = stream.getsockname()[1]
        assert datagrams.getsockname()[1] == port
    with closing(bind_datagrams(settings_of(), "gelf.port", port)):
        with pytest.raises(ConfigError, match=r"gelf\.port = .*choose another"):
            bind_both(settings_of(gelf__port=port), "gelf.port", port)
        bind_stream(settings_of(), "gelf.port", port).close()


def test_datagrams_get_room() -> None:
    """As much as the system gives."""
    with (
        closing(
            bind_datagrams(settings_of(listener__receive_buffer_bytes=4_096), "syslog.udp_port", 0)
        ) as small,
        closing(bind_datagrams(settings_of(), "syslog.udp_port", 0)) as large,
    ):
        rooms = [one.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) for one in (small, large)]
        assert rooms[0] < 20_000 < rooms[1]


def test_networks_know_their_addresses() -> None:
    """IPv4 also where the system shows it within IPv6."""
    networks = Networks(["127.0.0.0/8", "fd00::/8", "192.0.2.7"])
    assert [networks.has(one) for one in ("127.9.9.9", "fd00::1", "192.0.2.7", "192.0.2.8", "::1", "")] == [
        True, True, True, False, False, False,
    ]  # fmt: skip
    assert networks.has(peer_address(("::ffff:127.0.0.1", 1, 0, 0)))
    assert peer_address(("fe80::1%eth0", 1, 0, 2)) == "fe80::1"
    assert peer_address(None) == ""
    with pytest.raises(ConfigError, match=r"listener\.allowed"):
        allowed_networks(settings_of(listener__allowed="10.0.0.0/8,nowhere"))
