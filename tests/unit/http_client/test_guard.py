"""Who is connected to, when others name the address."""

import ipaddress
import socket
from collections.abc import Sequence
from typing import Any
from unittest.mock import patch

import pytest

from tamis.http_client.guard import Guard, dial_any
from tests.support.receivers import Receiver

OWN = (
    "127.0.0.1", "127.8.9.1", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "192.0.0.8", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "fe80::1%eth0",
    "fc00::1", "fd12::1", "fec0::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:a9fe:a9fe", "::7f00:1",
    "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "2002:a00:1::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::1",
)  # fmt: skip
PUBLIC = ("1.1.1.1", "93.184.215.14", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101")


def answers(*addresses: str) -> Any:
    """DNS, with these answers one after the other for each question."""

    def getaddrinfo(_host: str, port: int, **_more: Any) -> Sequence[Any]:
        return [
            (socket.AF_INET6 if ":" in one else socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port))
            for one in addresses
        ]

    return patch("tamis.http_client.guard.socket.getaddrinfo", getaddrinfo)


@pytest.mark.parametrize("address", OWN)
def test_the_own_network_is_refused_however_it_is_written(address: str) -> None:
    """Loopback, private, link-local, shared, multicast, mapped, translated and tunnelled addresses."""
    guard = Guard()
    assert not guard.is_allowed(address)
    with answers(address), pytest.raises(PermissionError, match=r"alerts\.networks"):
        guard.dial("innocent.example.org", 80, 1.0)


@pytest.mark.parametrize("address", PUBLIC)
def test_the_public_network_is_allowed(address: str) -> None:
    """What leads somewhere else, also written as IPv6."""
    assert Guard().is_allowed(address)


def test_what_is_allowed_is_allowed_in_each_form() -> None:
    """A network that the settings name; not its neighbours."""
    guard = Guard((ipaddress.ip_network("10.0.0.0/8"),))
    assert guard.is_allowed("10.9.9.9")
    assert guard.is_allowed("::ffff:10.9.9.9")
    assert not guard.is_allowed("192.168.0.1")
    assert not guard.is_allowed("127.0.0.1")


@pytest.mark.parametrize("name", ["localhost", "0x7f.1", "2130706433", "127.1"])
def test_names_that_the_machine_resolves_to_itself_are_refused(name: str) -> None:
    """Whatever the resolver makes of them is what is looked at."""
    with Receiver() as receiver:
        with pytest.raises(OSError, match=r"own network|not known|No address|Name or service"):
            Guard().dial(name, receiver.port, 2.0)
        assert not receiver.requests


def test_the_connection_goes_to_the_address_that_was_looked_at() -> None:
    """A name whose answer changes between looking and connecting leads nowhere else: it is asked for once."""
    asked: list[bytes] = []

    def rebinding(host: bytes, port: int, **_more: Any) -> Sequence[Any]:
        asked.append(host)
        address = "192.0.2.1" if len(asked) > 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    with Receiver() as receiver, patch("tamis.http_client.guard.socket.getaddrinfo", rebinding):
        sock = Guard((ipaddress.ip_network("127.0.0.0/8"),)).dial("rebinding.example.org", receiver.port, 5.0)
        assert sock.getpeername() == ("127.0.0.1", receiver.port)
        sock.close()
    assert asked == [b"rebinding.example.org"]


def test_of_several_addresses_only_the_allowed_are_tried() -> None:
    """A name with a public and an own address never leads to the own one."""
    with Receiver() as receiver:
        guard = Guard((ipaddress.ip_network("127.0.0.1/32"),))
        with answers("127.0.0.2", "127.0.0.1"):
            sock = guard.dial("two.example.org", receiver.port, 5.0)
        assert sock.getpeername()[0] == "127.0.0.1"
        sock.close()


def test_nobody_there_is_the_last_error() -> None:
    """All allowed addresses are tried before it fails."""
    with Receiver() as receiver:
        port = receiver.port
    guard = Guard((ipaddress.ip_network("127.0.0.0/8"),))
    with answers("127.0.0.1", "127.0.0.2"), pytest.raises(ConnectionRefusedError):
        guard.dial("gone.example.org", port, 5.0)


def test_without_a_guard_everything_is_reached() -> None:
    """What whoever runs Tamis names."""
    with Receiver() as receiver:
        dial_any("127.0.0.1", receiver.port, 5.0).close()
