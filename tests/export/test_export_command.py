"""``autoloops export`` and ``autoloops evaluate``, from a checkpoint to a bundle that plays."""

import json
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from tests.export.made_up import run, some_melodies

from autoloops_engine.bundle.load import load_bundle, read_file
from autoloops_engine.errors import ModelError, UsageError
from autoloops_engine.inference.onnx_decoder import open_decoder
from autoloops_engine.inference.requests import DecodeRequest, decode
from autoloops_engine.latent import latent_space, point_at
from autoloops_export.data.windows import save_dataset
from autoloops_export.models.config import ModelConfig
from autoloops_export.models.registry import CheckpointCard, build_model, save_model
from autoloops_export.onnx.bundle import ExportPlan, export_bundle

CONFIG = ModelConfig(latent=4, encoder_hidden=8, decoder_hidden=16, embedding=8)
SPLITS = {"train": 4, "valid": 40, "test": 30}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    made_up = some_melodies(SPLITS)
    save_dataset(folder, made_up.manifest, made_up.splits)
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run") / "best.safetensors"
    torch.manual_seed(1)
    save_model(path, build_model(CONFIG).state_dict(), CheckpointCard(CONFIG, step=7, seconds=120.0, windows=99))
    return path


@pytest.fixture(scope="module")
def bundle(checkpoint: Path, data: Path, tmp_path_factory: pytest.TempPathFactory, quick_export: None) -> Path:
    out = tmp_path_factory.mktemp("out") / "tiny-melody"
    notes = tmp_path_factory.mktemp("notes") / "tiny-melody.md"
    notes.write_text("Larger ones were not better.\n", "utf-8")
    run("export", checkpoint, "--data", data, "--out", out, "--points", "100", "--notes", notes)
    return out


def test_a_checkpoint_becomes_a_bundle_that_plays(bundle: Path) -> None:
    decoder = open_decoder(bundle)
    manifest = decoder.manifest
    assert (manifest.name, manifest.bars, manifest.latent_size, manifest.state_size) == ("tiny-melody", 2, 4, 64)
    point = point_at(latent_space(manifest), np.zeros(4)).with_knob(0, 0.9)
    assert len(decode(decoder, DecodeRequest("melody", 0, point.z().astype(np.float32), 1, 5)).tokens) == 16


def test_the_manifest_holds_parity_knobs_figures_and_licences(bundle: Path) -> None:
    manifest = load_bundle(bundle).manifest
    assert manifest.parity is not None
    assert manifest.parity.points == 100
    assert manifest.parity.unexcused == 0
    assert len(manifest.knobs) == 4
    assert manifest.accuracy["loops"] == 30
    assert [source.attribution for source in manifest.data] == ["Songs by nobody, CC0."]


def test_the_card_says_what_was_measured_and_whose_music_it_was(bundle: Path) -> None:
    card = read_file(bundle, "MODEL_CARD.md").decode()
    for text in ("# tiny-melody", "Songs by nobody, CC0.", "2 minutes", "over 100 random points", "no event"):
        assert text in card
    assert "## Notes\n\nLarger ones were not better.\n" in card


def test_the_weights_for_fine_tuning_are_float16(bundle: Path, checkpoint: Path) -> None:
    from safetensors.torch import load, load_file

    kept, trained = load(read_file(bundle, "weights.safetensors")), load_file(checkpoint)
    assert kept.keys() == trained.keys()
    assert all(value.dtype == torch.float16 for value in kept.values())


def test_evaluating_the_bundle_gives_the_figures_of_its_manifest(bundle: Path, data: Path, tmp_path: Path) -> None:
    shown = run("evaluate", bundle, "--data", data, "--json", tmp_path / "figures.json")
    figures = json.loads((tmp_path / "figures.json").read_text())
    accuracy = load_bundle(bundle).manifest.accuracy
    assert {name: figures[name] for name in accuracy} == accuracy
    assert "teacher-forced" in shown


def test_graphs_that_fail_parity_leave_no_bundle(
    bundle: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(2)
    other = tmp_path / "other.safetensors"
    save_model(other, build_model(CONFIG).state_dict(), CheckpointCard(CONFIG))
    graphs = load_bundle(bundle).graphs
    monkeypatch.setattr("autoloops_export.onnx.bundle.export_graphs", lambda *_: graphs)
    with pytest.raises(ModelError, match="not the trained model: mu differs by"):
        run("export", other, "--data", data, "--out", tmp_path / "bad", "--points", "5")
    assert not (tmp_path / "bad").exists()


def test_wrong_names_and_wrong_data_are_refused_before_any_work(checkpoint: Path, data: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot name a bundle"):
        run("export", checkpoint, "--data", data, "--out", tmp_path / "Bad Name")
    with pytest.raises(UsageError, match="no prepared windows"):
        run("export", checkpoint, "--data", tmp_path, "--out", tmp_path / "x")
    with pytest.raises(ModelError, match="cannot be read"):
        run("export", tmp_path / "none.safetensors", "--data", data, "--out", tmp_path / "x")


def test_times_are_written_into_the_card_and_nothing_else_changes(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "tiny-melody"
    shutil.copytree(bundle, copy)
    monkeypatch.setattr("autoloops_export.evaluation.times.decode_ms", lambda decoder: (1.25, 7.5))
    assert "1.2 ms (median), 7.5 ms" in run("evaluate", copy, "--times")
    card = read_file(copy, "MODEL_CARD.md").decode()
    assert "One bar decodes in 1.2 ms (median) and 7.5 ms (99th percentile)" in card
    before, after = load_bundle(bundle).manifest, load_bundle(copy).manifest
    assert {n for n in before.files if before.files[n] != after.files[n]} == {"MODEL_CARD.md"}
    assert msgspec.structs.replace(after, files=before.files) == before


def test_the_bundle_says_where_its_loops_lie(bundle: Path) -> None:
    manifest = load_bundle(bundle).manifest
    assert manifest.density is not None
    assert manifest.density.components == 1
    card = read_file(bundle, "MODEL_CARD.md").decode()
    for title in ("new loops", "real: training loops", "## Knobs"):
        assert title in card
    assert ("Morphs lead along the density" in card) is manifest.density.leads
    assert ("Morphs lead on great circles" in card) is not manifest.density.leads


def test_notes_that_cannot_be_read_are_refused_before_any_work(checkpoint: Path, data: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"give a Markdown file with --notes"):
        run("export", checkpoint, "--data", data, "--out", tmp_path / "x", "--notes", tmp_path / "none.md")


def test_evaluating_without_data_is_refused_with_a_hint(bundle: Path) -> None:
    with pytest.raises(UsageError, match=r"--data .* or ask for --times"):
        run("evaluate", bundle)


@pytest.mark.parametrize(
    ("out", "said"),
    [("a-file", "Not a directory"), ("a-file/sub", "File exists"), ("full", "holds something else than a bundle")],
)
def test_that_there_is_no_place_for_the_bundle_is_told_before_anything_is_loaded(
    tmp_path: Path, out: str, said: str
) -> None:
    (tmp_path / "a-file").touch()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").touch()
    plan = ExportPlan(
        checkpoint=tmp_path / "none.safetensors", out=tmp_path / out, dataset=None, storage="float32", points=1
    )
    with pytest.raises(UsageError, match=said):
        export_bundle(plan, lambda word: None)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a-file", "full"]
