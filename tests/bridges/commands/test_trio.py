"""A bundle of three parts on the command line: play, render, encode, interpolate, models."""

import json
from pathlib import Path

import mido
import msgspec
import numpy as np
import pytest
from tests.bridges.commands.running import Run

from autoloops_bridges.commands import bundles, models
from autoloops_bridges.commands.midifile import to_midi
from autoloops_bridges.processes.options import PlayOptions
from autoloops_engine.bundle.installed import split_reference
from autoloops_engine.bundle.manifest import Manifest
from autoloops_engine.bundle.write import write_bundle
from autoloops_engine.codecs.midifile import read_midi
from autoloops_engine.inference.views import views_of
from autoloops_engine.session.casting import cast
from autoloops_engine.session.offline import render
from autoloops_engine.session.recording import RecordedNote
from autoloops_engine.testing import StubDecoder, TrioStub, tiny_manifest, tiny_trio_manifest
from autoloops_engine.units import BAR_UB, UB_PER_BEAT

PARTS = ("melody", "bass", "drums")
ACCURACY = {"kl_nats": 40.0, "melody/free_at_1": 0.751, "bass/free_at_1": 0.772, "drums/free_at_1": 0.863}


def written(folder: Path, manifest: Manifest) -> Path:
    write_bundle(folder, manifest, {graph.file: name.encode() for name, graph in manifest.graphs.items()})
    return folder


@pytest.fixture(autouse=True)
def trio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed trio, beside a melody model."""
    manifest = msgspec.structs.replace(tiny_trio_manifest(), accuracy=ACCURACY)
    installed = {
        "tiny-trio": written(tmp_path / "tiny-trio", manifest),
        "melody-2bar": written(tmp_path / "melody-2bar", tiny_manifest("melody-2bar")),
    }
    monkeypatch.setattr(bundles, "installed_bundles", lambda: installed)
    monkeypatch.setattr(bundles, "find_bundle", lambda name: installed.get(str(name), Path(name)))
    monkeypatch.setattr(
        "autoloops_engine.inference.onnx_decoder.open_decoder",
        lambda path: TrioStub() if path.name == "tiny-trio" else StubDecoder(),
    )
    monkeypatch.chdir(tmp_path)
    return installed["tiny-trio"]


@pytest.mark.parametrize(
    ("words", "models_of"),
    [
        ("--model tiny-trio", {"melody": "trio", "bass": "trio", "drums": "trio"}),
        ("--parts melody,bass --model tiny-trio", {"melody": "trio", "bass": "trio"}),
        ("--model melody=tiny-trio --parts melody", {"melody": "trio"}),
        ("--parts melody,lead --model lead=tiny-trio#bass", {"melody": "melody", "lead": "trio#bass"}),
        ("--model tiny-trio --model melody=melody-2bar", {"melody": "melody", "bass": "trio", "drums": "trio"}),
        ("--model melody-2bar", {"melody": "melody"}),
    ],
)
def test_play_gives_parts_their_models(
    autoloops: Run, trio: Path, launched: list[PlayOptions], words: str, models_of: dict[str, str]
) -> None:
    assert autoloops("play", *words.split())[0] == 0
    (options,) = launched
    places = {"trio": str(trio), "trio#bass": f"{trio}#bass", "melody": str(trio.parent / "melody-2bar")}
    assert options.parts == tuple(models_of)
    assert options.models == {part: places[model] for part, model in models_of.items()}
    assert options.channels == {part: {"melody": 1, "bass": 2, "drums": 10}.get(part, 3) for part in models_of}


def test_a_rig_file_names_bundles_and_outputs(
    autoloops: Run, tmp_path: Path, trio: Path, launched: list[PlayOptions]
) -> None:
    rig = tmp_path / "rig.toml"
    rig.write_text('[parts.melody]\nmodel = "tiny-trio"\n[parts.lead]\nmodel = "tiny-trio#bass"\n')
    assert autoloops("play", "--rig", str(rig))[0] == 0
    (options,) = launched
    assert options.models == {"melody": str(trio), "lead": f"{trio}#bass"}


def test_a_bundle_that_is_none_is_one_sentence(autoloops: Run, launched: list[PlayOptions]) -> None:
    place = Path("nowhere").absolute()
    assert autoloops("play", "--model", "nowhere") == (
        1,
        "",
        f"autoloops: There is no bundle at {place}; `autoloops models` lists the installed ones.\n",
    )
    assert not launched


def test_a_path_with_any_signs_in_it_is_a_bundle_and_a_name_with_a_sign_names_an_output(tmp_path: Path) -> None:
    odd = tmp_path / "my#trio"
    odd.mkdir()
    assert split_reference(str(odd)) == (str(odd), "")
    assert split_reference("trio#bass") == ("trio", "bass")
    assert split_reference("trio") == ("trio", "")
    assert split_reference("set#1/trio") == ("set#1/trio", "")


def test_render_writes_three_tracks_from_one_point(autoloops: Run) -> None:
    assert autoloops("render", "--out", "out.mid", "--model", "tiny-trio", "--bars", "17", "--seed", "5")[0] == 0
    model = TrioStub()
    notes = render(
        [cast(part, 1, model, family="trio").setup for part in PARTS],
        views_of(model),
        seed=5,
        tempo_bpm=120.0,
        bars=17,
    )
    wanted = to_midi(notes, {"melody": 1, "bass": 2, "drums": 10}, 120.0, 17)
    assert Path("out.mid").read_bytes() == wanted
    assert [track.name for track in mido.MidiFile("out.mid").tracks] == ["AutoLoops", *PARTS]


def write_song(path: Path) -> Path:
    notes = [
        RecordedNote(part, step * UB_PER_BEAT // 4 + bar * BAR_UB, UB_PER_BEAT // 4, pitch, 90)
        for part, step, pitch in (("melody", 0, 72), ("melody", 4, 74), ("bass", 0, 36), ("drums", 8, 38))
        for bar in range(4)
    ]
    path.write_bytes(to_midi(notes, {"melody": 1, "bass": 2, "drums": 10}, 120.0, 4))
    return path


def test_encode_reads_all_parts_of_a_file(autoloops: Run, tmp_path: Path) -> None:
    song = write_song(tmp_path / "a.mid")
    status, out, err = autoloops("encode", str(song), "--model", "tiny-trio")
    assert status == 0
    answer = json.loads(out)
    assert (answer["part"], answer["model"], len(answer["z"])) == ("melody", "tiny-trio", 6)
    assert all(f"is taken as the {part}" in err for part in PARTS)
    status, out, _ = autoloops("encode", str(song), "--model", "tiny-trio", "--track", "3")
    assert status == 0
    assert json.loads(out)["z"] != answer["z"], "another track was read as the melody"


def test_encode_with_one_output_named_lets_it_choose_its_track(autoloops: Run, tmp_path: Path) -> None:
    song = write_song(tmp_path / "a.mid")
    status, _, err = autoloops("encode", str(song), "--part", "lead", "--model", "tiny-trio#bass", "--track", "2")
    assert status == 0
    assert "Track 2 (melody) is taken as the bass." in err


def test_interpolate_writes_all_parts_and_both_ends(autoloops: Run, tmp_path: Path) -> None:
    song = write_song(tmp_path / "a.mid")
    words = ["interpolate", str(song), str(song), "--steps", "2", "--out", "ab.mid", "--model", "tiny-trio"]
    assert autoloops(*words)[0] == 0
    written_song = read_midi(Path("ab.mid"))
    assert {track.name for track in written_song.tracks} == set(PARTS)
    first, second = (
        sorted(
            (track.name, note.start_ub % (16 * BAR_UB), note.pitch)
            for track in written_song.tracks
            # An early hit of a loop lies in the loop before.
            if track.name != "drums"
            for note in track.notes
            if note.start_ub // (16 * BAR_UB) == loop
        )
        for loop in range(2)
    )
    assert first == second
    assert len(first) > 16


def test_models_shows_the_figures_of_each_part(trio: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = msgspec.structs.replace(tiny_trio_manifest(), accuracy=ACCURACY)
    cells = models.describe(manifest)
    assert "melody\nbass\ndrums" in cells
    assert "0.751\n0.772\n0.863" in cells
    assert "-\n-\n-" in cells
    assert np.isfinite(models.measure_p99_ms(trio))
