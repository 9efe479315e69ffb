"""Following a master: the position never goes back, no note is lost or doubled, and the bars stay counted."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.following import BAR, BAR_US, BEAT_US, MELODY, NS, Stage

from autoloops_engine.messages import (
    Adopt,
    Continue,
    HeldBar,
    Hello,
    Locate,
    OfferBar,
    SetTempo,
    Start,
    Stop,
    SyncState,
    TransportState,
)
from autoloops_engine.player.events import Kind
from autoloops_engine.sync.slew import JUMP_UB, error_ub, lead_back
from autoloops_engine.sync.source import Follow, GoTo, Halt, Play, Request, SourceState, SyncCommand
from autoloops_engine.time.timeline import Timeline
from autoloops_engine.units import BAR_UB, STEP_UB, UB_PER_BEAT, ns_per_beat


class Scripted:
    """A source that says what it is told to say."""

    name = "scripted"

    def __init__(self) -> None:
        self.queue: list[tuple[int, SyncCommand]] = []
        self.taken: list[tuple[Timeline, bool]] = []
        self.requests: list[Request] = []
        self.takes_requests = False
        self.now = SourceState(120.0, peers=1)

    def say(self, at_us: int, *commands: SyncCommand) -> None:
        self.queue += [(at_us, command) for command in commands]

    def request(self, request: Request, now_us: int) -> bool:
        self.requests.append(request)
        return self.takes_requests

    def take_up(self, line: Timeline, now_us: int, *, playing: bool) -> None:
        self.taken.append((line, playing))

    def poll(self, now_us: int) -> list[SyncCommand]:
        due = [command for at_us, command in self.queue if at_us <= now_us]
        self.queue = [(at_us, command) for at_us, command in self.queue if at_us > now_us]
        return due

    def next_poll_us(self) -> int | None:
        return min((at_us for at_us, _ in self.queue), default=None)

    def state(self, now_us: int) -> SourceState:
        return self.now

    def close(self) -> None:
        pass


def scripted(lead_us: int = 0, generation: int = 0) -> Stage[Scripted]:
    return Stage(Scripted(), lead_us, generation)


def rolling(stage: Stage[Scripted], line: Timeline) -> None:
    stage.source.say(line.time_us, Play(line, fresh=True))
    stage.run(line.time_us)


@given(
    st.integers(-JUMP_UB, JUMP_UB),
    st.floats(20.0, 999.0),
    st.floats(20.0, 999.0),
    st.integers(0, 2**40),
)
def test_a_line_is_led_back_forwards_and_meets_its_master_within_a_beat(
    ahead_ub: int, own_bpm: float, bpm: float, now_us: int
) -> None:
    master = Timeline(ns_per_beat(bpm), 7 * BAR_UB, now_us - 12_345)
    own = Timeline(ns_per_beat(own_bpm), master.position_at(now_us) + ahead_ub, now_us)
    led = lead_back(own, master, now_us)
    if led is None:
        assert abs(ahead_ub) >= JUMP_UB - 1
        return
    line, meets_us = led
    assert line.position_at(now_us) == own.position_at(now_us)
    assert abs(error_ub(line, master, meets_us)) <= 2 + meets_us // 10**12
    assert 0.7 < line.ns_per_beat / master.ns_per_beat < 1.4


def test_an_exact_master_is_played_along_to_the_microsecond() -> None:
    stage = scripted()
    rolling(stage, Timeline(NS, 0, 100_000))
    for tick in range(1, 24 * 16):
        line = Timeline(NS, tick * UB_PER_BEAT // 24, 100_000 + tick * BEAT_US // 24)
        stage.source.say(line.time_us, Follow(line))
    stage.run(100_000 + 2 * BAR_US - 1)
    wanted = [(100_000 + step * BEAT_US // 4, 60 + step % 16) for step in range(32)]
    assert [pitch for _, pitch in stage.ons()] == [pitch for _, pitch in wanted]
    assert max(abs(at - due) for (at, _), (due, _) in zip(stage.ons(), wanted, strict=True)) <= 25


def test_a_small_error_is_taken_up_without_a_jump() -> None:
    stage = scripted()
    rolling(stage, Timeline(NS, 0, 0))
    stage.run(BAR_US)
    # The master is 30 ms further than we thought.
    master = Timeline(NS, 0, -30_000)
    stage.source.say(BAR_US, Follow(master))
    stage.run(4 * BAR_US)
    assert stage.positions == sorted(stage.positions)
    pitches = [pitch for _, pitch in stage.ons()]
    assert pitches == [60 + index % 16 for index in range(len(pitches))]
    assert all(state.epoch == 1 for state in stage.states()[1:])
    late = [at_us for at_us, pitch in stage.ons() if pitch == 60]
    assert late[2:] == [bar * BAR_US - 30_000 for bar in (2, 3, 4)]


def test_a_large_error_is_a_jump_that_keeps_the_masters_bars() -> None:
    stage = scripted(lead_us=5_333)
    rolling(stage, Timeline(NS, 0, 0))
    stage.run(BAR_US)
    stage.source.say(BAR_US, Follow(Timeline(NS, 7 * BAR_UB, 0)))
    stage.run(2 * BAR_US)
    state = stage.states()[-1]
    assert (state.epoch, Timeline(state.ns_per_beat, state.position_ub, state.time_us).position_at(BAR_US)) == (
        2,
        8 * BAR_UB,
    )
    sounding = Counter({60 + step: 0 for step in range(16)})
    for event in stage.events:
        sounding[event.number] += {Kind.ON: 1, Kind.OFF: -1}.get(event.kind, 0)
    bars = [event.number for event in stage.events if event.kind is Kind.BAR]
    assert bars == [1, 2, 10], "bar 9 had begun when the jump came"
    assert all(count <= 1 for count in sounding.values())


def test_a_start_in_the_future_waits_and_one_that_just_passed_plays_its_first_note() -> None:
    for at_us in (80_000, 50_000, 20_000):
        stage = scripted(lead_us=5_000)
        stage.source.say(50_000, Play(Timeline(NS, 0, at_us), fresh=True))
        stage.run(BAR_US)
        assert stage.ons()[:2] == [(at_us, 60), (at_us + BEAT_US // 4, 61)]


def test_a_master_that_started_long_ago_is_joined_where_it_is() -> None:
    stage = scripted()
    stage.source.say(10 * BAR_US, Play(Timeline(NS, 0, 0)))
    stage.guide.handle(OfferBar("melody", 1, 10, BAR), 0)
    stage.run(10 * BAR_US + BEAT_US)
    assert stage.ons()[0] == (10 * BAR_US + BEAT_US // 4, 61), "the first note that can be had in time"


def test_halt_and_play_near_by_go_on_with_the_bars_that_are_held() -> None:
    stage = scripted()
    rolling(stage, Timeline(NS, 0, 0))
    stage.source.say(BEAT_US + 1_000, Halt())
    stage.run(BAR_US)
    heard = len(stage.ons())
    stage.source.say(BAR_US, GoTo(UB_PER_BEAT), Play(Timeline(NS, UB_PER_BEAT, BAR_US + 10_000)))
    stage.run(BAR_US + BEAT_US)
    assert stage.ons()[heard] == (BAR_US + 10_000, 64), "from the master's place, a little before ours"
    assert stage.states()[-1].epoch == 1


def test_go_to_another_place_is_a_locate() -> None:
    stage = scripted()
    stage.source.say(1_000, GoTo(9 * BAR_UB + STEP_UB))
    stage.run(2_000)
    state = stage.states()[-1]
    assert (state.epoch, state.playing, state.position_ub) == (1, False, 9 * BAR_UB + STEP_UB)


def test_while_stopped_the_master_gives_the_tempo_alone() -> None:
    stage = scripted()
    stage.source.say(1_000, Follow(Timeline(ns_per_beat(140.0), 17 * BAR_UB, 1_000)))
    stage.run(2_000)
    state = stage.states()[-1]
    assert (state.ns_per_beat, state.position_ub, state.epoch) == (ns_per_beat(140.0), 0, 0)


def test_what_the_source_does_not_take_the_player_does_and_the_source_hears_of_it() -> None:
    stage = scripted()
    for message in (Start(), SetTempo(90.0), Locate(8 * BAR_UB), Stop(), Continue()):
        stage.guide.handle(message, 0)
        line, playing = stage.source.taken[-1]
        assert (line, playing) == (stage.player.line, stage.player.playing)
    stage.source.takes_requests = True
    stage.guide.handle(Stop(), 0)
    assert stage.player.playing
    assert stage.source.requests[-1] == Stop()


def test_a_player_that_took_over_is_where_the_former_was_before_its_source_speaks() -> None:
    stage = scripted(generation=1)
    former = TransportState(3, True, NS, 20 * BAR_UB, 0, 0)
    stage.source.say(0, Follow(Timeline(NS, 20 * BAR_UB + 5_000, 1)))
    stage.run(1_000)
    assert not stage.source.taken[1:]
    stage.guide.handle(Adopt(1, former, (MELODY,), (), (HeldBar("melody", 0, BAR),)), 1_000)
    assert stage.source.taken[-1] == (Timeline(NS, 20 * BAR_UB, 0), True)
    stage.run(BAR_US)
    assert isinstance(stage.reports[0], Hello)
    assert {state.epoch for state in stage.states()} == {3}, "no jump"
    assert [event.number for event in stage.events if event.kind is Kind.BAR] == [22]


def test_how_following_goes_is_told_at_changes_and_four_times_a_second() -> None:
    stage = scripted()
    rolling(stage, Timeline(NS, 0, 0))
    for step in range(80):
        stage.source.say(step * BEAT_US // 8, Follow(Timeline(NS, 0, 0)))
    stage.run(2_000_000)
    told = [report for report in stage.reports if isinstance(report, SyncState)]
    assert 8 <= len(told) <= 10
    assert (told[-1].source, told[-1].locked, told[-1].phase_error_us) == ("scripted", True, 0)
    stage.source.now = SourceState(120.0, locked=False, remark="The clock is lost.")
    stage.run(2_000_001)
    stage.run(2_100_000)
    assert isinstance(stage.reports[-1], SyncState)
    assert stage.reports[-1].remark == "The clock is lost."


COMMANDS = st.one_of(
    st.builds(
        lambda bpm, beats, off_us: ("follow", bpm, beats, off_us),
        st.floats(20.0, 999.0),
        st.integers(0, 64),
        st.integers(-200_000, 200_000),
    ),
    st.just(("near", 120.0, 0, 3_000)),
    st.builds(lambda beats: ("start", 120.0, beats, 0), st.sampled_from([0, 4, 7])),
    st.just(("halt", 120.0, 0, 0)),
    st.builds(lambda beats: ("goto", 120.0, beats, 0), st.integers(0, 64)),
)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 400_000), COMMANDS), max_size=24), st.sampled_from([0, 5_333, 100_000]))
def test_whatever_a_source_says_no_note_hangs_and_no_jump_is_silent(
    script: list[tuple[int, tuple[str, float, int, int]]], lead_us: int
) -> None:
    stage = scripted(lead_us)
    now_us = 0
    for gap_us, (verb, bpm, beats, off_us) in script:
        now_us += gap_us
        stage.run(now_us)
        before = stage.player.state(now_us)
        start_ub = stage.player.position_ub(now_us)
        line = Timeline(ns_per_beat(bpm), beats * UB_PER_BEAT, now_us + off_us)
        near = Timeline(before.ns_per_beat, stage.player.line.position_at(now_us), now_us + off_us)
        said: dict[str, SyncCommand] = {
            "follow": Follow(line),
            "near": Follow(near),
            "start": Play(line, fresh=beats == 0),
            "halt": Halt(),
            "goto": GoTo(line.position_ub),
        }
        stage.source.say(now_us, said[verb])
        stage.run(now_us)
        if stage.player.state(now_us).epoch == before.epoch and before.playing and stage.player.playing:
            assert stage.player.position_ub(now_us) >= start_ub - 1
    stage.source.say(now_us, Halt())
    stage.run(now_us + 1_000_000)
    sounding: Counter[int] = Counter()
    for event in stage.events:
        if event.kind is Kind.ON:
            assert sounding[event.number] == 0, "struck while it sounds"
            sounding[event.number] += 1
        elif event.kind is Kind.OFF:
            sounding[event.number] -= 1
    assert not +sounding, "a note hangs"
