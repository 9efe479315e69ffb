"""What a model can do for the player, whoever runs it."""

from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from autoloops_engine.bundle.manifest import Manifest

Floats = npt.NDArray[np.float32]
Tokens = npt.NDArray[np.int64]


class Posterior(NamedTuple):
    """What an encoder thinks of some loops.

    Attributes:
        mu: Means, float32 [B, Z].
        sigma: Standard deviations, float32 [B, Z].
    """

    mu: Floats
    sigma: Floats


class LoopStart(NamedTuple):
    """What a latent point gives before the first step; N is 1 for flat models, else the bars of a loop.

    Attributes:
        state: Initial decoder states, float32 [B, N, S].
        embeddings: What a bar is told at every step, float32 [B, N, E]; for flat models the latent point.
    """

    state: Floats
    embeddings: Floats


class DecodedSteps(NamedTuple):
    """One decoded bar of 16 steps.

    Attributes:
        tokens: Sampled classes, int64 [B, 16].
        states: Decoder states after every step, float32 [B, 16, S].
        logits: Before bias and temperature, float32 [B, 16, C].
        extras: What else the codec has for each step, in its order, float32 [B, 16, size] each.
    """

    tokens: Tokens
    states: Floats
    logits: Floats
    extras: tuple[Floats, ...] = ()


class Decoder(Protocol):
    """A model of a bundle, ready to run. Arrays have a batch axis first.

    Every method may raise ModelError, and nothing else.
    Thread: one at a time. Blocks: for one run of the model.
    """

    @property
    def manifest(self) -> Manifest:
        """What the bundle says about the model."""

    def encode(self, features: Floats) -> Posterior:
        """Encodes loops of the codec's features (melodies: one-hot), float32 [B, bars * 16, F]."""

    def start(self, z: Floats) -> LoopStart:
        """Begins loops at latent points, float32 [B, Z]."""

    def bar(
        self, state: Floats, embedding: Floats, previous: Tokens, temperature: Floats, noise: Floats, bias: Floats
    ) -> DecodedSteps:
        """Decodes one bar.

        Each step takes the class with the largest ``(logits + bias) / temperature + noise``; at
        temperature 0 the one with the largest ``logits + bias``.

        Args:
            state: State before the first step, [B, S].
            embedding: The bar's embedding, [B, E].
            previous: The last token before the bar, int64 [B]; 0 at the start of a loop.
            temperature: [B], from 0.
            noise: Standard Gumbel noise, [B, 16, C].
            bias: Added to the logits, [B, 16, C].
        """
