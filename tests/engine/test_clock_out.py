"""Leading by MIDI clock: whoever follows it, as the specification says, is where we are."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from autoloops_bridges.midi.encode import midi_messages
from autoloops_engine.messages import Adopt, Continue, Locate, NudgeBy, SetTempo, Start, Stop, ToPlayer, TransportState
from autoloops_engine.player.core import Player
from autoloops_engine.player.events import Event
from autoloops_engine.player.transport import START_DELAY_US
from autoloops_engine.sync.midi_transport import TABLE, ByteReader, Deed, Mode, Word
from autoloops_engine.units import BAR_UB, STEP_UB, UB_PER_BEAT, ns_per_beat

TICK_US = 500_000 / 24
CLOCK = Word.CLOCK


class Follower:
    """A drum machine: it counts clocks as the specification says."""

    def __init__(self) -> None:
        self.mode = Mode.STOPPED
        self.tick = 0
        self.begun_us = 0
        self._reader = ByteReader()
        self._next = 0

    def hear(self, event: Event) -> None:
        for data in midi_messages(event):
            for word, ticks in self._reader.read(data):
                self.mode, deed = TABLE[self.mode, word]
                if deed is Deed.LOCATE:
                    self._next = ticks
                elif deed is Deed.REWIND:
                    self._next = 0
                elif deed in {Deed.BEGIN, Deed.COUNT}:
                    self.tick, self._next = self._next, self._next + 1
                    self.begun_us = event.at_us


class Leader:
    """A player that leads one port."""

    def __init__(self, lead_us: int = 5_333, generation: int = 0) -> None:
        self.player = Player(120.0, 0, generation)
        self.player.attach_clock("clock", lead_us, 0)
        self.events: list[Event] = []
        self.follower = Follower()
        self.now_us = 0

    def do(self, *messages: ToPlayer) -> None:
        for message in messages:
            self.player.handle(message, self.now_us)

    def run(self, until_us: int) -> list[Event]:
        """Advance from deadline to deadline; the events since the last call."""
        known = len(self.events)
        while True:
            self.events += [event for _, event in self.player.advance(self.now_us)]
            due_us = self.player.next_deadline_us()
            if due_us is None or due_us > until_us:
                break
            self.now_us = max(self.now_us, due_us)
        self.now_us = until_us
        for event in self.events[known:]:
            self.follower.hear(event)
        return self.events[known:]


def words(events: list[Event]) -> list[tuple[str, int]]:
    """What was said beside clocks: words, and the number of a position."""
    return [
        ("position", event.number) if event.kind.name == "POSITION" else (Word(event.number).name.lower(), 0)
        for event in events
        if event.number != CLOCK.value or event.kind.name == "POSITION"
    ]


def clocks(events: list[Event]) -> list[int]:
    return [event.at_us for event in events if event.kind.name == "CLOCK" and event.number == CLOCK.value]


def test_it_ticks_while_stopped_so_that_followers_know_the_tempo() -> None:
    leader = Leader()
    leader.do(SetTempo(100.0))
    ticks_us = clocks(leader.run(2_000_000))
    assert len(ticks_us) == 81
    assert {after - before for before, after in pairwise(ticks_us)} == {25_000}


def test_start_comes_a_millisecond_before_the_clock_that_is_beat_0() -> None:
    leader = Leader()
    leader.run(1_000_000)
    leader.do(Start())
    events = leader.run(2_000_000)
    (start,) = [event for event in events if event.number == Word.START.value]
    ticks_us = [at_us for at_us in clocks(events) if at_us > start.at_us]
    assert ticks_us[0] - start.at_us >= 1_000
    assert ticks_us[0] == 1_000_000 + START_DELAY_US + 5_333
    assert all(abs(at_us - ticks_us[0] - index * TICK_US) <= 2 for index, at_us in enumerate(ticks_us))
    assert [event.at_us for event in leader.events] == sorted(event.at_us for event in leader.events)


def test_stop_keeps_the_place_and_continue_says_no_more_than_it_has_to() -> None:
    leader = Leader()
    leader.do(Start())
    leader.run(1_111_111)
    leader.do(Stop())
    assert words(leader.run(2_000_000)) == [("stop", 0)]
    ticks_us = clocks(leader.events)
    assert all(abs(after - before - TICK_US) <= 2 for before, after in pairwise(ticks_us[1:])), "in step all along"
    assert leader.follower.mode is Mode.STOPPED
    leader.do(Continue())
    assert words(leader.run(4_000_000)) in ([("continue", 0)], [("position", 9), ("continue", 0)])
    check_in_step(leader)


def test_a_locate_while_stopped_is_a_pointer_at_once() -> None:
    leader = Leader()
    leader.run(500_000)
    leader.do(Locate(5 * BAR_UB + 3 * STEP_UB))
    assert words(leader.run(600_000)) == [("position", 83)]
    leader.do(Continue())
    assert words(leader.run(3_000_000)) == [("continue", 0)]
    check_in_step(leader)


def test_a_locate_while_it_plays_stops_points_and_continues() -> None:
    leader = Leader()
    leader.do(Start())
    leader.run(1_000_000)
    leader.do(Locate(5 * BAR_UB))
    assert words(leader.run(2_000_000)) == [("stop", 0), ("position", 80), ("continue", 0)]
    check_in_step(leader)


def test_a_place_within_a_sixteenth_is_reached_with_the_next_one() -> None:
    leader = Leader()
    leader.do(Locate(3 * STEP_UB + 11_111), Continue())
    leader.run(2_000_000)
    check_in_step(leader)


def test_beyond_a_thousand_bars_there_is_no_pointer() -> None:
    leader = Leader()
    leader.do(Locate(1_024 * BAR_UB), Continue())
    assert words(leader.run(1_000_000)) == [("continue", 0)]


def test_a_player_that_took_over_puts_followers_back_to_where_it_is() -> None:
    leader = Leader(generation=1)
    leader.follower.mode, leader.follower.tick = Mode.RUNNING, 5_000
    assert not leader.run(100_000)
    state = TransportState(3, True, ns_per_beat(120.0), 20 * BAR_UB, 0, 5_333)
    leader.do(Adopt(1, state, (), (), ()))
    assert [word for word, _ in words(leader.run(1_000_000))] == ["stop", "position", "continue"]
    check_in_step(leader)


def test_a_port_that_comes_while_it_plays_is_put_to_where_it_is() -> None:
    leader = Leader()
    leader.do(Start())
    leader.run(1_234_567)
    leader.player.detach_clock("clock")
    leader.run(2_000_000)
    leader.player.attach_clock("clock", 0, leader.now_us)
    leader.run(4_000_000)
    check_in_step(leader)


def check_in_step(leader: Leader) -> None:
    """The follower runs, and its tick sounds where the leader is then."""
    assert leader.follower.mode is Mode.RUNNING
    position_ub = leader.player.line.position_at(leader.follower.begun_us)
    assert abs(position_ub - leader.follower.tick * UB_PER_BEAT / 24) < 100


REQUESTS = st.one_of(
    st.sampled_from([Start(), Continue(), Stop(), Stop(), NudgeBy(7_000)]),
    st.builds(SetTempo, st.floats(20.0, 999.0)),
    st.builds(Locate, st.integers(0, 64 * BAR_UB)),
)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 700_000), REQUESTS), max_size=12), st.sampled_from([0, 5_333, 100_000]))
def test_whatever_is_asked_of_us_a_follower_ends_up_where_we_are(
    requests: list[tuple[int, ToPlayer]], lead_us: int
) -> None:
    leader = Leader(lead_us)
    for gap_us, request in requests:
        leader.run(leader.now_us + gap_us)
        leader.do(request)
    leader.run(leader.now_us + 1_000_000)
    if not leader.player.playing:
        assert leader.follower.mode is Mode.STOPPED
        return
    leader.do(NudgeBy(0))
    leader.run(leader.now_us + 3_000_000)
    assert leader.follower.mode is Mode.RUNNING
    behind_us = leader.now_us + lead_us - leader.follower.begun_us
    tempo_tick_us = leader.player.line.ns_per_beat / 24_000
    assert 0 <= behind_us <= tempo_tick_us + 8_000
    nudge = leader.player.state(leader.now_us).nudge
    position_ub = leader.player.line.position_at(nudge.line_us(leader.follower.begun_us))
    assert abs(position_ub - leader.follower.tick * UB_PER_BEAT / 24) < 100
