"""Recipes: every argument of a training run, with its meaning, its default and its checks."""

import dataclasses
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from autoloops_engine.errors import UsageError
from autoloops_export.models.config import ModelConfig

PRECISIONS = ("auto", "float32", "bfloat16")


def _check(condition: bool, sentence: str) -> None:
    if not condition:
        raise ValueError(sentence)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataArguments:
    """What a batch is drawn from."""

    folder: str = "runs/data"
    """The prepared folder, unless ``--data`` gives another."""
    balance: dict[str, float] = field(default_factory=dict)
    """Share of each pack in the training batches; packs that are not named share what is left by their windows."""
    transpose_down: int = 5
    """Semitones a window may be moved down, within the role's range."""
    transpose_up: int = 6
    """Semitones a window may be moved up, within the role's range."""
    recombine: float = 0.0
    """Share of a batch's drum windows that take some voices, or a bar, from another window of the batch; of a batch's
    trios that take the drums of another."""
    min_windows: int = 500
    """Training on fewer windows is refused."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        _check(all(share >= 0 for share in self.balance.values()), "data.balance may not be negative.")
        _check(sum(self.balance.values()) <= 1 + 1e-9, "data.balance may not sum to more than 1.")
        _check(0 <= self.transpose_down <= 12, "data.transpose_down must lie between 0 and 12.")
        _check(0 <= self.transpose_up <= 12, "data.transpose_up must lie between 0 and 12.")
        _check(0 <= self.recombine <= 1, "data.recombine must lie between 0 and 1.")
        _check(self.min_windows >= 1, "data.min_windows must be at least 1.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectiveArguments:
    """The evidence lower bound and what is done to it."""

    free_bits_nats: float = 0.0
    """KL of a window, summed over the dimensions, that costs nothing."""
    beta: float = 0.2
    """Weight of the KL at the start of the control, or throughout where ``kl_target_nats`` is 0."""
    beta_warmup: float = 0.0
    """Share of the run over which the weight rises from 0."""
    kl_target_nats: float = 0.0
    """Mean KL that the weight is steered to (0: the weight stays); it bounds what z may carry."""
    kl_gain: float = 0.01
    """How fast it is steered: relative change of the weight a step, at a KL twice the target."""
    sampling: float = 0.0
    """Share of the decoder's inputs that are its own samples at the end of the schedule (scheduled sampling)."""
    sampling_middle: float = 0.15
    """Progress of the run at which half of that share is reached."""
    input_dropout: float = 0.0
    """Share of the decoder's inputs that are blanked to "no event"."""
    velocity_weight: float = 1.0
    """What the squared error of a hit's velocity costs, in nats (drums)."""
    offset_weight: float = 1.0
    """What the squared error of a hit's offset in half steps costs, in nats (drums)."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        _check(self.free_bits_nats >= 0, "objective.free_bits_nats may not be negative.")
        _check(self.beta >= 0, "objective.beta may not be negative.")
        _check(0 <= self.beta_warmup <= 1, "objective.beta_warmup must lie between 0 and 1.")
        _check(self.kl_target_nats >= 0, "objective.kl_target_nats may not be negative.")
        _check(0 < self.kl_gain < 1, "objective.kl_gain must lie between 0 and 1.")
        _check(0 <= self.sampling <= 1, "objective.sampling must lie between 0 and 1.")
        _check(0 < self.sampling_middle < 1, "objective.sampling_middle must lie between 0 and 1.")
        _check(self.velocity_weight >= 0, "objective.velocity_weight may not be negative.")
        _check(self.offset_weight >= 0, "objective.offset_weight may not be negative.")
        _check(0 <= self.input_dropout < 1, "objective.input_dropout must lie between 0 and 1.")


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimiserArguments:
    """AdamW, its learning rate over the run, and the average of the weights."""

    learning_rate: float = 1e-3
    """The highest rate, reached after the warm-up."""
    final_learning_rate: float = 1e-5
    """The rate at the end."""
    decay: str = "exponential"
    """How it falls: ``exponential`` (as MusicVAE's) or ``cosine``."""
    warmup: float = 0.01
    """Share of the run over which the rate rises from 0."""
    weight_decay: float = 0.0
    """Of AdamW."""
    clip_norm: float = 1.0
    """Gradients are scaled down to this global norm."""
    skip_norm: float = 1e4
    """Steps whose gradients are longer than this, or not finite, are skipped."""
    average: float = 0.999
    """Decay of the moving average of the weights, which is what is measured and exported."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        _check(0 < self.final_learning_rate <= self.learning_rate, "optimiser rates must be positive and fall.")
        _check(self.decay in ("exponential", "cosine"), "optimiser.decay must be exponential or cosine.")
        _check(0 <= self.warmup < 1, "optimiser.warmup must lie between 0 and 1.")
        _check(self.weight_decay >= 0, "optimiser.weight_decay may not be negative.")
        _check(0 < self.clip_norm <= self.skip_norm, "optimiser.clip_norm must be positive, skip_norm no smaller.")
        _check(0 <= self.average < 1, "optimiser.average must lie between 0 and 1.")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunArguments:
    """How long, how fast, and what is kept."""

    name: str = "model"
    """Of the run: its folder under ``runs/``."""
    seed: int = 1
    """Of the weights, the batches and the noise."""
    steps: int = 40_000
    """Optimiser steps; with ``--minutes`` the clock plans the run instead."""
    batch_size: int = 64
    """Windows a step."""
    evaluate_every: int = 1000
    """Steps between measurements on the validation tunes; a checkpoint follows each."""
    evaluate_windows: int = 1024
    """At most so many validation windows are measured."""
    patience: int = 40
    """Measurements without a better one after which training stops early."""
    begin_from: dict[str, str] = field(default_factory=dict)
    """Of each part the bundle of short loops whose bars a model with a conductor begins with; none: random weights."""
    precision: str = "auto"
    """Of the LSTMs' matrix products: ``bfloat16``, ``float32``, or ``auto``: bfloat16 where the processor has it."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("steps", "batch_size", "evaluate_every", "evaluate_windows", "patience"):
            _check(getattr(self, name) >= 1, f"run.{name} must be at least 1.")
        _check(self.precision in PRECISIONS, f"run.precision must be one of {', '.join(PRECISIONS)}.")
        _check(bool(self.name) and "/" not in self.name, "run.name must be a plain folder name.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A whole training run."""

    run: RunArguments = field(default_factory=RunArguments)
    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataArguments = field(default_factory=DataArguments)
    objective: ObjectiveArguments = field(default_factory=ObjectiveArguments)
    optimiser: OptimiserArguments = field(default_factory=OptimiserArguments)


def load_recipe(path: Path, settings: Sequence[str] = ()) -> Recipe:
    """Read a recipe; every key must be known and every value in range.

    Args:
        path: The TOML file.
        settings: Other values than the file's, each ``GROUP.KEY=VALUE``.

    Raises:
        UsageError: the file is missing, is no TOML, or asks for something that makes no sense.
    """
    try:
        table = tomllib.loads(path.read_text("utf-8"))
        for setting in settings:
            _set(table, setting)
        _refuse_unknown(table, Recipe, "")
        return msgspec.convert(table, Recipe)
    except (OSError, tomllib.TOMLDecodeError, msgspec.ValidationError, ValueError) as error:
        raise UsageError(f"The recipe {path} cannot be used: {error}") from error


def _set(table: dict[str, Any], setting: str) -> None:
    """Put ``GROUP.KEY=VALUE`` into a recipe's table; a value that is no TOML is a text."""
    name, equals, text = setting.partition("=")
    *groups, key = name.strip().split(".")
    if not equals or not groups:
        raise UsageError(f"--set {setting} cannot be used: give it as run.steps=1000.")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    for group in groups:
        table = table.setdefault(group, {})
        if not isinstance(table, dict):
            raise UsageError(f"--set {setting} cannot be used: {group} is a value, not a group.")
    table[key] = value


def _refuse_unknown(table: dict[str, Any], shape: type, where: str) -> None:
    fields = {entry.name: entry for entry in dataclasses.fields(shape)}
    for key, value in table.items():
        if key not in fields:
            raise ValueError(f"{where}{key} is unknown; known: {', '.join(sorted(fields))}.")
        inner = fields[key].type
        if isinstance(value, dict) and isinstance(inner, type) and dataclasses.is_dataclass(inner):
            _refuse_unknown(value, inner, f"{key}.")
