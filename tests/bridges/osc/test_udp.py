"""The edge behind a real UDP socket on a free port, driven by python-osc's client."""

import select
import socket
import time
from collections.abc import Callable, Iterator

import pytest
from pythonosc.osc_bundle_builder import OscBundleBuilder
from pythonosc.osc_message_builder import build_msg
from pythonosc.udp_client import SimpleUDPClient

from autoloops_bridges.control.testing import MemorySurface
from autoloops_bridges.osc import codec
from autoloops_bridges.osc.edge import OscEdge
from autoloops_bridges.osc.ntp import NtpClock
from autoloops_engine.session.surface import Target

WAIT_S = 5.0
KNOB = Target("knob", "melody", 1)


def now_us() -> int:
    return time.monotonic_ns() // 1000


class Engine:
    """A main loop in small: drain, advance, send."""

    def __init__(self) -> None:
        self.socket = bound()
        self.surface = MemorySurface()
        self.edge = OscEdge(self.surface, NtpClock(now_us(), time.time_ns() // 1000))

    @property
    def port(self) -> int:
        return int(self.socket.getsockname()[1])

    def run_until(self, done: Callable[[], bool]) -> None:
        """Serve until ``done`` says so."""
        deadline_us = now_us() + int(WAIT_S * 1e6)
        while now_us() < deadline_us:
            next_us = self.edge.next_deadline_us(now_us())
            wait_s = 0.01 if next_us is None else min(0.01, max(1e-6, (next_us - now_us()) / 1e6))
            if select.select([self.socket], [], [], wait_s)[0]:
                packet, peer = self.socket.recvfrom(65535)
                self.edge.receive(packet, peer, now_us())
            for data, to in self.edge.advance(now_us()):
                self.socket.sendto(data, to)
            if done():
                return
        raise AssertionError("nothing came in time")


def bound() -> socket.socket:
    endpoint = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    endpoint.bind(("127.0.0.1", 0))
    endpoint.settimeout(WAIT_S)
    return endpoint


def heard(endpoint: socket.socket) -> codec.Message:
    message = codec.parse(endpoint.recv(65535))
    assert isinstance(message, codec.Message)
    return message


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine()
    yield engine
    engine.socket.close()


@pytest.fixture
def client() -> Iterator[socket.socket]:
    endpoint = bound()
    yield endpoint
    endpoint.close()


def test_values_are_set_and_asked_over_udp(engine: Engine, client: socket.socket) -> None:
    to = ("127.0.0.1", engine.port)
    client.sendto(build_msg("/al/melody/knob/1", 0.25).dgram, to)
    client.sendto(build_msg("/al/melody/knob/1").dgram, to)
    engine.run_until(lambda: engine.edge.counters.packets == 2)
    assert heard(client) == ("/al/melody/knob/1", (0.25,))
    client.sendto(b"\xff\x00rubbish", to)
    engine.run_until(lambda: engine.edge.counters.packets == 3)
    assert heard(client).address == "/al/error"


def test_a_client_that_receives_on_another_port_gets_answers_errors_and_echoes_there(
    engine: Engine, client: socket.socket
) -> None:
    port = client.getsockname()[1]
    sender = SimpleUDPClient("127.0.0.1", engine.port)
    other = SimpleUDPClient("127.0.0.1", engine.port)
    with sender._sock, other._sock:
        sender.send_message("/al/listen", [1, port])
        sender.send_message("/al/ping", [1, 0.5, "x"])
        sender.send_message("/al/tempo", 5000)
        other.send_message("/al/tempo", 131)
        engine.run_until(lambda: engine.edge.counters.packets == 4)
    messages = [heard(client) for _ in range(3)]
    assert sorted(message.address for message in messages) == ["/al/error", "/al/pong", "/al/tempo"]
    assert ("/al/pong", (1, 0.5, "x")) in messages
    assert ("/al/tempo", (131.0,)) in messages


def test_a_bundle_from_the_future_waits_and_does_not_hold_up_the_next_message(
    engine: Engine, client: socket.socket
) -> None:
    builder = OscBundleBuilder(time.time_ns() / 1e9 + 0.3)  # type: ignore[arg-type]  # annotated int, documented float
    builder.add_content(build_msg("/al/melody/knob/1", 0.875))
    sent_us = now_us()
    client.sendto(builder.build().dgram, ("127.0.0.1", engine.port))
    client.sendto(build_msg("/al/melody/knob/2", 0.1).dgram, ("127.0.0.1", engine.port))
    engine.run_until(lambda: engine.edge.counters.packets == 2)
    assert [target.key for target, _ in engine.surface.done] == [2]
    engine.run_until(lambda: KNOB in [target for target, _ in engine.surface.done])
    assert now_us() - sent_us >= 299_000
    assert engine.surface.values[KNOB] == (0.875,)
