"""The UDP socket of the main process: whatever the network does, nothing is raised and nobody waits."""

import socket
from collections.abc import Iterable, Iterator
from typing import Final

from autoloops_bridges.osc.edge import Datagram
from autoloops_bridges.osc.listeners import Peer

# Read per wake-up, so that a flood of OSC delays a decoded bar by milliseconds and not by its own length.
MAX_PACKETS: Final = 2_000
_MAX_PACKET_BYTES: Final = 65_536


class DatagramPort:
    """Receives and sends datagrams. Thread: the owner's only. Blocks: never.

    Args:
        bound: A UDP socket that is bound and does not block.
    """

    def __init__(self, bound: socket.socket) -> None:
        self._socket = bound

    def fileno(self) -> int:
        """The descriptor, for ``select``."""
        return self._socket.fileno()

    @property
    def address(self) -> Peer:
        """Host and port that it is bound to."""
        host, port = self._socket.getsockname()[:2]
        return host, port

    def receive(self) -> Iterator[Datagram]:
        """What has come in, and from whom; ``MAX_PACKETS`` at most."""
        for _ in range(MAX_PACKETS):
            try:
                packet, peer = self._socket.recvfrom(_MAX_PACKET_BYTES)
            except BlockingIOError:
                return
            except OSError:
                # Windows reports here that an earlier datagram found nobody.
                continue
            yield packet, peer[:2]

    def send(self, datagrams: Iterable[Datagram]) -> None:
        """Send each to whom it is for."""
        for data, peer in datagrams:
            try:
                self._socket.sendto(data, peer)
            except OSError:
                # Nobody there, or the network is down: the next one may arrive.
                continue
