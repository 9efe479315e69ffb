"""Loops of MIDI files for bass and drums: the right track, the right steps, and a word on what was left out."""

import io

import mido
import pytest

from autoloops_engine.codecs.melody import token_of
from autoloops_engine.codecs.midifile import Song, read_midi
from autoloops_engine.codecs.registry import DRUMS, MELODY
from autoloops_engine.codecs.songs import loops_of
from autoloops_engine.errors import MusicError

SIXTEENTH = 120
BAR = 16 * SIXTEENTH


def song(*tracks: list[tuple[int, int, int, int, int]], programs: tuple[int, ...] = ()) -> Song:
    """A song of tracks of (start, end, pitch, velocity, channel from 0), in ticks of 1/480 of a quarter."""
    file = mido.MidiFile(ticks_per_beat=480)
    for number, notes in enumerate(tracks):
        program = programs[number] if programs else 0
        timed = [(-1, mido.Message("program_change", program=program, channel=notes[0][4]))]
        for start, end, pitch, velocity, channel in notes:
            timed.append((start, mido.Message("note_on", note=pitch, velocity=velocity, channel=channel)))
            timed.append((end, mido.Message("note_off", note=pitch, channel=channel)))
        track, now = mido.MidiTrack(), -1
        for tick, message in sorted(timed, key=lambda event: event[0]):
            track.append(message.copy(time=max(0, tick - max(0, now))))
            now = tick
        file.tracks.append(track)
    buffer = io.BytesIO()
    file.save(file=buffer)
    return read_midi(buffer.getvalue())


LINE = [(i * SIXTEENTH, (i + 1) * SIXTEENTH, 70 + i, 80, 0) for i in range(8)]
LOW = [(i * SIXTEENTH, (i + 1) * SIXTEENTH, 40 + i, 80, 1) for i in range(8)]
BEAT = [(0, 30, 36, 127, 9), (4 * SIXTEENTH + 12, 500, 38, 64, 9), (4 * SIXTEENTH, 500, 60, 99, 9)]


def test_drums_come_with_velocity_and_microtiming_from_the_drum_channel() -> None:
    found = loops_of(song(LINE, BEAT), DRUMS, "drums")
    (loop,) = found.loops
    assert (loop.tokens[0], loop.tokens[4], sum(token > 0 for token in loop.tokens)) == (1, 2, 2)
    velocities, offsets = loop.extras
    assert velocities[[0, 4], [0, 1]].tolist() == pytest.approx([1.0, 64 / 127])
    assert offsets[4, 1] == pytest.approx(-0.2)
    assert found.track.channel == 10
    assert any("beside the kit" in remark for remark in found.remarks)
    assert any("1 bar long" in remark for remark in found.remarks)


def test_later_bars_are_later_loops_and_silent_ones_before_fall_away() -> None:
    beat = [(bar * BAR, bar * BAR + 30, 36 + 2 * (bar == 4), 100, 9) for bar in (1, 2, 3, 4)]
    found = loops_of(song(beat), DRUMS, "drums")
    assert [loop.tokens[::16] for loop in found.loops] == [(1, 1), (1, 2)]
    assert "1 silent bar" in found.remarks[0]


def test_a_song_without_drums_says_so() -> None:
    with pytest.raises(MusicError, match="drum channel"):
        loops_of(song(LINE), DRUMS, "drums")
    with pytest.raises(MusicError, match="drum kit"):
        loops_of(song(LINE), DRUMS, "drums", track=1)


def test_the_bass_is_the_lowest_of_the_bass_programs_and_the_melody_the_highest_line() -> None:
    lower = [(start, end, pitch - 10, velocity, 2) for start, end, pitch, velocity, _ in LOW]
    both = song(LINE, LOW, lower, programs=(0, 33, 0))
    assert loops_of(both, MELODY, "bass").loops[0].tokens[0] == token_of(40)
    assert loops_of(both, MELODY, "melody").loops[0].tokens[0] == token_of(70)
    assert loops_of(song(LINE, lower), MELODY, "bass").loops[0].tokens[0] == token_of(30)
