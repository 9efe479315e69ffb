"""What one hears of a loop, as numbers: the attributes that faders move.

Every function takes whole numbers ``tokens`` [N, T] (T a multiple of 16) and the codec's extras, float32 [N, T, size]
each, and answers one number for each loop, float64 [N]; NaN where a loop has nothing to measure.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from autoloops_engine.codecs import drums, melody
from autoloops_engine.units import STEPS_PER_BAR, STEPS_PER_BEAT

Whole = npt.NDArray[np.integer[Any]]
Extras = tuple[npt.NDArray[np.float32], ...]
Numbers = npt.NDArray[np.float64]
Measure = Callable[[Whole, Extras], Numbers]

# Metrical weights of the sixteen steps (Longuet-Higgins and Lee, "The rhythmic interpretation of monophonic music",
# 1984): each halving of the bar is one weaker.
METRICAL_WEIGHTS: Final = np.array([0, -4, -3, -4, -2, -4, -3, -4, -1, -4, -3, -4, -2, -4, -3, -4], dtype=np.float64)

KICK, SNARE = 0, 1
HATS: Final = (2, 3)
TOMS: Final = (4, 5, 6)


def syncopation(onsets: npt.NDArray[np.bool_]) -> Numbers:
    """Longuet-Higgins and Lee's syncopation of onsets [N, T], a bar.

    An onset that goes on over a stronger step without a new one there adds the difference of their weights.
    """
    loops, steps = onsets.shape
    total, strongest = np.zeros(loops), np.full(loops, -np.inf)
    for step in reversed(range(steps)):
        weight = METRICAL_WEIGHTS[step % STEPS_PER_BAR]
        struck = onsets[:, step]
        total += np.where(struck, np.maximum(strongest - weight, 0), 0)
        strongest = np.where(struck, -np.inf, np.maximum(strongest, weight))
    return np.asarray(total * STEPS_PER_BAR / steps, dtype=np.float64)


def repetition(tokens: Whole) -> Numbers:
    """Share of steps after the first bar that are those of the bar before."""
    if tokens.shape[1] <= STEPS_PER_BAR:
        return np.full(len(tokens), np.nan)
    same = np.equal(tokens[:, STEPS_PER_BAR:], tokens[:, :-STEPS_PER_BAR])
    return np.asarray(same.mean(axis=1), dtype=np.float64)


def _onsets(tokens: Whole) -> npt.NDArray[np.bool_]:
    return np.asarray(tokens >= melody.FIRST_ONSET)


def _pitches(tokens: Whole) -> Numbers:
    """MIDI pitches at the onsets, NaN elsewhere."""
    pitches = tokens.astype(np.float64) - melody.FIRST_ONSET + melody.LOWEST_PITCH
    return np.where(_onsets(tokens), pitches, np.nan)


def _a_bar(counts: npt.NDArray[np.bool_]) -> Numbers:
    """How many of [N, T, …] are true, a bar."""
    return np.asarray(counts.reshape(len(counts), -1).sum(axis=1) * STEPS_PER_BAR / counts.shape[1], dtype=np.float64)


def _mean(values: Numbers) -> Numbers:
    """The mean of [N, …] over all but NaN; NaN where there is nothing else."""
    flat = values.reshape(len(values), -1)
    some = ~np.isnan(flat)
    count = some.sum(axis=1)
    return np.where(count > 0, np.where(some, flat, 0).sum(axis=1) / np.maximum(count, 1), np.nan)


def _pitch_range(tokens: Whole) -> Numbers:
    pitches = _pitches(tokens)
    some = _onsets(tokens).any(axis=1)
    high, low = (np.where(np.isnan(pitches), blank, pitches) for blank in (-np.inf, np.inf))
    return np.where(some, np.where(some, high.max(axis=1), 0) - np.where(some, low.min(axis=1), 0), np.nan)


def _note_length(tokens: Whole) -> Numbers:
    """Mean steps from an onset to the next event or the loop's end."""
    onsets = _onsets(tokens)
    lengths = np.full(tokens.shape, np.nan)
    run = np.zeros(len(tokens))
    for step in reversed(range(tokens.shape[1])):
        run = run + 1
        lengths[:, step] = np.where(onsets[:, step], run, np.nan)
        run = np.where(tokens[:, step] == melody.NO_EVENT, run, 0)
    return _mean(lengths)


def _voices(tokens: Whole, *voices: int) -> Numbers:
    return _a_bar(drums.hits_of(tokens)[..., list(voices)])


def _loudness(tokens: Whole, extras: Extras) -> Numbers:
    return _mean(np.where(drums.hits_of(tokens), extras[0].astype(np.float64), np.nan))


def _swing(tokens: Whole, extras: Extras) -> Numbers:
    """How much later hits between the beats are than hits on them, in half steps."""
    late = np.where(drums.hits_of(tokens), -extras[1].astype(np.float64), np.nan)
    on_beat = np.arange(tokens.shape[1]) % STEPS_PER_BEAT == 0
    return _mean(late[:, ~on_beat]) - _mean(late[:, on_beat])


LINE_ATTRIBUTES: Final[dict[str, Measure]] = {
    "density": lambda tokens, _: _a_bar(_onsets(tokens)),
    "pitch": lambda tokens, _: _mean(_pitches(tokens)),
    "range": lambda tokens, _: _pitch_range(tokens),
    "syncopation": lambda tokens, _: syncopation(_onsets(tokens)),
    "length": lambda tokens, _: _note_length(tokens),
    "repetition": lambda tokens, _: repetition(tokens),
}
DRUM_ATTRIBUTES: Final[dict[str, Measure]] = {
    "density": lambda tokens, _: _a_bar(drums.hits_of(tokens)),
    "kick": lambda tokens, _: _voices(tokens, KICK),
    "snare": lambda tokens, _: _voices(tokens, SNARE),
    "hats": lambda tokens, _: _voices(tokens, *HATS),
    "toms": lambda tokens, _: _voices(tokens, *TOMS),
    "syncopation": lambda tokens, _: syncopation(np.any(drums.hits_of(tokens)[..., [KICK, SNARE]], axis=2)),
    "loudness": _loudness,
    "swing": _swing,
}

# Whole numbers of events, told a bar.
COUNTED: Final = frozenset({"density", "kick", "snare", "hats", "toms"})


def attributes_of(codec: str) -> dict[str, Measure]:
    """The attributes of a codec, by name; none for codecs that have none."""
    return {melody.CODEC_NAME: LINE_ATTRIBUTES, drums.CODEC_NAME: DRUM_ATTRIBUTES}.get(codec, {})
