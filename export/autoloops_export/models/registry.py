"""Models by kind, and their weights on disk.

A checkpoint is a pair: ``NAME.safetensors`` holds the weights, ``NAME.json`` the configuration that builds the model
for them and what was measured. No pickles: neither file can run code.
"""

import os
from pathlib import Path
from typing import Final

import msgspec
import safetensors.torch
from msgspec import Struct
from safetensors import SafetensorError
from torch import Tensor, nn

from autoloops_engine.errors import ModelError
from autoloops_export.models.config import ModelConfig
from autoloops_export.models.flat import FlatVae, LoopVae
from autoloops_export.models.groove import GrooveVae
from autoloops_export.models.hierarchical import HierarchicalVae
from autoloops_export.models.trio import TrioVae

KINDS: Final[dict[str, type[LoopVae]]] = {
    "flat": FlatVae,
    "groove": GrooveVae,
    "hierarchical": HierarchicalVae,
    "trio": TrioVae,
}


class CheckpointCard(Struct, frozen=True):
    """The JSON beside the weights.

    Attributes:
        config: What to build before loading the weights.
        step: Optimiser steps behind the weights.
        seconds: Training time behind the weights.
        windows: Training windows seen, repeats counted.
        metrics: Figures on the validation tunes.
        data: The prepared folder it learnt from: the windows of each split and of each pack's training part.
        begin_from: Of each part the bundle that its bars began with; empty where training began with random weights.
    """

    config: ModelConfig
    step: int = 0
    seconds: float = 0.0
    windows: int = 0
    metrics: dict[str, float] = msgspec.field(default_factory=dict)
    data: dict[str, int] = msgspec.field(default_factory=dict)
    begin_from: dict[str, str] = msgspec.field(default_factory=dict)


def build_model(config: ModelConfig) -> LoopVae:
    """An untrained model of ``config.kind``.

    Raises:
        ModelError: there is no such kind.
    """
    if config.kind not in KINDS:
        raise ModelError(f"There is no model kind {config.kind!r}: choose one of {', '.join(sorted(KINDS))}.")
    return KINDS[config.kind](config)


def save_model(path: Path, weights: dict[str, Tensor], card: CheckpointCard) -> None:
    """Write ``path`` (``.safetensors``) and the card beside it; a kill in between leaves a usable pair."""
    write_atomically(path.with_suffix(".json"), msgspec.json.format(msgspec.json.encode(card), indent=2))
    write_atomically(path, safetensors.torch.save(weights))


def load_card(path: Path) -> CheckpointCard:
    """The card of the checkpoint at ``path`` (``.safetensors``).

    Raises:
        ModelError: it is missing or damaged.
    """
    card = path.with_suffix(".json")
    try:
        return msgspec.json.decode(card.read_bytes(), type=CheckpointCard)
    except (OSError, msgspec.MsgspecError) as error:
        raise ModelError(f"{card} cannot be read ({error}): give a checkpoint that `autoloops train` wrote.") from error


def load_model(path: Path) -> tuple[nn.Module, ModelConfig]:
    """The model of a checkpoint, in evaluation mode on the CPU, and its configuration.

    Args:
        path: The ``.safetensors`` file; its ``.json`` stands beside it.

    Raises:
        ModelError: either file is missing or damaged, or they do not belong together.
    """
    config = load_card(path).config
    model = build_model(config)
    try:
        model.load_state_dict(safetensors.torch.load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"{path} cannot be loaded ({reason}): train or copy the checkpoint again.") from error
    return model.eval(), config


def write_atomically(path: Path, content: bytes) -> None:
    """Replace ``path`` as a whole: readers see the old content or the new, also after a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with beside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
