"""The training loop: one step, the state it carries, and the run around it."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from autoloops_engine.errors import UsageError
from autoloops_export.data.roles import role_named
from autoloops_export.data.windows import Dataset
from autoloops_export.models.loops import Loops, loops_from
from autoloops_export.models.registry import CheckpointCard, build_model, save_model
from autoloops_export.training import schedules
from autoloops_export.training.batches import BatchSampler
from autoloops_export.training.checkpoints import Counters, load_resume, save_resume
from autoloops_export.training.measure import Metrics, measure
from autoloops_export.training.objective import Feeding, Objective, Terms, TouchWeights
from autoloops_export.training.pictures import Picture, pictures
from autoloops_export.training.recipe import Recipe
from autoloops_export.training.sharing import ALONE, Noise, Share

BEST: Final = "best.safetensors"
LAST: Final = "last.safetensors"


@dataclass(frozen=True, slots=True)
class StepReport:
    """One optimiser step.

    Attributes:
        step: Its number, from 1.
        progress: Of the run, 0 to 1.
        learning_rate: Used in it.
        kl_weight: Used in it.
        terms: What the batch cost.
    """

    step: int
    progress: float
    learning_rate: float
    kl_weight: float
    terms: Terms


class Observer:
    """What a run tells while it goes on; override what is of interest."""

    def stepped(self, report: StepReport, seconds: float) -> None:
        """A step is done; ``seconds`` is the time trained so far."""

    def measured(self, step: int, metrics: Metrics, is_best: bool) -> None:
        """The validation windows have been measured."""

    def drawn(self, step: int, pictures: dict[str, Picture]) -> None:
        """What the model makes of some of them has been drawn, by part."""


def pick_precision(name: str, device: torch.device) -> torch.dtype:
    """The precision of the LSTMs' products; ``auto`` takes bfloat16 where the processor multiplies it natively."""
    if name == "auto":
        if device.type == "cuda":
            native = torch.cuda.is_bf16_supported()
        else:
            native = torch.ops.mkldnn._is_mkldnn_bf16_supported() and torch.cpu._is_avx512_bf16_supported()
        name = "bfloat16" if native else "float32"
    return torch.bfloat16 if name == "bfloat16" else torch.float32


def working_clock(device: torch.device) -> Callable[[], float]:
    """The clock of a run's length: seconds in which the run really worked.

    On a processor it is the time that the system gave to the thread that trains, which takes part in every
    product: pauses, sleep and time that other programs took do not count. With CUDA that thread mostly waits for a
    device that is the run's alone, so it is the time of day.
    """
    return time.thread_time if device.type == "cpu" else time.monotonic


def check_enough(dataset: Dataset, recipe: Recipe) -> None:
    """Refuse to train on too little or on the wrong windows.

    Raises:
        UsageError: with the count and the minimum, or with what does not fit.
    """
    manifest, model = dataset.manifest, recipe.model
    if (manifest.role, manifest.bars, manifest.classes) != (model.role, model.bars, model.classes):
        raise UsageError(
            f"The data hold {manifest.bars}-bar {manifest.role} windows of {manifest.classes} classes, the recipe "
            f"wants {model.bars}-bar {model.role} windows of {model.classes}: "
            f"prepare the data with --role {model.role}."
        )
    count, minimum = len(dataset.splits["train"]), recipe.data.min_windows
    if count < minimum:
        raise UsageError(
            f"There are {count} training windows and at least {minimum} are needed: add MIDI files and prepare again."
        )
    if not len(dataset.splits["valid"]):
        raise UsageError("There are no validation windows: add MIDI files of more tunes and prepare again.")


class Trainer:
    """A run: the model, its optimiser and everything that a resumed run must find unchanged."""

    def __init__(
        self, recipe: Recipe, dataset: Dataset, folder: Path, plan: schedules.Plan, share: Share = ALONE
    ) -> None:
        """Build an untrained run; ``folder`` receives its checkpoints, and ``share`` is this process's part of it.

        Raises:
            UsageError: the data are too few or do not fit the recipe.
        """
        check_enough(dataset, recipe)
        self.recipe, self.folder, self.plan, self.share = recipe, folder, plan, share
        self.device = share.device()
        self.precision = pick_precision(recipe.run.precision, self.device)
        torch.manual_seed(recipe.run.seed)
        self.model = build_model(recipe.model).to(self.device)
        self.average = build_model(recipe.model).to(self.device)
        self.average.load_state_dict(self.model.state_dict())
        self.objective = share.watched(Objective(self.model))
        options = recipe.optimiser
        self.optimiser = torch.optim.AdamW(
            self.model.parameters(), options.learning_rate, weight_decay=options.weight_decay, fused=True
        )
        self._prime_optimiser()
        self.generator = torch.Generator(device=self.device).manual_seed(recipe.run.seed)
        names = [pack.name for pack in dataset.manifest.packs]
        role = role_named(recipe.model.role)
        self.sampler = BatchSampler(dataset.splits["train"], names, role, recipe.data, recipe.run.seed)
        self.valid = self._validation(dataset)
        self.counters = Counters(kl_weight=recipe.objective.beta)
        self._data = {name: len(split) for name, split in dataset.splits.items()}
        self._data |= {pack.name: pack.windows["train"] for pack in dataset.manifest.packs}

    def begin_from(self, weights: dict[str, Tensor], observer: Observer) -> None:
        """Start from these weights instead of random ones; they are measured and saved as the best so far."""
        self.model.load_state_dict(weights)
        self.average.load_state_dict(weights)
        self.evaluate(observer)

    def _prime_optimiser(self) -> None:
        """Give AdamW its moments before the first step, so that a checkpoint always has the same tensors."""
        for parameter in self.model.parameters():
            self.optimiser.state[parameter] = {
                "step": torch.zeros((), dtype=torch.float32, device=self.device),
                "exp_avg": torch.zeros_like(parameter),
                "exp_avg_sq": torch.zeros_like(parameter),
            }

    def _validation(self, dataset: Dataset) -> Loops:
        """Validation loops, evenly spread over the tunes when there are more than are measured."""
        windows = dataset.splits["valid"]
        stride = -(-len(windows) // self.recipe.run.evaluate_windows)
        return loops_from(windows, slice(None, None, stride)).to(self.device)

    @property
    def progress(self) -> float:
        """Of the run, 0 to 1."""
        return self.plan.progress(self.counters.step, self.counters.seconds)

    def step(self) -> StepReport:
        """Learn from one batch."""
        objective, options, counters = self.recipe.objective, self.recipe.optimiser, self.counters
        progress = self.progress
        rate = schedules.learning_rate(options, progress)
        weight = schedules.kl_weight(objective, counters.kl_weight, progress)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        size = self.recipe.run.batch_size
        loops = self.sampler.draw(size * self.share.processes).rows(self.share.rows(size)).to(self.device)
        feeding = Feeding(schedules.sampling_share(objective, progress), objective.input_dropout)
        self.model.train()
        touch = TouchWeights(objective.velocity_weight, objective.offset_weight)
        free = objective.free_bits_nats
        noise = Noise(self.generator, self.share)
        terms = self.objective(loops, weight, free, feeding, noise, self.precision, touch)
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(terms.loss)
        terms = Terms(*self.share.mean([terms.loss, terms.reconstruction, terms.kl, terms.correct, terms.touch]))
        norm = float(torch.nn.utils.clip_grad_norm_(self.model.parameters(), options.clip_norm))
        if math.isfinite(norm) and norm <= options.skip_norm:
            self.optimiser.step()
        counters.step += 1
        counters.windows += size * self.share.processes
        self._follow()
        counters.kl_weight = schedules.steer(objective, counters.kl_weight, float(terms.kl))
        return StepReport(counters.step, progress, rate, weight, terms)

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the averaged weights towards the weights, faster at first."""
        decay = min(self.recipe.optimiser.average, (1 + self.counters.step) / (10 + self.counters.step))
        for average, weight in zip(self.average.parameters(), self.model.parameters(), strict=True):
            average.lerp_(weight, 1 - decay)

    def run(self, observer: Observer, stopping: Callable[[], bool], clock: Callable[[], float] | None = None) -> str:
        """Train to the end of the plan, to the end of patience, or until ``stopping`` answers True.

        Args:
            observer: Is told of every step and measurement.
            stopping: Asked after each step; the state is saved before the run ends.
            clock: Seconds, read between steps; None: :func:`working_clock`.

        Returns:
            Why it ended, in words.
        """
        run, clock = self.recipe.run, clock or working_clock(self.device)
        while self.progress < 1:
            if self.counters.since_best >= run.patience:
                return f"no better for {run.patience} measurements"
            started = clock()
            report = self.step()
            self._spent(clock() - started)
            stopped = self.share.anywhere(stopping())
            observer.stepped(report, self.counters.seconds)
            if report.step % run.evaluate_every == 0 or self.progress >= 1:
                started = clock()
                self.evaluate(observer)
                self._spent(clock() - started)
                self.save()
            if stopped:
                self.save()
                return "stopped; --resume goes on from here"
        return "the plan is done"

    def _spent(self, seconds: float) -> None:
        """Count time, by the clock of the first process: all must see the same progress."""
        self.counters.seconds += self.share.from_first(seconds)[0]

    def evaluate(self, observer: Observer) -> None:
        """Measure the averaged weights on the validation windows; write ``last`` and, if it is, ``best``.

        The first process does it, the others wait.
        """
        if self.share.first:
            self._measure(observer)
        self.counters.best, since_best = self.share.from_first(self.counters.best, self.counters.since_best)
        self.counters.since_best = int(since_best)

    def _measure(self, observer: Observer) -> None:
        metrics = measure(self.average, self.valid)
        is_best = metrics.free_at_1 > self.counters.best
        self.counters.since_best = 0 if is_best else self.counters.since_best + 1
        card = CheckpointCard(
            config=self.recipe.model,
            step=self.counters.step,
            seconds=round(self.counters.seconds, 1),
            windows=self.counters.windows,
            metrics=metrics.as_dict(),
            data=self._data,
            begin_from=self.recipe.run.begin_from,
        )
        weights = self.average.state_dict()
        save_model(self.folder / LAST, weights, card)
        if is_best:
            self.counters.best = metrics.free_at_1
            save_model(self.folder / BEST, weights, card)
        observer.measured(self.counters.step, metrics, is_best)
        observer.drawn(self.counters.step, pictures(self.average, self.valid))

    def tensors(self) -> dict[str, Tensor]:
        """Everything that is a tensor, by ``PART.NAME``; the tensors are the run's own, not copies."""
        tensors: dict[str, Tensor] = {"generators.noise": self.generator.get_state()}
        for part, model in (("model", self.model), ("average", self.average)):
            tensors |= {f"{part}.{name}": tensor for name, tensor in model.state_dict().items()}
        for name, parameter in self.model.named_parameters():
            state = self.optimiser.state[parameter]
            tensors |= {f"moment1.{name}": state["exp_avg"], f"moment2.{name}": state["exp_avg_sq"]}
            tensors[f"updates.{name}"] = state["step"]
        return tensors

    def save(self) -> None:
        """Write the state of the run: one process does, for all."""
        if not self.share.first:
            return
        self.counters.batches = dict(self.sampler.generator.bit_generator.state)
        save_resume(self.folder, self.tensors(), self.counters)

    def resume(self) -> None:
        """Take the run up where its last checkpoint left it.

        Raises:
            UsageError: there is no checkpoint, or it belongs to another recipe.
        """
        saved, counters = load_resume(self.folder)
        own = self.tensors()
        if {name: t.shape for name, t in saved.items()} != {name: t.shape for name, t in own.items()}:
            raise UsageError(f"The checkpoint in {self.folder} is of another model: train without --resume.")
        self.generator.set_state(saved.pop("generators.noise"))
        for name, tensor in saved.items():
            own[name].copy_(tensor)
        self.sampler.generator.bit_generator.state = counters.batches
        self.counters = counters
