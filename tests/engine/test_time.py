"""Time: the line, its inverse, and where a launch falls."""

from hypothesis import given
from hypothesis import strategies as st

from autoloops_engine.philox import Stream, derived_seed, gumbel, normal
from autoloops_engine.time.quantum import When, launch_position_ub, next_multiple
from autoloops_engine.time.timeline import Timeline
from autoloops_engine.units import BAR_UB, STEP_UB, UB_PER_BEAT, US_PER_S, ns_per_beat

LINES = st.builds(
    Timeline,
    ns_per_beat=st.integers(ns_per_beat(999.0), ns_per_beat(20.0)),
    position_ub=st.integers(-(10**9), 10**12),
    time_us=st.integers(0, 10**13),
)


@given(LINES, st.integers(-(10**9), 10**12))
def test_a_position_is_reached_exactly_at_its_time_and_not_before(line: Timeline, position_ub: int) -> None:
    time_us = line.time_of(position_ub)
    assert line.position_at(time_us) >= position_ub
    assert line.position_at(time_us - 1) < position_ub


@given(LINES, st.lists(st.tuples(st.integers(0, 10**7), st.floats(20, 999)), max_size=30))
def test_tempo_changes_keep_the_position(line: Timeline, changes: list[tuple[int, float]]) -> None:
    at_us = line.time_us
    for wait_us, tempo_bpm in changes:
        at_us += wait_us
        before_ub = line.position_at(at_us)
        line = line.with_tempo(ns_per_beat(tempo_bpm), at_us)
        assert line.position_at(at_us) == before_ub


def test_an_hour_at_an_odd_tempo_adds_nothing_up() -> None:
    line = Timeline(ns_per_beat(123.45), 0, 0)
    assert abs(line.time_of(7_407 * UB_PER_BEAT) - 3_600 * US_PER_S) <= 4


@given(st.integers(-(10**9), 10**9), st.integers(1, 10**7), st.integers(-(10**9), 10**9))
def test_the_next_multiple_is_the_nearest_one_ahead(position: int, quantum: int, origin: int) -> None:
    found = next_multiple(position, quantum, origin)
    assert 0 <= found - position < quantum
    assert (found - origin) % quantum == 0


def test_launches_fall_where_musicians_expect_them() -> None:
    just_after_bar_two = BAR_UB + 1
    expected = {
        When.NOW: BAR_UB + STEP_UB,
        When.BEAT: BAR_UB + UB_PER_BEAT,
        When.BAR: 2 * BAR_UB,
        When.TWO_BARS: 2 * BAR_UB,
        When.FOUR_BARS: 4 * BAR_UB,
        When.LOOP: 3 * BAR_UB,
    }
    assert {when: launch_position_ub(when, just_after_bar_two, 2, 1) for when in When} == expected


def test_noise_is_what_it_was_when_it_was_first_drawn() -> None:
    """Golden vectors: another NumPy or platform must give the same performance."""
    assert [round(float(x), 5) for x in gumbel(1, 0, 0, 16, 90)[0, :4]] == [-0.17576, 1.80765, -0.61898, -1.24425]
    assert [round(float(x), 5) for x in normal(5, Stream.PRIOR, 0, 3)] == [0.46724, 1.01134, -0.0127]
    assert derived_seed(1, 0) == 667509142


def test_noise_depends_on_seed_bar_and_pass() -> None:
    draws = [gumbel(seed, bar, pas, 4, 9).tobytes() for seed in (0, 1) for bar in (0, 1) for pas in (0, 1)]
    assert len(set(draws)) == 8
    assert gumbel(0, 0, 0, 4, 9).tobytes() == draws[0]
