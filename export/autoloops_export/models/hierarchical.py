"""The hierarchical MusicVAE: a conductor that gives every bar an embedding, and a decoder that knows one bar at a time.

After Roberts et al., ICML 2018, section 3.2: the conductor turns z into one embedding for each bar; the decoder starts
every bar anew from its embedding, so that what links bars is the plan in z (and the last token of the bar before).
Two things differ, so that little data and a processor suffice. The encoder reads bars first and then their sequence,
instead of all steps in one long chain. And every bar has latent dimensions of its own, by the same linear maps in all
bars: a bar can be told from the others from the first training step on, and may begin with what a model of short loops
knows of bars (:mod:`autoloops_export.models.warm`). What bars have to do with each other is learnt by the two LSTMs
over bars: the encoder's, which adds to what every bar is encoded in, and the conductor, which starts from all of z.

Axes as in :mod:`autoloops_export.models.flat`; N bars, E the size of a bar's embedding.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autoloops_engine.units import STEPS_PER_BAR
from autoloops_export.models.config import ModelConfig
from autoloops_export.models.core import Configured, initialise
from autoloops_export.models.flat import LoopVae, OnePart, read


class BarReader(Configured):
    """The encoder of a part's bars, each by itself."""

    def __init__(self, config: ModelConfig, features: int) -> None:
        super().__init__(config)
        self.encoder = nn.LSTM(features, config.encoder_hidden, batch_first=True, bidirectional=True)
        self.to_share = nn.Linear(config.reads, config.bar_share)
        initialise(self.encoder)

    def reads(self, features: Tensor) -> Tensor:
        """The encoder's outputs at a few steps of each bar: features [B, T, F] to [B * N, 2 * units * reads]."""
        bars = features.reshape(-1, STEPS_PER_BAR, features.shape[2])
        return read(self.encoder(bars)[0], self.config.encoder_reads)

    def forward(self, features: Tensor) -> Tensor:
        """What each bar is encoded in: features [B, T, F] to [B, N, share]."""
        shares: Tensor = self.to_share(self.reads(features))
        return shares.view(-1, self.config.bars, self.config.bar_share)


class Conducted(LoopVae):
    """An encoder over bars and a conductor that tells each bar what it is."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        shares = len(config.parts) * config.bar_share
        sizes = config.part_features
        self.readers = nn.ModuleDict({part: BarReader(config, sizes[part]) for part in config.parts})
        self.phrase = nn.LSTM(shares, config.bar_hidden, batch_first=True, bidirectional=True)
        self.to_summary = nn.Linear(2 * config.bar_hidden, shares)
        self.to_mu = nn.Linear(shares, config.bar_latent)
        self.to_sigma = nn.Linear(shares, config.bar_latent)
        self.to_shares = nn.Linear(config.bar_latent, shares)
        self.to_conductor = nn.Linear(config.latent, 2 * config.conductor_hidden)
        self.conductor = nn.LSTM(shares, config.conductor_hidden, batch_first=True)
        initialise(self.phrase, self.conductor)
        nn.init.zeros_(self.to_summary.weight)
        nn.init.zeros_(self.to_summary.bias)

    def of_bars(self, features: Tensor) -> Tensor:
        """What each bar is encoded in by itself, the parts side by side: features [B, T, F] to [B, N, shares]."""
        sizes = [self.config.part_features[part] for part in self.config.parts]
        parts = torch.split(features, sizes, dim=2)
        return torch.cat([reader(part) for reader, part in zip(self.readers.values(), parts, strict=True)], dim=2)

    def summarise(self, features: Tensor) -> Tensor:
        """See :meth:`LoopVae.summarise`: [B, N, shares], of each bar and of its place in the whole."""
        shares = self.of_bars(features)
        summary: Tensor = shares + self.to_summary(self.phrase(shares)[0])
        return summary

    def posterior(self, summary: Tensor) -> tuple[Tensor, Tensor]:
        """See :meth:`LoopVae.posterior`; the dimensions of the bars stand one after the other."""
        return self.to_mu(summary).flatten(1), F.softplus(self.to_sigma(summary)).flatten(1)

    def embeddings(self, z: Tensor) -> Tensor:
        """Z [B, Z] to what each bar is told, [B, N, E]: every part's share, then the conductor's word."""
        shares = self.to_shares(z.view(-1, self.config.bars, self.config.bar_latent))
        hidden, cell = torch.tanh(self.to_conductor(z)).unsqueeze(0).chunk(2, dim=2)
        outputs: Tensor = self.conductor(shares, (hidden.contiguous(), cell.contiguous()))[0]
        return torch.cat([shares, outputs], dim=2)

    def told(self, z: Tensor) -> Tensor:
        """See :meth:`LoopVae.told`: a row for each bar, the bars of a loop together."""
        return self.embeddings(z).flatten(0, 1)


class HierarchicalVae(Conducted, OnePart):
    """A variational autoencoder of long loops that decodes bar by bar."""

    def start(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Z [B, Z] to the state before each bar [B, N, S] and the bars' embeddings [B, N, E]."""
        embeddings = self.embeddings(z)
        return self.first_state(embeddings), embeddings
