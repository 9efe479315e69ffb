"""Quantisation and melody extraction."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoloops_export.data.melody import (
    Meter,
    Segment,
    common_time_segments,
    longest_silence,
    melody_grid,
    transposed,
    transposition_class,
    windows_of,
)
from autoloops_export.data.roles import MELODY, TrackFacts

TICKS = 480
STEP = TICKS // 4
BAR = 4 * TICKS


def grid_of(notes: list[tuple[int, int, int]], bars: int = 1) -> list[int]:
    starts, ends, pitches = (np.array(column, dtype=np.int64) for column in zip(*notes, strict=True))
    grid = melody_grid(starts, ends, pitches, Segment(0, bars * BAR), TICKS)
    return [int(token) for token in grid]


def token(pitch: int) -> int:
    return pitch - 19


def test_a_note_is_its_onset_then_nothing_then_a_note_off() -> None:
    assert grid_of([(0, 4 * STEP, 60)])[:6] == [token(60), 0, 0, 0, 1, 0]


def test_a_note_that_follows_at_once_needs_no_note_off() -> None:
    assert grid_of([(0, 2 * STEP, 60), (2 * STEP, 4 * STEP, 62)])[:5] == [token(60), 0, token(62), 0, 1]


def test_onsets_go_to_the_nearest_sixteenth_and_no_note_gets_shorter_than_one() -> None:
    assert grid_of([(STEP // 2 - 1, STEP // 2, 60)])[:3] == [token(60), 1, 0]
    assert grid_of([(STEP // 2, STEP, 60)])[:3] == [0, token(60), 1]


def test_of_notes_that_start_together_the_highest_is_kept() -> None:
    assert grid_of([(0, 4 * STEP, 72), (0, 8 * STEP, 60), (0, STEP, 64)])[:9] == [token(72), 0, 0, 0, 1, 0, 0, 0, 0]


def test_a_later_onset_ends_the_note_before_it_whose_own_end_is_forgotten() -> None:
    assert grid_of([(0, 6 * STEP, 60), (2 * STEP, 4 * STEP, 64)])[:8] == [token(60), 0, token(64), 0, 1, 0, 0, 0]


def test_pitches_outside_the_piano_are_left_out() -> None:
    assert set(grid_of([(0, STEP, 20), (STEP, 2 * STEP, 109)])) == {0}
    assert grid_of([(0, STEP, 21), (STEP, 2 * STEP, 108)])[:2] == [2, 89]


def test_a_segment_is_padded_to_whole_bars() -> None:
    notes = np.array([0]), np.array([STEP]), np.array([60])
    assert len(melody_grid(*notes, Segment(0, BAR + 1), TICKS)) == 32


@pytest.mark.parametrize(
    ("meters", "expected"),
    [
        ([], [(0, 10 * BAR)]),
        ([Meter(0, 3, 4)], []),
        ([Meter(0, 2, 2)], [(0, 10 * BAR)]),
        ([Meter(0, 1, 8), Meter(TICKS // 2, 4, 4)], [(TICKS // 2, 10 * BAR)]),
        ([Meter(0, 4, 4), Meter(2 * BAR, 3, 4), Meter(5 * BAR, 4, 4)], [(0, 2 * BAR), (5 * BAR, 10 * BAR)]),
        ([Meter(0, 4, 4), Meter(2 * BAR, 4, 4)], [(0, 10 * BAR)]),
        ([Meter(0, 4, 4), Meter(2 * BAR + 7, 4, 4)], [(0, 2 * BAR + 7), (2 * BAR + 7, 10 * BAR)]),
        ([Meter(BAR, 3, 4)], [(0, BAR)]),
    ],
)
def test_segments_are_the_common_time_between_time_signatures(
    meters: list[Meter], expected: list[tuple[int, int]]
) -> None:
    assert [(s.start, s.end) for s in common_time_segments(meters, 10 * BAR, TICKS)] == expected


def test_windows_hop_by_one_bar() -> None:
    bar = [token(60), 0, 0, 0, token(62), 0, 0, 0, token(64), 0, 0, 0, token(65), 0, 0, 0]
    assert windows_of(np.array(4 * bar, dtype=np.uint8), MELODY).shape == (3, 32)
    assert windows_of(np.array(bar, dtype=np.uint8), MELODY).shape == (0, 32)


def test_a_window_does_not_begin_with_the_end_of_a_note_of_the_bar_before() -> None:
    grid = np.zeros(48, dtype=np.uint8)
    grid[[14, 18, 20, 24, 36]] = token(60), 1, token(62), token(64), token(65)
    second = windows_of(grid, MELODY)[1]
    assert second[2] == 0
    assert second[4] == token(62)


@pytest.mark.parametrize(
    ("steps", "kept"),
    [
        ({0: 60, 8: 62, 16: 64}, True),
        ({0: 60, 8: 60, 16: 60}, False),
        ({0: 60, 8: 62}, False),
        ({16: 60, 18: 62, 20: 64}, False),
    ],
    ids=["a melody", "one pitch", "two notes", "a silent bar"],
)
def test_thin_windows_are_left_out(steps: dict[int, int], kept: bool) -> None:
    grid = np.zeros(32, dtype=np.uint8)
    for step, pitch in steps.items():
        grid[step] = token(pitch)
    assert (len(windows_of(grid, MELODY)) == 1) is kept


def test_silence_is_counted_from_note_off_to_the_next_onset() -> None:
    window = np.zeros(32, dtype=np.uint8)
    window[[2, 4, 11]] = token(60), 1, token(60)
    assert longest_silence(window) == 7


windows = st.lists(st.one_of(st.just(0), st.just(1), st.integers(20, 70)), min_size=32, max_size=32)


@given(windows, st.integers(-15, 15))
def test_a_window_and_its_transpositions_share_a_class(tokens: list[int], semitones: int) -> None:
    window = np.array(tokens, dtype=np.uint8)
    assert transposition_class(transposed(window, semitones)) == transposition_class(window)


@given(windows, windows)
def test_windows_of_one_class_differ_by_one_interval(first: list[int], second: list[int]) -> None:
    one, other = np.array(first, dtype=np.uint8), np.array(second, dtype=np.uint8)
    moves = {b - a for a, b in zip(first, second, strict=True) if a > 1 or b > 1}
    alike = (
        all((a > 1) == (b > 1) and (a > 1 or a == b) for a, b in zip(first, second, strict=True)) and len(moves) <= 1
    )
    assert (transposition_class(one) == transposition_class(other)) is alike


@pytest.mark.parametrize(
    ("track", "wanted"),
    [
        (TrackFacts(False, 0, 0.95), True),
        (TrackFacts(False, 0, 0.89), False),
        (TrackFacts(False, 33, 1.0), False),
        (TrackFacts(True, 0, 1.0), False),
        (TrackFacts(False, 0, 0.2, "melody_candidate"), True),
        (TrackFacts(False, 0, 1.0, "other"), False),
    ],
)
def test_a_melody_track_is_what_the_index_says_else_what_it_looks_like(track: TrackFacts, wanted: bool) -> None:
    assert MELODY.wants(track) is wanted
