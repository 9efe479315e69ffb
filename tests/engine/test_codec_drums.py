"""The drum codec: hits, velocities and microtiming to notes and back, and what a splice keeps of a bar."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from autoloops_engine.codecs import drums
from autoloops_engine.codecs.drums import DrumLoop, decode_bar, hits_of, quantise, tokens_of
from autoloops_engine.codecs.melody import RawNote
from autoloops_engine.codecs.registry import DRUMS, MELODY, Codec, LoopSteps, codec_named
from autoloops_engine.errors import BundleError
from autoloops_engine.units import BAR_UB, STEP_UB

HITS = arrays.arrays(np.bool_, (16, 9))
UNIT = arrays.arrays(np.float32, (16, 9), elements=st.floats(0.0, 1.0, width=32))
OFFSETS = arrays.arrays(np.float32, (16, 9), elements=st.floats(-1.0, 1.0, width=32))


def loop(hits: dict[tuple[int, int], tuple[float, float]]) -> DrumLoop:
    """A bar of hits: (step, voice) to (velocity, offset)."""
    struck = np.zeros((16, 9), dtype=bool)
    velocities, offsets = np.zeros((16, 9), np.float32), np.zeros((16, 9), np.float32)
    for at, (velocity, offset) in hits.items():
        struck[at], velocities[at], offsets[at] = True, velocity, offset
    return DrumLoop(tuple(tokens_of(struck).tolist()), velocities, offsets)


def test_a_hit_has_its_voices_pitch_its_velocity_and_comes_early_where_the_offset_is_positive() -> None:
    notes = decode_bar(loop({(0, 0): (1.0, 0.5), (4, 1): (0.5, -0.5), (4, 8): (0.0, 0.0)})).notes
    assert [(n.pitch, n.velocity, n.start_ub) for n in notes] == [
        (36, 127, -STEP_UB // 4),
        (51, 1, 4 * STEP_UB),
        (38, 64, 4 * STEP_UB + STEP_UB // 4),
    ]


@given(HITS, UNIT, OFFSETS)
def test_every_hit_is_one_note_that_is_never_held_and_ends_in_its_bar(
    hits: np.ndarray, velocities: np.ndarray, offsets: np.ndarray
) -> None:
    decoded = decode_bar(DrumLoop(tuple(tokens_of(hits).tolist()), velocities, offsets))
    assert len(decoded.notes) == hits.sum()
    assert not decoded.ties
    assert decoded.sounding is None
    for note in decoded.notes:
        assert not note.held
        assert 1 <= note.velocity <= 127
        assert 1 <= note.duration_ub <= STEP_UB
        assert note.start_ub >= -drums.HALF_STEP_UB
        assert note.start_ub + note.duration_ub <= BAR_UB
    assert list(decoded.notes) == sorted(decoded.notes, key=lambda note: (note.start_ub, note.pitch))


def at_most_once_a_half_step(hits: np.ndarray) -> np.ndarray:
    hits[1::2] = False
    return hits


@given(HITS.map(at_most_once_a_half_step), UNIT, OFFSETS)
def test_what_was_played_is_read_back_as_it_was(hits: np.ndarray, velocities: np.ndarray, offsets: np.ndarray) -> None:
    hits[0, 0] = True
    offsets = np.clip(offsets, -0.99, 0.99)
    offsets[0] = np.minimum(offsets[0], 0)
    bar = DrumLoop(tuple(tokens_of(hits).tolist()), velocities, offsets)
    played = [RawNote(n.start_ub, n.duration_ub, n.pitch, n.velocity) for n in decode_bar(bar).notes]
    (back,), report = quantise(played, 1)
    assert back.tokens == bar.tokens
    assert (report.foreign, report.doubled, report.first_bar, report.bars) == (0, 0, 0, 1)
    np.testing.assert_allclose(back.offsets[hits], offsets[hits], atol=1e-4)
    np.testing.assert_allclose(back.velocities[hits], velocities[hits], atol=1 / 127)


def test_tokens_and_hits_are_the_same_thing() -> None:
    every = np.arange(512)
    assert tokens_of(hits_of(every)).tolist() == every.tolist()
    with pytest.raises(ValueError, match="511"):
        hits_of([512])


@pytest.mark.parametrize("pitches", drums.READ_PITCHES)
def test_every_pitch_of_the_kit_is_read_as_one_voice_and_its_pitch_is_played(pitches: tuple[int, ...]) -> None:
    voice = drums.READ_PITCHES.index(pitches)
    assert drums.PLAYED_PITCHES[voice] in pitches
    for pitch in pitches:
        (window,), _ = quantise([RawNote(0, 1, pitch, 100)], 1)
        assert window.tokens[0] == 1 << voice


def test_the_loudest_of_two_hits_at_a_step_stays_and_foreign_notes_fall_away() -> None:
    notes = [RawNote(BAR_UB, 9, 38, 50), RawNote(BAR_UB + 9_000, 9, 40, 90), RawNote(BAR_UB, 9, 60, 90)]
    (window,), report = quantise(notes, 2)
    assert (report.notes, report.foreign, report.doubled, report.first_bar, report.bars) == (3, 1, 1, 1, 1)
    assert window.velocities[0, 1] == pytest.approx(90 / 127)
    assert window.offsets[0, 1] == pytest.approx(-9_000 / drums.HALF_STEP_UB)
    with pytest.raises(ValueError, match="hit"):
        quantise([RawNote(0, 1, 60)], 2)


@given(st.lists(st.tuples(st.integers(0, 2**40), st.sampled_from(drums.PLAYED_PITCHES)), min_size=1, max_size=12))
def test_windows_are_those_that_hold_hits_however_far_apart_they_are(hits: list[tuple[int, int]]) -> None:
    notes = [RawNote(step * STEP_UB, 1, pitch, 100) for step, pitch in hits]
    loops, report = quantise(notes, 2)
    first_step = report.first_bar * 16
    expected: dict[int, np.ndarray] = {}
    for step, pitch in hits:
        window, within = divmod(step - first_step, 32)
        expected.setdefault(window, np.zeros((32, 9), bool))[within, drums.VOICE_OF_PITCH[pitch]] = True
    assert [each.tokens for each in loops] == [
        tuple(tokens_of(expected[window]).tolist()) for window in sorted(expected)
    ]
    assert report.bars == max(step for step, _ in hits) // 16 + 1 - min(step for step, _ in hits) // 16


def test_a_splice_brings_no_hit_before_its_step() -> None:
    bar = loop({(3, 0): (1, 0), (3, 1): (1, -1), (4, 2): (1, 0.5), (5, 3): (1, 0.5)})
    starts = {n.pitch: n.start_ub for n in decode_bar(bar, from_step=4).notes}
    assert starts == {42: 4 * STEP_UB, 46: 5 * STEP_UB - STEP_UB // 4}


def test_features_are_hits_velocities_and_offsets_and_nothing_where_no_hit_is() -> None:
    bar = loop({(2, 1): (0.5, -0.25)})
    read = DRUMS.features(
        LoopSteps(bar.tokens, (np.full((16, 9), 0.5, np.float32), np.full((16, 9), -0.25, np.float32)))
    )
    assert read.shape == (16, DRUMS.feature_size)
    assert read[2, [1, 10, 19]].tolist() == [1.0, 0.5, -0.25]
    assert np.count_nonzero(read) == 3


@pytest.mark.parametrize("codec", [MELODY, DRUMS], ids=lambda codec: codec.name)
def test_codecs_are_found_by_name_and_splice_their_steps(codec: Codec) -> None:
    assert codec_named(codec.name) is codec
    old = LoopSteps((1,) * 16, tuple(np.zeros((16, e.size), np.float32) for e in codec.extras))
    new = LoopSteps((2,) * 16, tuple(np.ones((16, e.size), np.float32) for e in codec.extras))
    both = old.spliced(5, new)
    assert both.tokens == (1,) * 5 + (2,) * 11
    assert all(extra[:, 0].tolist() == [0.0] * 5 + [1.0] * 11 for extra in both.extras)


def test_an_unknown_codec_is_refused_with_what_to_do() -> None:
    with pytest.raises(BundleError, match="update autoloops"):
        codec_named("chords-49")
