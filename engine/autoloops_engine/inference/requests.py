"""Asking for one bar of a loop, and answering it with a decoder."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from autoloops_engine.bundle.manifest import Manifest
from autoloops_engine.bundle.shapes import starts_of
from autoloops_engine.codecs.registry import codec_named
from autoloops_engine.errors import ModelError
from autoloops_engine.inference.decoder import DecodedSteps, Decoder, Floats
from autoloops_engine.philox import gumbel

FIRST_PREVIOUS: Final = 0
# Below this, logits divided by the temperature leave the range of float32; it is greedy all the same.
LEAST_TEMPERATURE: Final = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class DecodeRequest:
    """One bar, or the rest of one, of one part.

    Attributes:
        part: Name of the part.
        ticket: Whatever the asker wants to recognise the answer by.
        z: The latent point, float32 [Z].
        bar: Bar of the loop, from 0; with ``seed`` and ``pass_index`` it names the noise.
        seed: Seed of the part.
        pass_index: 0 while the part holds, the number of the pass while it varies.
        temperature: From 0 (greedy, and so is everything below ``LEAST_TEMPERATURE``).
        state: State to go on from, float32 [S]; None: the loop begins afresh at ``z``. A flat model then
            decodes the bars before ``bar`` too, with their own noise, and throws them away. Hierarchical
            models start every bar from its own state and use this one within a bar alone.
        previous: The last token before ``first_step``; with ``state`` None only hierarchical models
            use it.
        first_step: 0, or the step from which the rest of the bar is decoded, with ``state`` the state
            after the step before.
        bias: Added to the logits, float32 [16, C] for the whole bar; None: nothing.
    """

    part: str
    ticket: int
    z: Floats
    bar: int
    seed: int
    pass_index: int = 0
    temperature: float = 1.0
    state: Floats | None = None
    previous: int = FIRST_PREVIOUS
    first_step: int = 0
    bias: Floats | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """The answer to a request.

    Attributes:
        request: What was asked.
        tokens: The classes from ``first_step`` to the bar's end.
        states: The state after each of them, float32 [steps, S]: the last leads to the next bar.
        decode_us: How long the model took, noise included.
        extras: What else the codec has for each of the steps, in its order, float32 [steps, size] each.
        logits: Of each of the steps, before bias and temperature, float32 [steps, C].
    """

    request: DecodeRequest
    tokens: tuple[int, ...]
    states: Floats
    logits: Floats
    decode_us: int = 0
    extras: tuple[Floats, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Failed:
    """A request that could not be answered.

    Attributes:
        request: What was asked.
        reason: One sentence.
    """

    request: DecodeRequest
    reason: str


def decode(decoder: Decoder, request: DecodeRequest) -> Decoded:
    """Answers a request.

    Raises:
        ModelError: the model cannot be run, or answers what cannot be: other sizes than its manifest says, tokens that
            are no class, numbers that are none.
    """
    manifest = decoder.manifest
    starts = starts_of(manifest)
    begun = decoder.start(np.asarray(request.z, dtype=np.float32)[None])
    _require(manifest, begun, ((1, starts, manifest.state_size), (1, starts, manifest.embedding_size)))
    embeddings = begun.embeddings[:, request.bar % begun.embeddings.shape[1]]
    state, previous = request.state, request.previous
    if begun.state.shape[1] > 1 and not request.first_step:
        state = begun.state[0, request.bar % begun.state.shape[1]]
    elif state is None:
        state, previous = begun.state[0, 0], FIRST_PREVIOUS
        for bar in range(request.bar):
            passed = _run(decoder, request, bar, state, embeddings, previous)
            state, previous = passed.states[0, -1], int(passed.tokens[0, -1])
    steps = _run(decoder, request, request.bar, state, embeddings, previous)
    count = manifest.steps_per_bar - request.first_step
    extras = tuple(extra[0, :count] for extra in steps.extras)
    tokens = tuple(int(token) for token in steps.tokens[0, :count])
    return Decoded(request, tokens, steps.states[0, :count], steps.logits[0, :count], extras=extras)


def encode(decoder: Decoder, features: Floats) -> list[float]:
    """The latent point of one loop.

    Args:
        decoder: The model.
        features: What its codec makes of the loop, float32 [bars * 16, F].

    Returns:
        The mean, Z finite numbers.

    Raises:
        ModelError: the model cannot be run, or answers other sizes than its manifest says or numbers that are none.
    """
    size = decoder.manifest.latent_size
    posterior = decoder.encode(features[None])
    _require(decoder.manifest, posterior, ((1, size), (1, size)))
    return [float(coordinate) for coordinate in posterior.mu[0]]


def _run(
    decoder: Decoder, request: DecodeRequest, bar: int, state: Floats, embedding: Floats, previous: int
) -> DecodedSteps:
    steps, classes = decoder.manifest.steps_per_bar, decoder.manifest.outputs[0].classes
    noise = gumbel(request.seed, bar, request.pass_index, steps, classes)
    bias = np.zeros_like(noise) if request.bias is None else np.asarray(request.bias, dtype=np.float32)
    temperature = request.temperature if request.temperature >= LEAST_TEMPERATURE else 0.0
    if bar == request.bar and request.first_step:
        # The graph always runs a whole bar: what belongs to the first wanted step goes first.
        noise = np.roll(noise, -request.first_step, axis=0)
        bias = np.roll(bias, -request.first_step, axis=0)
    decoded = decoder.bar(
        np.asarray(state, dtype=np.float32)[None],
        embedding,
        np.array([previous], dtype=np.int64),
        np.array([temperature], dtype=np.float32),
        noise[None],
        bias[None],
    )
    _require_steps(decoder.manifest, decoded)
    return decoded


def _require_steps(manifest: Manifest, decoded: DecodedSteps) -> None:
    steps, output = manifest.steps_per_bar, manifest.outputs[0]
    sizes = [extra.size for extra in codec_named(output.codec).extras]
    arrays: list[npt.NDArray[Any]] = [decoded.tokens, decoded.states, *decoded.extras]
    _require(manifest, arrays, ((1, steps), (1, steps, manifest.state_size), *((1, steps, size) for size in sizes)))
    if decoded.tokens.min() < 0 or decoded.tokens.max() >= output.classes:
        raise ModelError(f"The model {manifest.name} answered tokens that are no class; use another bundle.")


def _require(manifest: Manifest, arrays: Sequence[npt.NDArray[Any]], shapes: Sequence[tuple[int, ...]]) -> None:
    """Raises ModelError unless these are finite arrays of these shapes."""
    if [array.shape for array in arrays] != list(shapes):
        raise ModelError(f"The model {manifest.name} answered other sizes than it promises; use another bundle.")
    if not all(np.isfinite(array).all() for array in arrays):
        raise ModelError(f"The model {manifest.name} answered numbers that are none; use another bundle.")
