"""From time to position and back: ramps, nudges and gears each alone, and all of them together."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from autoloops_engine.time.gearing import Gearing, geared
from autoloops_engine.time.nudge import SLEW_STEP, Nudge
from autoloops_engine.time.songline import SongLine
from autoloops_engine.time.timeline import Line, Timeline
from autoloops_engine.units import BAR_UB, NS_PER_S, UB_PER_BEAT, US_PER_S, ns_per_beat

NS = st.integers(ns_per_beat(999.0), ns_per_beat(20.0))
RAMPS = st.builds(
    lambda line, to_ns, beats: line.with_ramp(to_ns, beats * UB_PER_BEAT // 4, line.time_us),
    st.builds(Timeline, NS, st.integers(-(10**9), 10**10), st.integers(0, 10**12)),
    NS,
    st.integers(1, 400),
)
NUDGES = st.builds(Nudge, st.integers(0, 10**9), st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6))


@st.composite
def gearings(draw: st.DrawFn) -> Gearing:
    gearing, after_ub = geared(draw(st.sampled_from([0.5, 1.0, 2.0]))), 0
    for multiple in draw(st.lists(st.sampled_from([0.5, 1.0, 2.0]), max_size=5)):
        after_ub += draw(st.integers(0, 6 * BAR_UB))
        gearing = gearing.changed(multiple, after_ub)
    return gearing


def inverts(line: Line, position_ub: int) -> None:
    time_us = line.time_of(position_ub)
    assert line.position_at(time_us) >= position_ub
    assert line.position_at(time_us - 1) < position_ub


@given(RAMPS, st.integers(-(10**8), 2 * 10**8))
def test_a_ramp_is_reached_exactly_at_its_time_and_not_before(ramp: Timeline, moved_ub: int) -> None:
    inverts(ramp, ramp.position_ub + moved_ub)


@given(RAMPS, st.integers(0, 10**9), st.integers(0, 10**7))
def test_a_ramp_never_goes_backwards(ramp: Timeline, since_us: int, step_us: int) -> None:
    at_us = ramp.time_us + since_us
    assert ramp.position_at(at_us) <= ramp.position_at(at_us + step_us)


@given(RAMPS)
def test_a_ramp_reaches_its_tempo_at_its_last_beat_and_keeps_it(ramp: Timeline) -> None:
    end_ub = ramp.position_ub + ramp.ramp_ub
    assert ramp.ns_per_beat_at(end_ub) == ramp.goal_ns_per_beat
    beat_us = ramp.time_of(end_ub + 101 * UB_PER_BEAT) - ramp.time_of(end_ub + UB_PER_BEAT)
    assert abs(beat_us - ramp.goal_ns_per_beat // 10) <= 1


def test_each_beat_of_a_ramp_is_evenly_faster() -> None:
    line = Timeline(ns_per_beat(120.0), 0, 0).with_ramp(ns_per_beat(128.0), 8 * UB_PER_BEAT, 0)
    tempos_bpm = [60 * NS_PER_S / line.ns_per_beat_at(beat * UB_PER_BEAT) for beat in range(10)]
    assert [round(tempo_bpm, 5) for tempo_bpm in tempos_bpm] == [120, 121, 122, 123, 124, 125, 126, 127, 128, 128]
    # The integral of 60 / (120 + x) from 0 to 8 is 60 ln(128 / 120) seconds.
    assert line.time_of(8 * UB_PER_BEAT) == 3_872_312


@given(RAMPS, st.integers(0, 10**8), NS)
def test_another_tempo_ends_a_ramp_where_it_is(ramp: Timeline, since_us: int, ns: int) -> None:
    at_us = ramp.time_us + since_us
    other = ramp.with_tempo(ns, at_us)
    assert other.position_at(at_us) == ramp.position_at(at_us)
    assert (other.ramp_ub, other.ns_per_beat) == (0, ns)


@given(RAMPS, st.integers(0, 10**8), st.integers(0, 10**8))
def test_what_is_left_of_a_ramp_goes_on_elsewhere(ramp: Timeline, since_us: int, further_us: int) -> None:
    at_us = ramp.time_us + since_us
    moved = ramp.moved(at_us, 7 * BAR_UB, 5_000_000)
    travelled_ub = ramp.position_at(at_us + further_us) - ramp.position_at(at_us)
    assert moved.position_at(5_000_000) == 7 * BAR_UB
    # The present tempo is rounded to a nanosecond a beat, so the two differ by millionths of what they travel.
    assert abs(moved.position_at(5_000_000 + further_us) - 7 * BAR_UB - travelled_ub) <= 20 + travelled_ub // 10**6


@given(NUDGES, st.integers(-(10**6), 10**9), st.integers(0, 10**6))
def test_a_nudge_never_turns_time_back_and_inverts(nudge: Nudge, at_us: int, step_us: int) -> None:
    assert nudge.line_us(at_us) <= nudge.line_us(at_us + step_us)
    sounding_us = nudge.sounding_us(at_us)
    assert nudge.line_us(sounding_us) >= at_us > nudge.line_us(sounding_us - 1)


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(-(10**5), 10**5)), max_size=10))
def test_nudges_add_up_and_are_undone_to_the_microsecond(nudges: list[tuple[int, int]]) -> None:
    nudge, now_us = Nudge(), 0
    for wait_us, shift_us in nudges:
        now_us += wait_us
        before_us = nudge.shift_us(now_us)
        nudge = nudge.by(shift_us, now_us)
        assert nudge.shift_us(now_us) == before_us
    assert nudge.to_us == sum(shift_us for _, shift_us in nudges)
    undone = nudge.by(-nudge.to_us, now_us)
    assert undone.shift_us(undone.until_us) == 0


def test_a_nudge_bends_the_tempo_by_five_per_cent() -> None:
    nudge = Nudge().by(10_000, 0)
    assert nudge.until_us == 10_000 * SLEW_STEP
    assert [nudge.shift_us(at_us) for at_us in (0, 100_000, 200_000, 300_000)] == [0, 5_000, 10_000, 10_000]


@given(gearings(), st.integers(-(10**8), 10**9), st.integers(0, 10**7))
def test_gears_never_turn_back_and_invert(gearing: Gearing, master_ub: int, step_ub: int) -> None:
    assert gearing.song_at(master_ub) <= gearing.song_at(master_ub + step_ub)
    reached_ub = gearing.master_at(master_ub)
    assert gearing.song_at(reached_ub) >= master_ub > gearing.song_at(reached_ub - 1)


@given(gearings(), st.integers(0, 200))
def test_bar_lines_of_song_and_master_meet_in_every_gear(gearing: Gearing, bar: int) -> None:
    assert any(gearing.song_at((bar + more) * BAR_UB) % BAR_UB == 0 for more in (0, 1))
    assert gearing.master_at(gearing.song_at(gearing.gears[-1].master_ub)) == gearing.gears[-1].master_ub


def test_half_time_waits_for_a_bar_line_of_the_song() -> None:
    half = geared(1.0).changed(0.5, BAR_UB + 1)
    assert half.song_at(2 * BAR_UB) == 2 * BAR_UB
    assert half.song_at(4 * BAR_UB) == 3 * BAR_UB
    # Bar 3 of the master is in the middle of one of the song's: the change waits for the next.
    again = half.changed(1.0, 2 * BAR_UB + 1)
    assert (again.gears[-1].master_ub, again.gears[-1].song_ub) == (4 * BAR_UB, 3 * BAR_UB)


@given(RAMPS, gearings(), NUDGES, st.integers(0, 2 * 10**8))
def test_the_whole_course_inverts(line: Timeline, gearing: Gearing, nudge: Nudge, moved_ub: int) -> None:
    song = SongLine(line, gearing, nudge)
    inverts(song, gearing.song_at(line.position_ub + moved_ub))


@given(st.lists(st.tuples(st.integers(1, 600), st.floats(60, 180), st.integers(0, 64)), max_size=12))
def test_an_hour_with_ramps_and_nudges_undone_ends_where_arithmetic_says(
    changes: list[tuple[int, float, int]],
) -> None:
    """At 123.45 BPM an hour is 7,407 beats; each change of tempo rounds to a microsecond, and nothing else does."""
    base_ns = ns_per_beat(123.45)
    line, nudge, now_us = Timeline(base_ns, 0, 0), Nudge(), 0
    beats = Fraction(0)
    for wait_s, tempo_bpm, ramp_beats in changes:
        beats += Fraction(wait_s * NS_PER_S, base_ns)
        now_us += wait_s * US_PER_S
        goal_ns = ns_per_beat(tempo_bpm)
        line = line.with_ramp(goal_ns, ramp_beats * UB_PER_BEAT, now_us)
        nudge = nudge.by(wait_s * 100, now_us)
        there_us = line.time_of(line.position_ub + line.ramp_ub)
        beats += Fraction(line.position_at(there_us) - line.position_ub, UB_PER_BEAT)
        now_us = there_us
        line = line.with_tempo(base_ns, now_us)
        nudge = nudge.by(-nudge.to_us, now_us)
    beats += Fraction(3_600 * NS_PER_S, base_ns)
    end_us = now_us + 3_600 * US_PER_S
    off_beats = Fraction(SongLine(line, nudge=nudge).position_at(end_us), UB_PER_BEAT) - beats
    assert abs(off_beats) * base_ns <= 1_000 * (1 + 2 * len(changes))
