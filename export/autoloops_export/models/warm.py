"""A model of long loops that begins with what models of short ones know of a bar.

Each part of a hierarchical model takes the encoder and the decoder of a flat one: a bar is read as the flat model would
read a loop that repeats it, and told what the flat model would be told. The principal directions of what bars are
encoded in, all parts together, become the latent dimensions of a bar, scaled to the prior. What the conductor says
counts for nothing until training makes something of it.
"""

from typing import Final, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from autoloops_engine.errors import ModelError
from autoloops_export.models.config import ModelConfig
from autoloops_export.models.core import CoreDecoder
from autoloops_export.models.hierarchical import BarReader, Conducted
from autoloops_export.models.loops import Loops
from autoloops_export.models.registry import build_model

Weights = dict[str, Tensor]

ENCODER: Final = "encoder."
FIRST_INPUTS: Final = "decoder.weight_ih_l0"
POSTERIOR: Final = ("to_mu.", "to_sigma.")
LEAST_VARIANCE: Final = 1e-4
LEAST_SIGMA: Final = 0.05


@torch.no_grad()
def begin_with_bars(config: ModelConfig, flat: dict[str, Weights], loops: Loops) -> Weights:
    """The weights of an untrained hierarchical model whose bars are those of flat ones.

    Args:
        config: Of the hierarchical model; its ``bar_share`` is the latent size of the flat ones.
        flat: The weights of a flat model for each part, float32.
        loops: Some hundreds of training loops of the hierarchical model.

    Raises:
        ModelError: the models do not go together.
    """
    model = build_model(config)
    if not isinstance(model, Conducted) or set(flat) != set(config.parts):
        raise ModelError(f"run.begin_from must name a bundle for each of: {', '.join(config.parts)}.")
    cores = dict(zip(config.parts, (core for core, _ in model.cores(loops)), strict=True))
    features = model.features(loops)
    inputs = dict(zip(config.parts, torch.split(features, list(config.part_features.values()), dim=2), strict=True))
    noise = []
    for part, weights in flat.items():
        reader = cast("BarReader", model.readers[part])
        try:
            _take_decoder(cores[part], weights)
            _take_encoder(reader, weights)
        except (KeyError, RuntimeError) as error:
            raise ModelError(
                f"The bars of {part} cannot begin with that bundle ({str(error).splitlines()[0]}): its encoder, "
                "decoder and embedding must be of the recipe's sizes, its latent of bar_share."
            ) from error
        widths = reader.reads(inputs[part]) @ _folded(weights["to_sigma.weight"], config.reads).T
        noise.append(F.softplus(widths + weights["to_sigma.bias"]).square().mean(0))
    _align(model, model.of_bars(features).flatten(0, 1), torch.cat(noise))
    return model.state_dict()


def _take_decoder(core: CoreDecoder, flat: Weights) -> None:
    """Everything but what the conductor says, whose weights become 0."""
    own = core.state_dict()
    for name, weight in flat.items():
        if name.startswith((ENCODER, *POSTERIOR)):
            continue
        if name in {FIRST_INPUTS, "to_state.weight"}:
            own[name].zero_()[:, : weight.shape[1]].copy_(weight)
        else:
            own[name].copy_(weight)


def _take_encoder(reader: BarReader, flat: Weights) -> None:
    own = reader.state_dict()
    for name, weight in flat.items():
        if name.startswith(ENCODER):
            own[name].copy_(weight)
    own["to_share.weight"].copy_(_folded(flat["to_mu.weight"], own["to_share.weight"].shape[1]))
    own["to_share.bias"].copy_(flat["to_mu.bias"])


def _folded(weight: Tensor, inputs: int) -> Tensor:
    """A map of what a loop's reads give [outputs, loop's reads] as one of a bar's: the same bar stands everywhere."""
    return weight.view(len(weight), -1, inputs).sum(1)


def _align(model: Conducted, shares: Tensor, noise: Tensor) -> None:
    """Make the principal directions of shares [bars, S] the dimensions of a bar; ``noise`` [S] is their variance."""
    size = min(model.config.bar_latent, shares.shape[1])
    mean = shares.mean(0)
    variances, directions = torch.linalg.eigh(torch.cov(shares.T))
    kept, scale = directions[:, -size:], variances[-size:].clamp(min=LEAST_VARIANCE).sqrt()
    for linear in (model.to_mu, model.to_sigma, model.to_shares):
        linear.weight.zero_()
        linear.bias.zero_()
    model.to_mu.weight[:size] = (kept / scale).T
    model.to_mu.bias[:size] = -(mean @ kept) / scale
    model.to_shares.weight[:, :size] = kept * scale
    model.to_shares.bias.copy_(mean)
    sigma = ((kept.square() * noise[:, None]).sum(0).sqrt() / scale).clamp(LEAST_SIGMA, 1.0)
    model.to_sigma.bias[:size] = torch.expm1(sigma).log()
