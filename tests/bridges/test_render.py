"""``autoloops render`` and the MIDI files it writes."""

import io
from collections.abc import Sequence
from pathlib import Path

import mido
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoloops_bridges import cli
from autoloops_bridges.commands import bundles
from autoloops_bridges.commands.midifile import TICKS_PER_BEAT, to_midi, write_atomically
from autoloops_engine.codecs.midifile import Track, read_midi
from autoloops_engine.errors import AutoLoopsError
from autoloops_engine.session.recording import RecordedNote
from autoloops_engine.testing import StubDecoder
from autoloops_engine.units import BAR_UB, STEP_UB

NOTES = st.lists(
    st.builds(
        RecordedNote,
        st.sampled_from(["melody", "drums"]),
        st.integers(-STEP_UB, 4 * BAR_UB),
        st.integers(0, 2 * BAR_UB),
        st.integers(60, 63),
        st.integers(1, 127),
    ),
    max_size=30,
)


def written(content: bytes, path: Path) -> mido.MidiFile:
    path.write_bytes(content)
    return mido.MidiFile(path)


def when_and_what(track: Track) -> list[tuple[int, int, int]]:
    """Start and length in micro-beats, and pitch, of every note."""
    return [(note.start_ub, note.duration_ub, note.pitch) for note in track.notes]


class TestToMidi:
    def test_names_tempo_meter_and_channels(self, tmp_path: Path) -> None:
        notes = [RecordedNote("drums", 0, STEP_UB, 36, 100), RecordedNote("melody", STEP_UB, 2 * STEP_UB, 60, 80)]
        file = written(to_midi(notes, {"melody": 1, "drums": 10}, 98.0, 2), tmp_path / "a.mid")
        assert [track.name for track in file.tracks] == ["AutoLoops", "melody", "drums"]
        tracks = read_midi(tmp_path / "a.mid").tracks
        assert [(track.name, track.channel) for track in tracks] == [("melody", 1), ("drums", 10)]
        assert [when_and_what(track) for track in tracks] == [[(STEP_UB, 2 * STEP_UB, 60)], [(0, STEP_UB, 36)]]
        assert read_midi(tmp_path / "a.mid").tempo_bpm == pytest.approx(98.0, abs=1e-3)
        assert [message.type for message in file.tracks[0]][1:3] == ["set_tempo", "time_signature"]

    def test_every_track_is_as_long_as_was_asked(self, tmp_path: Path) -> None:
        notes = [RecordedNote("melody", BAR_UB, 10 * BAR_UB, 60, 80)]
        file = written(to_midi(notes, {"melody": 1}, 120.0, 2), tmp_path / "a.mid")
        assert [sum(message.time for message in track) for track in file.tracks] == [8 * TICKS_PER_BEAT] * 2

    def test_a_pitch_struck_again_ends_first(self, tmp_path: Path) -> None:
        notes = [RecordedNote("melody", 0, BAR_UB, 60, 80), RecordedNote("melody", 2 * STEP_UB, STEP_UB, 60, 80)]
        path = tmp_path / "a.mid"
        written(to_midi(notes, {"melody": 1}, 120.0, 1), path)
        (track,) = read_midi(path).tracks
        assert when_and_what(track) == [(0, 2 * STEP_UB, 60), (2 * STEP_UB, STEP_UB, 60)]

    @given(notes=NOTES)
    def test_every_note_on_has_its_note_off(self, notes: Sequence[RecordedNote]) -> None:
        file = mido.MidiFile(file=io.BytesIO(to_midi(notes, {"melody": 1, "drums": 10}, 120.0, 4)))
        for track in file.tracks:
            sounding: set[int] = set()
            for message in track:
                assert message.time >= 0
                if message.type == "note_on":
                    assert message.note not in sounding
                    sounding.add(message.note)
                elif message.type == "note_off":
                    sounding.remove(message.note)
            assert not sounding


class TestWriteAtomically:
    def test_replaces_what_was_there(self, tmp_path: Path) -> None:
        (tmp_path / "a.mid").write_bytes(b"old")
        write_atomically(tmp_path / "a.mid", b"new")
        assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.mid", b"new")]

    def test_leaves_what_was_there_when_it_fails(self, tmp_path: Path) -> None:
        (tmp_path / "a.mid").mkdir()
        with pytest.raises(AutoLoopsError, match=r"Cannot write .*a\.mid .*choose another place"):
            write_atomically(tmp_path / "a.mid", b"new")
        assert [path.name for path in tmp_path.iterdir()] == ["a.mid"]


class TestRender:
    @pytest.fixture(autouse=True)
    def _stub_model(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(bundles, "installed_bundles", lambda: {"melody-2bar": Path("melody-2bar")})
        monkeypatch.setattr(bundles, "find_bundle", Path)
        monkeypatch.setattr("autoloops_engine.inference.onnx_decoder.open_decoder", lambda path: StubDecoder())

    def render(self, *words: str) -> bytes:
        with pytest.raises(SystemExit) as end:
            cli.main(["render", "--out", "out.mid", *words])
        assert end.value.code == 0
        return Path("out.mid").read_bytes()

    def test_the_same_seed_gives_the_same_file(self) -> None:
        assert self.render("--seed", "5") == self.render("--seed", "5")
        assert self.render("--seed", "5") != self.render("--seed", "6")

    def test_says_which_seed_it_took(self, capsys: pytest.CaptureFixture[str]) -> None:
        first = self.render("--bars", "4")
        seed = capsys.readouterr().out.rpartition("seed ")[2].rstrip(".\n")
        assert self.render("--bars", "4", "--seed", seed) == first

    def test_temperature_0_is_not_the_default(self) -> None:
        assert self.render("--seed", "5", "--temperature", "0") != self.render("--seed", "5")

    def test_writes_as_many_bars_as_asked_at_the_tempo_asked(self) -> None:
        self.render("--bars", "6", "--tempo", "90", "--channel", "melody=4")
        file, song = mido.MidiFile("out.mid"), read_midi(Path("out.mid"))
        assert file.length == pytest.approx(6 * 4 * 60 / 90, abs=1e-3)
        assert song.tempo_bpm == pytest.approx(90, abs=1e-3)
        assert song.tracks[0].channel == 4
        assert max(note.start_ub for note in song.tracks[0].notes) >= 5 * BAR_UB
