"""Graphs, storage and parity, on a tiny model that is not ours: anything with encode, start and bar can be exported."""

import copy
from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

pytest.importorskip("torch")

import torch

from autoloops_engine.bundle.manifest import Manifest, Output
from autoloops_engine.bundle.write import write_bundle
from autoloops_engine.errors import ModelError
from autoloops_engine.inference.onnx_decoder import OnnxDecoder, open_decoder
from autoloops_engine.inference.requests import DecodeRequest, decode
from autoloops_engine.units import STEPS_PER_BAR
from autoloops_export.onnx.contract import ModelShape
from autoloops_export.onnx.graphs import export_graphs
from autoloops_export.onnx.parity import check_parity, require_parity
from autoloops_export.onnx.reference import TorchDecoder
from autoloops_export.onnx.storage import Storage, compact, rounded

CLASSES, LATENT, UNITS = 90, 6, 32
SHAPE = ModelShape(
    kind="flat", output=Output("melody", "melody-90", CLASSES), bars=2, latent=LATENT, state=UNITS, embedding=LATENT
)


class TinyGru(torch.nn.Module):
    """A GRU of one layer behind the three functions."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.reader = torch.nn.Linear(CLASSES * SHAPE.steps, 2 * LATENT)
        self.begin = torch.nn.Linear(LATENT, UNITS)
        self.cell = torch.nn.GRUCell(CLASSES + LATENT, UNITS)
        self.logits = torch.nn.Linear(UNITS, CLASSES)

    def encode(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mu, spread = self.reader(features.flatten(1)).chunk(2, dim=1)
        return mu, torch.nn.functional.softplus(spread)

    def start(self, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.tanh(self.begin(z))[:, None], z[:, None]

    def bar(
        self,
        state: torch.Tensor,
        embedding: torch.Tensor,
        previous: torch.Tensor,
        temperature: torch.Tensor,
        noise: torch.Tensor,
        bias: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        tokens, states, logits = [], [], []
        sharp = temperature[:, None]
        for step in range(STEPS_PER_BAR):
            told = torch.nn.functional.one_hot(previous, CLASSES).float()
            state = self.cell(torch.cat([told, embedding], 1), state)
            logit = 4 * self.logits(state)
            scores = logit + bias[:, step]
            divisor = torch.where(sharp > 0, sharp, torch.ones_like(sharp))
            previous = torch.where(sharp > 0, scores / divisor + noise[:, step], scores).argmax(1)
            tokens.append(previous)
            states.append(state)
            logits.append(logit)
        return torch.stack(tokens, 1), torch.stack(states, 1), torch.stack(logits, 1)


def manifest() -> Manifest:
    return Manifest(
        schema_version=1,
        kind="flat",
        name="tiny",
        created_by="tests",
        steps_per_bar=STEPS_PER_BAR,
        bars=2,
        latent_size=LATENT,
        state_size=UNITS,
        embedding_size=LATENT,
        outputs=(SHAPE.output,),
        graphs=SHAPE.graphs,
        files={},
    )


@pytest.fixture(scope="module")
def model() -> TinyGru:
    module = TinyGru().eval()
    module.load_state_dict(rounded(module.state_dict(), "int8"))
    return module


@pytest.fixture(scope="module")
def graphs(model: TinyGru) -> dict[str, bytes]:
    return {f"{name}.onnx": content for name, content in export_graphs(model, SHAPE, "int8").items()}


@pytest.fixture(scope="module")
def decoder(graphs: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> OnnxDecoder:
    path = tmp_path_factory.mktemp("bundle") / "tiny"
    write_bundle(path, manifest(), graphs)
    return open_decoder(path)


def test_the_graphs_are_the_model(model: TinyGru, decoder: OnnxDecoder) -> None:
    report = check_parity(model, decoder, points=150)
    require_parity(report)
    assert report.unexcused == 0
    assert set(report.differences) == {"mu", "sigma", "state", "embeddings", "states", "logits"}
    assert report.sampled_tokens == 150 * 32
    assert all(difference < 1e-4 for difference in report.differences.values())


@pytest.mark.parametrize(
    ("weight", "output"), [("logits.bias", "logits"), ("begin.weight", "state"), ("reader.weight", "mu")]
)
def test_a_model_that_was_changed_after_export_fails(
    model: TinyGru, decoder: OnnxDecoder, weight: str, output: str
) -> None:
    changed = copy.deepcopy(model)
    with torch.no_grad():
        changed.get_parameter(weight).add_(1e-3)
    report = check_parity(changed, decoder, points=20)
    assert report.differences[output] > 1e-4
    with pytest.raises(ModelError, match=r"not the trained model: \w+ differs by .*no bundle was written"):
        require_parity(report)


def test_sampling_that_is_wrong_fails_though_logits_agree(model: TinyGru, decoder: OnnxDecoder) -> None:
    class Reversed(TorchDecoder):
        """Right logits, but the noise is taken from the bar's end."""

        def bar(self, state, embedding, previous, temperature, noise, bias):  # type: ignore[no-untyped-def]
            return super().bar(state, embedding, previous, temperature, noise[:, ::-1], bias)

    report = check_parity(model, Reversed(model, decoder.manifest), points=20)
    assert report.unexcused > 10
    assert "instead of" in report.exceptions[0]
    with pytest.raises(ModelError, match="sampled tokens differ without a near tie"):
        require_parity(report)


def test_a_near_tie_is_excused_and_listed(model: TinyGru, decoder: OnnxDecoder) -> None:
    class Coarse(TorchDecoder):
        """Logits a little off, and samples from those."""

        def bar(self, state, embedding, previous, temperature, noise, bias):  # type: ignore[no-untyped-def]
            off = np.where(np.arange(CLASSES) % 2, 4e-3, -4e-3).astype(np.float32)
            steps = super().bar(state, embedding, previous, temperature, noise, bias + off)
            return steps._replace(logits=steps.logits + off)

    report = check_parity(model, Coarse(model, decoder.manifest), points=100)
    assert len(report.exceptions) > 5
    assert "apart" in report.exceptions[0]
    assert report.unexcused == 0


def test_logits_that_are_no_numbers_fail(model: TinyGru, decoder: OnnxDecoder) -> None:
    class Broken(TorchDecoder):
        def bar(self, state, embedding, previous, temperature, noise, bias):  # type: ignore[no-untyped-def]
            steps = super().bar(state, embedding, previous, temperature, noise, bias)
            return steps._replace(logits=steps.logits * np.float32(np.nan))

    with pytest.raises(ModelError, match="logits differs by inf"):
        require_parity(check_parity(model, Broken(model, decoder.manifest), points=5))


@pytest.mark.parametrize("batch", [1, 3])
def test_the_batch_is_free(decoder: OnnxDecoder, batch: int) -> None:
    features = np.zeros((batch, 32, CLASSES), dtype=np.float32)
    assert decoder.encode(features).mu.shape == (batch, LATENT)
    assert decoder.start(np.zeros((batch, LATENT), np.float32)).state.shape == (batch, 1, UNITS)


def test_the_rest_of_a_bar_is_what_the_whole_bar_would_have_been(decoder: OnnxDecoder) -> None:
    z = np.random.default_rng(1).standard_normal(LATENT).astype(np.float32)
    whole = decode(decoder, DecodeRequest("melody", 0, z, 0, seed=9))
    state, token = whole.states[6], whole.tokens[6]
    rest = decode(decoder, DecodeRequest("melody", 0, z, 0, 9, state=state, previous=token, first_step=7))
    assert rest.tokens == whole.tokens[7:]


def test_a_wrong_shape_is_a_model_error_and_nothing_else(decoder: OnnxDecoder) -> None:
    with pytest.raises(ModelError, match="start graph of tiny failed"):
        decoder.start(np.zeros((1, LATENT + 1), np.float32))


def test_graphs_that_are_not_what_the_manifest_says_are_refused(graphs: dict[str, bytes], tmp_path: Path) -> None:
    enlarged = msgspec.structs.replace(manifest(), state_size=UNITS + 1, graphs=bigger().graphs)
    write_bundle(tmp_path / "b", enlarged, graphs)
    with pytest.raises(ModelError, match="has no state as its manifest says"):
        open_decoder(tmp_path / "b")
    write_bundle(tmp_path / "c", manifest(), graphs | {"bar.onnx": b"no graph"})
    with pytest.raises(ModelError, match=r"bar graph of .* cannot be loaded"):
        open_decoder(tmp_path / "c")


def bigger() -> ModelShape:
    return ModelShape(kind="flat", output=SHAPE.output, bars=2, latent=LATENT, state=UNITS + 1, embedding=LATENT)


def test_a_model_of_other_sizes_is_not_exported(model: TinyGru) -> None:
    with pytest.raises(ModelError, match="the model"):
        export_graphs(model, bigger())


@pytest.mark.parametrize(("storage", "kind"), [("int8", np.int8), ("float16", np.float16)])
def test_storage_is_small_and_exact(storage: Storage, kind: type) -> None:
    weight = rounded({"w": torch.randn(64, 100)}, storage)["w"].numpy()
    node = onnx.helper.make_node("MatMul", ["x", "w"], ["y"])
    ports = [onnx.helper.make_tensor_value_info(n, 1, ["batch", s]) for n, s in (("x", 64), ("y", 100))]
    graph = onnx.helper.make_graph([node], "g", ports[:1], ports[1:], [numpy_helper.from_array(weight, "w")])
    small = onnx.load_from_string(
        compact(
            onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)]).SerializeToString(), storage
        )
    )
    stored = {i.name: numpy_helper.to_array(i) for i in small.graph.initializer}
    assert stored["w.stored"].dtype == kind
    np.testing.assert_array_equal(stored["w.stored"].astype(np.float32) * stored.get("w.scale", np.float32(1)), weight)


def test_what_a_graph_holds_twice_is_kept_once() -> None:
    table, other = np.eye(60, dtype=np.float32), np.ones((60, 60), dtype=np.float32)
    nodes = [
        onnx.helper.make_node("MatMul", ["x", "first"], ["once"]),
        onnx.helper.make_node("MatMul", ["once", "second"], ["twice"]),
        onnx.helper.make_node("MatMul", ["twice", "third"], ["y"]),
    ]
    ports = [onnx.helper.make_tensor_value_info(n, 1, ["batch", 60]) for n in ("x", "y")]
    weights = [numpy_helper.from_array(a, n) for n, a in (("first", table), ("second", other), ("third", table))]
    graph = onnx.helper.make_graph(nodes, "g", ports[:1], ports[1:], weights)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)])
    small = onnx.load_from_string(compact(model.SerializeToString(), "float32")).graph
    assert [initializer.name for initializer in small.initializer] == ["first", "second"]
    assert [node.input[1] for node in small.node] == ["first", "second", "first"]


def test_rounding_keeps_rows_close_and_vectors_closer() -> None:
    weights = {"matrix": torch.randn(50, 70) * torch.logspace(-4, 2, 50)[:, None], "vector": torch.randn(70)}
    small = rounded(weights, "int8")
    assert bool(((small["matrix"] - weights["matrix"]).abs().amax(1) <= weights["matrix"].abs().amax(1) / 250).all())
    assert float((small["vector"] - weights["vector"]).abs().max()) < 2e-3
    assert rounded(weights, "float32") is weights
    assert bool((rounded({"zero": torch.zeros(3, 3)}, "int8")["zero"] == 0).all())
