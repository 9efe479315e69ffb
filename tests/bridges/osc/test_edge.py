"""The OSC edge on a fake clock: what clients send is done once, in order, and answered to whom it concerns."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoloops_bridges.control.testing import MemorySurface
from autoloops_bridges.osc import codec
from autoloops_bridges.osc.edge import ASKED_US, MAX_REASON_CHARS, SYNC_BURST, OscEdge
from autoloops_bridges.osc.errors import ERRORS_PER_S
from autoloops_bridges.osc.inbox import MAX_FUTURE, MAX_PENDING
from autoloops_bridges.osc.listeners import Peer
from autoloops_bridges.osc.ntp import NtpClock
from autoloops_engine.messages import Frozen, Listener, TransportState
from autoloops_engine.notes import Bar, Note
from autoloops_engine.session.surface import Target

NOW_US = 1_000_000_000
MAX = ("127.0.0.1", 50001)
PD = ("127.0.0.1", 50002)
KNOB = Target("knob", "melody", 1)

Sent = list[tuple[Peer, str, tuple[object, ...]]]


class Stage:
    """An edge, its surface, and a clock that stands still unless told."""

    def __init__(self, *static: Peer) -> None:
        self.surface = MemorySurface()
        self.clock = NtpClock(NOW_US, 1_700_000_000_000_000)
        self.edge = OscEdge(self.surface, self.clock, static)
        self.now_us = NOW_US

    def put(self, peer: Peer, address: str, *arguments: float | str) -> None:
        self.edge.receive(codec.encode(address, arguments), peer, self.now_us)

    def run(self, later_us: int = 0) -> Sent:
        self.now_us += later_us
        return [(peer, *decoded(data)) for data, peer in self.edge.advance(self.now_us)]

    def send(self, peer: Peer, address: str, *arguments: float | str) -> Sent:
        self.put(peer, address, *arguments)
        return self.run()


def decoded(data: bytes) -> tuple[str, tuple[object, ...]]:
    message = codec.parse(data)
    assert isinstance(message, codec.Message)
    return message.address, message.arguments


def test_ping_is_answered_with_every_argument_bit_for_bit() -> None:
    stage = Stage()
    data = (
        b"/al/ping\x00\x00\x00\x00,idTNs\x00\x00"
        + b"\x00\x00\x00\x07"
        + b"\x3f\xb9\x99\x99\x99\x99\x99\x9a"
        + b"ok\x00\x00"
    )
    stage.edge.receive(data, PD, NOW_US)
    assert stage.edge.advance(NOW_US) == [(b"/al/pong" + data[8:], PD)]


def test_a_value_is_set_asked_and_answered_on_its_address() -> None:
    stage = Stage()
    assert stage.send(PD, "/al/melody/knob/1", 0.25) == []
    assert stage.surface.done == [(KNOB, (0.25,))]
    assert stage.send(PD, "/al/melody/knob/1") == [(PD, "/al/melody/knob/1", (0.25,))]
    assert stage.send(PD, "/al/melody/mute") == [(PD, "/al/melody/mute", (0,))]


@pytest.mark.parametrize(
    ("address", "arguments", "reason"),
    [
        ("/al/nothing", (1,), "no such address"),
        ("/al/tempo", (5,), "between 20 and 999"),
        ("/al/melody/z", (0.0, math.nan, 0.0, 0.0), "finite"),
        ("/al/melody/z", (0.0,), "4 coordinates"),
        ("/al/nobody/mute", (1,), "nobody"),
        ("/al/nobody/mute", (), "nobody"),
        ("/al/nobody/fire", (), "nobody"),
        ("/al/note", (1,), "no such address"),
        ("/al/beat", (1,), "only sent"),
    ],
)
def test_what_cannot_be_done_is_answered_with_a_reason_and_changes_nothing(
    address: str, arguments: tuple[float, ...], reason: str
) -> None:
    stage = Stage()
    [(peer, error, (told_address, told_reason))] = stage.send(PD, address, *arguments)
    assert (peer, error, told_address) == (PD, "/al/error", address)
    assert reason in str(told_reason)
    assert stage.surface.done == []
    assert stage.edge.counters.refused == 1


def test_what_fails_later_is_told_to_who_asked_and_to_listeners_once_each() -> None:
    stage = Stage(("127.0.0.1", 9001))
    stage.send(MAX, "/al/melody/load", "nosuch.mid")
    stage.send(PD, "/al/bass/load", "other.mid")
    stage.edge.fail("/al/melody/load", "It is not there.", stage.now_us)
    error = ("/al/error", ("/al/melody/load", "It is not there."))
    assert stage.run() == [(("127.0.0.1", 9001), *error), (MAX, *error)]
    # It was for that one request.
    stage.edge.fail("/al/melody/load", "It is not there.", stage.now_us)
    assert stage.run() == [(("127.0.0.1", 9001), *error)]
    stage.send(PD, "/al/listen", 1)
    stage.edge.fail("/al/bass/load", "It is not there.", stage.now_us)
    assert sorted(peer for peer, *_ in stage.run()) == [("127.0.0.1", 9001), PD]


def test_who_asked_long_ago_is_not_told_what_another_failed_at() -> None:
    stage = Stage()
    stage.send(MAX, "/al/melody/capture")
    stage.run(later_us=ASKED_US + 1)
    stage.edge.fail("/al/melody/capture", "Nothing was played.", stage.now_us)
    assert stage.run() == []


def test_bytes_that_are_no_osc_are_counted_and_answered() -> None:
    stage = Stage()
    stage.edge.receive(b"hello", PD, NOW_US)
    [(_, address, (told, reason))] = stage.run()
    assert (address, told) == ("/al/error", "/")
    assert "not OSC" in str(reason)
    assert stage.edge.counters.malformed == 1


def test_a_reason_that_quotes_what_was_sent_is_short() -> None:
    stage = Stage()
    [(_, address, (told, reason))] = stage.send(PD, "/al/tempo", "x" * 5_000)
    assert (address, told) == ("/al/error", "/al/tempo")
    assert isinstance(reason, str)
    assert 0 < len(reason) <= MAX_REASON_CHARS


def test_errors_to_one_peer_are_bounded_and_the_rest_counted() -> None:
    stage = Stage()
    for _ in range(200):
        stage.put(PD, "/al/nothing", 1)
    assert len(stage.run()) == ERRORS_PER_S
    assert stage.edge.counters.errors_withheld == 200 - ERRORS_PER_S


def test_of_a_flood_the_last_set_of_each_address_is_done_and_verbs_keep_their_place() -> None:
    stage = Stage()
    for step in range(100):
        stage.put(PD, "/al/melody/knob/1", step / 100)
        stage.put(PD, "/al/melody/knob/2", step / 100)
    stage.put(PD, "/al/melody/fire", "again")
    stage.put(PD, "/al/melody/knob/1", 1.0)
    stage.run()
    assert stage.surface.done == [
        (KNOB, (pytest.approx(0.99),)),
        (Target("knob", "melody", 2), (pytest.approx(0.99),)),
        (Target("fire", "melody"), ("again",)),
        (KNOB, (1.0,)),
    ]
    assert stage.edge.counters.coalesced == 198


def test_a_bad_set_does_not_swallow_the_good_one_before_it() -> None:
    stage = Stage()
    stage.put(PD, "/al/melody/z", 0.125, 0.25, 0.5, 1.0)
    stage.put(PD, "/al/melody/z", math.nan, 0.0, 0.0, 0.0)
    stage.put(PD, "/al/melody/z", 1.0)
    errors = stage.run()
    assert [address for _, address, _ in errors] == ["/al/error"] * 2
    assert stage.surface.done == [(Target("z", "melody"), (0.125, 0.25, 0.5, 1.0))]


def test_a_set_coalesced_with_a_later_one_takes_its_place_in_the_order() -> None:
    stage = Stage()
    stage.put(PD, "/al/melody/knob/1", 0.1)
    stage.put(PD, "/al/melody/z", 1.0, 1.0, 1.0, 1.0)
    stage.put(PD, "/al/melody/knob/1", 0.9)
    stage.run()
    assert [target.name for target, _ in stage.surface.done] == ["z", "knob"]


def test_pending_messages_are_bounded_and_the_rest_counted() -> None:
    stage = Stage()
    for _ in range(MAX_PENDING + 10):
        stage.put(PD, "/al/melody/fire")
    stage.run()
    assert len(stage.surface.done) == MAX_PENDING
    assert stage.edge.counters.dropped == 10


@given(st.lists(st.tuples(st.sampled_from(["knob", "fire", "mute"]), st.integers(0, 3), st.booleans()), max_size=40))
def test_any_flood_ends_in_the_same_values_as_one_message_at_a_time(messages: list[tuple[str, int, bool]]) -> None:
    drained, single = Stage(), Stage()
    for name, number, now in messages:
        for stage in (drained, single):
            match name:
                case "knob":
                    # 3 is out of range: refused in both.
                    stage.put(PD, f"/al/melody/knob/{1 + number % 2}", number / 2)
                case "mute":
                    stage.put(PD, "/al/melody/mute", int(now))
                case _:
                    stage.put(PD, "/al/melody/fire", "again" if now else "new")
        single.run()
    drained.run()
    assert drained.surface.values == single.surface.values
    fires = [[done for done in stage.surface.done if done[0].name == "fire"] for stage in (drained, single)]
    assert fires[0] == fires[1]


def at(stage: Stage, due_us: int, address: str, *arguments: float) -> None:
    packet = codec.bundle(stage.clock.tag_at(due_us), [codec.encode(address, arguments)])
    stage.edge.receive(packet, PD, stage.now_us)


def test_time_tags_are_honoured_to_the_microsecond() -> None:
    stage = Stage()
    at(stage, NOW_US + 300_000, "/al/melody/knob/1", 0.875)
    at(stage, NOW_US + 100_000, "/al/melody/knob/1", 0.125)
    stage.put(PD, "/al/melody/knob/1", 0.0)
    stage.run()
    assert stage.surface.values[KNOB] == (0.0,)
    deadline_us = stage.edge.next_deadline_us(NOW_US)
    assert deadline_us == NOW_US + 100_000
    stage.run(99_999)
    assert stage.surface.values[KNOB] == (0.0,)
    stage.run(1)
    assert stage.surface.values[KNOB] == (0.125,)
    stage.run(200_000)
    assert stage.surface.values[KNOB] == (0.875,)
    assert stage.edge.next_deadline_us(stage.now_us) is None


def test_tags_of_the_past_and_beyond_ten_seconds_are_done_at_once_and_the_latter_counted() -> None:
    stage = Stage()
    at(stage, NOW_US - 5_000_000, "/al/melody/knob/1", 0.1)
    at(stage, NOW_US + 10_000_001, "/al/melody/knob/2", 0.2)
    at(stage, NOW_US + 3_600_000_000, "/al/melody/knob/3", 0.3)
    stage.run()
    assert len(stage.surface.done) == 3
    assert stage.edge.counters.too_far == 2


def test_messages_of_the_future_are_bounded_and_the_rest_done_at_once_and_counted() -> None:
    stage = Stage()
    for index in range(MAX_FUTURE + 5):
        at(stage, NOW_US + 1_000_000 + index, "/al/melody/fire")
    stage.run()
    assert len(stage.surface.done) == 5
    assert stage.edge.counters.overfull == 5
    stage.run(2_000_000)
    assert len(stage.surface.done) == MAX_FUTURE + 5


def test_listen_starts_and_ends_echoes() -> None:
    stage = Stage()
    stage.send(MAX, "/al/listen", 1, 9000, 50)
    assert stage.edge.take_listeners_change()
    assert stage.edge.listeners() == (Listener("127.0.0.1", 9000, 50_000),)
    assert stage.send(PD, "/al/tempo", 130) == [(("127.0.0.1", 9000), "/al/tempo", (130.0,))]
    stage.send(MAX, "/al/listen", 0)
    assert stage.edge.take_listeners_change()
    assert stage.send(PD, "/al/tempo", 140) == []


def test_who_moves_a_value_is_not_echoed_and_the_last_of_a_burst_reaches_the_others() -> None:
    stage = Stage()
    stage.send(MAX, "/al/listen", 1)
    stage.send(PD, "/al/listen", 1)
    echoes: Sent = []
    for step in range(100):
        stage.put(PD, "/al/melody/knob/1", step / 100)
        echoes += stage.run(1_000)
    while (deadline_us := stage.edge.next_deadline_us(stage.now_us)) is not None and deadline_us < NOW_US + 1_000_000:
        echoes += stage.run(max(0, deadline_us - stage.now_us))
    assert {peer for peer, _, _ in echoes} == {MAX}
    assert len(echoes) <= 5
    assert echoes[-1][2] == (pytest.approx(0.99),)


def test_a_set_through_an_explicit_port_is_not_echoed_to_that_port() -> None:
    stage = Stage(("10.0.0.9", 7777))
    stage.send(MAX, "/al/listen", 1, 9000)
    assert stage.send(MAX, "/al/tempo", 99) == [(("10.0.0.9", 7777), "/al/tempo", (99.0,))]


def test_a_value_touched_again_without_change_is_not_echoed_to_the_client_that_moved_it() -> None:
    stage = Stage(MAX)
    stage.send(PD, "/al/listen", 1)
    stage.send(PD, "/al/melody/knob/1", 0.1)
    stage.surface.set(KNOB, stage.surface.values[KNOB], NOW_US)
    assert [peer for peer, _, _ in stage.run(100_000)] == [MAX]


def test_a_client_hears_when_another_moves_what_it_moved_before() -> None:
    stage = Stage()
    stage.send(PD, "/al/listen", 1)
    stage.send(PD, "/al/melody/knob/1", 0.1)
    stage.surface.set(KNOB, (0.75,), NOW_US)
    assert stage.run(100_000) == [(PD, "/al/melody/knob/1", (0.75,))]


def test_a_change_that_no_client_made_is_echoed_to_all() -> None:
    stage = Stage(MAX)
    stage.send(PD, "/al/listen", 1)
    stage.surface.set(KNOB, (0.75,), NOW_US)
    assert {peer for peer, _, _ in stage.run()} == {MAX, PD}


def test_sync_tells_every_value_once_in_bursts_that_a_receiver_can_take() -> None:
    stage = Stage()
    stage.put(PD, "/al/sync")
    told: Sent = []
    while (deadline_us := stage.edge.next_deadline_us(stage.now_us)) is not None:
        burst = stage.run(deadline_us - stage.now_us)
        assert len(burst) <= SYNC_BURST
        told += burst
    addresses = [address for _, address, _ in told]
    assert len(addresses) == len(set(addresses)) == len(stage.surface.targets()) + 1
    assert {"/al/playing", "/al/tempo", "/al/melody/z", "/al/bass/knob/30", "/al/melody/attr/density"} <= set(addresses)


def state(playing: bool) -> TransportState:
    return TransportState(1, playing, 500_000_000, 0, NOW_US, 0)


def test_the_transport_is_told_when_it_changes_and_when_asked() -> None:
    stage = Stage(MAX)
    stage.edge.transport(state(True))
    stage.edge.transport(state(True))
    assert stage.run() == [(MAX, "/al/playing", (1,))]
    assert (PD, "/al/playing", (1,)) in stage.send(PD, "/al/playing")
    stage.edge.transport(state(False))
    assert stage.run() == [(MAX, "/al/playing", (0,))]


def frozen(notes: int, song_bar: int = 2) -> Frozen:
    bar = Bar(1, 0, tuple(Note(index * 10_000, 250_000, 60, 100) for index in range(notes)))
    return Frozen("melody", 1, song_bar, bar, "fresh", 0, 0, False)


def test_a_bar_is_announced_with_numbers_from_one_and_beats_from_bar_one() -> None:
    stage = Stage(MAX)
    ((data, peer),) = stage.edge.announcement(frozen(2))
    notes = (60, 8.0, 0.25, 100, 0, 60, pytest.approx(8.01), 0.25, 100, 0)
    assert (peer, decoded(data)) == (MAX, ("/al/melody/bar", (3, 8.0, *notes)))
    ((data, _),) = stage.edge.announcement(frozen(0))
    assert decoded(data) == ("/al/melody/bar", (3, 8.0))
    assert Stage().edge.announcement(frozen(2)) == []


def test_a_long_bar_comes_in_numbered_packets_below_the_limit_with_every_note_once() -> None:
    stage = Stage(MAX)
    datagrams = stage.edge.announcement(frozen(150))
    assert all(len(data) <= 1400 for data, _ in datagrams)
    messages = [decoded(data) for data, _ in datagrams]
    assert [address for address, _ in messages] == [f"/al/melody/bar/{index}/4" for index in range(1, 5)]
    assert all(arguments[:2] == (3, 8.0) for _, arguments in messages)
    assert sum((len(arguments) - 2) // 5 for _, arguments in messages) == 150


@given(st.lists(st.binary(max_size=60), max_size=20))
def test_no_packet_raises(packets: list[bytes]) -> None:
    stage = Stage(MAX)
    for packet in packets:
        for data in (packet, b"/al/melody/z" + packet, b"#bundle\x00" + packet):
            stage.edge.receive(data, PD, NOW_US)
    stage.run()
    assert stage.edge.counters.packets == 3 * len(packets)
