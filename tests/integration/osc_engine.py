"""A main loop in small for the tests of OSC clients: an edge before a surface that only remembers.

Run as a script it serves on the port given and leaves at end of input.
"""

import select
import socket
import sys
import time

from autoloops_bridges.control.testing import MemorySurface
from autoloops_bridges.osc.edge import OscEdge
from autoloops_bridges.osc.ntp import NtpClock


def now_us() -> int:
    """Monotonic time."""
    return time.monotonic_ns() // 1000


class OscEngine:
    """An edge behind a UDP socket."""

    def __init__(self, port: int = 0) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", port))
        self.socket.setblocking(False)
        self.surface = MemorySurface()
        self.clock = NtpClock(now_us(), time.time_ns() // 1000)
        self.edge = OscEdge(self.surface, self.clock)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.socket.getsockname()[1])

    def step(self, at_most_s: float, *others: int) -> bool:
        """Wait for something to do and do it; whether one of the ``others`` (file descriptors) became readable."""
        next_us = self.edge.next_deadline_us(now_us())
        wait_s = at_most_s if next_us is None else min(at_most_s, max(0, next_us - now_us()) / 1e6)
        ready, _, _ = select.select([self.socket.fileno(), *others], [], [], wait_s)
        if self.socket.fileno() in ready:
            self._drain()
        for data, peer in self.edge.advance(now_us()):
            self.socket.sendto(data, peer)
        return any(other in ready for other in others)

    def _drain(self) -> None:
        while True:
            try:
                packet, peer = self.socket.recvfrom(65535)
            except BlockingIOError:
                return
            self.edge.receive(packet, peer, now_us())


def main() -> None:
    """Serve until standard input ends."""
    engine = OscEngine(int(sys.argv[1]))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while not engine.step(1.0, sys.stdin.fileno()):
        pass


if __name__ == "__main__":
    main()
