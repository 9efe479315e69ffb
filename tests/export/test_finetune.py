"""Fine-tuning: from a bundle and a folder of MIDI files to another bundle, with honest figures on the way."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("symusic")

import torch
from tests.export.made_up import run, some_melodies

from autoloops_engine.bundle.load import load_bundle
from autoloops_engine.bundle.write import write_bundle
from autoloops_engine.errors import ModelError, UsageError
from autoloops_engine.testing import tiny_manifest
from autoloops_export.data.packs import splits_of
from autoloops_export.data.windows import Dataset, DatasetManifest, PackCounts, SplitWindows
from autoloops_export.models.config import ModelConfig
from autoloops_export.models.registry import CheckpointCard, build_model, save_model
from autoloops_export.onnx.bundle import ExportPlan, export_bundle
from autoloops_export.training.finetune import load_base, name_for

CONFIG = ModelConfig(latent=4, encoder_hidden=6, encoder_reads=2, decoder_hidden=8, decoder_layers=1, embedding=3)
COUNTS = {"train": 4, "valid": 30, "test": 10}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory, quick_export: None) -> Path:
    folder = tmp_path_factory.mktemp("base")
    torch.manual_seed(3)
    save_model(folder / "best.safetensors", build_model(CONFIG).state_dict(), CheckpointCard(CONFIG))
    plan = ExportPlan(
        checkpoint=folder / "best.safetensors",
        out=folder / "tiny",
        dataset=some_melodies(COUNTS),
        storage="float16",
        points=5,
    )
    export_bundle(plan, lambda word: None)
    return folder / "tiny"


def test_the_model_is_read_off_the_weights_of_a_bundle(bundle: Path) -> None:
    base = load_base(bundle)
    assert base.config == CONFIG
    torch.manual_seed(3)
    for name, value in build_model(CONFIG).state_dict().items():
        torch.testing.assert_close(base.weights[name], value, atol=1e-3, rtol=1e-3)


def test_a_folder_of_files_becomes_a_bundle_with_figures_before_and_after(
    bundle: Path,
    tmp_path: Path,
    folder_of_tunes: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    quick_export: None,
) -> None:
    monkeypatch.chdir(tmp_path)
    folder_of_tunes(tmp_path / "My Tunes", 30)
    told = run("train", "--from", bundle, "--data", "My Tunes", "--minutes", "0.03", "--threads", "1")
    assert "before" in told
    assert "after" in told
    made = load_bundle(tmp_path / "runs" / "tiny-my-tunes" / "tiny-my-tunes").manifest
    assert {source.name for source in made.data} == {"My Tunes", "songs"}
    assert "fine-tuned from tiny" in made.description
    assert made.outputs == load_bundle(bundle).manifest.outputs


def test_what_training_does_not_better_stays_as_it_was(bundle: Path, tmp_path: Path) -> None:
    """The weights that one starts from are measured first, and are the best until better ones are found."""
    from autoloops_export.training.finetune import finetune_recipe
    from autoloops_export.training.schedules import Plan
    from autoloops_export.training.trainer import BEST, Observer, Trainer

    base = load_base(bundle)
    rng = np.random.default_rng(1)
    splits = {
        name: SplitWindows(rng.integers(0, 90, (60, 32)).astype(np.uint8), np.zeros(60, np.uint8)) for name in COUNTS
    }
    counts = dict.fromkeys(COUNTS, 60)
    pack = PackCounts("own", "", "", {}, 1, 1, counts)
    dataset = Dataset(DatasetManifest("melody", 2, 32, 90, counts, 0, 0, {}, [], [pack]), splits)
    trainer = Trainer(finetune_recipe(base, "own"), dataset, tmp_path, Plan(10))
    trainer.begin_from(base.weights, Observer())
    assert trainer.counters.best >= 0
    assert (tmp_path / BEST).exists()
    for name, value in trainer.average.state_dict().items():
        assert torch.equal(value, base.weights[name]), name


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--from", "tiny"), "--data"),
        ((), "recipe"),
        (("recipe.toml", "--from", "tiny", "--data", "x"), "no recipe"),
    ],
)
def test_half_a_request_is_refused_with_what_is_missing(words: tuple[str, ...], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        run("train", *words)


def test_too_few_files_are_refused_before_training(
    bundle: Path, tmp_path: Path, folder_of_tunes: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="three files"):
        run("train", "--from", bundle, "--data", folder_of_tunes(tmp_path / "two", 2))
    with pytest.raises(UsageError, match="at least 40"):
        run("train", "--from", bundle, "--data", folder_of_tunes(tmp_path / "four", 4))


def test_a_bundle_of_other_weights_is_refused(tmp_path: Path) -> None:
    weights = {"anything.weight": torch.zeros(2)}
    files = {"encoder.onnx": b"", "start.onnx": b"", "bar.onnx": b""}
    import safetensors.torch

    write_bundle(tmp_path / "odd", tiny_manifest(), {**files, "weights.safetensors": safetensors.torch.save(weights)})
    with pytest.raises(ModelError, match="not of a model"):
        load_base(tmp_path / "odd")


def test_small_folders_hold_some_tunes_out() -> None:
    splits = list(splits_of([f"own:{i}" for i in range(50)]).values())
    assert (splits.count("test"), splits.count("valid")) == (3, 3)
    assert sorted(splits_of(["a", "b", "c"]).values()) == ["test", "train", "valid"]
    assert set(splits_of(["a", "b"]).values()) == {"train"}


def test_names_are_those_of_bundle_and_folder() -> None:
    assert name_for("melody-2bar", Path("/somewhere/My Tunes (2024)")) == "melody-2bar-my-tunes-2024"
    assert len(name_for("melody-2bar", Path("x" * 90))) <= 64
