"""Training: recipes, schedules, batches, exact resumption, and the command line from MIDI files to a checkpoint."""

import dataclasses
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from autoloops_engine.errors import UsageError
from autoloops_export.data.prepare import prepare
from autoloops_export.data.roles import MELODY
from autoloops_export.data.windows import (
    Dataset,
    DatasetManifest,
    PackCounts,
    SplitWindows,
    load_dataset,
    save_dataset,
)
from autoloops_export.models.config import ModelConfig
from autoloops_export.models.registry import load_card, load_model
from autoloops_export.training import schedules, session
from autoloops_export.training.batches import BatchSampler, shift_ranges, window_weights
from autoloops_export.training.recipe import (
    DataArguments,
    ObjectiveArguments,
    OptimiserArguments,
    Recipe,
    RunArguments,
    load_recipe,
)
from autoloops_export.training.trainer import BEST, LAST, Observer, StepReport, Trainer, working_clock

SHIPPED = Path(__file__).parents[2] / "export" / "recipes"
TINY = Recipe(
    run=RunArguments(steps=8, batch_size=8, evaluate_every=4, evaluate_windows=16, precision="float32"),
    model=ModelConfig(latent=4, encoder_hidden=6, encoder_reads=2, decoder_hidden=6, embedding=3),
    data=DataArguments(min_windows=50),
    objective=ObjectiveArguments(kl_target_nats=5.0, sampling=0.5, input_dropout=0.1),
)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("data")
    splits = {}
    for name, count in (("train", 200), ("valid", 30), ("test", 30)):
        tokens = np.where(rng.random((count, 32)) < 0.3, rng.integers(35, 60, (count, 32)), 0).astype(np.uint8)
        splits[name] = SplitWindows(tokens, rng.integers(0, 2, count).astype(np.uint8))
    counts = {name: len(split) for name, split in splits.items()}
    packs = [PackCounts(name, "", "", {}, 1, 1, counts) for name in ("a", "b")]
    save_dataset(folder, DatasetManifest("melody", 2, 32, 90, counts, 0, 0, {}, [], packs), splits)
    return load_dataset(folder)


def trainer(dataset: Dataset, folder: Path, recipe: Recipe = TINY) -> Trainer:
    return Trainer(recipe, dataset, folder, schedules.Plan(recipe.run.steps))


def never() -> bool:
    return False


def test_an_interrupted_and_resumed_run_equals_an_unbroken_one_bit_for_bit(dataset: Dataset, tmp_path: Path) -> None:
    whole = trainer(dataset, tmp_path / "whole")
    whole.run(Observer(), never)

    asked = iter([False, False, True])
    broken = trainer(dataset, tmp_path / "broken")
    assert "resume" in broken.run(Observer(), lambda: next(asked))
    assert broken.counters.step == 3
    resumed = trainer(dataset, tmp_path / "broken")
    resumed.resume()
    resumed.run(Observer(), never)

    for name in (LAST, BEST):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "broken" / name).read_bytes(), name
    for (name, one), other in zip(whole.tensors().items(), resumed.tensors().values(), strict=True):
        assert torch.equal(one, other), name
    assert whole.sampler.generator.bit_generator.state == resumed.sampler.generator.bit_generator.state
    assert whole.counters.step == resumed.counters.step == TINY.run.steps
    assert whole.counters.kl_weight == resumed.counters.kl_weight


def test_training_moves_weights_their_average_and_the_kl_weight(dataset: Dataset, tmp_path: Path) -> None:
    run = trainer(dataset, tmp_path)
    before = {name: tensor.clone() for name, tensor in run.tensors().items()}
    run.step()
    run.step()
    after = run.tensors()
    changed = {name.split(".")[0] for name in after if not torch.equal(before[name], after[name])}
    assert changed == {"model", "average", "moment1", "moment2", "updates", "generators"}
    assert run.counters.kl_weight != TINY.objective.beta


def test_the_loss_falls_on_a_handful_of_windows(dataset: Dataset, tmp_path: Path) -> None:
    recipe = dataclasses.replace(
        TINY,
        run=dataclasses.replace(TINY.run, steps=60, batch_size=32, evaluate_every=60),
        optimiser=OptimiserArguments(learning_rate=3e-2, warmup=0.0),
        objective=ObjectiveArguments(beta=0.0),
    )
    losses: list[float] = []

    class Watch(Observer):
        def stepped(self, report: StepReport, seconds: float) -> None:
            losses.append(float(report.terms.reconstruction))

    trainer(dataset, tmp_path, recipe).run(Watch(), never)
    assert np.mean(losses[-5:]) < 0.7 * losses[0]


def test_a_run_planned_by_the_clock_ends_when_its_time_is_over(dataset: Dataset, tmp_path: Path) -> None:
    run = Trainer(TINY, dataset, tmp_path, schedules.Plan(10**9, seconds=10.0))
    ticks = iter(range(1000))
    assert run.run(Observer(), never, clock=lambda: float(next(ticks))) == "the plan is done"
    assert run.counters.seconds == pytest.approx(10.0, abs=2)
    assert (tmp_path / BEST).exists()


def test_training_ends_when_patience_does(dataset: Dataset, tmp_path: Path) -> None:
    recipe = dataclasses.replace(TINY, run=dataclasses.replace(TINY.run, steps=1000, evaluate_every=1, patience=2))
    run = trainer(dataset, tmp_path, recipe)
    run.counters.best = 2.0
    assert "no better" in run.run(Observer(), never)
    assert run.counters.step == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"data": DataArguments(min_windows=201)}, "200 training windows and at least 201"),
        ({"model": ModelConfig(bars=4)}, "prepare the data"),
    ],
)
def test_unfit_data_are_refused_before_training(
    dataset: Dataset, tmp_path: Path, change: dict[str, object], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        trainer(dataset, tmp_path, dataclasses.replace(TINY, **change))  # type: ignore[arg-type]


def test_resuming_nothing_or_another_model_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--resume"):
        trainer(dataset, tmp_path).resume()
    trainer(dataset, tmp_path).save()
    other = dataclasses.replace(TINY, model=dataclasses.replace(TINY.model, latent=5))
    with pytest.raises(UsageError, match="another model"):
        trainer(dataset, tmp_path, other).resume()


def test_learning_rate_rises_falls_and_ends_at_its_final_value() -> None:
    for decay in ("exponential", "cosine"):
        arguments = OptimiserArguments(decay=decay, warmup=0.1)
        rates = [schedules.learning_rate(arguments, p) for p in np.linspace(0, 1, 101)]
        assert rates[10] == max(rates) == pytest.approx(arguments.learning_rate)
        assert rates[-1] == pytest.approx(arguments.final_learning_rate)
        assert rates[:11] == sorted(rates[:11])
        assert rates[10:] == sorted(rates[10:], reverse=True)


def test_sampling_grows_to_its_share_by_an_inverse_sigmoid() -> None:
    arguments = ObjectiveArguments(sampling=0.4, sampling_middle=0.3)
    assert schedules.sampling_share(arguments, 0.0) < 0.001
    assert schedules.sampling_share(arguments, 0.3) == pytest.approx(0.2)
    assert schedules.sampling_share(arguments, 1.0) == pytest.approx(0.4, abs=1e-4)


def test_the_kl_weight_is_steered_towards_the_target() -> None:
    arguments = ObjectiveArguments(kl_target_nats=50.0)
    assert schedules.steer(arguments, 0.1, 60.0) > 0.1 > schedules.steer(arguments, 0.1, 40.0)
    assert schedules.steer(arguments, 0.1, 50.0) == pytest.approx(0.1)
    assert schedules.steer(ObjectiveArguments(), 0.1, 60.0) == 0.1


def test_packs_are_drawn_in_their_shares() -> None:
    packs = np.array([0] * 90 + [1] * 10, dtype=np.uint8)
    weights = window_weights(packs, ["a", "b", "empty"], {"b": 0.6, "empty": 0.2})
    assert weights[90:].sum() == pytest.approx(0.75)
    assert window_weights(packs, ["a", "b"], {})[90:].sum() == pytest.approx(0.1)
    assert window_weights(packs, ["a", "b"], {"elsewhere": 1.0}).sum() == pytest.approx(1.0)


def test_transposition_stays_within_the_role() -> None:
    tokens = np.zeros((3, 32), dtype=np.uint8)
    for row, pitches in enumerate(([60, 65], [37, 94], [30, 60])):
        tokens[row, :2] = np.array(pitches) - 19
    low, high = shift_ranges(tokens, MELODY, DataArguments())
    assert low.tolist() == [-5, -1, 0]
    assert high.tolist() == [6, 2, 6]


def test_batches_hold_training_windows_in_every_allowed_transposition(dataset: Dataset) -> None:
    sampler = BatchSampler(dataset.splits["train"], ["a", "b"], MELODY, DataArguments(), seed=3)
    known = {tuple(np.flatnonzero(row > 1)) for row in dataset.splits["train"].tokens}
    batch = sampler.draw(500).tokens.numpy()
    assert {tuple(np.flatnonzero(row > 1)) for row in batch} <= known
    assert batch.max() > dataset.splits["train"].tokens.max()
    again = BatchSampler(dataset.splits["train"], ["a", "b"], MELODY, DataArguments(), seed=3)
    assert again.draw(500).tokens.tolist() == batch.tolist()


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.toml")), ids=lambda path: path.stem)
def test_shipped_recipes_are_valid_and_named_as_their_files(path: Path) -> None:
    assert load_recipe(path).run.name == path.stem


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[run]\nspeed = 3", "run.speed is unknown"),
        ("[nothing]", "nothing is unknown"),
        ("[run]\nbatch_size = 0", "batch_size"),
        ("[run]\nbatch_size = 'many'", "batch_size"),
        ("[objective]\nsampling = 1.5", "sampling"),
        ("[optimiser]\ndecay = 'steps'", "decay"),
        ("[model]\nlatent = 0", "latent"),
        ("[data.balance]\na = 0.7\nb = 0.7", "balance"),
        ("not toml", "cannot be used"),
    ],
)
def test_a_wrong_recipe_is_refused_with_the_key(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=words):
        load_recipe(path)


def test_settings_win_over_the_recipe(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text("[run]\nname = 'one'\nsteps = 7\n[data.balance]\na = 0.5\n")
    settings = ("run.name=two", "model.latent=9", "optimiser.learning_rate = 1e-2", "data.balance.a=0.25")
    recipe = load_recipe(path, settings)
    assert (recipe.run.name, recipe.run.steps, recipe.model.latent) == ("two", 7, 9)
    assert (recipe.optimiser.learning_rate, recipe.data.balance) == (1e-2, {"a": 0.25})


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("run.steps", "give it as run.steps=1000"),
        ("steps=3", "give it as run.steps=1000"),
        ("run.name.more=3", "name is a value, not a group"),
        ("run.speed=3", "run.speed is unknown"),
        ("run.steps=many", "steps"),
        ("run.steps=0", "run.steps must be at least 1"),
    ],
)
def test_a_wrong_setting_is_refused(tmp_path: Path, setting: str, words: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text("[run]\nname = 'one'\n")
    with pytest.raises(UsageError, match=words):
        load_recipe(path, [setting])


SMOKE = """
[run]
name = "smoke"
steps = 6
batch_size = 16
evaluate_every = 3
[model]
latent = 8
encoder_hidden = 8
decoder_hidden = 8
embedding = 4
[data]
min_windows = 100
"""


def autoloops(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from autoloops_bridges.cli import main; main()", *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=90)


def test_from_midi_files_to_a_checkpoint_on_the_command_line(
    tmp_path: Path, folder_of_tunes: Callable[..., Path]
) -> None:
    folder_of_tunes(tmp_path / "tunes", 40)
    (tmp_path / "smoke.toml").write_text(SMOKE)
    prepared = autoloops(tmp_path, "data", "prepare", "tunes", "--out", "windows", "--workers", "1")
    assert prepared.returncode == 0, prepared.stderr
    assert "tunes" in prepared.stdout
    trained = autoloops(tmp_path, "train", "smoke.toml", "--data", "windows", "--threads", "1")
    assert trained.returncode == 0, trained.stderr
    assert "best.safetensors" in trained.stdout
    run = tmp_path / "runs" / "smoke"
    assert load_card(run / LAST).step == 6
    assert load_model(run / BEST)[1].latent == 8
    assert list((run / "tensorboard").iterdir())
    again = autoloops(tmp_path, "train", "smoke.toml", "--data", "windows")
    assert again.returncode == 2
    assert "--resume" in again.stderr


def test_sigterm_ends_a_run_at_a_checkpoint(dataset: Dataset, tmp_path: Path) -> None:
    with session.stop_signals() as stopped:
        os.kill(os.getpid(), signal.SIGTERM)
        run = trainer(dataset, tmp_path)
        assert "stopped" in run.run(Observer(), lambda: bool(stopped))
    assert run.counters.step == 1
    trainer(dataset, tmp_path).resume()


def test_prepare_from_the_library_is_the_same_as_from_the_command_line(
    tmp_path: Path, folder_of_tunes: Callable[..., Path]
) -> None:
    folder = folder_of_tunes(tmp_path / "tunes", 12)
    manifest = prepare([folder], tmp_path / "one", MELODY, lambda done, total: None, workers=1)
    done = autoloops(tmp_path, "data", "prepare", "tunes", "--out", "two", "--workers", "1")
    assert done.returncode == 0, done.stderr
    assert load_dataset(tmp_path / "two").manifest == manifest


def test_time_in_which_others_have_the_processor_is_not_training_time() -> None:
    clock = working_clock(torch.device("cpu"))
    began, waited = clock(), threading.Event().wait(0.05)
    assert not waited
    assert clock() - began < 0.04
    began = clock()
    sum(range(100_000))
    assert clock() > began
