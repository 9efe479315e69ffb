"""Timed events as OSC: tagged with the intended onset, one bundle an instant, and a socket that may fail."""

from autoloops_bridges.osc import codec
from autoloops_bridges.osc.listeners import Peer
from autoloops_bridges.osc.ntp import NtpClock
from autoloops_bridges.osc.sink import MAX_DATAGRAM_BYTES, OscSink, sinks_for
from autoloops_engine.messages import Listener
from autoloops_engine.player.events import Event, Kind

NOW_US = 1_000_000_000
HERE = ("127.0.0.1", 9000)
THERE = ("127.0.0.1", 9001)


class FakeSocket:
    """Records what is sent; fails as told."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, Peer]] = []
        self.error: OSError | None = None

    def sendto(self, data: bytes, address: Peer, /) -> int:
        if self.error:
            raise self.error
        self.sent.append((data, address))
        return len(data)


def clock() -> NtpClock:
    return NtpClock(NOW_US, 1_700_000_000_000_000)


def note(at_us: int, kind: Kind = Kind.ON, *, early: bool = False) -> Event:
    return Event(at_us, kind, "melody", 1, 60, 100, 250_000, early)


def play(*events: Event) -> list[tuple[int, str, tuple[object, ...]]]:
    socket = FakeSocket()
    sink = OscSink(socket, clock(), [HERE], 0)
    for event in events:
        sink.send(event, NOW_US)
    sink.flush(NOW_US)
    heard = []
    for data, _ in socket.sent:
        elements = codec.split(data)
        assert isinstance(elements, list)
        for tag, element in elements:
            message = codec.parse(element)
            assert isinstance(message, codec.Message)
            heard.append((clock().us_at(tag, NOW_US), message.address, message.arguments))
    return heard


def test_each_kind_of_event_has_its_message_tagged_with_the_intended_onset() -> None:
    heard = play(
        note(NOW_US + 1),
        note(NOW_US + 2, Kind.TIE),
        note(NOW_US + 3, Kind.OFF, early=True),
        Event(NOW_US + 4, Kind.BEAT, "", 0, 5),
        Event(NOW_US + 5, Kind.BAR, "", 0, 2),
    )
    assert heard == [
        (NOW_US + 1, "/al/melody/note", (60, 100, 0.25)),
        (NOW_US + 2, "/al/melody/tie", (60, 0.25)),
        (NOW_US + 3, "/al/melody/off", (60,)),
        (NOW_US + 4, "/al/beat", (5,)),
        (NOW_US + 5, "/al/bar", (2,)),
    ]


def test_the_end_that_was_announced_is_not_sent() -> None:
    assert play(note(NOW_US, Kind.OFF)) == []


def test_events_of_one_instant_share_a_bundle_and_long_ones_are_cut() -> None:
    socket = FakeSocket()
    sink = OscSink(socket, clock(), [HERE, THERE], 0)
    for _ in range(100):
        sink.send(note(NOW_US), NOW_US)
    sink.send(note(NOW_US + 1), NOW_US)
    sink.flush(NOW_US)
    to_here = [data for data, to in socket.sent if to == HERE]
    assert [data for data, to in socket.sent if to == THERE] == to_here
    assert 3 < len(to_here) < 10
    assert all(len(data) <= MAX_DATAGRAM_BYTES for data in to_here)
    sizes = [len(elements) for data in to_here if isinstance(elements := codec.split(data), list)]
    assert sum(sizes) == 101
    assert sizes[-1] == 1


def test_a_socket_that_fails_is_counted_and_never_raises() -> None:
    socket = FakeSocket()
    sink = OscSink(socket, clock(), [HERE], 0)
    for error in (BlockingIOError(), ConnectionRefusedError(), OSError("Network is unreachable")):
        socket.error = error
        sink.send(note(NOW_US), NOW_US)
        sink.flush(NOW_US)
    assert (sink.counters.sent, sink.counters.failed) == (0, 2)
    socket.error = None
    sink.send(note(NOW_US), NOW_US)
    sink.flush(NOW_US)
    assert sink.counters.sent == 1


def test_listeners_with_the_same_lookahead_share_a_sink() -> None:
    sinks = sinks_for(
        [Listener(*HERE, 0), Listener("127.0.0.1", 9002, 50_000), Listener(*THERE, 0)], FakeSocket(), clock()
    )
    assert [(sink.lead_us, sink.name) for sink in sinks] == [
        (0, "OSC 127.0.0.1:9000, 127.0.0.1:9001"),
        (50_000, "OSC 127.0.0.1:9002"),
    ]
