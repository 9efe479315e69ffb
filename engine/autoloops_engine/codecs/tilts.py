"""Logit biases that lean a loop towards more or less of an attribute, and what does the same to its figures.

Where a latent direction cannot reach what a fader asks for, the least of these that does makes up for the rest.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from autoloops_engine.codecs import drums, melody
from autoloops_engine.codecs.attributes import HATS, KICK, METRICAL_WEIGHTS, SNARE, TOMS
from autoloops_engine.units import STEPS_PER_BAR, STEPS_PER_BEAT

Floats = npt.NDArray[np.float32]

# Attributes of drums that the velocities and offsets alone decide: no note has to change for them.
LOUDNESS: Final = "loudness"
SWING: Final = "swing"

_OCTAVE: Final = 12
_PITCHES: Final = np.arange(melody.CLASSES) - melody.FIRST_ONSET + melody.LOWEST_PITCH
_ONSETS: Final = (np.arange(melody.CLASSES) >= melody.FIRST_ONSET).astype(np.float32)
_HITS: Final = drums.hits_of(np.arange(drums.CLASSES)).astype(np.float32)
_OFF_BEAT: Final = np.arange(STEPS_PER_BAR) % STEPS_PER_BEAT != 0
# From -1 on the strongest step to 1 on the weakest.
_WEAKNESS: Final = (METRICAL_WEIGHTS.max() - METRICAL_WEIGHTS) / np.ptp(METRICAL_WEIGHTS) * 2 - 1


def tilt_of(codec: str, attribute: str, centre_pitch: float) -> Floats | None:
    """What is added to the logits of a bar, at strength 1, for more of an attribute: float32 [16, classes], in nats.

    Args:
        codec: The codec's name.
        attribute: The attribute's name.
        centre_pitch: The mean pitch of the loop, a MIDI note number: pitches tilt around it.

    Returns:
        The bias; None where no leaning of single steps gives more of the attribute.
    """
    tilt = _line(attribute, centre_pitch) if codec == melody.CODEC_NAME else None
    tilt = _drums(attribute) if codec == drums.CODEC_NAME else tilt
    return None if tilt is None else np.broadcast_to(tilt, (STEPS_PER_BAR, tilt.shape[-1])).astype(np.float32)


def touched(velocities: Floats, offsets: Floats, loudness: float, lateness: float) -> tuple[Floats, Floats]:
    """The figures of drum hits, played louder and with later hits between the beats.

    Args:
        velocities: 0 to 1, float32 [..., steps, 9], the first step on a beat.
        offsets: -1 to 1 in halves of a step, positive = early, of the same shape.
        loudness: Factor on the velocities.
        lateness: How much later hits between the beats come, in halves of a step.
    """
    louder = np.clip(velocities * np.float32(loudness), 0, 1)
    between = _OFF_BEAT[np.arange(offsets.shape[-2]) % STEPS_PER_BAR]
    later = np.clip(offsets - np.float32(lateness) * between[:, None], -1, 1)
    return louder.astype(np.float32), later.astype(np.float32)


def _line(attribute: str, centre_pitch: float) -> npt.NDArray[np.floating] | None:
    octaves = (_PITCHES - centre_pitch) / _OCTAVE * _ONSETS
    match attribute:
        case "density":
            return _ONSETS
        case "pitch":
            return octaves
        case "range":
            return np.abs(octaves)
        case "length":
            return np.where(np.arange(melody.CLASSES) == melody.NO_EVENT, 1.0, 0.0)
        case "syncopation":
            return np.asarray(_WEAKNESS[:, None] * _ONSETS)
    return None


def _drums(attribute: str) -> npt.NDArray[np.floating] | None:
    match attribute:
        case "density":
            return np.asarray(_HITS.sum(axis=1))
        case "kick":
            return np.asarray(_HITS[:, KICK])
        case "snare":
            return np.asarray(_HITS[:, SNARE])
        case "hats":
            return np.asarray(_HITS[:, list(HATS)].sum(axis=1))
        case "toms":
            return np.asarray(_HITS[:, list(TOMS)].sum(axis=1))
        case "syncopation":
            return np.asarray(_WEAKNESS[:, None] * _HITS[:, [KICK, SNARE]].max(axis=1))
    return None
