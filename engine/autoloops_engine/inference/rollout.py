"""Whole loops of many candidates at once, bar by bar, as the player would decode them one after the other."""

from collections.abc import Generator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from autoloops_engine.codecs.registry import codec_named
from autoloops_engine.constraints.bias import FORBIDDEN
from autoloops_engine.errors import ModelError
from autoloops_engine.inference.decoder import Decoder, Floats, Tokens
from autoloops_engine.inference.levers import SearchRequest
from autoloops_engine.inference.requests import FIRST_PREVIOUS, LEAST_TEMPERATURE
from autoloops_engine.philox import gumbel


class Loops(NamedTuple):
    """Decoded loops.

    Attributes:
        tokens: Int64 [N, bars * 16].
        extras: What the codec has beside, float32 [N, bars * 16, size] each.
    """

    tokens: Tokens
    extras: tuple[Floats, ...]


def rollout(
    decoder: Decoder, request: SearchRequest, z: npt.NDArray[np.float64], tilts: Floats
) -> Generator[None, None, Loops]:
    """Decodes the bars of N loops with the noise of the request, and pauses behind each run of the model.

    Args:
        decoder: The model.
        request: Seed, pass, temperature and the biases of the bars.
        z: Latent points, [N, Z].
        tilts: Added to the logits of every bar, float32 [N, 16, classes].

    Raises:
        ModelError: the model cannot be run, or answers other sizes than its manifest says.
    """
    count, manifest = len(z), decoder.manifest
    begun = decoder.start(z.astype(np.float32))
    state, previous = begun.state[:, 0], np.full(count, FIRST_PREVIOUS, dtype=np.int64)
    temperature = request.temperature if request.temperature >= LEAST_TEMPERATURE else 0.0
    sharpness = np.full(count, temperature, dtype=np.float32)
    steps, classes = manifest.steps_per_bar, manifest.outputs[0].classes
    tokens: list[Tokens] = []
    extras: list[tuple[Floats, ...]] = []
    for bar, bias in enumerate(request.biases):
        noise = np.broadcast_to(gumbel(request.seed, bar, request.pass_index, steps, classes), tilts.shape)
        biases = tilts if bias is None else np.where(bias <= FORBIDDEN, bias, bias + tilts)
        starts = begun.state.shape[1]
        state = begun.state[:, bar % starts] if starts > 1 else state
        embeddings = begun.embeddings[:, bar % begun.embeddings.shape[1]]
        decoded = decoder.bar(state, embeddings, previous, sharpness, noise, biases)
        _require(decoder, decoded.tokens, decoded.extras, count)
        state, previous = decoded.states[:, -1], decoded.tokens[:, -1]
        tokens.append(decoded.tokens)
        extras.append(decoded.extras)
        yield
    return Loops(np.concatenate(tokens, axis=1), _joined(extras))


def _joined(extras: Sequence[tuple[Floats, ...]]) -> tuple[Floats, ...]:
    return tuple(np.concatenate(bars, axis=1) for bars in zip(*extras, strict=True))


def _require(decoder: Decoder, tokens: Tokens, extras: tuple[Floats, ...], count: int) -> None:
    """Raises ModelError unless these can be the steps of so many bars."""
    manifest, output = decoder.manifest, decoder.manifest.outputs[0]
    shapes = [(count, manifest.steps_per_bar, extra.size) for extra in codec_named(output.codec).extras]
    fits = tokens.shape == (count, manifest.steps_per_bar) and [extra.shape for extra in extras] == shapes
    if not fits or tokens.min() < 0 or tokens.max() >= output.classes:
        raise ModelError(f"The model {manifest.name} answered what it does not promise; use another bundle.")
