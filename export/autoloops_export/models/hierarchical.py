"""The hierarchical MusicVAE: a conductor that gives every bar an embedding, and a decoder that knows one bar at a time.

After Roberts et al., ICML 2018, section 3.2: the conductor turns z into one embedding for each bar; the decoder starts
every bar anew from its embedding, so that what links bars is the plan in z (and the last token of the bar before).
Three things differ, so that little data and a processor suffice. The encoder reads bars first and then their sequence,
instead of all steps in one long chain. Each bar has a linear share in the posterior and is told a linear share of z,
beside what the LSTMs over bars make of the whole. And both maps begin with bars apart, each in latent
dimensions of its own, so that training begins with bars that can be told from each other and learns from there what
they have in common.

Axes as in :mod:`autoloops_export.models.flat`; N bars, E the size of a bar's embedding.
"""

import torch
from torch import Tensor, nn

from autoloops_engine.units import STEPS_PER_BAR
from autoloops_export.models.config import ModelConfig
from autoloops_export.models.core import initialise
from autoloops_export.models.flat import FlatVae, LoopEncoder

ACROSS_BARS = 0.1


class Conducted(LoopEncoder):
    """An encoder over bars and a conductor that tells each bar what it is."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        bar, share = config.bar_hidden, config.bar_share
        self.to_bar = nn.Linear(2 * config.encoder_hidden * config.encoder_reads, bar)
        self.phrase = nn.LSTM(bar, bar, batch_first=True, bidirectional=True)
        self.to_summary = nn.Linear(3 * bar, share)
        self.to_shares = nn.Linear(config.latent, config.bars * share)
        self.to_conductor = nn.Linear(config.latent, 2 * config.conductor_hidden)
        self.conductor = nn.LSTM(share, config.conductor_hidden, batch_first=True)
        initialise(self.phrase, self.conductor)
        for linear in (self.to_mu, self.to_sigma, self.to_shares):
            begin_apart(linear, config.bars)

    def summarise(self, features: Tensor) -> Tensor:
        """What the encoder gathered: features [B, T, F] to [B, N * share]."""
        bars = features.reshape(-1, STEPS_PER_BAR, features.shape[2])
        of_bars = torch.tanh(self.to_bar(self.read(self.encoder(bars)[0])))
        of_bars = of_bars.view(-1, self.config.bars, of_bars.shape[1])
        in_phrase = self.phrase(of_bars)[0]
        return torch.tanh(self.to_summary(torch.cat([of_bars, in_phrase], dim=2))).flatten(1)

    def embeddings(self, z: Tensor) -> Tensor:
        """Z [B, Z] to what each bar is told, [B, N, E]."""
        shares = self.to_shares(z).view(-1, self.config.bars, self.config.bar_share)
        hidden, cell = torch.tanh(self.to_conductor(z)).unsqueeze(0).chunk(2, dim=2)
        outputs: Tensor = self.conductor(shares, (hidden.contiguous(), cell.contiguous()))[0]
        return torch.cat([shares, outputs], dim=2)

    def told(self, z: Tensor) -> Tensor:
        """See :meth:`LoopEncoder.told`: a row for each bar, the bars of a loop together."""
        return self.embeddings(z).flatten(0, 1)


class HierarchicalVae(Conducted, FlatVae):
    """A variational autoencoder of long loops that decodes bar by bar."""

    def start(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Z [B, Z] to the state before each bar [B, N, S] and the bars' embeddings [B, N, E]."""
        embeddings = self.embeddings(z)
        return self.first_state(embeddings), embeddings


@torch.no_grad()
def begin_apart(linear: nn.Linear, groups: int) -> None:
    """Initialise a linear map so that each group of outputs depends mostly on the same group of inputs."""
    outputs, inputs = linear.out_features // groups, linear.in_features // groups
    nn.init.normal_(linear.weight, std=ACROSS_BARS * linear.in_features**-0.5)
    for group in range(groups):
        block = linear.weight[group * outputs : (group + 1) * outputs, group * inputs : (group + 1) * inputs]
        block.add_(torch.randn_like(block) * max(inputs, 1) ** -0.5)
    nn.init.zeros_(linear.bias)
