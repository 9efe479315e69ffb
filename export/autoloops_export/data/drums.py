"""Drum notes on a grid of sixteenths: a joint class of nine voices a step, velocity and microtiming of each hit."""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from autoloops_engine.codecs.drums import VOICE_OF_PITCH, VOICES, hits_of, tokens_of
from autoloops_engine.units import BEATS_PER_BAR, STEPS_PER_BAR, STEPS_PER_BEAT
from autoloops_export.data.melody import Segment, Ticks, to_steps
from autoloops_export.data.roles import Role

# Offsets are kept as whole numbers: this much is half a step, the farthest a hit can lie from its step.
FULL_OFFSET: Final = 127

Tokens = npt.NDArray[np.uint16]
Groove = npt.NDArray[np.int8]
_VOICES: Final = np.array([VOICE_OF_PITCH.get(pitch, -1) for pitch in range(128)])


class DrumGrid(NamedTuple):
    """Steps of drums.

    Attributes:
        tokens: Joint classes, uint16 [..., steps].
        groove: Of each voice the velocity (0 to 127) and the offset (-127 to 127 for half a step, positive = early),
            int8 [..., steps, 9, 2]; 0 where a voice is not struck.
    """

    tokens: Tokens
    groove: Groove


def drum_grid(starts: Ticks, pitches: Ticks, velocities: Ticks, segment: Segment, ticks_per_quarter: int) -> DrumGrid:
    """The steps of one segment, padded with silence to whole bars.

    Of hits of one voice at one step the loudest stays. A hit just before the segment belongs to its first step.

    Args:
        starts: Onsets in ticks, [notes].
        pitches: MIDI pitches, [notes]; those beside the kit are left out.
        velocities: MIDI velocities, [notes].
        segment: Where to look.
        ticks_per_quarter: The file's resolution.
    """
    steps = -(-(segment.end - segment.start) // (BEATS_PER_BAR * ticks_per_quarter)) * STEPS_PER_BAR
    onsets, voices = to_steps(starts - segment.start, ticks_per_quarter), _VOICES[pitches]
    last = to_steps(np.array([segment.end - segment.start]), ticks_per_quarter)[0]
    inside = (onsets >= 0) & (onsets < min(steps, last)) & (voices >= 0)
    onsets, voices, loudness = onsets[inside], voices[inside], velocities[inside]
    early = onsets / STEPS_PER_BEAT * ticks_per_quarter - (starts[inside] - segment.start)
    offsets = np.rint(early * 2 * STEPS_PER_BEAT / ticks_per_quarter * FULL_OFFSET)
    order = np.lexsort((-loudness, voices, onsets))
    _, first = np.unique(np.stack([onsets, voices])[:, order], axis=1, return_index=True)
    kept = order[first]
    hits = np.zeros((steps, len(VOICES)), dtype=bool)
    groove = np.zeros((steps, len(VOICES), 2), dtype=np.int8)
    at = onsets[kept], voices[kept]
    hits[at] = True
    groove[at] = np.stack([loudness[kept], np.clip(offsets[kept], -FULL_OFFSET, FULL_OFFSET)], axis=1)
    return DrumGrid(tokens_of(hits).astype(np.uint16), groove)


def drum_windows(grid: DrumGrid, role: Role) -> DrumGrid:
    """Every window of ``role.bars`` bars of a segment that is worth learning, hop one bar: [windows, steps]."""
    windows, musical = drum_windows_by_bar(grid, role)
    return DrumGrid(windows.tokens[musical], windows.groove[musical])


def drum_windows_by_bar(grid: DrumGrid, role: Role) -> tuple[DrumGrid, npt.NDArray[np.bool_]]:
    """The window of ``role.bars`` bars that begins at each bar of a segment, and which are worth learning [bars]."""
    starts = np.arange(0, len(grid.tokens) - role.steps + 1, STEPS_PER_BAR)
    rows = starts[:, None] + np.arange(role.steps)
    windows = DrumGrid(grid.tokens[rows], grid.groove[rows])
    return windows, np.array([is_musical(window, role) for window in windows.tokens], dtype=bool)


def is_musical(tokens: Tokens, role: Role) -> bool:
    """Whether a window has hits, voices and sound enough for ``role``."""
    hits = hits_of(tokens)
    if hits.sum() < role.min_notes or hits.any(axis=0).sum() < role.min_pitches:
        return False
    struck = np.flatnonzero(hits.any(axis=1))
    gaps = np.diff(np.concatenate([[-1], struck, [len(tokens)]])) - 1
    return int(gaps.max()) < role.max_silence_steps


def velocities_of(groove: Groove) -> npt.NDArray[np.float32]:
    """Velocities from 0 to 1, [..., 9], of a groove [..., 9, 2]."""
    return groove[..., 0].astype(np.float32) / np.float32(FULL_OFFSET)


def offsets_of(groove: Groove) -> npt.NDArray[np.float32]:
    """Offsets from -1 to 1, [..., 9], of a groove [..., 9, 2]."""
    return groove[..., 1].astype(np.float32) / np.float32(FULL_OFFSET)
