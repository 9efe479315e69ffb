"""What attributes measure, counted by hand."""

import numpy as np
import pytest

from autoloops_engine.codecs import drums, melody
from autoloops_engine.codecs.attributes import DRUM_ATTRIBUTES, LINE_ATTRIBUTES, attributes_of, repetition, syncopation
from autoloops_engine.codecs.melody import token_of


def line(events: dict[int, int]) -> np.ndarray:
    tokens = np.zeros((1, 32), dtype=np.int64)
    for step, token in events.items():
        tokens[0, step] = token
    return tokens


def test_a_line_is_measured_by_its_onsets_and_pitches() -> None:
    tokens = line({0: token_of(60), 4: token_of(67), 6: 1, 16: token_of(62)})
    values = {name: float(measure(tokens, ())[0]) for name, measure in LINE_ATTRIBUTES.items()}
    assert values["density"] == 1.5
    assert values["pitch"] == pytest.approx(63)
    assert values["range"] == 7
    assert values["length"] == pytest.approx((4 + 2 + 16) / 3)
    assert values["syncopation"] == 0.5, "the second note sounds over the half bar"
    assert values["repetition"] == pytest.approx(13 / 16)


def test_a_silent_line_has_no_pitch_and_no_length() -> None:
    silent = line({})
    assert np.isnan([LINE_ATTRIBUTES[name](silent, ())[0] for name in ("pitch", "range", "length")]).all()
    assert LINE_ATTRIBUTES["density"](silent, ())[0] == 0


@pytest.mark.parametrize(
    ("steps", "total"), [([0, 4, 8, 12], 0), ([2], 2), ([2, 4], 1), ([15], 4), ([7], 3), ([0, 3], 3)]
)
def test_syncopation_adds_the_weights_that_an_onset_sounds_over(steps: list[int], total: int) -> None:
    """In two bars whose second begins with an onset where the first does not end the last note before."""
    onsets = np.zeros((1, 32), dtype=bool)
    onsets[0, steps] = True
    onsets[0, 16] = 15 not in steps
    assert syncopation(onsets)[0] * 2 == total


def test_repetition_is_of_the_bar_before() -> None:
    tokens = np.arange(32)[None] % 16
    assert repetition(tokens)[0] == 1.0
    assert np.isnan(repetition(tokens[:, :16])[0])


def test_drums_are_measured_by_voice_loudness_and_lateness() -> None:
    hits = np.zeros((1, 32, 9), dtype=bool)
    loud, early = np.zeros((1, 32, 9), np.float32), np.zeros((1, 32, 9), np.float32)
    for step, voice, velocity, offset in ((0, 0, 1.0, 0.0), (3, 2, 0.5, -0.5), (4, 1, 0.9, 0.1), (20, 5, 0.2, 0.0)):
        hits[0, step, voice], loud[0, step, voice], early[0, step, voice] = True, velocity, offset
    values = {name: float(f(drums.tokens_of(hits), (loud, early))[0]) for name, f in DRUM_ATTRIBUTES.items()}
    assert {name: values[name] for name in ("density", "kick", "snare", "hats", "toms")} == {
        "density": 2.0,
        "kick": 0.5,
        "snare": 0.5,
        "hats": 0.5,
        "toms": 0.5,
    }
    assert values["loudness"] == pytest.approx(0.65)
    assert values["swing"] == pytest.approx(0.5 + 0.1 / 3)
    assert values["syncopation"] >= 0


def test_codecs_without_attributes_have_none() -> None:
    assert attributes_of(melody.CODEC_NAME) is LINE_ATTRIBUTES
    assert attributes_of("chords-49") == {}
