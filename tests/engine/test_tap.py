"""Tap tempo: steady fingers, shaky ones, slips, pauses and new tempos."""

import random
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoloops_engine.time.tap import PAUSE_US, TapTempo

BEAT_US = 500_000


def tapped(taps_us: Iterable[float]) -> list[float | None]:
    taps = TapTempo()
    return [taps.tap(round(at_us)) for at_us in taps_us]


@given(st.floats(21, 900), st.integers(3, 20))
def test_steady_taps_give_their_tempo_from_the_third_on(tempo_bpm: float, count: int) -> None:
    found = tapped(at * 60e6 / tempo_bpm for at in range(count))
    assert found[:2] == [None, None]
    assert all(bpm == pytest.approx(tempo_bpm, rel=1e-4) for bpm in found[2:])


def test_shaky_fingers_are_averaged() -> None:
    """Fingers are good to some 15 ms; eight taps bring the tempo within 1 % nearly always."""
    fingers = random.Random(1)
    errors = []
    for _ in range(200):
        found = tapped(at * BEAT_US + fingers.gauss(0, 15_000) for at in range(8))[-1]
        assert found is not None
        errors.append(abs(found / 120 - 1))
    assert sorted(errors)[190] < 0.01


@given(st.integers(2, 6), st.floats(-0.4, 0.4))
def test_one_tap_far_off_moves_the_tempo_by_little(slip: int, by_beats: float) -> None:
    taps_us = [(at + (by_beats if at == slip else 0)) * BEAT_US for at in range(8)]
    found = tapped(taps_us)[-1]
    assert found == pytest.approx(120, rel=0.01)


def test_a_beat_left_out_and_a_bounce_change_nothing() -> None:
    assert tapped(at * BEAT_US for at in (0, 1, 2, 4, 5))[-1] == pytest.approx(120)
    assert tapped([0, BEAT_US, BEAT_US + 60_000, 2 * BEAT_US, 3 * BEAT_US])[-1] == pytest.approx(120)


def test_a_pause_begins_a_new_count() -> None:
    taps_us = [0, BEAT_US, 2 * BEAT_US, 2 * BEAT_US + PAUSE_US + 1]
    assert tapped(taps_us)[-1] is None
    assert tapped([*taps_us, taps_us[-1] + 400_000, taps_us[-1] + 800_000])[-1] == pytest.approx(150)


@pytest.mark.parametrize("beats", [0.6, 0.8, 1.25, 1.6])
def test_another_tempo_is_followed_from_its_third_tap_on(beats: float) -> None:
    old_us = [at * BEAT_US for at in range(8)]
    new_us = [old_us[-1] + at * beats * BEAT_US for at in (1, 2, 3)]
    assert tapped([*old_us, *new_us])[-1] == pytest.approx(120 / beats, rel=0.01)


def test_what_is_no_tempo_is_none() -> None:
    assert tapped([0, 3_200_000, 6_400_000]) == [None, None, None]
    assert tapped([0, 100, 200, 300]) == [None] * 4


@given(st.lists(st.integers(-(10**6), 10**7), max_size=30))
def test_no_taps_break_it(waits_us: list[int]) -> None:
    taps, at_us = TapTempo(), 0
    for wait_us in waits_us:
        at_us += wait_us
        found = taps.tap(at_us)
        assert found is None or 20 <= found <= 999
