"""From what sounded to notes, and to a MIDI file with the tempo as it was. Pure."""

import io
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Final, NamedTuple

import mido

from autoloops_engine.messages import Heard
from autoloops_engine.player.events import Kind
from autoloops_engine.units import BEATS_PER_BAR

TICKS_PER_BEAT: Final = 960
PROGRAM: Final = "AutoLoops"
# What a tempo event can say (Standard MIDI Files 1.0, Set Tempo: three bytes of microseconds).
_LONGEST_BEAT_US: Final = (1 << 24) - 1
# Beats of no more than this difference are of one tempo.
_SAME_BEAT_US: Final = 5


class PlayedNote(NamedTuple):
    """A note as it sounded; times in microseconds of the session's monotonic clock."""

    on_us: int
    off_us: int
    part: str
    channel: int
    pitch: int
    velocity: int


def notes_of(heard: Iterable[Heard]) -> list[PlayedNote]:
    """Whole notes, by onset; what nothing ended (the process was killed) ends with the last event."""
    notes: list[PlayedNote] = []
    open_at: dict[tuple[str, int], int] = {}
    last_us = 0
    for event in heard:
        last_us = max(last_us, event.at_us)
        key = (event.part, event.number)
        if event.kind == Kind.BEAT:
            continue
        place = open_at.pop(key, None)
        if place is not None:
            notes[place] = notes[place]._replace(off_us=event.at_us)
        if event.kind == Kind.ON:
            open_at[key] = len(notes)
            notes.append(PlayedNote(event.at_us, event.at_us, event.part, event.channel, event.number, event.velocity))
    for place in open_at.values():
        notes[place] = notes[place]._replace(off_us=last_us)
    return sorted(notes)


class Grid:
    """The beats of a performance, one after the other: where it stood still, no time passes.

    Args:
        beats: When each beat began, in microseconds, and its number in the song.
    """

    def __init__(self, beats: Sequence[tuple[int, int]]) -> None:
        self._starts_us = [at_us for at_us, _ in beats]
        self._lengths_us = [self._length_us(beats, at) for at in range(len(beats))]

    def ticks(self, at_us: int) -> int:
        """The place of a moment, in ticks from the first beat, from 0."""
        if not self._starts_us:
            return 0
        beat = max(0, bisect_right(self._starts_us, at_us) - 1)
        share = (at_us - self._starts_us[beat]) / self._lengths_us[beat]
        return max(0, round((beat + min(1.0, share)) * TICKS_PER_BEAT))

    def tempos(self) -> list[tuple[int, int]]:
        """Changes of tempo: ticks, and microseconds in a beat."""
        tempos: list[tuple[int, int]] = []
        for beat, length_us in enumerate(self._lengths_us):
            if not tempos or abs(length_us - tempos[-1][1]) > _SAME_BEAT_US:
                tempos.append((beat * TICKS_PER_BEAT, min(length_us, _LONGEST_BEAT_US)))
        return tempos

    def _length_us(self, beats: Sequence[tuple[int, int]], at: int) -> int:
        """A beat lasts until the next one; the one before a stop or a jump as long as the one before it."""
        if at + 1 < len(beats) and beats[at + 1][1] == beats[at][1] + 1:
            return max(1, beats[at + 1][0] - beats[at][0])
        return self._length_us(beats, at - 1) if at else 500_000


def to_midi(heard: Sequence[Heard], parts: Mapping[str, int]) -> bytes:
    """A format 1 file: tempo map, then a named track for each part.

    Args:
        heard: What sounded.
        parts: Every part, in the order of the tracks, with its MIDI channel, 1 to 16.
    """
    grid = Grid([(event.at_us, event.number) for event in heard if event.kind == Kind.BEAT])
    notes = notes_of(heard)
    file = mido.MidiFile(type=1, ticks_per_beat=TICKS_PER_BEAT)
    conductor: list[tuple[int, mido.Message | mido.MetaMessage]] = [
        (0, mido.MetaMessage("time_signature", numerator=BEATS_PER_BAR, denominator=4))
    ]
    conductor += [(tick, mido.MetaMessage("set_tempo", tempo=beat_us)) for tick, beat_us in grid.tempos()]
    file.tracks.append(_track(PROGRAM, conductor))
    for part in (*parts, *sorted({note.part for note in notes} - set(parts))):
        timed: list[tuple[int, int, mido.Message]] = []
        for note in notes:
            if note.part == part:
                on, off = grid.ticks(note.on_us), grid.ticks(note.off_us)
                words = {"channel": note.channel - 1, "note": note.pitch}
                timed.append((on, 1, mido.Message("note_on", velocity=note.velocity, **words)))
                timed.append((max(on + 1, off), 0, mido.Message("note_off", velocity=0, **words)))
        timed.sort(key=itemgetter(0, 1))
        file.tracks.append(_track(part, [(tick, message) for tick, _, message in timed]))
    buffer = io.BytesIO()
    file.save(file=buffer)
    return buffer.getvalue()


def _track(name: str, timed: Iterable[tuple[int, mido.Message | mido.MetaMessage]]) -> mido.MidiTrack:
    track = mido.MidiTrack([mido.MetaMessage("track_name", name=name)])
    at = 0
    for tick, message in timed:
        track.append(message.copy(time=tick - at))
        at = tick
    return track
