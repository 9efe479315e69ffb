"""Bundles of several parts, part by part: what the encoder reads, what is compared, and how figures are called."""

import numpy as np
import pytest

pytest.importorskip("torch")

from tests.export.made_up import lively_model

from autoloops_engine.bundle.manifest import Manifest, ParityReport
from autoloops_engine.bundle.shapes import misfit
from autoloops_engine.inference.views import views_of
from autoloops_export.evaluation.loops import LoopSet, decode_loops, encode_loops, few, parts_of
from autoloops_export.evaluation.parts import spread
from autoloops_export.models.config import TRIO_PARTS, ModelConfig
from autoloops_export.models.trio import TrioVae
from autoloops_export.onnx.parity import check_parity, merged
from autoloops_export.onnx.parts import PartModel, TorchJoint, joint_graphs, part_shapes

BARS = 2
STEPS = BARS * 16
CONFIG = ModelConfig(
    kind="trio",
    role="trio",
    bars=BARS,
    latent=6,
    encoder_hidden=5,
    encoder_reads=2,
    bar_hidden=6,
    bar_share=3,
    conductor_hidden=4,
    decoder_hidden=7,
    embedding=3,
    touch_hidden=4,
)


@pytest.fixture(scope="module")
def trio() -> TrioVae:
    return lively_model(CONFIG, TrioVae, seed=2)


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    shapes = part_shapes(CONFIG)
    return Manifest(
        schema_version=1,
        kind="hierarchical",
        name="three",
        created_by="tests",
        steps_per_bar=16,
        bars=BARS,
        latent_size=CONFIG.latent,
        state_size=sum(shape.state for shape in shapes),
        embedding_size=CONFIG.bar_embedding,
        outputs=tuple(shape.output for shape in shapes),
        graphs=joint_graphs(shapes),
        files={},
    )


@pytest.fixture(scope="module")
def joint(trio: TrioVae, manifest: Manifest) -> TorchJoint:
    return TorchJoint(trio, manifest)


@pytest.fixture
def loops() -> LoopSet:
    rng = np.random.default_rng(1)
    tokens = np.stack([rng.integers(0, high, (5, STEPS)) for high in (90, 90, 512)], axis=2)
    return LoopSet(tokens, tuple(rng.random((5, STEPS, 9), dtype=np.float32) for _ in range(2)))


def test_the_graphs_have_the_shapes_that_the_engine_expects(manifest: Manifest) -> None:
    assert misfit(manifest) is None
    assert [graph.file for name, graph in manifest.graphs.items() if name.startswith("bar")] == [
        f"bar-{part}.onnx" for part in TRIO_PARTS
    ]


def test_each_part_of_a_trio_is_what_a_view_of_it_is(trio: TrioVae, joint: TorchJoint) -> None:
    reports = {
        part: check_parity(PartModel(trio, part).eval(), view, points=3) for part, view in views_of(joint).items()
    }
    report = merged(reports)
    assert report.points == 9
    assert report.sampled_tokens == 9 * STEPS
    assert max(report.differences.values()) < 1e-5
    assert {"mu/melody", "logits/bass", "velocities/drums"} <= set(report.differences)


def test_a_report_of_one_part_stays_as_it_is_and_of_several_nothing_is_lost() -> None:
    one = ParityReport(10, 1e-4, {"mu": 1e-6}, 320, ("point 1",), 1)
    assert merged({"melody": one}) is one
    both = merged({"melody": one, "bass": one})
    assert (both.points, both.sampled_tokens, both.unexcused) == (20, 640, 2)
    assert both.differences == {"mu/melody": 1e-6, "mu/bass": 1e-6}
    assert both.exceptions == ("melody, point 1", "bass, point 1")


def test_a_part_is_encoded_with_the_others_beside_it(joint: TorchJoint, loops: LoopSet) -> None:
    parts = parts_of(joint.manifest, loops)
    whole, _ = encode_loops(joint, loops)
    for part, view in views_of(joint).items():
        mu, sigma = encode_loops(view, parts[part])
        assert mu == pytest.approx(whole)
        assert (sigma > 0).all()
        later, _ = encode_loops(view, parts[part].rows(slice(3, 5)))
        assert later == pytest.approx(whole[3:], abs=1e-5)
    alone, _ = encode_loops(views_of(joint)["melody"], LoopSet(loops.tokens[..., 0]))
    assert np.abs(alone - whole).max() > 1e-3


def test_all_parts_together_are_heard_by_what_ranks_knobs(joint: TorchJoint) -> None:
    z = np.random.default_rng(3).standard_normal((2, CONFIG.latent)).astype(np.float32)
    together = decode_loops(joint, z)
    assert together.shape == (2, 3 * STEPS)
    for place, view in enumerate(views_of(joint).values()):
        assert together[:, place * STEPS : (place + 1) * STEPS].tolist() == decode_loops(view, z).tolist()


def test_long_loops_are_measured_on_as_many_steps_as_short_ones(manifest: Manifest, loops: LoopSet) -> None:
    assert few(48, manifest) == 48
    assert spread(loops, manifest) is loops
    many = LoopSet(np.arange(8000)[:, None].repeat(STEPS, axis=1))
    some = spread(many, manifest).tokens[:, 0]
    assert (len(some), some[0], some[-1]) == (100_000 // STEPS // 3, 0, 7999)
