"""How a token is chosen; every model's bar does it so."""

from typing import Final

import torch
from torch import Tensor

MIN_TEMPERATURE: Final = 1e-6


def choose(logits: Tensor, bias: Tensor, temperature: Tensor, noise: Tensor) -> Tensor:
    """The token of a step: argmax((logits + bias) / temperature + noise), at temperature 0 argmax(logits + bias).

    That is exact sampling where the noise is standard Gumbel (Maddison et al., "A* sampling", 2014).

    Args:
        logits: [B, C].
        bias: [B, C].
        temperature: Not negative, [B].
        noise: [B, C].

    Returns:
        Tokens, int64 [B].
    """
    warm, wanted = temperature.unsqueeze(1), logits + bias
    return torch.where(warm > 0, wanted / warm.clamp(min=MIN_TEMPERATURE) + noise, wanted).argmax(dim=1)
