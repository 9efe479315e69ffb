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


class LoopEncoder(Configured, ABC):
    """What makes of a loop a posterior over z."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.encoder = nn.LSTM(config.features, config.encoder_hidden, batch_first=True, bidirectional=True)
        self.to_mu = nn.Linear(config.summary, config.latent)
        self.to_sigma = nn.Linear(config.summary, config.latent)
        initialise(self.encoder)

    def features(self, loops: Loops) -> Tensor:
        """What the encoder reads of loops: here their tokens one-hot, float32 [B, T, F]."""
        return F.one_hot(loops.tokens, self.config.classes).float()

    def summarise(self, features: Tensor) -> Tensor:
        """What the encoder gathered: features [B, T, F] to [B, summary]."""
        return self.read(self.encoder(features)[0])

    def read(self, outputs: Tensor) -> Tensor:
        """The encoder's outputs [B, steps, 2 * units] at a few evenly spaced steps, [B, 2 * units * reads]."""
        units, stride = self.config.encoder_hidden, self.config.encoder_steps // self.config.encoder_reads
        forward = outputs[:, stride - 1 :: stride, :units]
        backward = outputs[:, ::stride, units:]
        return torch.cat([forward, backward], dim=2).flatten(1)

    def posterior(self, summary: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of z, each [B, Z], from the encoder's summary."""
        return self.to_mu(summary), F.softplus(self.to_sigma(summary))

    def encode(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Features [B, T, F] to mu and sigma, each [B, Z]."""
        return self.posterior(self.summarise(features))

    def told(self, z: Tensor) -> Tensor:
        """Z [B, Z] to what the core decoders are told, one row for each stretch that begins anew: [R, P]."""
        return z

    @abstractmethod
    def start(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Z [B, Z] to the decoders' state before each bar [B, N, S] and what the bar is told [B, N, P]."""

    @abstractmethod
    def cores(self, loops: Loops) -> list[tuple[CoreDecoder, Loops]]:
        """The core decoders, each with its part of loops."""


class FlatVae(LoopEncoder, CoreDecoder):
    """A flat variational autoencoder of token sequences."""

    def start(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """See :meth:`LoopEncoder.start`; N is 1: one state runs through the loop."""
        return self.first_state(z).unsqueeze(1), z.unsqueeze(1)

    def cores(self, loops: Loops) -> list[tuple[CoreDecoder, Loops]]:
        """See :meth:`LoopEncoder.cores`: itself."""
        return [(self, loops)]

    def decode(self, z: Tensor, previous: Tensor) -> Tensor:
        """Latent points [B, Z] and the token before each step [B, T] to the decoder's outputs, [B, T, H]."""
        return self.run(self.told(z), previous)
