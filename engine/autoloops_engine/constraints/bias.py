"""From harmony and limits to the additive bias on the logits of one bar.

Forbidding a class inside the decoder leaves its share to the classes that remain, and every later step is decoded
knowing what was chosen, which snapping a note afterwards does not do.
"""

import functools
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from autoloops_engine.codecs import drums, melody
from autoloops_engine.codecs.registry import Codec
from autoloops_engine.constraints.harmony import Harmony, PitchClasses
from autoloops_engine.constraints.limits import HIGHEST, LOWEST, NO_LIMITS, Limits
from autoloops_engine.units import STEPS_PER_BAR

# Far below any logit, far above the least float32 even at the least temperature.
FORBIDDEN: Final = -1e9

# A progression has few chords; knobs that move range or transposition pass through many.
_ONSETS_KEPT: Final = 256

Floats = npt.NDArray[np.float32]
Allowed = npt.NDArray[np.bool_]

_ONSETS: Final = np.arange(melody.FIRST_ONSET, melody.CLASSES)
_PITCHES: Final = _ONSETS - melody.FIRST_ONSET + melody.LOWEST_PITCH
_CLASSES: Final = np.arange(drums.CLASSES)


def bar_bias(
    codec: Codec, limits: Limits, harmony: Harmony, *, transpose: int, loop_bar: int, song_bar: int
) -> Floats | None:
    """The bias of one bar, float32 [16, classes]; None when nothing is forbidden.

    Args:
        codec: What the classes mean.
        limits: Of the part.
        harmony: Of the whole performance; drums do not heed it.
        transpose: Semitones that are added to what is decoded: limits hold for what sounds.
        loop_bar: Bar of the loop, from 0.
        song_bar: Bar of the song, from 0.
    """
    if limits == NO_LIMITS and not (codec.pitched and harmony.binds()):
        return None
    allowed = (
        _melody(limits, harmony.bar(song_bar), transpose)
        if codec.pitched
        else _drums(limits, loop_bar * STEPS_PER_BAR, codec.classes)
    )
    for step in range(STEPS_PER_BAR):
        kept = limits.kept_at(loop_bar * STEPS_PER_BAR + step)
        if kept is not None and loop_bar * STEPS_PER_BAR + step in limits.frozen:
            allowed[step] = False
            allowed[step, kept.token] = True
    if allowed.all():
        return None
    return np.where(allowed, np.float32(0), np.float32(FORBIDDEN))


def sounding_pitches(transpose: int) -> tuple[int, int]:
    """The lowest and the highest pitch of a pitched part that is transposed by so many semitones.

    What lies between sounds too: octaves that lead back into MIDI's range fall among the pitches that reach its end.
    """
    sounding = _sounding(transpose)
    return int(sounding.min()), int(sounding.max())


def _melody(limits: Limits, harmony: Sequence[PitchClasses | None], transpose: int) -> Allowed:
    allowed = np.stack([_onsets(limits.low, limits.high, transpose, each) for each in harmony])
    for step in limits.rests:
        allowed[step] = False
        # The first step of a rest ends what sounds.
        allowed[step, melody.NO_EVENT if step - 1 in limits.rests else melody.NOTE_OFF] = True
    return allowed


@functools.lru_cache(maxsize=_ONSETS_KEPT)
def _onsets(low: int, high: int, transpose: int, pitch_classes: PitchClasses | None) -> Allowed:
    """Which classes may come at a step that is not silent."""
    sounding = _sounding(transpose)
    allowed = np.ones(melody.CLASSES, dtype=bool)
    allowed[_ONSETS] = (sounding >= low) & (sounding <= high)
    if pitch_classes is not None:
        allowed[_ONSETS] &= np.isin(sounding % 12, list(pitch_classes))
    return allowed


def _sounding(transpose: int) -> npt.NDArray[np.int64]:
    """The pitch that each onset class sounds at, as ``rendering`` brings it back into MIDI's range by octaves."""
    moved = _PITCHES + transpose
    moved = np.where(moved > HIGHEST, HIGHEST - 11 + (moved - HIGHEST + 11) % 12, moved)
    return np.where(moved < LOWEST, moved % 12, moved).astype(np.int64)


def _drums(limits: Limits, first_loop_step: int, classes: int) -> Allowed:
    allowed = np.ones((STEPS_PER_BAR, classes), dtype=bool)
    muted = sum(1 << voice for voice in limits.muted_voices)
    allowed[:] &= (_CLASSES & muted) == 0
    frozen = sum(1 << voice for voice in limits.frozen_voices - limits.muted_voices)
    for step in range(STEPS_PER_BAR):
        kept = limits.kept_at(first_loop_step + step)
        if frozen and kept is not None:
            allowed[step] &= (_CLASSES & frozen) == (kept.token & frozen)
    for step in limits.rests:
        allowed[step] = _CLASSES == 0
    return allowed
