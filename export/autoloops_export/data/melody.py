"""Notes on a grid of sixteenths, in MusicVAE's 90 melody classes.

Class 0 is "no event" (whatever sounds goes on), 1 "note-off", 2 to 89 the onset of MIDI pitch 21 to 108.
Of notes that start together the highest is kept, and each onset ends the note before it
(reference: magenta ``melodies_lib``, the representation of Roberts et al., ICML 2018, section 4.1).
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from autoloops_engine.units import BEATS_PER_BAR, STEPS_PER_BAR, STEPS_PER_BEAT
from autoloops_export.data.roles import HIGHEST_PITCH, LOWEST_PITCH, Role

NO_EVENT: Final = 0
NOTE_OFF: Final = 1
FIRST_PITCH_CLASS: Final = 2
CLASSES: Final = FIRST_PITCH_CLASS + HIGHEST_PITCH - LOWEST_PITCH + 1

Tokens = npt.NDArray[np.uint8]
Ticks = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Meter:
    """A time-signature event.

    Attributes:
        tick: Where it stands.
        beats: Numerator.
        unit: Denominator.
    """

    tick: int
    beats: int
    unit: int

    @property
    def is_common_time(self) -> bool:
        """Whether its bars are four quarters long with a beat on each or on every other: 4/4 or 2/2."""
        return (self.beats, self.unit) in {(4, 4), (2, 2)}


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of common time, in ticks: ``start`` is a bar line, ``end`` need not be one."""

    start: int
    end: int


def common_time_segments(meters: list[Meter], end: int, ticks_per_quarter: int) -> list[Segment]:
    """The stretches of 4/4 and 2/2 between time-signature events, up to the tick ``end``.

    Without any event, and before the first, 4/4 is meant. An event that repeats the meter on a bar line does not cut.
    """
    bar = BEATS_PER_BAR * ticks_per_quarter
    events = sorted(meters, key=lambda meter: meter.tick)
    if not events or events[0].tick > 0:
        events.insert(0, Meter(0, 4, 4))
    edges = [*events, Meter(max(end, events[-1].tick), 0, 0)]
    segments: list[Segment] = []
    for event, following in pairwise(edges):
        if not event.is_common_time or following.tick <= event.tick:
            continue
        before = segments[-1] if segments else None
        if before is not None and before.end == event.tick and (event.tick - before.start) % bar == 0:
            segments[-1] = Segment(before.start, following.tick)
        else:
            segments.append(Segment(event.tick, following.tick))
    return segments


def melody_grid(
    starts: Ticks, ends: Ticks, pitches: Ticks, segment: Segment, ticks_per_quarter: int, *, lowest: bool = False
) -> Tokens:
    """The tokens of one segment, padded with "no event" to whole bars.

    Args:
        starts: Note onsets in ticks, [notes].
        ends: Note ends in ticks, [notes].
        pitches: MIDI pitches, [notes]; those outside 21 to 108 are left out.
        segment: Where to look; notes belong to it by their onset.
        ticks_per_quarter: The file's resolution.
        lowest: Of notes that start together the lowest is kept, not the highest.

    Returns:
        Tokens, [bars * 16].
    """
    inside = (starts >= segment.start) & (starts < segment.end)
    inside &= (pitches >= LOWEST_PITCH) & (pitches <= HIGHEST_PITCH)
    bar = BEATS_PER_BAR * ticks_per_quarter
    steps = -(-(segment.end - segment.start) // bar) * STEPS_PER_BAR
    tokens = np.zeros(steps, dtype=np.uint8)
    onsets = to_steps(starts[inside] - segment.start, ticks_per_quarter)
    offsets = np.maximum(to_steps(ends[inside] - segment.start, ticks_per_quarter), onsets + 1)
    kept = pitches[inside]
    order = np.lexsort((kept if lowest else -kept, onsets))
    onsets, first = np.unique(onsets[order], return_index=True)
    offsets, kept = offsets[order][first], kept[order][first]
    in_grid = onsets < steps
    onsets, offsets, kept = onsets[in_grid], offsets[in_grid], kept[in_grid]
    tokens[offsets[offsets < steps]] = NOTE_OFF
    tokens[onsets] = kept - LOWEST_PITCH + FIRST_PITCH_CLASS
    return _drop_offs_under_later_notes(tokens, onsets, offsets)


def to_steps(ticks: Ticks, ticks_per_quarter: int) -> Ticks:
    """Nearest sixteenth, halves upwards."""
    steps: Ticks = (2 * STEPS_PER_BEAT * ticks + ticks_per_quarter) // (2 * ticks_per_quarter)
    return steps


def _drop_offs_under_later_notes(tokens: Tokens, onsets: Ticks, offsets: Ticks) -> Tokens:
    """Remove the ends of notes that a later onset has already ended, unless another note ends there."""
    following = np.append(onsets[1:], np.iinfo(np.int64).max)
    real = set(offsets[offsets < following].tolist())
    spurious = [step for step in np.flatnonzero(tokens == NOTE_OFF).tolist() if step not in real]
    tokens[spurious] = NO_EVENT
    return tokens


def windows_of(grid: Tokens, role: Role) -> Tokens:
    """Every window of ``role.bars`` bars of a segment's ``grid`` that is worth learning, hop one bar.

    Returns:
        Tokens, [windows, role.steps].
    """
    windows, musical = windows_by_bar(grid, role)
    kept: Tokens = windows[musical]
    return kept


def windows_by_bar(grid: Tokens, role: Role) -> tuple[Tokens, npt.NDArray[np.bool_]]:
    """The window of ``role.bars`` bars that begins at each bar of a segment's ``grid``, as far as there are whole ones.

    A note-off without a note before it in the window becomes "no event": nothing sounds there in a loop.

    Returns:
        Tokens [bars, role.steps], and which of the windows are worth learning [bars].
    """
    if len(grid) < role.steps:
        return np.empty((0, role.steps), dtype=np.uint8), np.empty(0, dtype=bool)
    windows = np.lib.stride_tricks.sliding_window_view(grid, role.steps)[::STEPS_PER_BAR].copy()
    started = np.cumsum(windows >= FIRST_PITCH_CLASS, axis=1) > 0
    windows[(windows == NOTE_OFF) & ~started] = NO_EVENT
    return windows, np.array([is_musical(window, role) for window in windows], dtype=bool)


def is_musical(window: Tokens, role: Role) -> bool:
    """Whether a window has notes, pitches and sound enough for ``role``."""
    notes = window[window >= FIRST_PITCH_CLASS]
    if len(notes) and notes.max() - FIRST_PITCH_CLASS + LOWEST_PITCH > role.highest:
        return False
    if len(notes) < role.min_notes or len(np.unique(notes)) < role.min_pitches:
        return False
    return longest_silence(window) < role.max_silence_steps


def longest_silence(window: Tokens) -> int:
    """The longest run of steps in which no note sounds."""
    longest = run = 0
    sounding = False
    for token in window.tolist():
        if token != NO_EVENT:
            sounding = token != NOTE_OFF
        run = 0 if sounding else run + 1
        longest = max(longest, run)
    return longest


def transposed(tokens: Tokens, semitones: int) -> Tokens:
    """``tokens`` moved by ``semitones``; the caller sees to it that every pitch stays within 21 to 108."""
    moved = tokens.astype(np.int16) + np.where(tokens >= FIRST_PITCH_CLASS, semitones, 0)
    return moved.astype(np.uint8)


def transposition_class(tokens: Tokens) -> bytes:
    """The same bytes for a window in every transposition: its pitches counted from its lowest one."""
    notes = tokens[tokens >= FIRST_PITCH_CLASS]
    lowest = int(notes.min()) if len(notes) else FIRST_PITCH_CLASS
    return transposed(tokens, FIRST_PITCH_CLASS - lowest).tobytes()
