"""What following the JACK transport promises, against a transport on a fake clock."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.others import RATE_HZ, TICK_UB, FakeTransport

from autoloops_engine.messages import Continue, Locate, SetTempo, Start, Stop
from autoloops_engine.sync.jack import POLL_US, TOLERANCE_US, Cycles, Grid, JackSource
from autoloops_engine.sync.source import Follow, GoTo, Halt, Play, SyncCommand
from autoloops_engine.time.timeline import Timeline
from autoloops_engine.units import NS_PER_US, UB_PER_BEAT, US_PER_S, ns_per_beat


class Rig:
    """A source, its transport and the clock."""

    def __init__(self, *, leads: bool = False, starts_itself: bool = False, tempo_bpm: float = 120.0) -> None:
        self.transport = FakeTransport(1_000_000)
        self.source = JackSource(self.transport, leads=leads, starts_itself=starts_itself)
        self.source.take_up(Timeline(ns_per_beat(tempo_bpm), 0, self.now_us), self.now_us, playing=False)
        self.said: list[SyncCommand] = []
        self.pass_time(POLL_US)

    @property
    def now_us(self) -> int:
        return self.transport.now_us

    def pass_time(self, us: int) -> list[SyncCommand]:
        said: list[SyncCommand] = []
        until_us = self.now_us + us
        while self.now_us < until_us:
            due_us = self.source.next_poll_us()
            assert due_us is not None
            self.transport.now_us = min(until_us, max(due_us, self.now_us + 1))
            said += self.source.poll(self.now_us)
        self.said += said
        return said


def error_us(rig: Rig) -> float:
    """How far the line told last is off the transport, in microseconds."""
    line = [each.line for each in rig.said if isinstance(each, Play | Follow)][-1]
    seen = rig.transport.look()
    assert seen is not None
    tempo = Grid(seen.ns_per_beat, RATE_HZ) if seen.foreign else rig.transport.grid
    true_ub = tempo.position_at(rig.transport.present_frame())
    return abs(line.position_at(seen.at_us) - true_ub) * line.ns_per_beat / NS_PER_US / UB_PER_BEAT


def test_rolling_is_followed_from_where_it_began() -> None:
    rig = Rig()
    rig.transport.roll()
    (play,) = rig.pass_time(POLL_US)
    assert isinstance(play, Play)
    assert play.fresh
    assert play.line.position_ub == 0
    assert play.line.ns_per_beat == ns_per_beat(120.0)
    assert rig.pass_time(60 * US_PER_S) == []
    assert error_us(rig) <= TOLERANCE_US + 2


def test_stopping_and_relocating_are_followed() -> None:
    rig = Rig()
    rig.transport.roll()
    rig.pass_time(US_PER_S)
    rig.transport.halt()
    halt, go_to, _ = rig.pass_time(POLL_US)
    assert halt == Halt()
    assert go_to == GoTo(2 * UB_PER_BEAT)
    rig.transport.go(10 * RATE_HZ)
    assert GoTo(20 * UB_PER_BEAT) in rig.pass_time(POLL_US)
    rig.transport.roll()
    (play,) = rig.pass_time(POLL_US)
    assert isinstance(play, Play)
    assert not play.fresh
    rig.transport.go(30 * RATE_HZ)
    (play,) = rig.pass_time(POLL_US)
    assert isinstance(play, Play)
    assert 60 * UB_PER_BEAT <= play.line.position_ub < 61 * UB_PER_BEAT


def test_a_timebase_masters_rounding_to_ticks_does_not_show() -> None:
    rig = Rig()
    rig.transport.master_bpm = 133.3
    rig.transport.roll()
    rig.pass_time(10 * US_PER_S)
    told = len(rig.said)
    tick_us = TICK_UB * ns_per_beat(133.3) / NS_PER_US / UB_PER_BEAT
    for _ in range(200):
        rig.pass_time(33_333)
        assert error_us(rig) < tick_us / 4
    assert len(rig.said) - told < 10


def test_a_timebase_masters_tempo_is_its_own() -> None:
    rig = Rig()
    rig.transport.master_bpm = 133.3
    rig.pass_time(POLL_US)
    assert rig.source.state(rig.now_us).holds_tempo
    assert rig.source.request(SetTempo(90.0), rig.now_us)
    rig.pass_time(POLL_US)
    assert rig.transport.grid.ns_per_beat == ns_per_beat(120.0)


def test_our_tempo_bends_the_line_where_we_are() -> None:
    rig = Rig()
    rig.transport.roll()
    rig.pass_time(5 * US_PER_S)
    assert rig.source.request(SetTempo(90.0), rig.now_us)
    (follow,) = rig.pass_time(POLL_US)
    assert isinstance(follow, Follow)
    assert follow.line.ns_per_beat == ns_per_beat(90.0)
    assert abs(follow.line.position_at(6_020_000) - 10 * UB_PER_BEAT) < 100_000
    rig.pass_time(10 * US_PER_S)
    assert error_us(rig) <= TOLERANCE_US + 2


def test_a_ramp_bends_the_line_beat_by_beat() -> None:
    rig = Rig()
    rig.transport.roll()
    rig.pass_time(US_PER_S)
    rig.source.request(SetTempo(60.0, 8 * UB_PER_BEAT), rig.now_us)
    begun_ub = rig.transport.grid.position_at(rig.transport.present_frame())
    rig.pass_time(US_PER_S)
    assert ns_per_beat(119.0) < rig.transport.grid.ns_per_beat < ns_per_beat(61.0)
    while rig.transport.grid.ns_per_beat != ns_per_beat(60.0):
        rig.pass_time(POLL_US)
    came_ub = rig.transport.grid.position_at(rig.transport.present_frame())
    assert abs(came_ub - begun_ub - 8 * UB_PER_BEAT) < UB_PER_BEAT // 10
    rig.pass_time(US_PER_S)
    assert error_us(rig) <= TOLERANCE_US + 2


def test_start_stop_and_place_are_asked_of_everybody() -> None:
    rig = Rig()
    for request in (Start(), Stop(), Continue(), Locate(8 * UB_PER_BEAT)):
        assert rig.source.request(request, rig.now_us)
        rig.pass_time(POLL_US)
    assert rig.transport.did == ["locate", "start", "stop", "start", "locate"]


def test_who_follows_starts_nobody_by_coming() -> None:
    rig = Rig(starts_itself=True)
    assert rig.source.request(Start(), rig.now_us)
    assert rig.transport.did == []
    rig.source.request(Start(), rig.now_us)
    assert "start" in rig.transport.did


def test_who_leads_starts_everybody() -> None:
    rig = Rig(starts_itself=True, leads=True)
    rig.source.request(Start(), rig.now_us)
    assert "start" in rig.transport.did


def test_a_server_that_goes_and_comes_back_stops_nothing() -> None:
    rig = Rig()
    rig.transport.roll()
    rig.pass_time(4 * US_PER_S)
    rig.transport.there = False
    assert rig.pass_time(4 * US_PER_S) == []
    assert not rig.source.state(rig.now_us).locked
    rig.transport.there, rig.transport.rolling = True, False
    assert rig.pass_time(US_PER_S) == []
    assert "alone" in rig.source.state(rig.now_us).remark
    rig.source.request(Stop(), rig.now_us)
    assert Halt() in rig.pass_time(POLL_US)


def test_without_a_server_the_player_does_everything() -> None:
    rig = Rig()
    rig.transport.there = False
    rig.pass_time(POLL_US)
    for request in (Start(), Stop(), Continue(), SetTempo(90.0), Locate(0)):
        assert not rig.source.request(request, rig.now_us)


def test_a_player_that_took_over_keeps_a_place_that_only_it_knows() -> None:
    """The tempo changed on the way: frames alone do not tell where we are."""
    rig = Rig()
    rig.transport.there = False
    rig.pass_time(POLL_US)
    rig.transport.roll()
    line = Timeline(ns_per_beat(90.0), 33 * UB_PER_BEAT, rig.now_us)
    rig.source.take_up(line, rig.now_us, playing=True)
    rig.transport.there = True
    assert not any(isinstance(each, Play) for each in rig.pass_time(US_PER_S))
    seen = rig.transport.look()
    assert seen is not None
    assert abs(seen.position_ub - line.position_at(seen.at_us)) < 1_000


@pytest.mark.parametrize("late_us", [-30_000, -1_000, 1_000, 30_000])
def test_a_player_that_took_over_with_an_old_line_goes_where_the_transport_is(late_us: int) -> None:
    """The server stood still meanwhile, or the line was told before it was corrected: nobody else moves for that."""
    rig = Rig()
    rig.transport.roll()
    rig.pass_time(US_PER_S)
    grid = rig.transport.grid
    took_over = JackSource(rig.transport)
    line = Timeline(grid.ns_per_beat, grid.position_at(rig.transport.present_frame()), rig.now_us - late_us)
    took_over.take_up(line, rig.now_us, playing=True)
    rig.source = took_over
    (follow,) = rig.pass_time(POLL_US)
    assert isinstance(follow, Follow)
    assert rig.transport.grid == grid
    assert error_us(rig) <= TOLERANCE_US + 2


@given(st.floats(20, 999), st.integers(0, 1 << 40), st.integers(0, 1 << 31))
def test_a_positions_frame_is_its_first(tempo_bpm: float, position_ub: int, frame: int) -> None:
    grid = Grid(ns_per_beat(tempo_bpm), RATE_HZ).through(frame, 7 * UB_PER_BEAT, ns_per_beat(tempo_bpm))
    first = grid.frame_of(position_ub)
    assert grid.position_at(first) >= position_ub
    assert grid.position_at(first - 1) < position_ub


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["roll", "halt", "go", "tempo", "away", "lead"]), st.integers(1, 2_000_000)),
        max_size=20,
    )
)
def test_whatever_everybody_does_we_are_where_the_transport_is(deeds: list[tuple[str, int]]) -> None:
    rig = Rig()
    transport = rig.transport
    playing = False
    for deed, number in deeds:
        match deed:
            case "roll":
                transport.roll()
            case "halt":
                transport.halt()
            case "go":
                transport.go(number * 7)
            case "tempo":
                rig.source.request(SetTempo(20 + number / 3_000), rig.now_us)
            case "lead":
                transport.master_bpm = None if transport.master_bpm else 20 + number / 3_000
        transport.there = deed != "away"
        for said in rig.pass_time(number):
            playing = isinstance(said, Play) or (playing and not isinstance(said, Halt))
        if transport.there and transport.rolling and playing:
            seen = transport.look()
            assert seen is not None
            tick_us = TICK_UB * seen.ns_per_beat / NS_PER_US / UB_PER_BEAT
            assert error_us(rig) <= TOLERANCE_US + tick_us


class Stream:
    """A transport that rolls, cycle after cycle of 128 frames."""

    def __init__(self) -> None:
        self.cycles = Cycles(RATE_HZ)
        self.played = 0
        self.frame = 0
        self.late_us = 0
        assert not self.look()

    def next(self, *, missed: int = 0, stood_us: int = 0, paused_us: int = 0, moved: int = 0) -> bool:
        """The next cycle that is seen, after others that were missed or a dropout; the client may pause in it."""
        self.played += 128 * (1 + missed)
        self.frame += 128 * (1 + missed) + moved
        self.late_us += stood_us
        return self.look(paused_us)

    def look(self, paused_us: int = 0) -> bool:
        asked_us = 1_000_000 + self.late_us + -(-self.played * US_PER_S // RATE_HZ)
        return self.cycles.jumped(asked_us, asked_us + paused_us, self.frame, 128, rolling=True)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 100_000), st.integers(0, 90_000)), max_size=20))
def test_missed_cycles_and_dropouts_are_no_relocation(cycles: list[tuple[int, int, int]]) -> None:
    stream = Stream()
    assert not any(stream.next(missed=missed, stood_us=stood, paused_us=paused) for missed, stood, paused in cycles)


@given(st.integers(1, 50))
def test_a_cycle_that_is_seen_twice_is_no_relocation(missed: int) -> None:
    stream = Stream()
    assert not stream.next(missed=missed)
    assert not stream.look()
    assert not stream.next()


@given(st.integers(0, 50), st.integers(129, 10**9), st.booleans())
def test_whoever_moves_the_transport_is_noticed(missed: int, way: int, back: bool) -> None:
    stream = Stream()
    assert stream.next(missed=missed, moved=-way if back and way > 128 * (missed + 1) else way)
    assert not stream.next()
