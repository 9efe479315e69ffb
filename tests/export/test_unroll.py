"""A bar's graph is its step's, sixteen times over."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

pytest.importorskip("torch")

import onnxruntime

from autoloops_engine.bundle.manifest import Graph, Tensor
from autoloops_engine.units import STEPS_PER_BAR
from autoloops_export.onnx.storage import compact
from autoloops_export.onnx.unroll import step_graph, unrolled

SIZE, CLASSES = 2, 3
RNG = np.random.default_rng(2)
WEIGHT = RNG.standard_normal((SIZE, CLASSES)).astype(np.float32)


def floats(name: str, *shape: int) -> Tensor:
    return Tensor(name, "float32", ("batch", *shape))


BAR = Graph(
    "bar.onnx",
    (
        floats("state", SIZE),
        floats("embedding", SIZE),
        Tensor("previous", "int64", ("batch",)),
        floats("temperature"),
        floats("noise", STEPS_PER_BAR, CLASSES),
        floats("bias", STEPS_PER_BAR, CLASSES),
    ),
    (
        Tensor("tokens", "int64", ("batch", STEPS_PER_BAR)),
        floats("states", STEPS_PER_BAR, SIZE),
        floats("logits", STEPS_PER_BAR, CLASSES),
        floats("touch", STEPS_PER_BAR, SIZE),
    ),
)


def port(tensor: Tensor) -> onnx.ValueInfoProto:
    kind = onnx.TensorProto.INT64 if tensor.dtype == "int64" else onnx.TensorProto.FLOAT
    return helper.make_tensor_value_info(tensor.name, kind, tensor.shape)


def step() -> bytes:
    """State and embedding and last token make the next state, that the scores, noise and bias the token."""
    listed = step_graph(BAR)
    nodes = [
        helper.make_node("Mul", ["embedding", "half"], ["push"]),
        helper.make_node("Cast", ["previous"], ["before"], to=onnx.TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["before", "axis"], ["column"]),
        helper.make_node("Mul", ["column", "half"], ["told"]),
        helper.make_node("Mul", ["state", "half"], ["kept"]),
        helper.make_node("Sum", ["kept", "push", "told"], ["after"]),
        helper.make_node("MatMul", ["after", "weight"], ["scores"]),
        helper.make_node("Sum", ["scores", "noise", "bias"], ["perturbed"]),
        helper.make_node("ArgMax", ["perturbed"], ["token"], axis=1, keepdims=0),
        helper.make_node("Cast", ["all_tokens"], ["struck"], to=onnx.TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["struck", "last"], ["at"]),
        helper.make_node("Mul", ["all_states", "at"], ["touch"]),
    ]
    constants = {
        "half": np.float32(0.5),
        "weight": WEIGHT,
        "axis": np.array([1], dtype=np.int64),
        "last": np.array([2], dtype=np.int64),
    }
    graph = helper.make_graph(
        nodes,
        "step",
        [port(each) for each in listed.inputs],
        [port(each) for each in listed.outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return bytes(model.SerializeToString())


def test_a_bar_is_what_its_steps_answer_one_after_the_other() -> None:
    content = compact(unrolled(step(), BAR), "float32")
    session = onnxruntime.InferenceSession(content)
    state, embedding = (RNG.standard_normal((4, SIZE)).astype(np.float32) for _ in range(2))
    noise, bias = (RNG.standard_normal((4, STEPS_PER_BAR, CLASSES)).astype(np.float32) for _ in range(2))
    previous = np.array([0, 1, 2, 1])
    inputs = {"state": state, "embedding": embedding, "previous": previous, "temperature": np.ones(4, np.float32)}
    tokens, states, logits, touch = session.run(None, inputs | {"noise": noise, "bias": bias})
    for number in range(STEPS_PER_BAR):
        state = ((state + embedding + previous[:, None]) / 2).astype(np.float32)
        scores = state @ WEIGHT
        previous = (scores + noise[:, number] + bias[:, number]).argmax(axis=1)
        np.testing.assert_allclose(states[:, number], state, atol=1e-5)
        np.testing.assert_allclose(logits[:, number], scores, atol=1e-5)
        np.testing.assert_array_equal(tokens[:, number], previous)
    np.testing.assert_allclose(touch, states * tokens[:, :, None], atol=1e-5)


def test_what_does_not_change_from_step_to_step_is_computed_once() -> None:
    nodes = onnx.load_from_string(unrolled(step(), BAR)).graph.node
    assert sum("push" in node.output for node in nodes) == 1
    assert sum("touch" in node.output for node in nodes) == 1
    assert sum(node.op_type == "ArgMax" for node in nodes) == STEPS_PER_BAR
