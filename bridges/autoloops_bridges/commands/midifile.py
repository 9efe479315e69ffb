"""Recorded notes to a standard MIDI file (format 1): a tempo track, then one named track per part."""

import contextlib
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Final

import mido

from autoloops_bridges.files import replace_file
from autoloops_engine.errors import AutoLoopsError
from autoloops_engine.session.recording import RecordedNote
from autoloops_engine.units import BAR_UB, BEATS_PER_BAR, UB_PER_BEAT

TICKS_PER_BEAT: Final = 480
PROGRAM: Final = "AutoLoops"


def to_midi(
    notes: Sequence[RecordedNote],
    channels: Mapping[str, int],
    tempo_bpm: float,
    bars: int,
    changes: Iterable[tuple[int, float]] = (),
) -> bytes:
    """The file's bytes; every track is ``bars`` long, and what would sound on ends there.

    Args:
        notes: What was played.
        channels: Every part, in the order of the tracks, with its MIDI channel, 1 to 16.
        tempo_bpm: From 4 on.
        bars: From 1.
        changes: Later tempos, each from a bar on that is counted from 0.
    """
    file = mido.MidiFile(type=1, ticks_per_beat=TICKS_PER_BEAT)
    end = _ticks(bars * BAR_UB)
    conductor = [
        (0, mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(tempo_bpm))),
        (0, mido.MetaMessage("time_signature", numerator=BEATS_PER_BAR, denominator=4)),
    ]
    for bar, later_bpm in changes:
        conductor.append((_ticks(bar * BAR_UB), mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(later_bpm))))
    file.tracks.append(_track(PROGRAM, conductor, end))
    for part, channel in channels.items():
        events = _events((note for note in notes if note.part == part), channel - 1, end)
        file.tracks.append(_track(part, events, end))
    buffer = io.BytesIO()
    file.save(file=buffer)
    return buffer.getvalue()


def write_atomically(path: Path, content: bytes) -> None:
    """Put ``content`` at ``path``: whole, or not at all.

    Raises:
        AutoLoopsError: it cannot be written there.
    """
    with written_at(path):
        replace_file(path, content)


@contextlib.contextmanager
def written_at(path: Path) -> Iterator[None]:
    """Turn what the system has against writing there into a sentence.

    Raises:
        AutoLoopsError: within, something could not be written.
    """
    try:
        yield
    except OSError as error:
        raise AutoLoopsError(f"Cannot write {path} ({error.strerror or error}): choose another place.") from error


def _events(notes: Iterable[RecordedNote], channel: int, end: int) -> list[tuple[int, mido.Message]]:
    """Ticks and messages in order, note-offs first at one tick.

    A pitch struck again while it sounds ends first, as it does on an instrument.
    """
    timed: list[tuple[int, int, mido.Message]] = []
    next_start: dict[int, int] = {}
    for note in sorted(notes, key=lambda note: -note.start_ub):
        start = max(0, _ticks(note.start_ub))
        until = min(end, next_start.get(note.pitch, end))
        stop = min(until, max(start + 1, _ticks(note.start_ub + note.duration_ub)))
        if start < stop:
            next_start[note.pitch] = start
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
