"""The loops of a MIDI file as a model of several parts reads them: all parts from the same bars."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from autoloops_engine.codecs import drums, melody
from autoloops_engine.codecs.melody import RawNote
from autoloops_engine.codecs.midifile import Song, Track, choose_bass, choose_melody, common_stretch, find_track
from autoloops_engine.codecs.registry import Codec, LoopSteps
from autoloops_engine.codecs.songs import choose_drums
from autoloops_engine.errors import MusicError
from autoloops_engine.units import BAR_UB, STEP_UB, STEPS_PER_BAR


class Voice(NamedTuple):
    """A part that a model plays: its name and what its steps mean."""

    part: str
    codec: Codec


class EnsembleLoops(NamedTuple):
    """The loops of a file.

    Attributes:
        loops: In order, by part; a part that has nothing to play in a loop is missing there.
        remarks: One sentence for each thing that was chosen or left out.
    """

    loops: tuple[dict[str, LoopSteps], ...]
    remarks: tuple[str, ...]


def ensemble_loops(
    song: Song, voices: Sequence[Voice], bars: int, first: str = "", track: int | None = None
) -> EnsembleLoops:
    """Cuts a song into loops of ``bars`` bars, from the bar of the first note of any part on.

    Args:
        song: What :func:`autoloops_engine.codecs.midifile.read_midi` answered.
        voices: What to look for; each track is taken once.
        bars: Bars of a loop, from 1.
        first: The part that chooses its track before the others; empty: the first.
        track: The track of that part by its place in the file, from 1; None: the likeliest.

    Raises:
        MusicError: there is no such track, or nothing for any of the parts.
    """
    tracks, remarks = _tracks(song, sorted(voices, key=lambda voice: voice.part != first), track)
    if not tracks:
        raise MusicError(f"The file has no track for {', '.join(voice.part for voice in voices)}; choose another.")
    together = sorted(note for chosen in tracks.values() for note in chosen.notes)
    stretch = common_stretch(song.meters, together)
    if stretch.remark:
        remarks.append(stretch.remark)
    notes = {part: stretch.inside(chosen.notes) for part, chosen in tracks.items()}
    codecs = {voice.part: voice.codec for voice in voices}
    notes = {part: _playable(codecs[part], found) for part, found in notes.items()}
    steps = [_step(note) for found in notes.values() for note in found]
    if not steps:
        raise MusicError("The file holds no note that the model can play; choose another.")
    first_bar, last_bar = min(steps) // STEPS_PER_BAR, max(steps) // STEPS_PER_BAR
    loops = []
    for bar in range(first_bar, last_bar + 1, bars):
        loop = {part: _loop(codecs[part], found, bar, bars) for part, found in notes.items()}
        known = {part: played for part, played in loop.items() if played is not None}
        loops += [known] if known else []
    if last_bar + 1 - first_bar > bars:
        remarks.append(f"From the first note on it is {last_bar + 1 - first_bar} bars long: loops of {bars} bars.")
    return EnsembleLoops(tuple(loops), tuple(remarks))


def _tracks(song: Song, voices: Sequence[Voice], track: int | None) -> tuple[dict[str, Track], list[str]]:
    """The track of each part that there is one for, and what to say about it."""
    left, remarks = list(song.tracks), []
    chosen: dict[str, Track] = {}
    for voice in voices:
        if track is not None and not chosen:
            found: Track | None = _named(song, voice, track)
        else:
            found = _likeliest(replace(song, tracks=tuple(left)), voice)
        if found is None:
            remarks.append(f"There is no track for the {voice.part}: it is taken as silent.")
            continue
        chosen[voice.part] = found
        left = [other for other in left if other is not found]
        called = f" ({found.name})" if found.name else ""
        remarks.append(f"Track {found.index}{called} is taken as the {voice.part}.")
    return chosen, remarks


def _named(song: Song, voice: Voice, track: int) -> Track:
    return choose_drums(song, track) if voice.codec.name == drums.CODEC_NAME else find_track(song, track)


def _likeliest(song: Song, voice: Voice) -> Track | None:
    if voice.codec.name == drums.CODEC_NAME:
        return choose_drums(song) if any(track.is_drums for track in song.tracks) else None
    if all(track.is_drums for track in song.tracks):
        return None
    return choose_bass(song) if voice.part == "bass" else choose_melody(song)


def _playable(codec: Codec, notes: Sequence[RawNote]) -> list[RawNote]:
    if codec.name == drums.CODEC_NAME:
        return [note for note in notes if note.pitch in drums.VOICE_OF_PITCH]
    return list(notes)


def _step(note: RawNote) -> int:
    return max(0, (note.start_ub + STEP_UB // 2) // STEP_UB)


def _loop(codec: Codec, notes: Sequence[RawNote], bar: int, bars: int) -> LoopSteps | None:
    """What a part plays from a bar on; None where that is nothing."""
    size = bars * STEPS_PER_BAR
    begin = bar * STEPS_PER_BAR
    inside = [note for note in notes if begin <= _step(note) < begin + size]
    moved = [note._replace(start_ub=note.start_ub - bar * BAR_UB) for note in inside]
    if not moved:
        return None
    if codec.name == drums.CODEC_NAME:
        (loop,), _ = drums.quantise(moved, bars, first_bar=0)
        return LoopSteps(loop.tokens, (loop.velocities, loop.offsets))
    return LoopSteps(melody.quantise(moved, bars, first_bar=0).windows[0])
