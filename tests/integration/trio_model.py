"""A tiny model of melody, bass and drums in sixteen bars, untrained, and the bundle that is made of it."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from autoloops_engine.bundle.manifest import Graph, Manifest, Output, Tensor
from autoloops_engine.bundle.write import write_bundle
from autoloops_engine.codecs.registry import codec_named
from autoloops_engine.testing import tiny_trio_manifest
from autoloops_engine.units import STEPS_PER_BAR

_TYPES = {"float32": TensorProto.FLOAT, "int64": TensorProto.INT64}


class Drawn:
    """A graph as it is written down, node by node."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def do(self, operator: str, *inputs: str, to: str = "", **attributes: Any) -> str:
        """A node; the name of what it answers."""
        name = to or f"{operator}-{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def constant(self, values: object) -> str:
        """Numbers; their name."""
        name = f"constant-{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def weight(self, *shape: int, scale: float = 1.0) -> str:
        """Random numbers; their name."""
        return self.constant((scale * self._rng.standard_normal(shape)).astype(np.float32))

    def stack(self, names: list[str], to: str) -> str:
        """Steps side by side, behind the batch axis."""
        axes = self.constant(np.array([1]))
        return self.do("Concat", *(self.do("Unsqueeze", name, axes) for name in names), to=to, axis=1)

    def written(self, listed: Graph) -> bytes:
        """The graph as a file."""
        inputs, outputs = ([_port(tensor) for tensor in tensors] for tensors in (listed.inputs, listed.outputs))
        graph = helper.make_graph(self._nodes, "tiny", inputs, outputs, self._constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        return bytes(model.SerializeToString())


def _port(tensor: Tensor) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(tensor.name, _TYPES[tensor.dtype], list(tensor.shape))


def _encoder(manifest: Manifest, drawn: Drawn) -> None:
    features, z = sum(codec_named(output.codec).feature_size for output in manifest.outputs), manifest.latent_size
    mean = drawn.do("ReduceMean", "features", drawn.constant(np.array([1])), keepdims=0)
    drawn.do("MatMul", mean, drawn.weight(features, z), to="mu")
    drawn.do("Softplus", drawn.do("MatMul", mean, drawn.weight(features, z)), to="sigma")


def _start(manifest: Manifest, drawn: Drawn) -> None:
    bars, size = manifest.bars, manifest.embedding_size
    plan = drawn.do("MatMul", "z", drawn.weight(manifest.latent_size, bars * size))
    of_bars = drawn.do("Reshape", plan, drawn.constant(np.array([-1, bars, size])))
    drawn.do("Tanh", of_bars, to="embeddings")
    drawn.do("Tanh", drawn.do("MatMul", "embeddings", drawn.weight(size, manifest.state_size)), to="state")


def _bar(manifest: Manifest, output: Output, drawn: Drawn) -> None:
    size, classes = output.state_size, output.classes
    table, turn = drawn.weight(classes, size, scale=0.5), drawn.weight(size, size, scale=0.3)
    to_logits = drawn.weight(size, classes, scale=2.0)
    told = drawn.do("MatMul", "embedding", drawn.weight(manifest.embedding_size, size))
    axis = drawn.constant(np.array([1]))
    warmth = drawn.do("Unsqueeze", "temperature", axis)
    warm = drawn.do("Greater", warmth, drawn.constant(np.float32(0)))
    divisor = drawn.do("Max", warmth, drawn.constant(np.float32(1e-6)))
    state, previous = "state", "previous"
    tokens, states, logits = [], [], []
    for step in range(STEPS_PER_BAR):
        at = drawn.constant(np.int64(step))
        heard = drawn.do("Add", told, drawn.do("Gather", table, previous))
        state = drawn.do("Tanh", drawn.do("Add", heard, drawn.do("MatMul", state, turn)))
        logit = drawn.do("MatMul", state, to_logits)
        wanted = drawn.do("Add", logit, drawn.do("Gather", "bias", at, axis=1))
        warmed = drawn.do("Add", drawn.do("Div", wanted, divisor), drawn.do("Gather", "noise", at, axis=1))
        previous = drawn.do("ArgMax", drawn.do("Where", warm, warmed, wanted), axis=1, keepdims=0)
        tokens.append(previous)
        states.append(state)
        logits.append(logit)
    for name, steps in (("tokens", tokens), ("states", states), ("logits", logits)):
        drawn.stack(steps, name)
    for extra in codec_named(output.codec).extras:
        drawn.do("Sigmoid", drawn.do("MatMul", "states", drawn.weight(size, extra.size)), to=extra.name)


def write_trio(folder: Path) -> Path:
    """Write the bundle ``tiny-trio`` into ``folder``; its path."""
    manifest, rng = tiny_trio_manifest(), np.random.default_rng(3)
    drawings = {name: Drawn(rng) for name in manifest.graphs}
    _encoder(manifest, drawings["encoder"])
    _start(manifest, drawings["start"])
    for output in manifest.outputs:
        _bar(manifest, output, drawings[f"bar-{output.part}"])
    files = {graph.file: drawings[name].written(graph) for name, graph in manifest.graphs.items()}
    write_bundle(folder / manifest.name, manifest, files)
    return folder / manifest.name
