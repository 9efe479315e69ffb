"""A model of several parts, part by part: the shapes of its graphs, and what they are compared with and measured by."""

from collections.abc import Sequence

import msgspec
import numpy as np
import torch
from torch import Tensor, nn

from autoloops_engine.bundle.manifest import Graph, GraphName, Manifest, Output
from autoloops_engine.bundle.manifest import Tensor as Port
from autoloops_engine.codecs.registry import DRUMS, MELODY
from autoloops_engine.inference.decoder import DecodedSteps, Floats, Tokens
from autoloops_engine.inference.views import silence
from autoloops_export.models.config import ModelConfig
from autoloops_export.models.trio import TrioVae
from autoloops_export.onnx.contract import ModelShape
from autoloops_export.onnx.reference import TorchStarter, decoded


def part_shapes(config: ModelConfig) -> tuple[ModelShape, ...]:
    """The sizes of each part of a trio, as if it were alone."""
    codecs = {part: DRUMS if part == "drums" else MELODY for part in config.parts}
    return tuple(
        ModelShape(
            kind="hierarchical",
            output=Output(part, codec.name, codec.classes, config.state),
            bars=config.bars,
            latent=config.latent,
            state=config.state,
            embedding=config.bar_embedding,
            features=codec.feature_size,
            extras=codec.extras,
        )
        for part, codec in codecs.items()
    )


def joint_graphs(shapes: Sequence[ModelShape]) -> dict[GraphName, Graph]:
    """The graphs of parts that share a latent point: one encoder, one start, and a bar for each."""
    encoder, start = shapes[0].graphs["encoder"], shapes[0].graphs["start"]
    features = _resized(encoder.inputs[0], sum(shape.features for shape in shapes))
    state = _resized(start.outputs[0], sum(shape.state for shape in shapes))
    bars = {f"bar-{shape.output.part}": shape.graphs["bar"] for shape in shapes}
    return {
        "encoder": Graph(encoder.file, (features,), encoder.outputs),
        "start": Graph(start.file, start.inputs, (state, start.outputs[1])),
        **{name: Graph(f"{name}.onnx", bar.inputs, bar.outputs) for name, bar in bars.items()},
    }


def _resized(port: Port, size: int) -> Port:
    return msgspec.structs.replace(port, shape=(*port.shape[:-1], size))


class PartModel(nn.Module):
    """One part of a trio as a model of its own, which hears the others silent: see ``LoopModel``."""

    def __init__(self, trio: TrioVae, part: str) -> None:
        super().__init__()
        self.trio, self.core, self._part = trio, trio.core(part), part
        self._place = trio.config.parts.index(part)

    def encode(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """See ``LoopModel.encode``."""
        sides = [
            features if shape.output.part == self._part else self._silent(shape.output, features)
            for shape in part_shapes(self.trio.config)
        ]
        return self.trio.encode(torch.cat(sides, dim=2))

    def _silent(self, output: Output, like: Tensor) -> Tensor:
        quiet = torch.from_numpy(np.asarray(silence(output, like.shape[1])))
        return quiet.expand(len(like), -1, -1)

    def start(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """See ``LoopModel.start``."""
        states, embeddings = self.trio.start(z)
        size = self.trio.config.state
        return states[..., self._place * size : (self._place + 1) * size], embeddings

    def bar(
        self, state: Tensor, embedding: Tensor, previous: Tensor, temperature: Tensor, noise: Tensor, bias: Tensor
    ) -> tuple[Tensor, ...]:
        """See ``LoopModel.bar``."""
        return self.core.bar(state, embedding, previous, temperature, noise, bias)


class TorchJoint(TorchStarter):
    """A trio without graphs behind the engine's protocol for models of several parts: see ``JointModel``."""

    def __init__(self, trio: TrioVae, manifest: Manifest) -> None:
        super().__init__(trio, manifest)
        self._trio = trio

    def bar(
        self,
        state: Floats,
        embedding: Floats,
        previous: Tokens,
        temperature: Floats,
        noise: Floats,
        bias: Floats,
        output: str = "",
    ) -> DecodedSteps:
        """See ``JointModel.bar``."""
        return decoded(self._trio.core(output).bar, state, embedding, previous, temperature, noise, bias)
