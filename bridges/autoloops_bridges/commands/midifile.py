"""Bars to a standard MIDI file (format 1): a tempo track, then one named track per part; ties are joined."""

import io
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Final

import mido

from autoloops_engine.errors import AutoLoopsError
from autoloops_engine.notes import Bar
from autoloops_engine.units import BAR_UB, BEATS_PER_BAR, UB_PER_BEAT, us_per_beat

TICKS_PER_BEAT: Final = 480


@dataclass(slots=True)
class TimedNote:
    """A note of a piece, in micro-beats from the start of bar 1; its end moves while ties are joined."""

    start_ub: int
    end_ub: int
    pitch: int
    velocity: int


@dataclass(frozen=True, slots=True)
class PartTrack:
    """What one part played.

    Attributes:
        name: Name of the track.
        channel: MIDI channel, 1 to 16.
        bars: Song bar (from 0) and the bar that sounded there, in order.
    """

    name: str
    channel: int
    bars: Sequence[tuple[int, Bar]]


def join_ties(bars: Iterable[tuple[int, Bar]]) -> list[TimedNote]:
    """The notes of a part by onset, tied ones as one.

    A tie is honoured behind the bar it was decoded after, and nowhere else; a pitch struck again while it sounds
    ends first, as it does on an instrument.

    Args:
        bars: Song bar (from 0) and the bar that sounded there, in order.
    """
    notes: list[TimedNote] = []
    held: dict[int, TimedNote] = {}
    before_id = 0
    for song_bar, bar in bars:
        line_ub = song_bar * BAR_UB
        going_on: dict[int, TimedNote] = {}
        for tie in bar.ties if bar.after_id == before_id else ():
            note = held.get(tie.pitch)
            if note is not None and note.end_ub == line_ub:
                note.end_ub = line_ub + tie.duration_ub
                if tie.held:
                    going_on[tie.pitch] = note
        for new in bar.notes:
            start_ub = max(0, line_ub + new.start_ub)
            note = TimedNote(start_ub, start_ub + new.duration_ub, new.pitch, new.velocity)
            notes.append(note)
            if new.held:
                going_on[new.pitch] = note
        held, before_id = going_on, bar.id
    return _end_before_next(notes)


def to_midi(tracks: Sequence[PartTrack], tempo_bpm: float, bars: int) -> bytes:
    """The file's bytes.

    Args:
        tracks: One for each part.
        tempo_bpm: 20 to 999.
        bars: Length of every track; what would sound on ends there.
    """
    file = mido.MidiFile(type=1, ticks_per_beat=TICKS_PER_BEAT)
    end = _ticks(bars * BAR_UB)
    conductor = [
        (0, mido.MetaMessage("set_tempo", tempo=us_per_beat(tempo_bpm))),
        (0, mido.MetaMessage("time_signature", numerator=BEATS_PER_BAR, denominator=4)),
    ]
    file.tracks.append(_track("AutoLoops", conductor, end))
    for track in tracks:
        file.tracks.append(_track(track.name, _events(join_ties(track.bars), track.channel - 1, end), end))
    buffer = io.BytesIO()
    file.save(file=buffer)
    return buffer.getvalue()


def write_atomically(path: Path, content: bytes) -> None:
    """Put ``content`` at ``path``: whole, or not at all.

    Raises:
        AutoLoopsError: it cannot be written there.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        try:
            with draft.open("xb") as file:
                file.write(content)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise AutoLoopsError(f"Cannot write {path} ({error.strerror or error}): choose another place.") from error


def _end_before_next(notes: list[TimedNote]) -> list[TimedNote]:
    notes.sort(key=lambda note: (note.start_ub, note.pitch))
    sounding: dict[int, TimedNote] = {}
    for note in notes:
        before = sounding.get(note.pitch)
        if before is not None:
            before.end_ub = min(before.end_ub, note.start_ub)
        sounding[note.pitch] = note
    return [note for note in notes if note.end_ub > note.start_ub]


def _events(notes: Iterable[TimedNote], channel: int, end: int) -> list[tuple[int, mido.Message]]:
    """Ticks and messages in order, note-offs first at one tick."""
    timed = []
    for note in notes:
        start = _ticks(note.start_ub)
        stop = min(end, max(start + 1, _ticks(note.end_ub)))
        if start < stop:
            timed.append((start, 1, mido.Message("note_on", channel=channel, note=note.pitch, velocity=note.velocity)))
            timed.append((stop, 0, mido.Message("note_off", channel=channel, note=note.pitch, velocity=0)))
    timed.sort(key=itemgetter(0, 1))
    return [(tick, message) for tick, _, message in timed]


def _track(name: str, timed: Sequence[tuple[int, mido.Message | mido.MetaMessage]], end: int) -> mido.MidiTrack:
    track = mido.MidiTrack([mido.MetaMessage("track_name", name=name)])
    at = 0
    for tick, message in timed:
        track.append(message.copy(time=tick - at))
        at = tick
    track.append(mido.MetaMessage("end_of_track", time=end - at))
    return track


def _ticks(position_ub: int) -> int:
    return round(position_ub * TICKS_PER_BEAT / UB_PER_BEAT)
