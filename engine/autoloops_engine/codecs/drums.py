"""The drum codec: nine voices a step as one joint class of 512, with a velocity and a microtiming for each hit.

Bit v of a class (0 to 511) is set where voice v is struck, so that one Gumbel-max chooses what is struck together
(MusicVAE's drums: Roberts et al., "A Hierarchical Latent Vector Model", 2018). Velocities run from 0 to 1, offsets from
-1 to 1 in halves of a step, positive = early: (grid - played) / step * 2 (GrooVAE: Gillick et al., "Learning to Groove
with Inverse Sequence Transformations", 2019).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from autoloops_engine.codecs.melody import DecodedBar, RawNote
from autoloops_engine.notes import Note
from autoloops_engine.units import STEP_UB, STEPS_PER_BAR

CODEC_NAME: Final = "groove-512"
VOICES: Final = ("kick", "snare", "closed hat", "open hat", "low tom", "mid tom", "high tom", "crash", "ride")
CLASSES: Final = 1 << len(VOICES)
FEATURES: Final = 3 * len(VOICES)

# What is played for each voice, and what is read as it: General MIDI's kit with the rims and edges of Roland's TD-11,
# which Groove MIDI was recorded on (58 is its floor-tom rim). Percussion beside the kit is left out.
PLAYED_PITCHES: Final = (36, 38, 42, 46, 43, 47, 50, 49, 51)
READ_PITCHES: Final = (
    (35, 36),
    (37, 38, 39, 40),
    (22, 42, 44),
    (26, 46),
    (41, 43, 58),
    (45, 47),
    (48, 50),
    (49, 52, 55, 57),
    (51, 53, 59),
)
VOICE_OF_PITCH: Final = {pitch: voice for voice, pitches in enumerate(READ_PITCHES) for pitch in pitches}

MAX_VELOCITY: Final = 127
# The greatest microtiming either way, and how long a hit sounds at most: a hit that is as late as can be still ends
# within its bar.
HALF_STEP_UB: Final = STEP_UB // 2

Floats = npt.NDArray[np.float32]

_BITS: Final = (np.arange(CLASSES)[:, None] >> np.arange(len(VOICES)) & 1).astype(bool)


class DrumLoop(NamedTuple):
    """Steps of drums.

    Attributes:
        tokens: A class for each step, 0 to 511.
        velocities: 0 to 1, float32 [steps, 9]; 0 where a voice is not struck.
        offsets: -1 to 1 in halves of a step, positive = early, float32 [steps, 9]; 0 where a voice is not struck.
    """

    tokens: tuple[int, ...]
    velocities: Floats
    offsets: Floats


@dataclass(frozen=True, slots=True)
class DrumReport:
    """What putting hits on the grid dropped.

    Attributes:
        notes: Notes given.
        foreign: Notes that belong to no voice.
        doubled: Hits dropped for a louder one of the same voice at the same step.
        first_bar: The bar (from 0) at which the first window starts.
        bars: Bars from ``first_bar`` to the last hit's bar.
    """

    notes: int
    foreign: int
    doubled: int
    first_bar: int
    bars: int


def hits_of(tokens: Sequence[int] | npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
    """Which voices each class strikes: bool [..., 9].

    Raises:
        ValueError: a token is no class.
    """
    classes = np.asarray(tokens, dtype=np.int64)
    if ((classes < 0) | (classes >= CLASSES)).any():
        raise ValueError(f"Drum tokens are classes from 0 to {CLASSES - 1}.")
    hits: npt.NDArray[np.bool_] = _BITS[classes]
    return hits


def tokens_of(hits: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """The classes of hits, bool [..., 9]: int64 [...]."""
    return np.asarray(hits @ (1 << np.arange(len(VOICES))), dtype=np.int64)


def features(
    tokens: Sequence[int] | npt.NDArray[np.integer], velocities: npt.NDArray[np.floating], offsets: Floats
) -> Floats:
    """Encoder features float32 [..., 27]: nine hits, then nine velocities, then nine offsets."""
    hits = hits_of(tokens).astype(np.float32)
    joined = np.concatenate([hits, velocities * hits, offsets * hits], axis=-1)
    return joined.astype(np.float32)


def decode_bar(loop: DrumLoop, *, from_step: int = 0) -> DecodedBar:
    """Turns the steps of a bar into notes: one for each voice and step, never held, never tied.

    Args:
        loop: Sixteen steps.
        from_step: Splice: only hits from this step on are answered, and an early one of this step comes on the step.

    Raises:
        ValueError: there are not sixteen steps, or a token is no class.
    """
    if len(loop.tokens) != STEPS_PER_BAR:
        raise ValueError(f"A bar is {STEPS_PER_BAR} drum classes.")
    earliest_ub = from_step * STEP_UB if from_step else -HALF_STEP_UB
    notes: list[Note] = []
    next_start: dict[int, int] = {}
    hits = hits_of(loop.tokens)
    for step, voice in reversed(np.argwhere(hits).tolist()):
        if step < from_step:
            break
        early_ub = round(float(np.clip(loop.offsets[step, voice], -1, 1)) * HALF_STEP_UB)
        start_ub = max(earliest_ub, step * STEP_UB - early_ub)
        pitch = PLAYED_PITCHES[voice]
        duration_ub = max(1, min(HALF_STEP_UB, next_start.get(pitch, start_ub + HALF_STEP_UB) - start_ub))
        next_start[pitch] = start_ub
        velocity = round(float(loop.velocities[step, voice]) * MAX_VELOCITY)
        notes.append(Note(start_ub, duration_ub, pitch, min(MAX_VELOCITY, max(1, velocity))))
    return DecodedBar(tuple(sorted(notes, key=lambda note: (note.start_ub, note.pitch))), (), None)


def quantise(
    notes: Sequence[RawNote], bars: int, first_bar: int | None = None
) -> tuple[tuple[DrumLoop, ...], DrumReport]:
    """Puts hits on the grid and cuts windows of ``bars`` bars, one after the other.

    Each hit goes to its nearest step and keeps its distance from it; of hits of one voice at one step the loudest
    stays. The first window starts at the bar of the first hit. Windows without a hit are left out.

    Args:
        notes: At least one that belongs to a voice.
        bars: Bars of a window, from 1.
        first_bar: Where the first window starts instead; none of the hits may lie before it.

    Raises:
        ValueError: no note belongs to a voice, or ``bars`` is below 1.
    """
    loudest: dict[tuple[int, int], RawNote] = {}
    known = [note for note in notes if note.pitch in VOICE_OF_PITCH]
    if not known or bars < 1:
        raise ValueError("Quantising drums needs at least one hit and one bar.")
    for note in known:
        place = (max(0, _nearest_step(note.start_ub)), VOICE_OF_PITCH[note.pitch])
        if place not in loudest or note.velocity > loudest[place].velocity:
            loudest[place] = note
    last_bar = max(loudest)[0] // STEPS_PER_BAR
    if first_bar is None:
        first_bar = min(loudest)[0] // STEPS_PER_BAR
    first_step, size = first_bar * STEPS_PER_BAR, bars * STEPS_PER_BAR
    windows: dict[int, dict[tuple[int, int], RawNote]] = {}
    for (step, voice), note in loudest.items():
        window, within = divmod(step - first_step, size)
        windows.setdefault(window, {})[within, voice] = note
    loops = tuple(_loop(windows[window], first_step + window * size, size) for window in sorted(windows))
    report = DrumReport(
        len(notes), len(notes) - len(known), len(known) - len(loudest), first_bar, last_bar + 1 - first_bar
    )
    return loops, report


def _loop(struck: Mapping[tuple[int, int], RawNote], first_step: int, size: int) -> DrumLoop:
    """A window of ``size`` steps that starts at ``first_step``, from its hits by step of the window and voice."""
    hits = np.zeros((size, len(VOICES)), dtype=bool)
    velocities, offsets = (np.zeros(hits.shape, dtype=np.float32) for _ in range(2))
    for (step, voice), note in struck.items():
        hits[step, voice] = True
        velocities[step, voice] = note.velocity / MAX_VELOCITY
        early_ub = (first_step + step) * STEP_UB - note.start_ub
        offsets[step, voice] = np.clip(early_ub / HALF_STEP_UB, -1, 1)
    return DrumLoop(tuple(tokens_of(hits).tolist()), velocities, offsets)


def _nearest_step(position_ub: int) -> int:
    return (position_ub + HALF_STEP_UB) // STEP_UB
