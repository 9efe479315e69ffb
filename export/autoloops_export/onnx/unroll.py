"""The graph of a bar from the graph of one step, repeated sixteen times.

The exporter takes long for every operation that it traces, and a bar is sixteen times the same ones: so one step is
traced, and its nodes are repeated here. What depends on nothing that changes from step to step is kept once, before the
first step; what reads the whole bar once, behind the last.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
import onnx
from onnx import helper, numpy_helper

from autoloops_engine.bundle.manifest import Graph
from autoloops_engine.bundle.manifest import Tensor as Port
from autoloops_engine.units import STEPS_PER_BAR

# What a step is given from the one before, by what that one answers.
CARRIED: Final = {"state": "after", "previous": "token"}
# Of a bar's inputs those that have a place for every step.
BY_STEP: Final = ("noise", "bias")
# What a step answers, by what a bar answers.
STACKED: Final = {"tokens": "token", "states": "after", "logits": "scores"}
# What extras of a whole bar are made of, by what a bar answers.
WHOLE: Final = {"tokens": "all_tokens", "states": "all_states"}
_AXIS: Final = "one"


def step_graph(bar: Graph) -> Graph:
    """The graph of one step of a bar: what a module that is traced for :func:`unrolled` takes and answers.

    It takes what a bar takes, of noise and bias one step's; where a bar answers extras, behind that the tokens and
    states of a whole bar. It answers token, state and logits, then the extras of the whole bar.
    """
    answers = {port.name: port for port in bar.outputs}
    inputs = [_one_step(port, port.name) if port.name in BY_STEP else port for port in bar.inputs]
    extras = bar.outputs[len(STACKED) :]
    if extras:
        inputs += [Port(name, answers[of].dtype, answers[of].shape) for of, name in WHOLE.items()]
    outputs = [_one_step(answers[of], name) for of, name in STACKED.items()]
    return Graph(bar.file, tuple(inputs), (*outputs, *extras))


def _one_step(port: Port, name: str) -> Port:
    return Port(name, port.dtype, (port.shape[0], *port.shape[2:]))


def unrolled(content: bytes, bar: Graph) -> bytes:
    """The graph of a bar.

    Args:
        content: The graph of a step, as :func:`step_graph` describes it.
        bar: What the bar's graph is to be.
    """
    model = onnx.load_from_string(content)
    step = model.graph
    changing = _depending(step.node, {*CARRIED, *BY_STEP})
    closing = _depending(step.node, set(WHOLE.values()))
    nodes = [node for node in step.node if not {*node.output} & (changing | closing)]
    repeated = [node for node in step.node if {*node.output} & changing]
    constants = [numpy_helper.from_array(np.array([1], dtype=np.int64), _AXIS)]
    now = {name: name for name in CARRIED}
    answered: dict[str, list[str]] = {of: [] for of in STACKED}
    for number in range(STEPS_PER_BAR):
        constants.append(numpy_helper.from_array(np.array(number, dtype=np.int64), f"place.{number}"))
        for name in BY_STEP:
            now[name] = f"{name}.{number}"
            nodes.append(helper.make_node("Gather", [name, f"place.{number}"], [now[name]], axis=1))
        own = now | {name: f"{name}.{number}" for node in repeated for name in node.output if name}
        nodes += [_renamed(node, own, f".{number}") for node in repeated]
        now |= {name: own[of] for name, of in CARRIED.items()}
        for of, name in STACKED.items():
            answered[of].append(own[name])
    for of, names in answered.items():
        nodes += _stacked(of, names)
    back = {name: of for of, name in WHOLE.items()}
    nodes += [_renamed(node, back, "") for node in step.node if {*node.output} & closing]
    _replace(step, nodes, constants, bar)
    return bytes(model.SerializeToString())


def _depending(nodes: Iterable[onnx.NodeProto], names: set[str]) -> set[str]:
    """All that is computed from what is called ``names``, by its own names."""
    found: set[str] = set()
    for node in nodes:
        if {*node.input} & (names | found):
            found |= {*node.output}
    return found


def _renamed(node: onnx.NodeProto, names: Mapping[str, str], mark: str) -> onnx.NodeProto:
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    # Nodes may go without a name, and no two may have the same.
    copy.name = node.name + mark if node.name else ""
    for field in (copy.input, copy.output):
        fresh = [names.get(name, name) for name in field]
        del field[:]
        field.extend(fresh)
    return copy


def _stacked(name: str, steps: Sequence[str]) -> list[onnx.NodeProto]:
    """What steps answer side by side along a second axis."""
    apart = [f"{step}.{name}" for step in steps]
    nodes = [helper.make_node("Unsqueeze", [step, _AXIS], [one]) for step, one in zip(steps, apart, strict=True)]
    return [*nodes, helper.make_node("Concat", apart, [name], axis=1)]


def _replace(
    graph: onnx.GraphProto, nodes: Iterable[onnx.NodeProto], constants: Iterable[onnx.TensorProto], bar: Graph
) -> None:
    """Makes the graph of a step that of a bar."""
    del graph.node[:]
    graph.node.extend(nodes)
    graph.initializer.extend(constants)
    del graph.value_info[:]
    for field, ports in ((graph.input, bar.inputs), (graph.output, bar.outputs)):
        del field[:]
        field.extend(_described(port) for port in ports)


def _described(port: Port) -> onnx.ValueInfoProto:
    kind = onnx.TensorProto.INT64 if port.dtype == "int64" else onnx.TensorProto.FLOAT
    return helper.make_tensor_value_info(port.name, kind, port.shape)
