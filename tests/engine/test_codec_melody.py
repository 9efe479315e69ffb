"""The melody codec: tokens to notes and back, ties, splices, accents."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoloops_engine.codecs.melody import (
    CLASSES,
    FIRST_ONSET,
    NO_EVENT,
    NOTE_OFF,
    RawNote,
    accent_velocity,
    bars_of,
    decode_bar,
    notes_of,
    one_hot,
    pitch_of,
    quantise,
    sounding_at,
    splice,
    token_of,
)
from autoloops_engine.notes import Note, Tie
from autoloops_engine.units import BAR_UB, STEP_UB, STEPS_PER_BAR

C4, E4 = token_of(60), token_of(64)
_ = NO_EVENT
bars = st.lists(st.integers(0, CLASSES - 1), min_size=16, max_size=16)
pitches = st.none() | st.integers(21, 108)
raw_notes = st.lists(
    st.builds(RawNote, st.integers(0, 10 * BAR_UB), st.integers(0, 2 * BAR_UB), st.integers(0, 127)),
    min_size=1,
    max_size=40,
)


@st.composite
def canonical_rows(draw: st.DrawFn) -> tuple[int, ...]:
    """Two bars whose note-offs end notes, with an onset in the first bar."""
    row = draw(st.lists(st.integers(0, CLASSES - 1), min_size=32, max_size=32))
    row[draw(st.integers(0, 15))] = draw(st.integers(FIRST_ONSET, CLASSES - 1))
    sounding = False
    for step, token in enumerate(row):
        if token == NOTE_OFF and not sounding:
            row[step] = NO_EVENT
        elif token != NO_EVENT:
            sounding = token != NOTE_OFF
    return tuple(row)


def bar(*tokens: int) -> list[int]:
    return [*tokens, *[NO_EVENT] * (16 - len(tokens))]


def test_a_note_sounds_until_its_note_off() -> None:
    decoded = decode_bar(bar(C4, _, _, NOTE_OFF), None)
    assert decoded.notes == (Note(0, 3 * STEP_UB, 60, 104),)
    assert decoded.sounding is None


def test_a_note_that_sounds_at_the_bar_line_is_held_up_to_it() -> None:
    decoded = decode_bar(bar(C4, _, E4), None)
    assert decoded.notes == (
        Note(0, 2 * STEP_UB, 60, 104),
        Note(2 * STEP_UB, BAR_UB - 2 * STEP_UB, 64, 80, held=True),
    )
    assert decoded.sounding == 64


def test_what_sounds_in_is_tied_up_to_its_end() -> None:
    assert decode_bar(bar(_, _, NOTE_OFF), 60).ties == (Tie(60, 2 * STEP_UB),)
    assert decode_bar(bar(), 60) == ((), (Tie(60, BAR_UB, held=True),), 60)


def test_what_sounds_in_is_not_tied_when_the_first_step_ends_it() -> None:
    assert decode_bar(bar(NOTE_OFF), 60) == ((), (), None)
    assert decode_bar(bar(C4), 60).ties == ()


def test_a_repeated_pitch_is_struck_again() -> None:
    assert [n.start_ub for n in decode_bar(bar(C4, C4), None).notes] == [0, STEP_UB]


def test_accents_order_downbeat_beat_eighth_sixteenth_and_depth_0_is_flat() -> None:
    assert [accent_velocity(step) for step in (0, 4, 2, 1)] == [104, 92, 80, 68]
    assert {accent_velocity(step, 0.0) for step in range(16)} == {80}
    with pytest.raises(ValueError, match="accent depth"):
        accent_velocity(0, float("nan"))


@pytest.mark.parametrize("tokens", [[0] * 15, [90] + [0] * 15, [-1] + [0] * 15])
def test_what_is_no_bar_is_refused(tokens: list[int]) -> None:
    with pytest.raises(ValueError, match="melody classes"):
        decode_bar(tokens, None)


@given(bars, pitches)
def test_the_notes_of_a_bar_lie_in_it_one_after_the_other(tokens: list[int], sounding: int | None) -> None:
    decoded = decode_bar(tokens, sounding)
    spans = [(0, t.duration_ub) for t in decoded.ties]
    spans += [(n.start_ub, n.start_ub + n.duration_ub) for n in decoded.notes]
    assert all(start < end <= BAR_UB for start, end in spans)
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))
    held = [t.pitch for t in decoded.ties if t.held] + [n.pitch for n in decoded.notes if n.held]
    assert held == ([] if decoded.sounding is None else [decoded.sounding])


@given(bars, pitches, st.integers(0, 15))
def test_decoding_from_a_step_on_is_the_rest_of_the_whole_bar(
    tokens: list[int], sounding: int | None, step: int
) -> None:
    whole = decode_bar(tokens, sounding)
    rest = decode_bar(tokens, sounding_at(tokens, step, sounding), from_step=step)
    assert rest.notes == tuple(n for n in whole.notes if n.start_ub >= step * STEP_UB)
    assert rest.sounding == whole.sounding
    going_on = {n.start_ub + n.duration_ub for n in whole.notes if n.start_ub < step * STEP_UB}
    going_on |= {t.duration_ub for t in whole.ties}
    assert {t.duration_ub for t in rest.ties} == {end for end in going_on if end > step * STEP_UB}


@given(bars, bars, st.integers(0, 15))
def test_a_splice_keeps_the_past_and_takes_the_first_of_the_rest(old: list[int], new: list[int], step: int) -> None:
    spliced = splice(old, step, new)
    assert list(spliced[:step]) == old[:step]
    assert list(spliced[step:]) == new[: 16 - step]


def test_a_splice_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="splice"):
        splice([0] * 16, 4, [0] * 11)
    with pytest.raises(ValueError, match="splice"):
        splice([0] * 16, 16, [0] * 16)


@given(canonical_rows())
def test_canonical_tokens_survive_notes_and_the_grid(row: tuple[int, ...]) -> None:
    assert quantise(notes_of(row), 2).windows == (row,)


@given(canonical_rows())
def test_bars_decoded_with_their_ties_are_the_notes_of_the_row(row: tuple[int, ...]) -> None:
    joined: list[RawNote] = []
    sounding = None
    for index, tokens in enumerate(bars_of(row)):
        decoded = decode_bar(tokens, sounding)
        for tie in decoded.ties:
            joined[-1] = joined[-1]._replace(duration_ub=joined[-1].duration_ub + tie.duration_ub)
        start_ub = index * BAR_UB
        joined += [RawNote(start_ub + n.start_ub, n.duration_ub, n.pitch) for n in decoded.notes]
        sounding = decoded.sounding
    assert joined == notes_of(row)


@given(raw_notes, st.integers(1, 3))
def test_any_notes_give_windows_and_a_report_that_adds_up(notes: Sequence[RawNote], length: int) -> None:
    windows, report = quantise(notes, length)
    assert windows
    assert all(len(w) == length * STEPS_PER_BAR and max(w) >= FIRST_ONSET for w in windows)
    onsets = sum(token >= FIRST_ONSET for w in windows for token in w)
    assert onsets == report.kept == report.notes - report.chords
    assert max(windows[0][:STEPS_PER_BAR]) >= FIRST_ONSET


def test_the_highest_note_of_a_chord_is_kept() -> None:
    windows, report = quantise([RawNote(0, STEP_UB, 60), RawNote(0, STEP_UB, 64), RawNote(10, 0, 55)], 1)
    assert windows == (tuple(bar(E4, NOTE_OFF)),)
    assert report.chords == 2


def test_pitches_outside_the_piano_fold_by_octaves() -> None:
    windows, report = quantise([RawNote(0, STEP_UB, 20), RawNote(STEP_UB, STEP_UB, 109)], 1)
    assert [pitch_of(t) for t in windows[0][:2]] == [32, 97]
    assert report.folded == 2


def test_a_pickup_keeps_its_silence_and_empty_bars_before_it_fall_away() -> None:
    windows, report = quantise([RawNote(3 * BAR_UB + 12 * STEP_UB, 4 * STEP_UB, 60)], 1)
    assert windows == ((*[NO_EVENT] * 12, C4, *[NO_EVENT] * 3),)
    assert report.first_bar == 3


def test_features_are_one_hot() -> None:
    features = one_hot([C4, NO_EVENT])
    assert features.shape == (2, CLASSES)
    assert features.argmax(axis=1).tolist() == [C4, NO_EVENT]
    assert features.sum() == 2
    with pytest.raises(ValueError, match="classes"):
        one_hot([90])
