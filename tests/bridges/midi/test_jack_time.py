"""Frames of an audio server against the monotonic clock, and what waits for a cycle."""

import random
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from autoloops_bridges.midi.frame_map import TOLERANCE_US, FrameMap
from autoloops_bridges.midi.jack_queue import MAX_PER_CYCLE, JackQueue
from autoloops_engine.player.events import Event, Kind

RATE_HZ = 48_000
PERIOD = 128
START_US = 1_000_000_000


def note(at_us: int, number: int = 60, kind: Kind = Kind.ON) -> Event:
    return Event(at_us, kind, "melody", 1, number, 100)


def run_map(frames: FrameMap, cycles: int, *, ppm: float = 0.0, first: int = 0, late: random.Random | None) -> int:
    """Enter so many cycles of a server whose clock is off by ``ppm``; the true time of the last frame."""
    frame_us = 1e6 / RATE_HZ * (1 + ppm / 1e6)
    true_us = 0.0
    for cycle in range(first, first + cycles):
        true_us = START_US + cycle * PERIOD * frame_us
        late_us = 0.0 if late is None else late.expovariate(1 / 30) + (2000 if late.random() < 0.02 else 0)
        frames.observe(cycle * PERIOD % 2**32, round(true_us + late_us))
    return round(true_us)


def test_late_entries_do_not_move_the_map() -> None:
    frames = FrameMap(RATE_HZ)
    late = random.Random(1)
    run_map(frames, 1000, late=late)
    errors = []
    for cycle in range(1000, 20_000):
        run_map(frames, 1, first=cycle, late=late)
        true_us = START_US + cycle * PERIOD * 1e6 / RATE_HZ
        errors.append(abs(frames.us_at(cycle * PERIOD) - true_us))
    assert max(errors) < 50


def test_a_clock_that_is_100_ppm_off_is_followed() -> None:
    for ppm in (-100.0, 100.0):
        frames = FrameMap(RATE_HZ)
        true_us = run_map(frames, 20_000, ppm=ppm, late=None)
        assert abs(frames.us_at(19_999 * PERIOD) - true_us) <= TOLERANCE_US


def test_once_settled_equal_times_are_equally_many_frames_apart() -> None:
    frames = FrameMap(RATE_HZ)
    late = random.Random(2)
    run_map(frames, 1000, late=late)
    onsets = []
    for cycle in range(1000, 5000):
        run_map(frames, 1, first=cycle, late=late)
        if cycle % 15 == 0:
            onsets.append(frames.frame_at(START_US + (cycle // 15) * 40_000))
    assert {later - earlier for earlier, later in pairwise(onsets)} == {1920}


def test_a_server_that_stood_still_is_caught_up_with_in_a_fifth_of_a_second() -> None:
    frames = FrameMap(RATE_HZ)
    run_map(frames, 1000, late=None)
    period_us = PERIOD * 1e6 / RATE_HZ
    for cycle in range(1000, 1060):
        frames.observe(cycle * PERIOD, round(START_US + cycle * period_us + 5000))
    assert abs(frames.us_at(1059 * PERIOD) - (START_US + 1059 * period_us + 5000)) < 20


def test_a_moment_in_which_every_entry_is_late_moves_nothing() -> None:
    frames = FrameMap(RATE_HZ)
    run_map(frames, 1000, late=None)
    period_us = PERIOD * 1e6 / RATE_HZ
    before = frames.us_at(2000 * PERIOD)
    for cycle in range(1000, 1100):
        late_us = 3000 if 1005 <= cycle < 1012 else 0
        frames.observe(cycle * PERIOD, round(START_US + cycle * period_us + late_us))
    assert frames.us_at(2000 * PERIOD) == before


def test_the_frame_counter_wraps_after_a_day_without_a_trace() -> None:
    frames = FrameMap(RATE_HZ)
    first = 2**32 // PERIOD - 500
    run_map(frames, 1000, first=first, late=None)
    assert abs(frames.us_at((first + 999) * PERIOD) - (START_US + (first + 999) * PERIOD * 1e6 / RATE_HZ)) < 2


@given(st.integers(-1_000_000, 1_000_000))
def test_time_to_frame_and_back_loses_less_than_a_frame(offset_us: int) -> None:
    frames = FrameMap(RATE_HZ)
    run_map(frames, 100, late=None)
    assert abs(frames.us_at(frames.frame_at(START_US + offset_us)) - START_US - offset_us) <= 11


def queue() -> JackQueue:
    frames = FrameMap(RATE_HZ)
    frames.observe(0, START_US)
    return JackQueue(frames)


@given(st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 127)), max_size=60))
def test_every_event_is_written_once_at_its_frame_in_order(events: list[tuple[int, int]]) -> None:
    waiting = queue()
    for after_us, number in events:
        waiting.put(note(START_US + after_us, number))
    written = [
        (cycle * PERIOD + offset, data[1])
        for cycle in range(10)
        for offset, data in waiting.cycle(cycle * PERIOD, PERIOD)
    ]
    assert waiting.is_empty()
    assert [frame for frame, _ in written] == sorted(frame for frame, _ in written)
    last: dict[int, int] = {}
    expected = []
    for after_us, number in events:
        last[number] = max(after_us, last.get(number, 0))
        expected.append((round(last[number] * RATE_HZ / 1e6), number))
    assert sorted(written) == sorted(expected)


def test_the_end_of_a_note_never_overtakes_its_beginning() -> None:
    waiting = queue()
    waiting.put(note(START_US + 2000))
    waiting.put(note(START_US, kind=Kind.OFF))
    writes = waiting.cycle(0, PERIOD)
    assert [data[0] for _, data in writes] == [0x90, 0x80]
    assert [offset for offset, _ in writes] == [96, 96]


def test_what_is_late_goes_out_at_once_and_is_counted() -> None:
    waiting = queue()
    waiting.put(note(START_US - 1000))
    assert [offset for offset, _ in waiting.cycle(0, PERIOD)] == [0]
    assert (waiting.late, waiting.late_max_frames) == (1, 48)


def test_a_burst_is_spread_over_cycles_without_loss() -> None:
    waiting = queue()
    for number in range(1000):
        waiting.put(note(START_US, number % 128))
    sizes = [len(waiting.cycle(cycle * PERIOD, PERIOD)) for cycle in range(5)]
    assert sizes == [MAX_PER_CYCLE] * 3 + [1000 - 3 * MAX_PER_CYCLE, 0]
    assert waiting.deferred == 3


def test_clients_of_one_server_share_its_time() -> None:
    """Whoever asks, in whichever client's cycle, the same frame has the same time; the first may leave."""
    frames, first, second = FrameMap(RATE_HZ), object(), object()
    for cycle in range(400):
        frame, entry_us = 128 * cycle, 128 * cycle * 1_000_000 // RATE_HZ
        clients = (first, second) if cycle < 200 else (second,)
        if cycle == 200:
            frames.leave(first)
        for held_up_us, client in enumerate(clients):
            assert frames.enter(client, frame, entry_us + 300 * held_up_us) == frame
        assert abs(frames.us_at(frame) - entry_us) <= 1
