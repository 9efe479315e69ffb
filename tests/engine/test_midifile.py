"""Reading MIDI files: total for whatever holds a note, one sentence for whatever does not."""

import io
from pathlib import Path

import mido
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoloops_engine.codecs.melody import NO_EVENT, NOTE_OFF, token_of
from autoloops_engine.codecs.midifile import choose_melody, encode_melody, read_midi
from autoloops_engine.errors import MusicError

SIXTEENTH = 120


def track(*events: mido.Message | mido.MetaMessage) -> mido.MidiTrack:
    return mido.MidiTrack(events)


def line(pitches: list[int], channel: int = 0, length: int = SIXTEENTH) -> list[mido.Message]:
    events = []
    for pitch in pitches:
        events.append(mido.Message("note_on", note=pitch, channel=channel))
        events.append(mido.Message("note_off", note=pitch, channel=channel, time=length))
    return events


def content(*tracks: mido.MidiTrack, division: int = 480) -> bytes:
    buffer = io.BytesIO()
    mido.MidiFile(ticks_per_beat=division, tracks=list(tracks)).save(file=buffer)
    return buffer.getvalue()


GOOD = content(track(mido.MetaMessage("set_tempo", tempo=400_000), *line([60, 62])))


def test_a_file_gives_tokens_tempo_and_track(tmp_path: Path) -> None:
    path = tmp_path / "tune.mid"
    path.write_bytes(GOOD)
    song = read_midi(path)
    assert song.tempo_bpm == 150
    encoded = encode_melody(song)
    assert encoded.windows == ((token_of(60), token_of(62), NOTE_OFF, *[NO_EVENT] * 29),)


def test_a_note_off_written_as_a_silent_note_on_ends_a_note() -> None:
    events = [mido.Message("note_on", note=60), mido.Message("note_on", note=60, velocity=0, time=2 * SIXTEENTH)]
    assert encode_melody(read_midi(content(track(*events)))).windows[0][:3] == (token_of(60), NO_EVENT, NOTE_OFF)


def test_the_highest_melodic_track_is_the_melody() -> None:
    chords = [mido.Message("note_on", note=n) for n in (90, 94, 97)]
    song = read_midi(
        content(track(*line([40, 41], 1)), track(*line([60, 62])), track(*chords), track(*line([99], channel=9)))
    )
    assert choose_melody(song).index == 2
    encoded = encode_melody(song)
    assert "Of 4 tracks, track 2" in encoded.remarks[0]
    assert encode_melody(song, track=1).track.index == 1
    with pytest.raises(MusicError, match="tracks with notes are 1, 2, 3, 4"):
        encode_melody(song, track=7)


def test_channels_of_one_track_are_told_apart() -> None:
    song = read_midi(content(track(*line([60]), *line([36], channel=9))))
    assert [(t.channel, t.is_drums) for t in song.tracks] == [(1, False), (10, True)]


def test_a_file_with_drums_only_still_encodes_and_says_so() -> None:
    assert any("drum" in r for r in encode_melody(read_midi(content(track(*line([36], channel=9))))).remarks)


def test_another_meter_is_counted_in_fours_and_said() -> None:
    meter = mido.MetaMessage("time_signature", numerator=3, denominator=4)
    encoded = encode_melody(read_midi(content(track(meter, *line([60] * 40)))))
    assert len(encoded.windows) == 2
    assert any("3/4" in remark for remark in encoded.remarks)


def test_bars_start_at_the_first_stretch_in_four_four() -> None:
    events = [
        mido.MetaMessage("time_signature", numerator=3, denominator=4),
        *line([50] * 12),
        mido.MetaMessage("time_signature", numerator=4, denominator=4),
        *line([60]),
    ]
    encoded = encode_melody(read_midi(content(track(*events))))
    assert encoded.windows[0][0] == token_of(60)
    assert any("12 notes outside" in remark for remark in encoded.remarks)


def test_frames_per_second_are_read_at_120_bpm() -> None:
    smpte = bytearray(content(track(*line([60], length=500))))
    smpte[12:14] = (0xE7, 40)  # 25 frames of 40 ticks: 1,000 ticks a second
    assert read_midi(bytes(smpte)).tracks[0].notes[0].duration_ub == 1_000_000


def test_an_impossible_key_signature_does_not_lose_the_file() -> None:
    key = content(track(mido.MetaMessage("key_signature", key="Cb"), *line([60])))
    broken = key.replace(b"\xff\x59\x02\xf9\x00", b"\xff\x59\x02\x0b\x00")
    assert broken != key
    assert read_midi(broken).tracks[0].notes[0].pitch == 60


def test_length_polyphony_and_range_are_reported() -> None:
    chord = [mido.Message("note_on", note=n) for n in (10, 12)]
    end = [mido.Message("note_off", note=10, time=480), mido.Message("note_off", note=12)]
    remarks = " ".join(encode_melody(read_midi(content(track(*chord, *end, *line([60] * 64))))).remarks)
    assert "1 note below a higher one" in remarks
    assert "1 note outside A0 to C8" in remarks
    assert "bars long" in remarks


@pytest.mark.parametrize(
    "data", [b"", b"RIFF", GOOD[:20], GOOD[:30], content(track()), b"MThd\0\0\0\6\0\1\0\1\0\0" + GOOD[14:]]
)
def test_what_is_no_music_gives_one_sentence(data: bytes) -> None:
    with pytest.raises(MusicError, match=r"^The MIDI data .*\.$"):
        read_midi(data)


def test_a_missing_file_gives_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(MusicError, match=r"nothing\.mid cannot be read"):
        read_midi(tmp_path / "nothing.mid")


@given(st.data())
def test_damage_never_raises_anything_else(data: st.DataObject) -> None:
    damaged = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        song = read_midi(bytes(damaged))
    except MusicError:
        return
    assert encode_melody(song).windows


@given(st.binary(max_size=200))
def test_rubbish_after_a_header_never_raises_anything_else(tail: bytes) -> None:
    try:
        song = read_midi(GOOD[:22] + tail)
    except MusicError:
        return
    assert encode_melody(song).windows
