"""Fine-tuning: an installed bundle's weights, a folder of one's own MIDI files, a bundle of one's own.

Before anything is learnt the bundle is measured on the folder's held-out files, and again after: what training gained
on music it has not seen is the answer, also where it is nothing.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from autoloops_engine.bundle.load import load_bundle, read_file
from autoloops_engine.bundle.manifest import Manifest
from autoloops_engine.codecs.registry import DRUMS
from autoloops_engine.errors import ModelError
from autoloops_export.data.windows import Dataset
from autoloops_export.models.config import ModelConfig
from autoloops_export.models.loops import loops_from
from autoloops_export.models.registry import build_model
from autoloops_export.training.measure import Metrics, measure
from autoloops_export.training.recipe import (
    DataArguments,
    ObjectiveArguments,
    OptimiserArguments,
    Recipe,
    RunArguments,
)

WEIGHTS: Final = "weights.safetensors"
MINUTES: Final = 4.0
MIN_WINDOWS: Final = 40

Weights = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Base:
    """What fine-tuning starts from: a bundle's manifest, the shape of its model, and its weights."""

    manifest: Manifest
    config: ModelConfig
    weights: Weights


def load_base(bundle: Path) -> Base:
    """The model of a bundle, from its ``weights.safetensors``.

    Raises:
        BundleError: the bundle is damaged or has no weights.
        ModelError: the weights are not of a model that this program trains.
    """
    manifest = load_bundle(bundle).manifest
    try:
        weights = safetensors.torch.load(read_file(bundle, WEIGHTS))
        floats = {name: value.float() if value.is_floating_point() else value for name, value in weights.items()}
        config = config_of(floats, manifest)
        build_model(config).load_state_dict(floats)
    except (SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"The weights of {manifest.name} are not of a model that can be trained here ({type(error).__name__}): "
            "fine-tune a bundle that `autoloops export` made of a checkpoint."
        ) from error
    return Base(manifest, config, floats)


def config_of(weights: Weights, manifest: Manifest) -> ModelConfig:
    """The sizes of a flat model, read off its weights.

    Raises:
        KeyError: weights are missing.
    """
    output = manifest.outputs[0]
    encoder = weights["encoder.weight_hh_l0"].shape[1]
    drum = output.codec == DRUMS.name
    return ModelConfig(
        kind="groove" if drum else "flat",
        role=output.part,
        classes=output.classes,
        bars=manifest.bars,
        latent=manifest.latent_size,
        encoder_hidden=encoder,
        encoder_reads=weights["to_mu.weight"].shape[1] // (2 * encoder),
        decoder_hidden=weights["decoder.weight_hh_l0"].shape[1],
        decoder_layers=sum(name.startswith("decoder.weight_hh_l") for name in weights),
        embedding=weights["embed.weight"].shape[1],
        touch_hidden=weights["to_touch.weight"].shape[1] if drum else 64,
    )


def name_for(base: str, source: Path) -> str:
    """A bundle name made of the base's and the folder's."""
    own = re.sub(r"[^a-z0-9]+", "-", source.resolve().name.casefold()).strip("-") or "own"
    return f"{base}-{own}"[:64].rstrip("-")


def finetune_recipe(base: Base, name: str) -> Recipe:
    """A short, gentle run: a low rate from the first step on, own samples fed back from the start, early stopping."""
    drum = base.config.kind == "groove"
    return Recipe(
        run=RunArguments(name=name, steps=2_000, batch_size=32, evaluate_every=100, patience=8),
        model=base.config,
        data=DataArguments(min_windows=MIN_WINDOWS, recombine=0.1 if drum else 0.0),
        objective=ObjectiveArguments(
            beta=0.2,
            kl_target_nats=60.0 if drum else 57.0,
            free_bits_nats=16.0,
            sampling=0.4,
            sampling_middle=0.01,
            input_dropout=0.2,
            velocity_weight=2.0,
        ),
        optimiser=OptimiserArguments(
            learning_rate=5e-4, final_learning_rate=1e-5, decay="cosine", warmup=0.05, average=0.99
        ),
    )


def measured_on_test(config: ModelConfig, weights: Weights, dataset: Dataset) -> Metrics | None:
    """What a model does on the held-out test files; None where there are none."""
    if not len(dataset.splits["test"]):
        return None
    model = build_model(config)
    model.load_state_dict(weights)
    return measure(model, loops_from(dataset.splits["test"]))
