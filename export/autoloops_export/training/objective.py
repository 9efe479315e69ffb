"""The loss: reconstruction and closed-form KL, with the decoder fed partly on its own samples.

Drums add the squared errors of velocities and offsets at the hits, as GrooVAE does.
"""

from dataclasses import dataclass
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autoloops_export.models.core import CoreDecoder
from autoloops_export.models.flat import LoopVae
from autoloops_export.models.groove import GrooveDecoder
from autoloops_export.models.loops import Loops
from autoloops_export.training.sharing import Noise

# A share of samples not worth the pass that draws them.
RARE: Final = 0.01


@dataclass(frozen=True, slots=True)
class Terms:
    """What a batch costs.

    Attributes:
        loss: Reconstruction, weighted KL above the free bits and weighted errors of touch, a window.
        reconstruction: Nats a window.
        kl: Nats a window.
        correct: Share of steps whose likeliest token is right, given the inputs the decoder had.
        touch: The weighted squared errors of velocities and offsets, a window; 0 without drums.
    """

    loss: Tensor
    reconstruction: Tensor
    kl: Tensor
    correct: Tensor
    touch: Tensor


@dataclass(frozen=True, slots=True)
class TouchWeights:
    """What the squared error of a hit costs: of its velocity (0 to 1) and of its offset (-1 to 1)."""

    velocity: float = 1.0
    offset: float = 1.0


@dataclass(frozen=True, slots=True)
class Feeding:
    """What stands in the decoder's inputs instead of the true tokens: shares of the steps, 0 to 1."""

    sampling: float = 0.0
    dropout: float = 0.0


def shifted(tokens: Tensor) -> Tensor:
    """The token before each step; 0 before the first."""
    return F.pad(tokens[:, :-1], (1, 0))


def kl_nats(mu: Tensor, sigma: Tensor) -> Tensor:
    """KL of each dimension's posterior against the standard normal, [B, Z] (Kingma and Welling, 2014, appendix B)."""
    return 0.5 * (mu.square() + sigma.square() - 1) - sigma.clamp(min=1e-8).log()


def elbo(
    model: LoopVae,
    loops: Loops,
    beta: float,
    free_bits_nats: float,
    feeding: Feeding,
    noise: Noise,
    precision: torch.dtype,
    weights: TouchWeights = TouchWeights(),
) -> Terms:
    """The terms of a batch.

    Free bits count on the total KL of a window (MusicVAE's code does so, whatever its comment says).
    """
    device = loops.tokens.device

    def fast() -> torch.autocast:
        return torch.autocast(device.type, precision, enabled=precision != torch.float32)

    with fast():
        summary = model.summarise(model.features(loops))
    mu, sigma = model.posterior(summary.float())
    z = mu + sigma * noise.normal(*mu.shape)
    with fast():
        points = model.told(z)
        costs = [_cost(core, points, part, feeding, noise, weights) for core, part in model.cores(loops)]
    reconstruction, touch, correct = (torch.stack(terms) for terms in zip(*costs, strict=True))
    kl = kl_nats(mu, sigma).sum(1)
    loss = reconstruction.sum() + beta * (kl - free_bits_nats).clamp(min=0).mean() + touch.sum()
    return Terms(loss, reconstruction.sum().detach(), kl.mean().detach(), correct.mean(), touch.sum().detach())


class Objective(nn.Module):
    """:func:`elbo` of a model as a module of its own: what several processes share is a module's ``forward``."""

    def __init__(self, model: LoopVae) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        loops: Loops,
        beta: float,
        free_bits_nats: float,
        feeding: Feeding,
        noise: Noise,
        precision: torch.dtype,
        weights: TouchWeights,
    ) -> Terms:
        """See :func:`elbo`."""
        return elbo(self.model, loops, beta, free_bits_nats, feeding, noise, precision, weights)


def _cost(
    core: CoreDecoder,
    points: Tensor,
    loops: Loops,
    feeding: Feeding,
    noise: Noise,
    weights: TouchWeights,
) -> tuple[Tensor, Tensor, Tensor]:
    """Of a core decoder and its part: reconstruction and touch, a window, and the share of right steps."""
    outputs = core.run(points, _fed(core, points, loops.tokens, feeding, noise))
    logits = core.logits(outputs).float()
    nats = F.cross_entropy(logits.flatten(0, 1), loops.tokens.flatten(), reduction="sum") / len(loops.tokens)
    correct = (logits.detach().argmax(2) == loops.tokens).float().mean()
    with torch.autocast(outputs.device.type, enabled=False):
        return nats, _touch_cost(core, outputs.float(), loops, weights), correct


def _touch_cost(core: CoreDecoder, outputs: Tensor, loops: Loops, weights: TouchWeights) -> Tensor:
    """The weighted squared errors of velocities and offsets at the true hits, a window."""
    if not isinstance(core, GrooveDecoder) or loops.touch is None:
        return outputs.new_zeros(())
    velocities, offsets = core.touch(outputs, loops.tokens)
    loud = (velocities - loops.touch[..., 0]).square().sum()
    timed = (offsets - loops.touch[..., 1]).square().sum()
    return (weights.velocity * loud + weights.offset * timed) / len(loops.tokens)


@torch.no_grad()
def _fed(core: CoreDecoder, points: Tensor, tokens: Tensor, feeding: Feeding, noise: Noise) -> Tensor:
    """The decoder's inputs: true tokens, some replaced by its own samples, some blanked.

    The samples come from one teacher-forced pass for all steps at once (Duckworth et al., "Parallel scheduled
    sampling", 2019), because a pass step by step would cost as much as the rest of training.
    """
    source = tokens
    if feeding.sampling >= RARE:
        logits = core.logits(core.run(points, shifted(tokens))).float()
        sampled = (logits - (-noise.uniform(*logits.shape).log()).log()).argmax(2)
        chosen = noise.uniform(*tokens.shape) < feeding.sampling
        source = torch.where(chosen, sampled, tokens)
    if feeding.dropout > 0:
        source = source.masked_fill(noise.uniform(*tokens.shape) < feeding.dropout, 0)
    return shifted(source)
