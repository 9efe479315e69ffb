"""How long one bar takes by ONNX, by PyTorch as it was trained, and by bare matrix products over the same weights.

    python benchmarks/decode.py --model melody-2bar

All three take turns in one run, one thread each. PyTorch needs the extra `export`; without it the other two run.
`autoloops bench decode` is the same without PyTorch.
"""

import os
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from rig import arguments, show

from autoloops_bridges.bench import decoding
from autoloops_engine.bundle.installed import find_bundle
from autoloops_engine.bundle.load import load_bundle, read_file

RECIPES = Path(__file__).parents[1] / "export" / "recipes"


def eager(bundle: Path, recipe: Path) -> Callable[[], object]:
    """One bar of the same model in PyTorch, without graphs or compilation."""
    import safetensors.torch
    import torch

    from autoloops_export.models.config import ModelConfig
    from autoloops_export.models.registry import build_model
    from autoloops_export.onnx.reference import TorchDecoder

    torch.set_num_threads(1)
    model: Any = build_model(ModelConfig(**tomllib.loads(recipe.read_text(encoding="utf-8"))["model"]))
    halves = safetensors.torch.load(read_file(bundle, decoding.WEIGHTS))
    model.load_state_dict({name: tensor.float() for name, tensor in halves.items()})
    model.eval()
    return decoding.bar_of(TorchDecoder(model, load_bundle(bundle).manifest))


def main() -> None:
    """Race and print."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--recipe", type=Path, help="the recipe that the model was trained with; default: by its name")
    asked = parser.parse_args()
    bundle = find_bundle(asked.model)
    others = {}
    try:
        others["PyTorch eager"] = eager(bundle, asked.recipe or RECIPES / f"{bundle.name}.toml")
    except ImportError as error:
        print(f"Without PyTorch: {error}.")
    show("Decoding a bar, in ms", decoding.measure(bundle, others), asked.json)


if __name__ == "__main__":
    main()
