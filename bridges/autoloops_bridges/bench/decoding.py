"""How long one bar takes, of all parts of a model: as played, against bare matrix products over the same weights."""

import json
import re
import struct
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

import numpy as np

from autoloops_bridges.bench.tables import Cell, race, spread, with_ratios
from autoloops_engine.bundle.load import read_file
from autoloops_engine.inference.decoder import Decoder, Floats
from autoloops_engine.inference.onnx_decoder import open_decoder
from autoloops_engine.inference.views import views_of
from autoloops_engine.units import STEPS_PER_BAR

ROUNDS: Final = 300
ONNX: Final = "ONNX"
BLAS: Final = "bare BLAS"
WEIGHTS: Final = "weights.safetensors"
_DTYPES: Final = {"F16": np.float16, "F32": np.float32}
# The matrices that a step of a decoder multiplies with, by the names that the exporter gives them.
_STEP_MATRICES: Final = ("decoder.weight", "to_logits.weight")
_PARTS: Final = re.compile(r"parts\.[^.]+\.")


def measure(path: Path, others: Mapping[str, Callable[[], object]] | None = None) -> dict[str, dict[str, Cell]]:
    """Milliseconds of a bar, and ratios to the bare matrix products.

    Args:
        path: The bundle.
        others: More contestants, each decoding one bar of that model.
    """
    contestants = {ONNX: bars_of(views_of(open_decoder(path)).values()), BLAS: products_of(path), **(others or {})}
    race(contestants, 20, time.monotonic_ns)
    taken_ms = race(contestants, ROUNDS, time.monotonic_ns)
    return with_ratios({name: spread(samples) for name, samples in taken_ms.items()}, BLAS)


def bars_of(decoders: Iterable[Decoder]) -> Callable[[], object]:
    """What decodes one bar of each and nothing else."""
    bars = [bar_of(decoder) for decoder in decoders]
    return lambda: [bar() for bar in bars]


def bar_of(decoder: Decoder) -> Callable[[], object]:
    """What decodes one bar and nothing else."""
    manifest = decoder.manifest
    rng = np.random.default_rng(0)
    begun = decoder.start(rng.standard_normal((1, manifest.latent_size)).astype(np.float32))
    shape = (1, manifest.steps_per_bar, manifest.outputs[0].classes)
    noise, bias = rng.gumbel(size=shape).astype(np.float32), np.zeros(shape, dtype=np.float32)
    previous, warmth = np.zeros(1, dtype=np.int64), np.ones(1, dtype=np.float32)
    return lambda: decoder.bar(begun.state[:, 0], begun.embeddings[:, 0], previous, warmth, noise, bias)


def products_of(path: Path) -> Callable[[], object]:
    """The matrix products of a bar's steps in float32, one after the other, and nothing else."""
    tensors = _tensors(read_file(path, WEIGHTS))
    matrices = [each for name, each in tensors.items() if _PARTS.sub("", name).startswith(_STEP_MATRICES)]
    vectors = [np.ones(matrix.shape[1], dtype=np.float32) for matrix in matrices]

    def run() -> None:
        for _ in range(STEPS_PER_BAR):
            for matrix, vector in zip(matrices, vectors, strict=True):
                matrix @ vector

    return run


def _tensors(data: bytes) -> dict[str, Floats]:
    """What a safetensors file holds: a length, a header in JSON, the numbers (its documentation, "Format")."""
    (size,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + size])
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__" and entry["dtype"] in _DTYPES:
            begin, end = entry["data_offsets"]
            flat = np.frombuffer(data[8 + size + begin : 8 + size + end], dtype=_DTYPES[entry["dtype"]])
            tensors[name] = flat.reshape(entry["shape"]).astype(np.float32)
    return tensors
