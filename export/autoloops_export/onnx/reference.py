"""A PyTorch model behind the engine's decoder protocol: what a bundle is compared with."""

import numpy as np
import torch

from autoloops_engine.bundle.manifest import Manifest
from autoloops_engine.inference.decoder import DecodedSteps, Floats, LoopStart, Posterior, Tokens
from autoloops_export.onnx.contract import LoopModel


class TorchDecoder:
    """Runs a model as it was trained, without graphs."""

    def __init__(self, model: LoopModel, manifest: Manifest) -> None:
        """Wraps ``model``, in evaluation mode on the CPU; ``manifest`` states its sizes."""
        self._model = model
        self._manifest = manifest

    @property
    def manifest(self) -> Manifest:
        """The sizes of the model."""
        return self._manifest

    @torch.no_grad()
    def encode(self, features: Floats) -> Posterior:
        """See :meth:`autoloops_engine.inference.decoder.Decoder.encode`."""
        mu, sigma = self._model.encode(_tensor(features))
        return Posterior(mu.numpy(), sigma.numpy())

    @torch.no_grad()
    def start(self, z: Floats) -> LoopStart:
        """See :meth:`autoloops_engine.inference.decoder.Decoder.start`."""
        state, embeddings = self._model.start(_tensor(z))
        return LoopStart(state.numpy(), embeddings.numpy())

    @torch.no_grad()
    def bar(
        self, state: Floats, embedding: Floats, previous: Tokens, temperature: Floats, noise: Floats, bias: Floats
    ) -> DecodedSteps:
        """See :meth:`autoloops_engine.inference.decoder.Decoder.bar`."""
        inputs = (state, embedding, previous, temperature, noise, bias)
        tokens, states, logits, *extras = self._model.bar(*(_tensor(array) for array in inputs))
        return DecodedSteps(tokens.numpy(), states.numpy(), logits.numpy(), tuple(extra.numpy() for extra in extras))


def _tensor(array: Floats | Tokens) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))
