"""Playing in over UDP and from a file, at a running engine; the music goes on meanwhile."""

from pathlib import Path

import mido
from tests.integration.playing import playing

OPTIONS = ("--parts", "melody", "--seed", "5", "--tempo", "480", "--no-record")


def written(path: Path, pitches: tuple[int, ...]) -> Path:
    track = mido.MidiTrack()
    for pitch in pitches:
        track.append(mido.Message("note_on", note=pitch, velocity=90))
        track.append(mido.Message("note_off", note=pitch, time=480))
    mido.MidiFile(tracks=[track], ticks_per_beat=480).save(path)
    return path


def test_a_file_and_what_was_played_change_the_loop_and_what_cannot_be_had_is_told(tmp_path: Path) -> None:
    path = written(tmp_path / "tune.mid", (60, 64, 67, 72, 67, 64, 60, 55))
    with playing(*OPTIONS) as engine:
        engine.listen()
        engine.send("/al/melody/z")
        before = engine.hear_until("/al/melody/z").arguments
        engine.send("/al/melody/capture")
        address, reason = engine.hear_until("/al/error").arguments
        assert address == "/al/melody/capture"
        assert "Nothing was played in" in str(reason)
        engine.send("/al/melody/load", str(path))
        loaded = engine.hear_until("/al/melody/z").arguments
        assert loaded != before
        engine.send("/al/melody/load", str(tmp_path / "nowhere.mid"))
        assert engine.hear_until("/al/error").arguments[0] == "/al/melody/load"
        for pitch in (60, 62, 64, 65):
            engine.send("/al/hear", pitch, 90)
            engine.hear_until("/al/beat")
            engine.send("/al/hear", pitch, 0)
        engine.send("/al/melody/capture")
        captured = engine.hear_until("/al/melody/z").arguments
        assert captured not in (before, loaded)
        assert engine.end() == 0
    numbers = [heard.arguments[0] for heard in engine.all("/al/bar")]
    assert numbers == list(range(int(str(numbers[0])), int(str(numbers[0])) + len(numbers)))
