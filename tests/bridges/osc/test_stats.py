"""The counters over OSC: asked on one address, answered there, and never set."""

from autoloops_bridges.control.testing import MemorySurface
from autoloops_bridges.osc import codec
from autoloops_bridges.osc.edge import OscEdge
from autoloops_bridges.osc.ntp import NtpClock

PEER = ("127.0.0.1", 50001)
COUNTED = ("bars", 12, "late_max_ms", 0.5)


def answers(*arguments: int) -> list[codec.Message | codec.Malformed]:
    edge = OscEdge(MemorySurface(), NtpClock(0, 0), stats=lambda: COUNTED)
    edge.receive(codec.encode("/al/stats", arguments), PEER, 0)
    sent = edge.advance(0)
    assert all(peer == PEER for _, peer in sent)
    return [codec.parse(data) for data, _ in sent]


def test_counters_are_answered_on_their_address() -> None:
    assert answers() == [codec.Message("/al/stats", COUNTED)]


def test_counters_cannot_be_set() -> None:
    [refusal] = answers(0)
    assert isinstance(refusal, codec.Message)
    assert refusal.address == "/al/error"
    assert refusal.arguments[0] == "/al/stats"
