"""What a run tells while it goes on, what it draws, and that nothing is lost when it is killed."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tests.export.made_up import some_melodies

from autoloops_export.data.windows import Dataset, load_dataset, save_dataset
from autoloops_export.models.registry import load_card
from autoloops_export.training import session
from autoloops_export.training.checkpoints import RESUME
from autoloops_export.training.objective import Terms
from autoloops_export.training.pictures import HELD, ONSET, drum_roll, line_roll
from autoloops_export.training.recipe import load_recipe
from autoloops_export.training.session import train_run
from autoloops_export.training.sharing import Share
from autoloops_export.training.trainer import BEST, LAST, StepReport

RECIPE = """
[run]
name = "told"
steps = 100
batch_size = 8
evaluate_every = 10
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
sampling = 0.5
input_dropout = 0.1
"""
COUNTS = {"train": 100, "valid": 20, "test": 20}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("told")
    made_up = some_melodies(COUNTS)
    save_dataset(folder / "data", made_up.manifest, made_up.splits)
    (folder / "recipe.toml").write_text(RECIPE)
    return folder


@pytest.fixture(scope="module")
def dataset(folder: Path) -> Dataset:
    return load_dataset(folder / "data")


@pytest.fixture(scope="module")
def unbroken(folder: Path, dataset: Dataset) -> Path:
    train_run(load_recipe(folder / "recipe.toml"), dataset, folder / "unbroken", minutes=None, resume=False)
    return folder / "unbroken"


@contextmanager
def training(folder: Path, out: str) -> Iterator["subprocess.Popen[bytes]"]:
    """``autoloops train`` as a process of its own."""
    command = [sys.executable, "-m", "autoloops_bridges", "train", "recipe.toml", "--data", "data", "--out", out]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_killed_run_goes_on_to_what_an_unbroken_one_is(folder: Path, dataset: Dataset, unbroken: Path) -> None:
    until_s = time.monotonic() + 80
    with training(folder, "killed") as process:
        while not (folder / "killed" / RESUME).exists():
            assert time.monotonic() < until_s, "no checkpoint came"
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.02)
    assert load_card(folder / "killed" / LAST).step < 100
    train_run(load_recipe(folder / "recipe.toml"), dataset, folder / "killed", minutes=None, resume=True)
    for name in (LAST, BEST):
        assert (folder / "killed" / name).read_bytes() == (unbroken / name).read_bytes(), name


def test_tensorboard_gets_losses_accuracies_dimensions_and_piano_rolls(unbroken: Path) -> None:
    events = EventAccumulator(str(unbroken / "tensorboard"))
    events.Reload()
    scalars = set(events.Tags()["scalars"])
    assert {"train/loss", "train/kl_nats", "train/windows_per_s", "train/learning_rate"} <= scalars
    assert {"valid/kl", "valid/active_dimensions", "valid/teacher_forced", "valid/free_at_1"} <= scalars
    assert [event.step for event in events.Scalars("valid/kl")] == list(range(10, 101, 10))
    image = events.Images("loops/melody")[0]
    # Three rows of four loops, each with a frame of one.
    assert (image.height, image.width) == (3 * (88 + 2), 4 * (32 * 4 + 2))


def test_the_bar_shows_windows_a_second_and_the_time_left() -> None:
    shown: list[dict[str, object]] = []
    bar = SimpleNamespace(update=lambda _, **fields: shown.append(fields))
    telemetry = session._Telemetry(64, bar, 0, SimpleNamespace())  # type: ignore[arg-type]
    zero = torch.zeros(())
    for step, seconds in ((1, 2.0), (11, 7.0)):
        telemetry.stepped(StepReport(step, 0.1, 1e-3, 0.1, Terms(zero, zero, zero, zero, zero)), seconds)
    # Ten steps of 64 windows in five seconds; a tenth took seven, so that nine times seven are left.
    assert shown[-1] == {"completed": 0.1, "speed": "128 windows/s", "left": "1 min left"}


def test_a_line_is_drawn_with_its_onsets_and_held_steps() -> None:
    roll = line_roll(np.array([2, 0, 1, 0, 89]))[:, ::4]
    assert roll[87].tolist() == [ONSET, HELD, 0, 0, 0]
    assert roll[0].tolist() == [0, 0, 0, 0, ONSET]
    assert np.count_nonzero(roll) == 3


def test_drums_are_drawn_voice_by_voice() -> None:
    roll = drum_roll(np.array([0b1, 0, 0b100000001]))[::6, ::4]
    assert roll.shape == (9, 3)
    assert np.argwhere(roll).tolist() == [[0, 2], [8, 0], [8, 2]]


def test_cuda_is_taken_without_being_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Share().device().type == ("cuda" if torch.cuda.is_available() else "cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert Share().device() == torch.device("cuda", 0)
    assert Share(number=5, processes=8, on_machine=1).device() == torch.device("cuda", 1)
