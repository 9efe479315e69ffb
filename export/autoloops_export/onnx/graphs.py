"""The three graphs of a bundle from a PyTorch model.

A bar is unrolled into sixteen steps that share their weights: batch 1 on one thread takes 1.0 ms so and 1.3 ms with an
ONNX Loop (256 units, two layers), and a bar decodes in one call either way. Of the models that are made here one step
is traced, which :mod:`autoloops_export.onnx.unroll` repeats.
"""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from autoloops_engine.bundle.manifest import Graph, GraphName
from autoloops_engine.bundle.manifest import Tensor as Port
from autoloops_engine.errors import ModelError
from autoloops_export.models.core import CoreDecoder
from autoloops_export.onnx.contract import JointEncoder, LoopModel, ModelShape
from autoloops_export.onnx.storage import Storage, compact
from autoloops_export.onnx.unroll import step_graph, unrolled

OPSET = 18
# Two rows, so that the exporter does not take the batch for a constant 1.
TRACED_BATCH = 2


class _Encoder(nn.Module):
    def __init__(self, model: JointEncoder) -> None:
        super().__init__()
        self.model = model

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        return self.model.encode(features)


class _Start(nn.Module):
    def __init__(self, model: JointEncoder) -> None:
        super().__init__()
        self.model = model

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return self.model.start(z)


class _Bar(nn.Module):
    def __init__(self, model: LoopModel) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, state: Tensor, embedding: Tensor, previous: Tensor, temperature: Tensor, noise: Tensor, bias: Tensor
    ) -> tuple[Tensor, ...]:
        return self.model.bar(state, embedding, previous, temperature, noise, bias)


class _Step(nn.Module):
    """One step, and the extras of a whole bar where there are any; see :func:`step_graph`."""

    def __init__(self, core: CoreDecoder) -> None:
        super().__init__()
        self.core = core

    def forward(
        self,
        state: Tensor,
        embedding: Tensor,
        previous: Tensor,
        temperature: Tensor,
        noise: Tensor,
        bias: Tensor,
        all_tokens: Tensor | None = None,
        all_states: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        answers = self.core.step(state, embedding, previous, temperature, noise, bias)
        if all_tokens is None or all_states is None:
            return answers
        return (*answers, *self.core.extras(all_tokens, all_states))


def export_graphs(model: LoopModel, shape: ModelShape, storage: Storage = "float32") -> dict[GraphName, bytes]:
    """Exports encoder, start and bar.

    Args:
        model: In evaluation mode, on the CPU, holding weights that :func:`rounded` made for ``storage``.
        shape: Its sizes.
        storage: How large weights are kept.

    Raises:
        ModelError: the model cannot be traced, or a graph is not what ``shape`` says.
    """
    wrappers: dict[GraphName, nn.Module] = {"encoder": _Encoder(model), "start": _Start(model), "bar": _bar(model)}
    return {name: _graph(wrappers[name], name, listed, storage) for name, listed in shape.graphs.items()}


def export_joint_graphs(
    model: JointEncoder, bars: Mapping[str, LoopModel], graphs: Mapping[GraphName, Graph], storage: Storage
) -> dict[GraphName, bytes]:
    """Exports what several parts share, and the bar of each.

    Args:
        model: What makes z of all parts and begins bars; as for :func:`export_graphs`.
        bars: What decodes each part's bars.
        graphs: What they are called, and the shapes of their inputs and outputs.
        storage: How large weights are kept.

    Raises:
        ModelError: see :func:`export_graphs`.
    """
    wrappers: dict[GraphName, nn.Module] = {"encoder": _Encoder(model), "start": _Start(model)}
    wrappers |= {f"bar-{part}": _bar(decoder) for part, decoder in bars.items()}
    return {name: _graph(wrappers[name], name, listed, storage) for name, listed in graphs.items()}


def _bar(model: LoopModel) -> nn.Module:
    """What is traced of a bar: of the models that are made here one step, of anybody's the whole."""
    core = getattr(model, "core", model)
    return _Step(core) if isinstance(core, CoreDecoder) else _Bar(model)


def _graph(module: nn.Module, name: GraphName, listed: Graph, storage: Storage) -> bytes:
    if isinstance(module, _Step):
        traced = unrolled(_trace(module.eval(), name, step_graph(listed)), listed)
    else:
        traced = _trace(module.eval(), name, listed)
    content = compact(traced, storage)
    _check(content, name, listed)
    return content


def _trace(module: nn.Module, name: str, graph: Graph) -> bytes:
    batch = torch.export.Dim("batch", min=1)
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                module,
                tuple(_example(port) for port in graph.inputs),
                input_names=[port.name for port in graph.inputs],
                output_names=[port.name for port in graph.outputs],
                dynamic_shapes=[{0: batch} for _ in graph.inputs],
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
    except Exception as error:
        # The model may be anybody's: whatever it or the exporter raises has one meaning.
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise ModelError(f"The {name} function of the model cannot be exported: {reason}") from error
    assert program is not None
    return bytes(program.model_proto.SerializeToString())


def _example(port: Port) -> Tensor:
    sizes = [TRACED_BATCH if isinstance(size, str) else size for size in port.shape]
    return torch.zeros(sizes, dtype=torch.int64) if port.dtype == "int64" else torch.ones(sizes)


def _check(content: bytes, name: str, listed: Graph) -> None:
    """Raises ModelError unless names, types and shapes are as listed."""
    graph = onnx.load_from_string(content).graph
    for ports, found in ((listed.inputs, graph.input), (listed.outputs, graph.output)):
        wanted = [(port.name, port.dtype, _pattern(port.shape)) for port in ports]
        have = [_described(value) for value in found]
        if wanted != have:
            raise ModelError(f"The {name} graph has {have} where {wanted} is due: make the model answer these shapes.")


def _described(value: onnx.ValueInfoProto) -> tuple[str, str, tuple[int | str, ...]]:
    tensor = value.type.tensor_type
    kind = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).name
    return value.name, kind, _pattern(tuple(d.dim_param or d.dim_value for d in tensor.shape.dim))


def _pattern(shape: tuple[int | str, ...]) -> tuple[int | str, ...]:
    return tuple("any" if isinstance(size, str) else size for size in shape)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the exporter's progress and remarks off the terminal; its errors are raised all the same."""
    exporter = logging.getLogger("torch.onnx")
    before = exporter.level
    exporter.setLevel(logging.ERROR)
    sink: Any = io.StringIO()
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink):
            warnings.simplefilter("ignore")
            yield
    finally:
        exporter.setLevel(before)
