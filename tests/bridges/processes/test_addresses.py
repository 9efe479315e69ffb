"""A host with addresses of both families is reached by the one that works."""

import socket
from typing import Any

import pytest

from autoloops_bridges.processes.launcher import bind_osc, resolved
from autoloops_bridges.processes.options import Address
from autoloops_engine.errors import PortError

HOSTS = {"localhost": ("::1", "127.0.0.1"), "new": ("2001:db8::1",), "old": ("192.0.2.1",)}


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server that answers with IPv6 first."""

    def look_up(host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        if host not in HOSTS:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        both = [(socket.AF_INET6, (n, port, 0, 0)) if ":" in n else (socket.AF_INET, (n, port)) for n in HOSTS[host]]
        return [(family, socket.SOCK_DGRAM, 17, "", address) for family, address in both]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


def test_osc_listens_on_the_ipv4_address_of_a_name() -> None:
    with bind_osc("localhost", 0) as osc:
        assert osc.family == socket.AF_INET
        assert osc.getsockname()[0] == "127.0.0.1"


def test_a_receiver_is_reached_by_the_family_of_the_socket() -> None:
    assert resolved(Address("localhost", 9000), socket.AF_INET) == Address("127.0.0.1", 9000)
    assert resolved(Address("localhost", 9000), socket.AF_INET6) == Address("::1", 9000)


def test_what_is_sent_to_a_name_arrives() -> None:
    with bind_osc("localhost", 0) as osc, socket.socket(type=socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5.0)
        found = resolved(Address("localhost", receiver.getsockname()[1]), osc.family)
        osc.sendto(b"heard", (found.host, found.port))
        assert receiver.recv(16) == b"heard"


@pytest.mark.parametrize(("host", "family"), [("new", socket.AF_INET), ("old", socket.AF_INET6)])
def test_a_host_without_an_address_of_that_family_is_said_in_a_sentence(host: str, family: int) -> None:
    with pytest.raises(PortError, match=rf"^{host} has no IPv[46] address, .*; change --osc-send or --osc-host\.$"):
        resolved(Address(host, 9000), family)


def test_an_unknown_host_is_said_in_a_sentence() -> None:
    with pytest.raises(PortError, match="There is no host nowhere"):
        resolved(Address("nowhere", 9000), socket.AF_INET)
