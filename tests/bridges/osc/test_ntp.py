"""Time tags: exact, unwrapped, and never running backwards however the wall clock jumps."""

from hypothesis import given
from hypothesis import strategies as st

from autoloops_bridges.osc.ntp import NTP_MINUS_UNIX_S, SLEW_PPM, NtpClock

NOW_US = 5_000_000_000
WALL_US = 1_700_000_000_000_000
TIMES = st.integers(NOW_US - 10_000_000, NOW_US + 10_000_000)
JUMPS = st.integers(-3_600_000_000, 3_600_000_000)


def test_a_tag_counts_seconds_since_1900_in_fixed_point() -> None:
    clock = NtpClock(NOW_US, WALL_US)
    assert clock.tag_at(NOW_US) == (WALL_US // 1_000_000 + NTP_MINUS_UNIX_S) << 32
    assert clock.tag_at(NOW_US + 500_000) - clock.tag_at(NOW_US) == 1 << 31


@given(TIMES, JUMPS)
def test_tags_lead_back_to_their_time_even_while_slewing(at_us: int, jump_us: int) -> None:
    clock = NtpClock(NOW_US, WALL_US)
    clock.observe(NOW_US, WALL_US + jump_us)
    assert abs(clock.us_at(clock.tag_at(at_us), NOW_US) - at_us) <= 1


@given(st.lists(st.tuples(st.integers(0, 5_000_000), JUMPS), max_size=10))
def test_the_offset_never_steps(readings: list[tuple[int, int]]) -> None:
    clock = NtpClock(NOW_US, WALL_US)
    now_us = NOW_US
    before = clock.tag_at(now_us)
    for elapsed_us, jump_us in readings:
        offset_us = clock.offset_us(now_us)
        now_us += elapsed_us
        clock.observe(now_us, WALL_US + now_us - NOW_US + jump_us)
        assert abs(clock.offset_us(now_us) - offset_us) <= elapsed_us * SLEW_PPM // 1_000_000 + 1
        after = clock.tag_at(now_us)
        assert after >= before
        before = after


def test_a_step_of_the_wall_clock_is_reached_in_the_end() -> None:
    clock = NtpClock(NOW_US, WALL_US)
    clock.observe(NOW_US, WALL_US + 50_000)
    assert clock.offset_us(NOW_US) == WALL_US - NOW_US
    assert clock.offset_us(NOW_US + 25_000_000) == WALL_US - NOW_US + 25_000
    assert clock.offset_us(NOW_US + 99_000_000) == WALL_US - NOW_US + 50_000


def test_tags_go_on_through_the_era_of_2036() -> None:
    wrap_unix_us = ((1 << 32) - NTP_MINUS_UNIX_S) * 1_000_000
    clock = NtpClock(NOW_US, wrap_unix_us - 1_000_000)
    after = clock.tag_at(NOW_US + 2_000_000)
    assert after < clock.tag_at(NOW_US)
    assert clock.us_at(after, NOW_US) == NOW_US + 2_000_000
