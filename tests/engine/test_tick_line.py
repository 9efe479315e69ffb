"""The line through jittering ticks: narrow when the tempo stands, wide when it changes, never fooled by a loss."""

import random
from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

import pytest

from autoloops_engine.sync.tick_line import TickLine

ORIGIN_US = 1_000_000


class Told(NamedTuple):
    """What the line says after a tick, and what was true."""

    tick: int
    number: int
    phase_error_us: float
    tempo_bpm: float


def clocked(
    tempo_bpm: Callable[[int], float],
    ticks: int,
    jitter_us: int = 0,
    *,
    seed: int = 0,
    lost: Collection[int] = (),
    late_us: Callable[[int], int] = lambda tick: 0,
) -> Iterator[Told]:
    """Ticks of a master whose tempo at each is given, uniformly early and late by up to ``jitter_us``."""
    noise = random.Random(seed)
    line: TickLine | None = None
    true_us = 0.0
    for tick in range(ticks):
        if tick not in lost:
            came_us = ORIGIN_US + round(true_us + noise.uniform(-jitter_us, jitter_us)) + late_us(tick)
            if line is None:
                line = TickLine(0, came_us, 60e6 / 120 / 24, 0.3)
            else:
                line.tick(came_us)
            yield Told(tick, line.number, line.meant_us - ORIGIN_US - true_us, 60e6 / 24 / line.tick_us)
        true_us += 60e6 / tempo_bpm(tick) / 24


def p99(values: Collection[float]) -> float:
    return sorted(abs(value) for value in values)[int(0.99 * len(values))]


@pytest.mark.parametrize("tempo_bpm", [40.0, 97.3, 120.0, 180.0, 300.0])
def test_an_exact_clock_is_known_within_a_third_of_a_beat_whatever_was_expected(tempo_bpm: float) -> None:
    told = list(clocked(lambda tick: tempo_bpm, 96))
    assert max(abs(each.phase_error_us) for each in told[8:]) < 200
    assert max(abs(each.tempo_bpm / tempo_bpm - 1) for each in told[12:]) < 1e-3


@pytest.mark.parametrize("seed", range(3))
def test_twenty_milliseconds_of_jitter_leave_five_of_phase_and_a_thousandth_of_tempo_after_16_beats(seed: int) -> None:
    told = [each for each in clocked(lambda tick: 133.0, 24 * 64, 20_000, seed=seed) if each.tick >= 16 * 24]
    assert p99([each.phase_error_us for each in told]) < 5_000
    assert max(abs(each.tempo_bpm / 133.0 - 1) for each in told) < 1e-3


@pytest.mark.parametrize(("jitter_us", "error"), [(0, 1e-4), (1_000, 0.01), (5_000, 0.03)])
def test_another_tempo_is_known_within_a_beat(jitter_us: int, error: float) -> None:
    for seed in range(3):
        told = list(clocked(lambda tick: 120.0 if tick < 480 else 140.0, 530, jitter_us, seed=seed))
        assert abs(told[504].tempo_bpm / 140.0 - 1) < error
        assert told[-1].number == told[-1].tick, "no tick was taken for a lost one"


def test_an_exact_clock_at_half_the_tempo_lost_no_ticks() -> None:
    told = list(clocked(lambda tick: 120.0 if tick < 96 else 60.0, 120))
    assert told[-1].number == 119
    assert told[-1].tempo_bpm == pytest.approx(60.0, rel=1e-3)


@pytest.mark.parametrize("jitter_us", [0, 1_000, 5_000])
def test_lost_ticks_are_counted_and_the_tempo_stands(jitter_us: int) -> None:
    for seed in range(3):
        told = list(clocked(lambda tick: 120.0, 560, jitter_us, seed=seed, lost=(400, 401, 500)))
        assert told[-1].number == 559
        assert max(abs(each.tempo_bpm / 120.0 - 1) for each in told[384:]) < 0.005


def test_a_master_that_stalls_and_catches_up_changes_nothing() -> None:
    def late_us(tick: int) -> int:
        # Ticks 200 to 209 come together, when the tenth is due.
        return (209 - tick) * 20_833 if 200 <= tick < 210 else 0

    told = list(clocked(lambda tick: 120.0, 260, late_us=late_us))
    assert max(abs(each.phase_error_us) for each in told[100:]) < 1_000
    assert max(abs(each.tempo_bpm / 120.0 - 1) for each in told[100:]) < 1e-3
    assert told[-1].number == 259


def test_one_late_tick_hardly_moves_the_line() -> None:
    told = list(clocked(lambda tick: 120.0, 260, late_us=lambda tick: 15_000 * (tick == 200)))
    assert max(abs(each.phase_error_us) for each in told[100:]) < 100


def test_a_clock_that_goes_on_in_another_phase_is_followed() -> None:
    told = list(clocked(lambda tick: 120.0, 300, late_us=lambda tick: 6_000 * (tick >= 200)))
    assert told[-1].phase_error_us == pytest.approx(6_000, abs=50)
    assert told[-1].number == 299


def test_an_accelerando_is_followed_without_a_lost_tick() -> None:
    told = list(clocked(lambda tick: 120.0 + 20 * min(1.0, max(0.0, (tick - 384) / 192)), 700))
    assert max(abs(each.phase_error_us) for each in told[24:]) < 1_000
    assert told[-1].number == 699
    assert told[-1].tempo_bpm == pytest.approx(140.0, rel=1e-3)


def test_ten_minutes_drift_by_nothing() -> None:
    told = list(clocked(lambda tick: 123.45, 24 * 1_234, 1_000, seed=5))
    assert abs(told[-1].phase_error_us) < 300


@pytest.mark.parametrize("seed", range(3))
def test_a_clock_whose_errors_add_up_is_followed_tick_by_tick(seed: int) -> None:
    # As jack_midi_clock -J 20 ticks: each tick a fifth of its length early or late against the one before.
    noise = random.Random(seed)
    came_us, errors_us = 1e6, []
    line = TickLine(0, 1_000_000, 20_000.0, 0.3)
    for tick in range(1, 24 * 32):
        came_us += 20_000 * (1 + noise.uniform(-0.2, 0.2))
        if tick >= 96:
            errors_us.append(line.meant_us + line.tick_us - came_us)
        line.tick(round(came_us))
    assert p99(errors_us) < 5_000, "no more than the next tick cannot be known"
    assert line.number == 24 * 32 - 1
    assert line.lost == 0
