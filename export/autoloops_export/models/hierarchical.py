"""The hierarchical MusicVAE: a conductor that gives every bar an embedding, and a decoder that knows one bar at a time.

After Roberts et al., ICML 2018, section 3.2: the conductor turns z into one embedding for each bar; the decoder starts
every bar anew from its embedding, so that what links bars is the plan in z (and the last token of the bar before).
The encoder reads bars first and then their sequence, instead of all steps in one long chain.

Axes as in :mod:`autoloops_export.models.flat`; N bars, E the size of a bar's embedding.
"""

import torch
from torch import Tensor, nn

from autoloops_engine.units import STEPS_PER_BAR
from autoloops_export.models.config import ModelConfig
from autoloops_export.models.flat import FlatVae, initialise


class HierarchicalVae(FlatVae):
    """A variational autoencoder of long loops that decodes bar by bar."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.phrase = nn.LSTM(
            2 * config.encoder_hidden * config.encoder_reads,
            config.encoder_hidden,
            batch_first=True,
            bidirectional=True,
        )
        self.to_conductor = nn.Linear(config.latent, 2 * config.conductor_hidden)
        self.conductor = nn.LSTM(config.latent, config.conductor_hidden, batch_first=True)
        initialise(self.phrase, self.conductor)

    def summarise(self, features: Tensor) -> Tensor:
        """What the encoder gathered: features [B, T, F] to [B, N * 2 * encoder units]."""
        bars = features.reshape(-1, STEPS_PER_BAR, features.shape[2])
        of_bars = self.read(self.encoder(bars)[0])
        outputs: Tensor = self.phrase(of_bars.view(-1, self.config.bars, of_bars.shape[1]))[0]
        return outputs.flatten(1)

    def embeddings(self, z: Tensor) -> Tensor:
        """Z [B, Z] to what each bar is told, [B, N, E]."""
        hidden, cell = torch.tanh(self.to_conductor(z)).unsqueeze(0).chunk(2, dim=2)
        points = z.unsqueeze(1).expand(-1, self.config.bars, -1)
        outputs: Tensor = self.conductor(points, (hidden.contiguous(), cell.contiguous()))[0]
        return outputs

    def start(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Z [B, Z] to the state before each bar [B, N, S] and the bars' embeddings [B, N, E]."""
        embeddings = self.embeddings(z)
        return torch.tanh(self.to_state(embeddings)), embeddings

    def decode(self, z: Tensor, previous: Tensor) -> Tensor:
        """See :meth:`FlatVae.decode`; every bar starts from its own embedding."""
        embeddings = self.embeddings(z).flatten(0, 1)
        outputs = super().decode(embeddings, previous.reshape(-1, STEPS_PER_BAR))
        return outputs.reshape(len(z), -1, outputs.shape[2])
