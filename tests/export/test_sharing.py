"""A run shared by two processes under torchrun: the same learning as one process with the doubled batch."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from tests.export.made_up import some_melodies

from autoloops_export.data.windows import load_dataset, save_dataset
from autoloops_export.models.registry import load_card
from autoloops_export.training.recipe import load_recipe
from autoloops_export.training.schedules import Plan
from autoloops_export.training.sharing import Noise, Share
from autoloops_export.training.trainer import BEST, LAST, Observer, StepReport, Trainer

# Everything that is random in training: sampled inputs, blanked inputs, transpositions, points.
RECIPE = """
[run]
name = "shared"
steps = 24
batch_size = 8
evaluate_every = 12
evaluate_windows = 16
precision = "float32"
[model]
latent = 4
encoder_hidden = 6
encoder_reads = 2
decoder_hidden = 6
embedding = 3
[data]
min_windows = 50
[objective]
kl_target_nats = 5.0
sampling = 0.5
input_dropout = 0.1
[optimiser]
learning_rate = 2e-2
"""
COUNTS = {"train": 200, "valid": 30, "test": 30}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shared")
    made_up = some_melodies(COUNTS)
    save_dataset(folder / "data", made_up.manifest, made_up.splits)
    (folder / "recipe.toml").write_text(RECIPE)
    return folder


def torchrun(folder: Path, *words: str) -> str:
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone", *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=90)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Losses(Observer):
    def __init__(self) -> None:
        self.losses: list[float] = []

    def stepped(self, report: StepReport, seconds: float) -> None:
        self.losses.append(float(report.terms.loss))


@pytest.fixture(scope="module")
def shared(folder: Path) -> dict[str, list[float]]:
    torchrun(folder, str(Path(__file__).with_name("sharing_run.py")), "data", "recipe.toml", "out")
    told: dict[str, list[float]] = json.loads((folder / "out" / "losses.json").read_text())
    return told


def test_two_processes_learn_as_one_with_the_doubled_batch(shared: dict[str, list[float]], folder: Path) -> None:
    recipe = load_recipe(folder / "recipe.toml")
    doubled = dataclasses.replace(recipe, run=dataclasses.replace(recipe.run, batch_size=16))
    alone = Losses()
    Trainer(doubled, load_dataset(folder / "data"), folder / "alone", Plan(24)).run(alone, lambda: False)
    assert len(alone.losses) == 24
    assert np.abs(np.array(alone.losses) - shared["losses"]).max() <= 1e-3
    assert alone.losses[-1] < 0.95 * alone.losses[0]
    assert load_card(folder / "out" / "whole" / LAST).windows == 24 * 16


def test_a_stop_that_one_process_hears_ends_both_and_resuming_changes_nothing(
    shared: dict[str, list[float]], folder: Path
) -> None:
    assert shared["stopped_at"] == [3]
    for name in (LAST, BEST):
        whole, broken = (folder / "out" / run / name for run in ("whole", "broken"))
        assert whole.read_bytes() == broken.read_bytes()


def test_the_documented_command_trains_on_two_processes_and_one_of_them_writes(folder: Path) -> None:
    autoloops = str(Path(sys.executable).with_name("autoloops"))
    said = torchrun(folder, "--no-python", autoloops, "train", "recipe.toml", "--data", "data")
    assert "2 processes on cpu" in said
    assert said.count("best so far") == said.count("step 12:") == 1
    run = folder / "runs" / "shared"
    assert {path.name for path in run.iterdir()} == {
        "best.json",
        "best.safetensors",
        "last.json",
        "last.safetensors",
        "resume.safetensors",
        "tensorboard",
    }
    assert len(list((run / "tensorboard").iterdir())) == 1


def test_noise_is_laid_out_by_the_whole_batch() -> None:
    whole = Noise(torch.Generator().manual_seed(7)).normal(6, 5)
    thirds = [Noise(torch.Generator().manual_seed(7), Share(number, 3)).normal(2, 5) for number in range(3)]
    assert torch.equal(torch.cat(thirds), whole)
    halves = [Noise(torch.Generator().manual_seed(7), Share(number, 2)).uniform(3, 4) for number in range(2)]
    assert torch.equal(torch.cat(halves), Noise(torch.Generator().manual_seed(7)).uniform(6, 4))
