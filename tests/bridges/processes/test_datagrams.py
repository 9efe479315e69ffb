"""The UDP socket of the main process: bounded, and deaf to what the network does."""

import select
import socket
from collections.abc import Iterator

import pytest

from autoloops_bridges.osc.listeners import Peer
from autoloops_bridges.processes.datagrams import MAX_PACKETS, DatagramPort

HOST = "127.0.0.1"


def bound() -> socket.socket:
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind((HOST, 0))
    udp.setblocking(False)
    return udp


@pytest.fixture
def udp() -> Iterator[socket.socket]:
    with bound() as each:
        yield each


@pytest.fixture
def peer() -> Iterator[socket.socket]:
    with bound() as each:
        yield each


class Endless(socket.socket):
    """A socket in which a datagram always waits; with ``error`` every other one reports it instead."""

    def __init__(self, error: OSError | None = None) -> None:
        super().__init__(socket.AF_INET, socket.SOCK_DGRAM)
        self.reads = 0
        self._error = error

    def recvfrom(self, bufsize: int, flags: int = 0, /) -> tuple[bytes, Peer]:
        self.reads += 1
        if self._error is not None and self.reads % 2:
            raise self._error
        return str(self.reads).encode(), (HOST, 1)


def test_what_came_is_received_in_order_with_its_sender(udp: socket.socket, peer: socket.socket) -> None:
    port = DatagramPort(udp)
    assert port.address == udp.getsockname()
    for data in (b"one", b"two"):
        peer.sendto(data, port.address)
    assert select.select([port], [], [], 5)[0] == [port]
    assert list(port.receive()) == [(b"one", peer.getsockname()), (b"two", peer.getsockname())]
    assert list(port.receive()) == []


def test_of_a_flood_so_many_are_received_at_once() -> None:
    with Endless() as flood:
        assert len(list(DatagramPort(flood).receive())) == MAX_PACKETS


def test_that_an_earlier_datagram_found_nobody_hides_none_that_came() -> None:
    with Endless(ConnectionResetError()) as complaining:
        received = list(DatagramPort(complaining).receive())
    assert len(received) == MAX_PACKETS // 2
    assert received[0] == (b"2", (HOST, 1))


def test_what_cannot_be_sent_keeps_nothing_else_from_being_sent(udp: socket.socket, peer: socket.socket) -> None:
    too_long = b"x" * 100_000
    DatagramPort(udp).send([(too_long, peer.getsockname()), (b"next", peer.getsockname())])
    assert select.select([peer], [], [], 5)[0] == [peer]
    assert peer.recvfrom(65_536) == (b"next", udp.getsockname())
