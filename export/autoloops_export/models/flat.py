"""The flat MusicVAE: a bidirectional LSTM encoder and one autoregressive LSTM decoder over the whole loop.

After Roberts et al., "A Hierarchical Latent Vector Model for Learning Long-Term Structure in Music", ICML 2018,
section 3 (the flat baseline). One addition: the encoder's summary reads its outputs at a few evenly spaced
steps rather than only at the last, so that the early steps of a window need not survive in one cell.

The three functions that the engine runs are ``encode``, ``start`` and ``bar``; the others serve training.
Axes: B batch, T steps, F encoder features, C classes, Z latent, H decoder units, S decoder states.
"""

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autoloops_export.models.config import ModelConfig
from autoloops_export.models.core import Configured, CoreDecoder, initialise
from autoloops_export.models.loops import Loops


def read(outputs: Tensor, reads: int) -> Tensor:
    """A bidirectional LSTM's outputs [B, steps, 2 * units] at evenly spaced steps, [B, 2 * units * reads]."""
    units, stride = outputs.shape[2] // 2, outputs.shape[1] // reads
    forward = outputs[:, stride - 1 :: stride, :units]
    backward = outputs[:, ::stride, units:]
    return torch.cat([forward, backward], dim=2).flatten(1)


class LoopVae(Configured, ABC):
    """What training and measuring ask of a model, whatever it is made of."""

    @abstractmethod
    def features(self, loops: Loops) -> Tensor:
        """What the encoder reads of loops, float32 [B, T, F]."""

    @abstractmethod
    def summarise(self, features: Tensor) -> Tensor:
        """What the encoder gathered: features [B, T, F] to [B, ...]."""

    @abstractmethod
    def posterior(self, summary: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of z, each [B, Z], from the encoder's summary."""

    @abstractmethod
    def told(self, z: Tensor) -> Tensor:
        """Z [B, Z] to what the core decoders are told, one row for each stretch that begins anew: [R, P]."""

    @abstractmethod
    def start(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Z [B, Z] to the decoders' state before each bar [B, N, S] and what the bar is told [B, N, P]."""

    @abstractmethod
    def cores(self, loops: Loops) -> list[tuple[CoreDecoder, Loops]]:
        """The core decoders, each with its part of loops."""

    def encode(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Features [B, T, F] to mu and sigma, each [B, Z]."""
        return self.posterior(self.summarise(features))


class OnePart(LoopVae, CoreDecoder):
    """A model that is its own core decoder."""

    def features(self, loops: Loops) -> Tensor:
        """See :meth:`LoopVae.features`: tokens one-hot."""
        return F.one_hot(loops.tokens, self.config.classes).float()

    def cores(self, loops: Loops) -> list[tuple[CoreDecoder, Loops]]:
        """See :meth:`LoopVae.cores`: itself."""
        return [(self, loops)]

    def decode(self, z: Tensor, previous: Tensor) -> Tensor:
        """Latent points [B, Z] and the token before each step [B, T] to the decoder's outputs, [B, T, H]."""
        return self.run(self.told(z), previous)


class FlatVae(OnePart):
    """A flat variational autoencoder of token sequences."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.encoder = nn.LSTM(config.features, config.encoder_hidden, batch_first=True, bidirectional=True)
        self.to_mu = nn.Linear(config.reads, config.latent)
        self.to_sigma = nn.Linear(config.reads, config.latent)
        initialise(self.encoder)

    def summarise(self, features: Tensor) -> Tensor:
        """See :meth:`LoopVae.summarise`: [B, 2 * encoder units * reads]."""
        return read(self.encoder(features)[0], self.config.encoder_reads)

    def posterior(self, summary: Tensor) -> tuple[Tensor, Tensor]:
        """See :meth:`LoopVae.posterior`."""
        return self.to_mu(summary), F.softplus(self.to_sigma(summary))

    def told(self, z: Tensor) -> Tensor:
        """See :meth:`LoopVae.told`: the points themselves."""
        return z

    def start(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """See :meth:`LoopVae.start`; N is 1: one state runs through the loop."""
        return self.first_state(z).unsqueeze(1), z.unsqueeze(1)
