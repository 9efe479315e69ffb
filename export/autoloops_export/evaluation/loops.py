"""Whole loops through a bundle's graphs, many at once.

Axes: B loops, T steps of a loop, C classes, Z latent.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from autoloops_engine.inference.decoder import Decoder, Floats, Tokens
from autoloops_engine.units import STEPS_PER_BAR

ROWS_AT_ONCE: Final = 256
# Larger than any difference of logits: the biased class always wins.
FORCE: Final = np.float32(1e4)


def one_hot(tokens: npt.NDArray[np.integer], classes: int) -> Floats:
    """Encoder features of loops: float32 [B, T, C]."""
    features: Floats = np.eye(classes, dtype=np.float32)[tokens]
    return features


def forcing_bias(tokens: Tokens, classes: int) -> Floats:
    """The bias [B, 16, C] with which a bar graph takes ``tokens`` [B, 16] whatever its logits and noise."""
    return one_hot(tokens, classes) * FORCE


def encode_loops(decoder: Decoder, tokens: npt.NDArray[np.integer]) -> tuple[Floats, Floats]:
    """Posterior means and deviations of loops [B, T], each [B, Z]."""
    classes = decoder.manifest.outputs[0].classes
    posteriors = [decoder.encode(one_hot(tokens[rows], classes)) for rows in _rows(len(tokens))]
    return np.concatenate([p.mu for p in posteriors]), np.concatenate([p.sigma for p in posteriors])


def decode_loops(
    decoder: Decoder, z: Floats, temperature: float = 0.0, rng: np.random.Generator | None = None
) -> Tokens:
    """Loops at latent points [B, Z], each step fed back into the next.

    Args:
        decoder: The bundle, opened.
        z: Latent points.
        temperature: 0: the likeliest tokens; then ``rng`` is not needed.
        rng: Where the noise comes from.

    Returns:
        Tokens, int64 [B, T].
    """
    return np.concatenate([_decode(decoder, z[rows], temperature, rng) for rows in _rows(len(z))])


def forced_logits(decoder: Decoder, z: Floats, tokens: npt.NDArray[np.integer]) -> Floats:
    """Logits [B, T, C] of every step of loops at ``z``, given the true tokens [B, T] before it."""
    parts = []
    for rows in _rows(len(z)):
        bars = [logits for _, logits in _bars(decoder, z[rows], 1.0, None, np.asarray(tokens[rows], dtype=np.int64))]
        parts.append(np.concatenate(bars, axis=1))
    return np.concatenate(parts)


def _decode(decoder: Decoder, z: Floats, temperature: float, rng: np.random.Generator | None) -> Tokens:
    return np.concatenate([tokens for tokens, _ in _bars(decoder, z, temperature, rng, None)], axis=1)


def _bars(
    decoder: Decoder, z: Floats, temperature: float, rng: np.random.Generator | None, forced: Tokens | None
) -> Iterator[tuple[Tokens, Floats]]:
    """Tokens and logits, bar after bar."""
    size, classes = len(z), decoder.manifest.outputs[0].classes
    begun = decoder.start(z)
    own_state = begun.state.shape[1] > 1
    state, previous = begun.state[:, 0], np.zeros(size, dtype=np.int64)
    sharpness = np.full(size, temperature, dtype=np.float32)
    for bar in range(decoder.manifest.bars):
        shape = (size, STEPS_PER_BAR, classes)
        noise = np.zeros(shape, np.float32) if rng is None else rng.gumbel(size=shape).astype(np.float32)
        bias = np.zeros(shape, dtype=np.float32)
        if forced is not None:
            bias = forcing_bias(forced[:, bar * STEPS_PER_BAR : (bar + 1) * STEPS_PER_BAR], classes)
        which = bar if own_state else 0
        state = begun.state[:, bar] if own_state else state
        steps = decoder.bar(state, begun.embeddings[:, which], previous, sharpness, noise, bias)
        state, previous = steps.states[:, -1], steps.tokens[:, -1]
        yield steps.tokens, steps.logits


def _rows(count: int) -> Iterator[slice]:
    for first in range(0, count, ROWS_AT_ONCE):
        yield slice(first, first + ROWS_AT_ONCE)
