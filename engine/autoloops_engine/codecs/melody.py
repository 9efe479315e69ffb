"""The melody codec: MusicVAE's 90 classes over sixteen steps a bar.

Class 0 is *no event* (what sounds goes on, silence stays silent), class 1 *note-off*, classes 2 to 89 are
onsets of the MIDI pitches 21 to 108; an onset ends the note before it
(Roberts et al., "A Hierarchical Latent Vector Model for Learning Long-Term Structure in Music", 2018).

Tokens are *canonical* when each note-off ends a note that sounds; only those survive a round trip.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from autoloops_engine.notes import Note, Tie
from autoloops_engine.units import STEP_UB, STEPS_PER_BAR, STEPS_PER_BEAT

CODEC_NAME: Final = "melody-90"
NO_EVENT: Final = 0
NOTE_OFF: Final = 1
FIRST_ONSET: Final = 2
LOWEST_PITCH: Final = 21
HIGHEST_PITCH: Final = 108
CLASSES: Final = FIRST_ONSET + HIGHEST_PITCH - LOWEST_PITCH + 1

# Melody models know no velocity. MusicVAE plays everything at 80; around that, depth 1 adds these accents.
PLAIN_VELOCITY: Final = 80
DOWNBEAT_ACCENT: Final = 24
BEAT_ACCENT: Final = 12
EIGHTH_ACCENT: Final = 0
SIXTEENTH_ACCENT: Final = -12


class RawNote(NamedTuple):
    """A note anywhere in a piece, before it meets the grid.

    Attributes:
        start_ub: Onset after the first bar line, in micro-beats, from 0.
        duration_ub: Length in micro-beats, from 0.
        pitch: MIDI note number, 0 to 127.
        velocity: MIDI velocity, 1 to 127; of use to codecs that know velocity.
    """

    start_ub: int
    duration_ub: int
    pitch: int
    velocity: int = 80


class DecodedBar(NamedTuple):
    """The notes of one bar.

    Attributes:
        notes: New notes, by onset; the last is held when it sounds at the bar's end.
        ties: At most one: what goes on from before.
        sounding: The pitch that sounds at the bar's end; None when silent.
    """

    notes: tuple[Note, ...]
    ties: tuple[Tie, ...]
    sounding: int | None


@dataclass(frozen=True, slots=True)
class QuantiseReport:
    """What putting notes on the grid dropped or changed.

    Attributes:
        notes: Notes given.
        kept: Notes that have an onset in some window.
        chords: Notes dropped below a higher one at the same step.
        shortened: Notes cut off by a later onset.
        folded: Notes moved by octaves into 21 to 108.
        first_bar: The bar (from 0) at which the first window starts.
        bars: Bars from ``first_bar`` to the last onset's bar.
    """

    notes: int
    kept: int
    chords: int
    shortened: int
    folded: int
    first_bar: int
    bars: int


class Quantised(NamedTuple):
    """Token windows one after the other, the first at the bar of the first onset."""

    windows: tuple[tuple[int, ...], ...]
    report: QuantiseReport


def accent_velocity(step: int, depth: float = 1.0) -> int:
    """The MIDI velocity of an onset at ``step`` of a bar (0 to 15).

    Args:
        step: Step of the bar; the downbeat is loudest, then beats, off-beat eighths, sixteenths.
        depth: 0 plays all alike at 80, 1 applies the documented accents; up to 2.

    Raises:
        ValueError: the depth is not within 0 to 2.
    """
    if not 0.0 <= depth <= 2.0:
        raise ValueError(f"The accent depth must lie between 0 and 2, not {depth!r}.")
    if step == 0:
        accent = DOWNBEAT_ACCENT
    elif step % STEPS_PER_BEAT == 0:
        accent = BEAT_ACCENT
    elif step % (STEPS_PER_BEAT // 2) == 0:
        accent = EIGHTH_ACCENT
    else:
        accent = SIXTEENTH_ACCENT
    return min(127, max(1, round(PLAIN_VELOCITY + depth * accent)))


def decode_bar(
    tokens: Sequence[int], sounding: int | None, *, from_step: int = 0, accent_depth: float = 1.0
) -> DecodedBar:
    """Turns the tokens of a bar into notes and ties.

    Args:
        tokens: Sixteen classes, 0 to 89.
        sounding: The pitch that sounds going into ``from_step``; None when silent.
        from_step: Splice: only what happens from this step on is answered. Positions stay relative to
            the bar line, and a tie's length is still counted from the bar line.
        accent_depth: See :func:`accent_velocity`.

    Raises:
        ValueError: there are not sixteen tokens, or one is no class.
    """
    _check(tokens)
    notes: list[Note] = []
    ties: list[Tie] = []
    pitch, onset = sounding, from_step
    tied = sounding is not None

    def close(step: int, *, held: bool = False) -> None:
        if pitch is None:
            return
        if not tied:
            velocity = accent_velocity(onset, accent_depth)
            notes.append(Note(onset * STEP_UB, (step - onset) * STEP_UB, pitch, velocity, held))
        elif step > from_step:
            ties.append(Tie(pitch, step * STEP_UB, held))

    for step in range(from_step, STEPS_PER_BAR):
        token = tokens[step]
        if token == NO_EVENT:
            continue
        close(step)
        tied = False
        pitch, onset = (None if token == NOTE_OFF else pitch_of(token)), step
    close(STEPS_PER_BAR, held=True)
    return DecodedBar(tuple(notes), tuple(ties), pitch)


def splice(tokens: Sequence[int], step: int, rest: Sequence[int]) -> tuple[int, ...]:
    """The bar whose steps before ``step`` are of ``tokens`` and whose others are the first of ``rest``.

    ``rest`` is what a decoder answers when called with the state after step ``step - 1``: at least
    ``16 - step`` tokens, of which the surplus falls away.

    Raises:
        ValueError: the step lies outside the bar or ``rest`` is too short.
    """
    wanted = STEPS_PER_BAR - step
    if not 0 <= step < STEPS_PER_BAR or len(rest) < wanted:
        raise ValueError(f"Cannot splice {len(rest)} tokens into a bar at step {step!r}.")
    return (*(int(t) for t in tokens[:step]), *(int(t) for t in rest[:wanted]))


def sounding_at(tokens: Sequence[int], step: int, sounding: int | None = None) -> int | None:
    """The pitch that sounds going into ``step`` (0 to 16) of a bar that starts with ``sounding``."""
    for token in tokens[:step]:
        if token == NOTE_OFF:
            sounding = None
        elif token != NO_EVENT:
            sounding = pitch_of(token)
    return sounding


def pitch_of(token: int) -> int:
    """The MIDI pitch of an onset class (2 to 89)."""
    return int(token) - FIRST_ONSET + LOWEST_PITCH


def token_of(pitch: int) -> int:
    """The onset class of a MIDI pitch (21 to 108)."""
    return pitch - LOWEST_PITCH + FIRST_ONSET


def fold_pitch(pitch: int) -> int:
    """The pitch moved by octaves into 21 to 108."""
    while pitch < LOWEST_PITCH:
        pitch += 12
    while pitch > HIGHEST_PITCH:
        pitch -= 12
    return pitch


def one_hot(tokens: Sequence[int]) -> npt.NDArray[np.float32]:
    """Encoder features of a token row: float32 [steps, 90].

    Raises:
        ValueError: a token is no class.
    """
    row = np.asarray(tokens, dtype=np.int64)
    if row.ndim != 1 or ((row < 0) | (row >= CLASSES)).any():
        raise ValueError("Melody tokens are classes from 0 to 89 in one row.")
    features = np.zeros((row.size, CLASSES), dtype=np.float32)
    features[np.arange(row.size), row] = 1.0
    return features


def quantise(notes: Sequence[RawNote], bars: int, first_bar: int | None = None) -> Quantised:
    """Puts notes on the grid and cuts windows of ``bars`` bars, one after the other.

    Onsets and ends go to the nearest step, every note keeps at least one step. At one step the highest
    note stays (MusicVAE's rule for polyphony), a later onset ends the note before, and pitches outside
    the piano fold by octaves. The first window starts at the bar of the first onset, so a pickup keeps
    its leading silence; whole empty bars before it fall away. A note that sounds across a window's edge
    is not struck again in the next window. Windows without an onset are left out.

    Args:
        notes: At least one.
        bars: Bars of a window, from 1.
        first_bar: Where the first window starts instead; none of the notes may start before it.

    Raises:
        ValueError: there is no note, or ``bars`` is below 1.
    """
    if not notes or bars < 1:
        raise ValueError("Quantising needs at least one note and one bar.")
    line, chords, shortened, folded = _line(notes)
    if first_bar is None:
        first_bar = line[0][0] // STEPS_PER_BAR
    last_bar = line[-1][0] // STEPS_PER_BAR
    size = bars * STEPS_PER_BAR
    onsets: dict[int, list[tuple[int, int, int]]] = {}
    for start, end, pitch in line:
        begin = start - first_bar * STEPS_PER_BAR
        onsets.setdefault(begin // size, []).append((begin % size, begin % size + end - start, pitch))
    windows = tuple(_window(onsets[i], size) for i in sorted(onsets))
    report = QuantiseReport(len(notes), len(line), chords, shortened, folded, first_bar, last_bar + 1 - first_bar)
    return Quantised(windows, report)


def _line(notes: Sequence[RawNote]) -> tuple[list[tuple[int, int, int]], int, int, int]:
    """One voice as (start step, end step, pitch), with counts of chord notes, cut notes, folded notes."""
    highest: dict[int, tuple[int, int]] = {}
    for note in notes:
        start = max(0, _nearest_step(note.start_ub))
        end = max(start + 1, _nearest_step(note.start_ub + note.duration_ub))
        pitch, before = note.pitch, highest.get(start)
        if before is None or (pitch, end) > before:
            highest[start] = (pitch, end)
    steps = sorted(highest)
    line: list[tuple[int, int, int]] = []
    shortened = folded = 0
    for start, following in zip(steps, [*steps[1:], None], strict=True):
        pitch, end = highest[start]
        if following is not None and end > following:
            end = following
            shortened += 1
        inside = fold_pitch(pitch)
        folded += inside != pitch
        line.append((start, end, inside))
    return line, len(notes) - len(line), shortened, folded


def _window(notes: Sequence[tuple[int, int, int]], size: int) -> tuple[int, ...]:
    """Tokens of a window from its notes (start, end, pitch in steps of the window), by onset."""
    tokens = [NO_EVENT] * size
    for start, end, pitch in notes:
        tokens[start] = token_of(pitch)
        if end < size:
            tokens[end] = NOTE_OFF
    return tuple(tokens)


def notes_of(tokens: Sequence[int]) -> list[RawNote]:
    """The notes of a token row of any whole number of bars that starts silent; the last ends with it."""
    notes: list[RawNote] = []
    start, pitch = 0, None
    for step, token in enumerate([*tokens, NOTE_OFF]):
        if token == NO_EVENT:
            continue
        if pitch is not None:
            notes.append(RawNote(start * STEP_UB, (step - start) * STEP_UB, pitch))
        start, pitch = step, None if token == NOTE_OFF else pitch_of(token)
    return notes


def bars_of(tokens: Sequence[int]) -> list[tuple[int, ...]]:
    """A token row cut into bars of sixteen."""
    starts = range(0, len(tokens), STEPS_PER_BAR)
    return [tuple(int(token) for token in tokens[i : i + STEPS_PER_BAR]) for i in starts]


def _nearest_step(position_ub: int) -> int:
    return (position_ub + STEP_UB // 2) // STEP_UB


def _check(tokens: Sequence[int]) -> None:
    if len(tokens) != STEPS_PER_BAR or not all(0 <= token < CLASSES for token in tokens):
        raise ValueError(f"A bar is {STEPS_PER_BAR} melody classes from 0 to {CLASSES - 1}.")
