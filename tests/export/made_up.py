"""Models and loops that the export tests make up, and its commands as they run them."""

from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
import typer
from typer.testing import CliRunner

from autoloops_engine.errors import AutoLoopsError
from autoloops_export.commands import register
from autoloops_export.data.windows import Dataset, DatasetManifest, PackCounts, SplitWindows
from autoloops_export.models.config import ModelConfig
from autoloops_export.models.registry import build_model

Model = TypeVar("Model", bound=torch.nn.Module)


def lively_model(config: ModelConfig, kind: type[Model], seed: int = 0) -> Model:
    """An untrained model that answers different points with different loops."""
    torch.manual_seed(seed)
    built = build_model(config).eval()
    assert isinstance(built, kind)
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return built


def some_melodies(counts: dict[str, int], bars: int = 2) -> Dataset:
    """So many loops of each split, an onset at three steps of ten; all from one collection in the public domain."""
    rng = np.random.default_rng(0)
    steps = bars * 16
    splits = {}
    for name, count in counts.items():
        tokens = np.where(rng.random((count, steps)) < 0.3, rng.integers(35, 60, (count, steps)), 0)
        splits[name] = SplitWindows(tokens.astype(np.uint8), np.zeros(count, np.uint8))
    pack = PackCounts("songs", "CC0", "Songs by nobody, CC0.", {"CC0": 3}, 3, 3, counts)
    return Dataset(DatasetManifest("melody", bars, steps, 90, counts, 0, 0, {}, [], [pack]), splits)


def run(*words: str | Path) -> str:
    """What a command of the export package prints.

    Raises:
        AutoLoopsError: what it was refused with.
    """
    app = typer.Typer(pretty_exceptions_enable=False)
    register(app)
    result = CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "200"})
    if isinstance(result.exception, AutoLoopsError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output
