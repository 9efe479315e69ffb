"""14-bit controllers and parameters, put together from the messages in which they come."""

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from autoloops_bridges.midi.controls import MAX_PAIRS, PAIR_US, REST_US, ControlDecoder
from autoloops_bridges.midi.parse import ControlEvent, Source
from autoloops_engine.messages import MidiIn

TOP = 16383
Move = tuple[int, int]


def cc(number: int, value: int, channel: int = 1) -> bytes:
    return bytes((0xB0 + channel - 1, number, value))


class Cable:
    """A port into a decoder, on a clock of its own."""

    def __init__(self) -> None:
        self.decoder = ControlDecoder()
        self.now_us = 0

    def send(self, *messages: bytes, apart_us: int = 1_000) -> list[ControlEvent]:
        """The events of messages that come so far apart, and of the rest after them."""
        events = []
        for message in messages:
            self.now_us += apart_us
            events += self.decoder.advance(self.now_us)
            events += self.decoder.receive(MidiIn("faders", message, self.now_us))
        return events

    def rest(self) -> list[ControlEvent]:
        """The events of a long pause."""
        self.now_us += REST_US
        return self.decoder.advance(self.now_us)


def values(events: Iterable[ControlEvent], source: Source) -> list[tuple[int, int, int]]:
    return [(event.number, event.value, event.top) for event in events if event.source is source]


@given(st.lists(st.integers(0, TOP), min_size=1, max_size=30), st.booleans())
def test_pairs_in_either_order_give_each_value_once_and_nothing_else(track: list[int], lsb_first: bool) -> None:
    cable = Cable()
    events = []
    for value in track:
        pair = [cc(3, value >> 7), cc(35, value & 127)]
        events += cable.send(*(reversed(pair) if lsb_first else pair))
    events += cable.rest()
    assert values(events, Source.CC14) == [(3, value, TOP) for value in track]


@given(st.lists(st.integers(0, TOP), min_size=2, max_size=30))
def test_where_only_the_half_that_changed_is_sent_the_value_still_goes_one_way(track: list[int]) -> None:
    cable = Cable()
    track = sorted(track)
    events = cable.send(cc(3, 0), cc(35, 0))
    msb = 0
    for value in track:
        if value >> 7 != msb:
            msb = value >> 7
            events += cable.send(cc(3, msb))
        events += cable.send(cc(35, value & 127))
        events += cable.rest()
    heard = [value for _, value, _ in values(events, Source.CC14)]
    assert heard == sorted(heard)
    assert heard[-1] == track[-1]


def test_a_half_that_stays_alone_counts_after_a_moment() -> None:
    cable = Cable()
    cable.send(cc(3, 64), cc(35, 5))
    assert values(cable.send(cc(3, 65)), Source.CC14) == []
    assert cable.decoder.next_deadline_us() == cable.now_us + PAIR_US
    assert values(cable.rest(), Source.CC14) == [(3, 65 * 128, TOP)]
    assert values(cable.send(cc(3, 60)) + cable.rest(), Source.CC14) == [(3, 60 * 128 + 127, TOP)]
    assert cable.decoder.next_deadline_us() is None


def test_a_controller_that_never_sends_the_lower_half_reaches_the_end_of_its_way() -> None:
    cable = Cable()
    events = cable.send(cc(3, 127)) + cable.rest()
    assert values(events, Source.CC14) == [(3, 127, 127)]
    assert values(events, Source.CC) == [(3, 127, 127)]


def test_each_half_is_a_controller_of_its_own_too() -> None:
    events = Cable().send(cc(3, 1), cc(35, 2), cc(80, 3))
    assert values(events, Source.CC) == [(3, 1, 127), (35, 2, 127), (80, 3, 127)]


@given(st.integers(0, TOP - 1), st.lists(st.integers(0, TOP), min_size=1, max_size=20), st.booleans())
def test_a_parameter_stays_chosen_while_its_data_runs_on(number: int, track: list[int], msb_last: bool) -> None:
    cable = Cable()
    chosen = [cc(99, number >> 7), cc(98, number & 127)]
    events = cable.send(*(reversed(chosen) if msb_last else chosen))
    for value in track:
        events += cable.send(cc(6, value >> 7), cc(38, value & 127))
    events += cable.rest()
    assert values(events, Source.NRPN) == [(number, value, TOP) for value in track]
    assert all(event.number not in {6, 38} for event in events if event.source is Source.CC)


def test_a_parameter_of_seven_bits_runs_from_one_end_to_the_other() -> None:
    cable = Cable()
    events = cable.send(cc(99, 0), cc(98, 3), cc(6, 0)) + cable.rest() + cable.send(cc(6, 127)) + cable.rest()
    assert values(events, Source.NRPN) == [(3, 0, 127), (3, 127, 127)]


def test_a_parameter_is_counted_up_and_down() -> None:
    events = Cable().send(cc(99, 1), cc(98, 2), cc(96, 0), cc(96, 0), cc(97, 0))
    assert [(event.number, event.steps) for event in events if event.source is Source.NRPN] == [
        (130, 1),
        (130, 1),
        (130, -1),
    ]


def test_the_null_parameter_and_registered_ones_leave_data_entry_alone_or_take_it() -> None:
    cable = Cable()
    assert values(cable.send(cc(6, 9)), Source.CC) == [(6, 9, 127)]
    cable.send(cc(99, 1), cc(98, 2))
    assert values(cable.send(cc(6, 9)), Source.CC) == []
    cable.send(cc(99, 127), cc(98, 127))
    assert values(cable.send(cc(6, 9)), Source.CC) == [(6, 9, 127)]
    cable.send(cc(101, 0), cc(100, 0))
    assert cable.send(cc(6, 12)) == []


def test_channels_and_ports_keep_their_parameters_apart() -> None:
    decoder = ControlDecoder()
    for port, channel in (("a", 1), ("a", 2), ("b", 1)):
        for at_us, message in enumerate((cc(99, 0, channel), cc(98, channel, channel))):
            decoder.receive(MidiIn(port, message, at_us))
    events = decoder.receive(MidiIn("a", cc(6, 64, 2), 10)) + decoder.advance(PAIR_US + 10)
    assert [(event.port, event.channel, event.number) for event in events] == [("a", 2, 2)]


@given(st.lists(st.tuples(st.binary(max_size=4), st.integers(0, 100_000)), max_size=60))
def test_whatever_comes_positions_stay_in_range_and_nothing_waits_for_ever(stream: list[tuple[bytes, int]]) -> None:
    cable = Cable()
    events = []
    for data, apart_us in stream:
        events += cable.send(data, apart_us=apart_us)
    events += cable.rest()
    assert all(0.0 <= event.position <= 1.0 for event in events)
    assert cable.decoder.next_deadline_us() is None
    assert cable.decoder.read + cable.decoder.garbage == len(stream)


@given(st.lists(st.tuples(st.sampled_from([6, 38, 96, 97, 98, 99, 100, 101, 1, 33]), st.integers(0, 127)), max_size=80))
def test_any_order_of_parameter_messages_is_read_without_a_word(moves: list[Move]) -> None:
    cable = Cable()
    for number, value in moves:
        for event in cable.send(cc(number, value)):
            assert 0 <= event.value <= max(event.top, 0)
            assert 0.0 <= event.position <= 1.0
    assert cable.decoder.garbage == 0


def test_a_flood_of_parameter_numbers_is_forgotten() -> None:
    cable = Cable()
    for number in range(MAX_PAIRS + 100):
        cable.send(cc(99, number >> 7), cc(98, number & 127), cc(6, 1))
        cable.rest()
    assert len(cable.decoder._pairs) <= MAX_PAIRS
    assert values(cable.send(cc(6, 2), cc(38, 3)), Source.NRPN) == [(MAX_PAIRS + 99, 259, TOP)]
