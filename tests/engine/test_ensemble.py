"""The loops of a file for a model of several parts: all from the same bars, what is missing is silent."""

import io

import mido
import pytest

from autoloops_engine.codecs.ensemble import Voice, ensemble_loops
from autoloops_engine.codecs.melody import NO_EVENT, token_of
from autoloops_engine.codecs.midifile import Song, read_midi
from autoloops_engine.codecs.registry import DRUMS, MELODY
from autoloops_engine.errors import MusicError

SIXTEENTH = 120
BAR = 16 * SIXTEENTH
BASS_PROGRAM = 33
TRIO = (Voice("melody", MELODY), Voice("bass", MELODY), Voice("drums", DRUMS))


def song(**tracks: tuple[int, int, list[tuple[int, int]]]) -> Song:
    """A song of named tracks, each with a channel from 1, a program and (start tick, pitch) of its notes."""
    file = mido.MidiFile(ticks_per_beat=480)
    for name, (channel, program, notes) in tracks.items():
        track = mido.MidiTrack([mido.MetaMessage("track_name", name=name)])
        track.append(mido.Message("program_change", program=program, channel=channel - 1))
        now = 0
        for start, pitch in sorted(notes):
            track.append(mido.Message("note_on", note=pitch, velocity=90, channel=channel - 1, time=start - now))
            track.append(mido.Message("note_off", note=pitch, channel=channel - 1, time=SIXTEENTH))
            now = start + SIXTEENTH
        file.tracks.append(track)
    buffer = io.BytesIO()
    file.save(file=buffer)
    return read_midi(buffer.getvalue())


LEAD = (1, 0, [(BAR + 4 * SIXTEENTH, 72), (2 * BAR, 74), (3 * BAR, 76)])
BASS = (2, BASS_PROGRAM, [(BAR, 36), (2 * BAR, 38)])
BEAT = (10, 0, [(BAR + 2 * SIXTEENTH, 36), (3 * BAR, 38)])


def test_every_part_is_cut_at_the_same_bars_and_keeps_its_silence() -> None:
    found = ensemble_loops(song(lead=LEAD, low=BASS, beat=BEAT), TRIO, 2)
    first, second = found.loops
    assert first["melody"].tokens[4] == token_of(72)
    assert first["melody"].tokens[16] == token_of(74)
    assert first["bass"].tokens[0] == token_of(36)
    assert [step for step, token in enumerate(first["drums"].tokens) if token] == [2]
    assert first["melody"].tokens[0] == NO_EVENT, "the bar starts where the bass does"
    assert set(second) == {"melody", "drums"}, "the bass has nothing there"
    assert [step for step, token in enumerate(second["drums"].tokens) if token] == [0]
    assert "Track 2 (low) is taken as the bass." in found.remarks


def test_a_part_without_a_track_is_said_to_be_silent() -> None:
    found = ensemble_loops(song(lead=LEAD), TRIO, 16)
    assert [set(loop) for loop in found.loops] == [{"melody"}]
    assert "There is no track for the bass: it is taken as silent." in found.remarks
    assert "There is no track for the drums: it is taken as silent." in found.remarks


def test_the_part_asked_for_chooses_first_and_may_name_its_track() -> None:
    alone = ensemble_loops(song(lead=LEAD), TRIO, 16, first="bass")
    assert set(alone.loops[0]) == {"bass"}
    named = ensemble_loops(song(lead=LEAD, low=BASS), TRIO, 16, first="melody", track=2)
    assert named.loops[0]["melody"].tokens[0] == token_of(36)
    assert named.loops[0]["bass"].tokens[4] == token_of(72)
    drums = ensemble_loops(song(lead=LEAD, beat=BEAT), TRIO, 16, first="drums", track=2)
    assert sum(token > 0 for token in drums.loops[0]["drums"].tokens) == 2


def test_no_track_is_taken_twice() -> None:
    found = ensemble_loops(song(lead=LEAD, high=(3, 0, [(BAR, 90)]), beat=BEAT), TRIO, 16)
    assert found.loops[0]["melody"].tokens[0] == token_of(90)
    assert found.loops[0]["bass"].tokens[4] == token_of(72)


def test_a_song_of_nothing_that_the_model_plays_is_one_sentence() -> None:
    with pytest.raises(MusicError, match="no track for drums"):
        ensemble_loops(song(lead=LEAD), TRIO[2:], 2)
    with pytest.raises(MusicError, match="no note that the model can play"):
        ensemble_loops(song(beat=(10, 0, [(0, 20)])), TRIO[2:], 2)
