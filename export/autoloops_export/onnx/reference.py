"""A PyTorch model behind the engine's decoder protocol: what a bundle is compared with."""

from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from autoloops_engine.bundle.manifest import Manifest
from autoloops_engine.inference.decoder import DecodedSteps, Floats, LoopStart, Posterior, Tokens
from autoloops_export.onnx.contract import LoopModel


class LoopStarter(Protocol):
    """The functions that are the same for one part and for several; see ``LoopModel``."""

    def encode(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Features to mu and sigma."""

    def start(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Latent points to the state before each bar and the bars' embeddings."""


class TorchStarter:
    """Encodes and begins loops with a model as it was trained, without graphs.

    Args:
        model: In evaluation mode on the CPU.
        manifest: States its sizes.
    """

    def __init__(self, model: LoopStarter, manifest: Manifest) -> None:
        self._starter = model
        self._manifest = manifest

    @property
    def manifest(self) -> Manifest:
        """The sizes of the model."""
        return self._manifest

    @torch.no_grad()
    def encode(self, features: Floats) -> Posterior:
        """See :meth:`autoloops_engine.inference.decoder.Decoder.encode`."""
        mu, sigma = self._starter.encode(_tensor(features))
        return Posterior(mu.numpy(), sigma.numpy())

    @torch.no_grad()
    def start(self, z: Floats) -> LoopStart:
        """See :meth:`autoloops_engine.inference.decoder.Decoder.start`."""
        state, embeddings = self._starter.start(_tensor(z))
        return LoopStart(state.numpy(), embeddings.numpy())


class TorchDecoder(TorchStarter):
    """A model of one part. Implements ``Decoder``."""

    def __init__(self, model: LoopModel, manifest: Manifest) -> None:
        super().__init__(model, manifest)
        self._model = model

    def bar(
        self, state: Floats, embedding: Floats, previous: Tokens, temperature: Floats, noise: Floats, bias: Floats
    ) -> DecodedSteps:
        """See :meth:`autoloops_engine.inference.decoder.Decoder.bar`."""
        return decoded(self._model.bar, state, embedding, previous, temperature, noise, bias)


@torch.no_grad()
def decoded(bar: Callable[..., tuple[Tensor, ...]], *inputs: Floats | Tokens) -> DecodedSteps:
    """What ``LoopModel.bar`` makes of its inputs."""
    tokens, states, logits, *extras = bar(*(_tensor(array) for array in inputs))
    return DecodedSteps(tokens.numpy(), states.numpy(), logits.numpy(), tuple(extra.numpy() for extra in extras))


def _tensor(array: Floats | Tokens) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))
