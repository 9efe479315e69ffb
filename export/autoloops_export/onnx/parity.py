"""The proof that a bundle's graphs do what the PyTorch model does.

The reference holds the same weights, as they come back from storage. Two questions are asked at random points, seeds,
temperatures and biases: how far apart are the logits when both are forced onto the same tokens, and does the graph,
running free, take the token that the reference would take after the same ones before? A token may differ only where
the two best perturbed logits are closer than twice the measured difference.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import torch

from autoloops_engine.bundle.manifest import ParityReport
from autoloops_engine.errors import ModelError
from autoloops_engine.inference.decoder import Decoder, Floats, Tokens
from autoloops_engine.units import STEPS_PER_BAR
from autoloops_export.evaluation.loops import features_of, forcing_bias, random_loops
from autoloops_export.onnx.contract import LoopModel
from autoloops_export.onnx.storage import Storage

POINTS: Final = 1_000
BATCH: Final = 100
# Both sides hold the same weights, so rounding of float32 is all that may differ. Logits of models trained for long go
# beyond 100, where one rounding is 8e-6. Weights kept as int8 were rounded more than that; the card says the bound.
TOLERANCES: Final[Mapping[Storage, float]] = {"float32": 1e-4, "float16": 1e-4, "int8": 5e-4}
TEMPERATURES: Final = (0.0, 0.2, 0.5, 1.0, 1.0, 1.5)


@dataclass
class _Measured:
    differences: dict[str, float] = field(default_factory=dict)
    candidates: list[tuple[str, float, float]] = field(default_factory=list)
    tokens: int = 0

    def compare(self, name: str, found: Floats, wanted: torch.Tensor) -> None:
        difference = float(np.abs(found - wanted.numpy()).max()) if np.isfinite(found).all() else float("inf")
        self.differences[name] = max(self.differences.get(name, 0.0), difference)


def check_parity(
    model: LoopModel,
    decoder: Decoder,
    points: int = POINTS,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
    storage: Storage = "float32",
) -> ParityReport:
    """Compares a model with the graphs made from it.

    Args:
        model: The reference, in evaluation mode on the CPU.
        decoder: The bundle, opened.
        points: Random latent points.
        seed: Of everything that is random here.
        progress: Called with the number of points done.
        storage: How the graphs keep their weights.
    """
    rng = np.random.default_rng(seed)
    measured = _Measured()
    for first in range(0, points, BATCH):
        _compare_batch(model, decoder, min(BATCH, points - first), first, rng, measured)
        if progress is not None:
            progress(min(points, first + BATCH))
    allowed = 2 * measured.differences["logits"]
    return ParityReport(
        points=points,
        tolerance=TOLERANCES[storage],
        differences=measured.differences,
        sampled_tokens=measured.tokens,
        exceptions=tuple(text for text, _, _ in measured.candidates),
        unexcused=sum(gap > allowed / sharpness for _, gap, sharpness in measured.candidates),
    )


def merged(reports: Mapping[str, ParityReport]) -> ParityReport:
    """One report of the parts of a bundle; where there are several, what differs is called ``OUTPUT/PART``."""
    if len(reports) == 1:
        return next(iter(reports.values()))
    return ParityReport(
        points=sum(report.points for report in reports.values()),
        tolerance=max(report.tolerance for report in reports.values()),
        differences={
            f"{name}/{part}": value for part, report in reports.items() for name, value in report.differences.items()
        },
        sampled_tokens=sum(report.sampled_tokens for report in reports.values()),
        exceptions=tuple(f"{part}, {text}" for part, report in reports.items() for text in report.exceptions),
        unexcused=sum(report.unexcused for report in reports.values()),
    )


def require_parity(report: ParityReport) -> None:
    """Lets a report pass or raises.

    Raises:
        ModelError: an output differs by more than the tolerance, or a sampled token without excuse.
    """
    for name, difference in report.differences.items():
        if not difference <= report.tolerance:
            raise ModelError(
                f"The exported graphs are not the trained model: {name} differs by {difference:.2g}, "
                f"more than {report.tolerance:g}; no bundle was written."
            )
    if report.unexcused:
        raise ModelError(
            f"The exported graphs are not the trained model: {report.unexcused} sampled tokens differ without a "
            f"near tie ({report.exceptions[0]}, …); no bundle was written."
        )


@torch.no_grad()
def _compare_batch(
    model: LoopModel, decoder: Decoder, size: int, first: int, rng: np.random.Generator, measured: _Measured
) -> None:
    manifest = decoder.manifest
    classes, steps = manifest.outputs[0].classes, manifest.bars * STEPS_PER_BAR
    forced = rng.integers(0, classes, (size, steps))
    features = features_of(manifest, random_loops(manifest, forced, rng))
    for name, found, wanted in zip(
        ("mu", "sigma"), decoder.encode(features), model.encode(torch.from_numpy(features)), strict=True
    ):
        measured.compare(name, found, wanted)
    z = rng.standard_normal((size, manifest.latent_size)).astype(np.float32)
    begun, reference = decoder.start(z), model.start(torch.from_numpy(z))
    measured.compare("state", begun.state, reference[0])
    measured.compare("embeddings", begun.embeddings, reference[1])
    temperature = rng.choice(TEMPERATURES, size).astype(np.float32)
    for tokens in (forced, None):
        state, previous = begun.state[:, 0], np.zeros(size, dtype=np.int64)
        for bar in range(manifest.bars):
            own = bar % begun.state.shape[1]
            state = begun.state[:, own] if begun.state.shape[1] > 1 else state
            noise = rng.gumbel(size=(size, STEPS_PER_BAR, classes)).astype(np.float32)
            bias = rng.standard_normal(noise.shape).astype(np.float32)
            inputs = _Inputs(state, begun.embeddings[:, own], previous, temperature, noise, bias)
            if tokens is not None:
                wanted_tokens = tokens[:, bar * STEPS_PER_BAR : (bar + 1) * STEPS_PER_BAR]
                state, previous = _forced(model, decoder, inputs, wanted_tokens, measured)
            else:
                state, previous = _sampled(model, decoder, inputs, first, bar, measured)


@dataclass(frozen=True, slots=True)
class _Inputs:
    state: Floats
    embedding: Floats
    previous: Tokens
    temperature: Floats
    noise: Floats
    bias: Floats

    def forcing(self, tokens: Tokens) -> "_Inputs":
        bias = forcing_bias(tokens, self.bias.shape[2])
        return _Inputs(self.state, self.embedding, self.previous, self.temperature, self.noise, bias)

    def arrays(self) -> tuple[Floats, Floats, Tokens, Floats, Floats, Floats]:
        return self.state, self.embedding, self.previous, self.temperature, self.noise, self.bias

    def tensors(self) -> tuple[torch.Tensor, ...]:
        return tuple(torch.from_numpy(np.ascontiguousarray(array)) for array in self.arrays())


def _forced(
    model: LoopModel, decoder: Decoder, inputs: _Inputs, tokens: Tokens, measured: _Measured
) -> tuple[Floats, Tokens]:
    inputs = inputs.forcing(tokens)
    found = decoder.bar(*inputs.arrays())
    _, states, logits, *extras = model.bar(*inputs.tensors())
    measured.compare("states", found.states, states)
    measured.compare("logits", found.logits, logits)
    for port, one, other in zip(decoder.manifest.graphs["bar"].outputs[3:], found.extras, extras, strict=True):
        measured.compare(port.name, one, other)
    if not np.array_equal(found.tokens, tokens):
        raise ModelError("The bar graph ignores its bias: add it to the logits before choosing a token.")
    return found.states[:, -1], found.tokens[:, -1]


def _sampled(
    model: LoopModel, decoder: Decoder, inputs: _Inputs, first: int, bar: int, measured: _Measured
) -> tuple[Floats, Tokens]:
    found = decoder.bar(*inputs.arrays())
    _, _, logits, *_ = model.bar(*inputs.forcing(found.tokens).tensors())
    sharp = inputs.temperature[:, None, None]
    scores = logits.numpy() + inputs.bias
    perturbed = np.where(sharp > 0, scores / np.where(sharp > 0, sharp, 1) + inputs.noise, scores)
    wanted = perturbed.argmax(axis=2)
    measured.tokens += wanted.size
    for row, step in np.argwhere(wanted != found.tokens):
        best = perturbed[row, step, wanted[row, step]]
        gap = float(best - perturbed[row, step, found.tokens[row, step]])
        text = (
            f"point {first + row + 1} step {bar * STEPS_PER_BAR + step + 1}: "
            f"{found.tokens[row, step]} instead of {wanted[row, step]}, {gap:.2g} apart"
        )
        measured.candidates.append((text, gap, float(inputs.temperature[row]) or 1.0))
    return found.states[:, -1], found.tokens[:, -1]
