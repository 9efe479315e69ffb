"""The state of a run on disk: all that a killed run needs to go on as if nothing had happened.

``resume.safetensors`` holds the weights, their average, AdamW's moments and the generators' states as tensors, and
the counters as JSON in its header: one file, replaced as a whole.
"""

from pathlib import Path
from typing import Any, Final

import msgspec
import safetensors.torch
from msgspec import Struct
from safetensors import SafetensorError, safe_open
from torch import Tensor

from autoloops_engine.errors import UsageError
from autoloops_export.models.registry import write_atomically

RESUME: Final = "resume.safetensors"
COUNTERS: Final = "counters"


class Counters(Struct):
    """What a run counts and steers.

    Attributes:
        step: Optimiser steps done.
        windows: Training windows seen, repeats counted.
        seconds: Time trained, over all sessions of the run.
        kl_weight: The steered weight of the KL.
        best: Best free-running accuracy on the validation tunes.
        since_best: Measurements since then.
        batches: State of the batch sampler's generator; its numbers go beyond 64 bits, so they are written as text.
    """

    step: int = 0
    windows: int = 0
    seconds: float = 0.0
    kl_weight: float = 0.0
    best: float = -1.0
    since_best: int = 0
    batches: dict[str, Any] = msgspec.field(default_factory=dict)


def save_resume(folder: Path, tensors: dict[str, Tensor], counters: Counters) -> None:
    """Write the state of a run to ``folder``."""
    header = {COUNTERS: msgspec.json.encode(_texts(msgspec.to_builtins(counters))).decode()}
    write_atomically(folder / RESUME, safetensors.torch.save(tensors, metadata=header))


def load_resume(folder: Path) -> tuple[dict[str, Tensor], Counters]:
    """The state of the run in ``folder``.

    Raises:
        UsageError: there is none, or it is damaged.
    """
    path = folder / RESUME
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        counters = msgspec.convert(_numbers(msgspec.json.decode(header.get(COUNTERS, ""))), Counters)
    except (OSError, SafetensorError, msgspec.MsgspecError) as error:
        raise UsageError(f"{path} cannot be resumed ({error}): train without --resume to start anew.") from error
    return tensors, counters


def _texts(value: Any) -> Any:
    """Integers as texts ``int:…``, through dictionaries."""
    if isinstance(value, dict):
        return {key: _texts(inner) for key, inner in value.items()}
    return f"int:{value}" if isinstance(value, int) and not isinstance(value, bool) else value


def _numbers(value: Any) -> Any:
    """The inverse of :func:`_texts`."""
    if isinstance(value, dict):
        return {key: _numbers(inner) for key, inner in value.items()}
    return int(value[4:]) if isinstance(value, str) and value.startswith("int:") else value
