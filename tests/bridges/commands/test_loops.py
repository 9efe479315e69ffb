"""``autoloops encode`` and ``interpolate``, with a model that is made up."""

import json
from pathlib import Path

import mido
import numpy as np
import pytest
from tests.bridges.commands.running import Run

from autoloops_bridges.commands import bundles
from autoloops_bridges.commands.loops import decode_loop, record
from autoloops_bridges.commands.words import check_midi_file
from autoloops_engine.codecs.melody import one_hot
from autoloops_engine.codecs.midifile import encode_melody, read_midi
from autoloops_engine.testing import StubDecoder
from autoloops_engine.units import UB_PER_BEAT


@pytest.fixture(autouse=True)
def _stub_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "installed_bundles", lambda: {"melody-2bar": Path("melody-2bar")})
    monkeypatch.setattr(bundles, "find_bundle", Path)
    monkeypatch.setattr("autoloops_engine.inference.onnx_decoder.open_decoder", lambda path: StubDecoder())


def test_encode_prints_the_point_and_tells_what_it_dropped(autoloops: Run, tmp_path: Path) -> None:
    status, out, err = autoloops("encode", str(write_tune(tmp_path / "a.mid", chord=True)), "--part", "melody")
    assert status == 0
    answer = json.loads(out)
    assert (answer["part"], answer["model"], len(answer["z"])) == ("melody", "tiny", 4)
    assert "Dropped: 1 note" in err


def test_the_printed_point_is_exactly_the_models(autoloops: Run, tmp_path: Path) -> None:
    _, out, _ = autoloops("encode", str(write_tune(tmp_path / "a.mid")))
    song = read_midi(tmp_path / "a.mid")
    mu = StubDecoder().encode(one_hot(encode_melody(song).windows[0])[None]).mu[0]
    assert np.array_equal(np.array(json.loads(out)["z"], dtype=np.float32), mu)


def test_encode_takes_another_loop_of_the_file(autoloops: Run, tmp_path: Path) -> None:
    tune = str(write_tune(tmp_path / "a.mid", notes=(60, 64, 67, 72, 71, 69, 67, 65)))
    _, first, _ = autoloops("encode", tune, "--loop", "1")
    _, second, _ = autoloops("encode", tune, "--loop", "2")
    assert json.loads(first)["z"] != json.loads(second)["z"]
    status, _, err = autoloops("encode", tune, "--loop", "3")
    assert (status, err) == (1, "autoloops: a.mid has no loop 3: there are 2.\n")


def test_a_file_that_is_no_midi_is_one_sentence(autoloops: Run, tmp_path: Path) -> None:
    (tmp_path / "a.mid").write_text("not midi")
    status, out, err = autoloops("encode", str(tmp_path / "a.mid"))
    assert (status, out, err.count("\n")) == (1, "", 1)


def test_interpolate_includes_both_ends(autoloops: Run, tmp_path: Path) -> None:
    a, b = write_tune(tmp_path / "a.mid"), write_tune(tmp_path / "b.mid", notes=(72, 71, 69, 67))
    out = tmp_path / "ab.mid"
    status, said, _ = autoloops("interpolate", str(a), str(b), "--steps", "3", "--out", str(out))
    assert (status, said) == (0, f"{out}: 3 loops, 6 bars.\n")
    for loop, end in ((0, a), (2, b)):
        tokens = encode_melody(read_midi(end)).windows[0]
        mu = StubDecoder().encode(one_hot(tokens)[None]).mu[0]
        wanted = record("melody", decode_loop(StubDecoder(), mu))
        assert wanted
        assert notes_between(out, 8 * loop, 8 * loop + 8) == [
            (n.start_ub, n.start_ub + n.duration_ub, n.pitch) for n in wanted
        ]


def test_interpolate_keeps_the_tempo_of_the_first_file(autoloops: Run, tmp_path: Path) -> None:
    a = write_tune(tmp_path / "a.mid", tempo_bpm=96)
    autoloops("interpolate", str(a), str(a), "--steps", "2", "--out", str(tmp_path / "o.mid"))
    assert read_midi(tmp_path / "o.mid").tempo_bpm == 96


def test_an_unwritable_place_is_one_sentence_and_leaves_nothing(autoloops: Run, tmp_path: Path) -> None:
    a = write_tune(tmp_path / "a.mid")
    status, _, err = autoloops("interpolate", str(a), str(a), "--out", str(tmp_path / "no" / "o.mid"))
    assert status == 1
    assert err == f"autoloops: Cannot write {tmp_path}/no/o.mid (No such file or directory): choose another place.\n"
    assert [path.name for path in tmp_path.iterdir()] == ["a.mid"]


def write_tune(
    path: Path, notes: tuple[int, ...] = (60, 64, 67, 72), *, tempo_bpm: float = 120, chord: bool = False
) -> Path:
    """Half notes one after the other, the first with a note below it if asked."""
    file = mido.MidiFile()
    track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(tempo_bpm))])
    file.tracks.append(track)
    for index, note in enumerate(notes):
        if chord and index == 0:
            track.append(mido.Message("note_on", note=note - 12, velocity=80))
        track.append(mido.Message("note_on", note=note, velocity=80))
        track.append(mido.Message("note_off", note=note, time=2 * file.ticks_per_beat))
    file.save(path)
    return path


def notes_between(path: Path, start_beat: int, end_beat: int) -> list[tuple[int, int, int]]:
    """Start and end after ``start_beat`` in micro-beats, and pitch, of the notes that begin between two beats."""
    (track,) = read_midi(path).tracks
    return [
        (n.start_ub - start_beat * UB_PER_BEAT, n.start_ub + n.duration_ub - start_beat * UB_PER_BEAT, n.pitch)
        for n in track.notes
        if start_beat * UB_PER_BEAT <= n.start_ub < end_beat * UB_PER_BEAT
    ]


@pytest.mark.parametrize("name", ["x.wav", "x.txt", "x", "x.mid.gz"])
def test_a_midi_file_is_not_written_under_the_name_of_another_kind(
    autoloops: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for words in (["render"], ["interpolate", "a.mid", "b.mid"], ["replay"], ["sequence"]):
        status, _, said = autoloops(*words, "--out", name)
        assert (status, f"{name} has to end in .mid or .midi" in " ".join(said.split())) == (2, True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["x.mid", "x.MID", "x.midi"])
def test_a_midi_file_may_end_as_midi_files_do(name: str) -> None:
    assert check_midi_file(Path(name)) == Path(name)
