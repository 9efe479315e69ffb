"""A model of several parts: its manifest holds together, and each part looks like a model of its own."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from autoloops_engine.bundle.load import load_bundle
from autoloops_engine.bundle.manifest import Attribute, Manifest, Output, bar_graph
from autoloops_engine.bundle.reference import output_named
from autoloops_engine.bundle.shapes import misfit
from autoloops_engine.bundle.write import write_bundle
from autoloops_engine.codecs.registry import DRUMS, MELODY
from autoloops_engine.errors import BundleError
from autoloops_engine.inference.decoder import Floats
from autoloops_engine.inference.requests import DecodeRequest, decode, encode
from autoloops_engine.inference.views import join_features, manifest_of, output_for, views_of
from autoloops_engine.testing import StubDecoder, TrioStub, tiny_manifest, tiny_trio_manifest

PARTS = ("melody", "bass", "drums")
REST = ((0.0, -1.0), (0.5, 0.0), (1.0, 1.0))


def written(folder: Path, manifest: Manifest) -> Path:
    files = {graph.file: name.encode() for name, graph in manifest.graphs.items()}
    write_bundle(folder, manifest, files)
    return folder


def request(part: str, bar: int = 0, **more: Any) -> DecodeRequest:
    z = np.linspace(-1, 1, 6, dtype=np.float32)
    return DecodeRequest(part, 0, z, bar, seed=3, **more)


@pytest.mark.parametrize("kind", ["flat", "hierarchical"])
def test_a_bundle_of_three_parts_is_read_with_a_graph_for_the_bars_of_each(tmp_path: Path, kind: Any) -> None:
    loaded = load_bundle(written(tmp_path / "tiny-trio", tiny_trio_manifest(kind=kind)))
    assert set(loaded.graphs) == {"encoder", "start", "bar-melody", "bar-bass", "bar-drums"}
    assert loaded.manifest.graphs["encoder"].inputs[0].shape[-1] == 90 + 90 + 27


def trio_with(**changes: Any) -> Manifest:
    return msgspec.structs.replace(tiny_trio_manifest(), **changes)


def graphs_with(name: str, instead_of: str) -> dict[str, Any]:
    graphs = dict(tiny_trio_manifest().graphs)
    graphs[name] = graphs.pop(instead_of)
    return graphs


OUTPUTS = tiny_trio_manifest().outputs


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"outputs": (OUTPUTS[0], OUTPUTS[0], OUTPUTS[2])}, "same name"),
        ({"outputs": OUTPUTS[:2]}, "graph bar-drums belongs to none"),
        ({"outputs": (Output("solo", MELODY.name, 90, 6), *OUTPUTS[1:])}, "graph bar-solo is missing"),
        ({"graphs": graphs_with("bar", "bar-bass")}, "graph bar-bass is missing"),
        ({"state_size": 19}, "states of its outputs are not its state"),
        ({"outputs": (Output("melody", MELODY.name, 90), *OUTPUTS[1:])}, "states of its outputs are not its state"),
        ({"attributes": (Attribute("density", (1.0,) * 6, REST),)}, "attribute of ''"),
        ({"attributes": (Attribute("density", (1.0,) * 6, REST, output="flute"),)}, "attribute of 'flute'"),
        ({"attributes": (Attribute("density", (1.0,) * 6, REST, output="bass"),) * 2}, "two attributes"),
        ({"outputs": (*OUTPUTS[:2], Output("drums", MELODY.name, 90, 8))}, "features of .batch, 256, 270."),
        ({"outputs": (Output("melody", MELODY.name, 90, 4), Output("bass", MELODY.name, 90, 6), OUTPUTS[2])}, "state"),
    ],
)
def test_parts_that_cannot_be_true_together_are_refused(tmp_path: Path, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BundleError, match=sentence) as caught:
        load_bundle(written(tmp_path / "tiny-trio", trio_with(**changes)))
    assert str(caught.value).endswith(".")


def test_a_model_of_one_part_may_say_its_state_or_not(tmp_path: Path) -> None:
    for size in (0, 6):
        manifest = msgspec.structs.replace(tiny_manifest(), outputs=(Output("melody", MELODY.name, 90, size),))
        assert load_bundle(written(tmp_path / f"tiny-{size}", manifest)).manifest.outputs[0].state_size == size
    attribute = Attribute("density", (1.0,) * 4, REST, output="melody")
    with pytest.raises(BundleError, match="attribute of 'melody'"):
        load_bundle(written(tmp_path / "odd", msgspec.structs.replace(tiny_manifest(), attributes=(attribute,))))


@pytest.mark.parametrize("part", PARTS)
def test_a_part_looks_like_a_model_of_its_own(part: str) -> None:
    manifest = manifest_of(tiny_trio_manifest(), part)
    assert misfit(manifest) is None
    assert [output.part for output in manifest.outputs] == [part]
    assert {attribute.name for attribute in manifest.attributes} == {
        "melody": {"density", "pitch"},
        "bass": {"density", "pitch"},
        "drums": {"density", "swing"},
    }[part]


def test_figures_of_other_parts_are_left_out() -> None:
    manifest = trio_with(accuracy={"kl_nats": 40.0, "melody/free_at_1": 0.75, "bass/free_at_1": 0.77})
    assert manifest_of(manifest, "bass").accuracy == {"kl_nats": 40.0, "free_at_1": 0.77}


def test_a_model_of_one_part_is_its_own_view() -> None:
    decoder = StubDecoder()
    assert views_of(decoder) == {"melody": decoder}  # type: ignore[arg-type]
    assert bar_graph(decoder.manifest, "melody") == "bar"


@pytest.mark.parametrize("kind", ["flat", "hierarchical"])
@pytest.mark.parametrize("part", PARTS)
def test_a_part_decodes_what_the_model_answers_for_its_share_of_the_state(part: str, kind: Any) -> None:
    model = TrioStub(tiny_trio_manifest(kind=kind, bars=3))
    view = views_of(model)[part]
    decoded = decode(view, request(part))
    begins = {"melody": 0, "bass": 6, "drums": 10}[part]
    size = {"melody": 6, "bass": 4, "drums": 8}[part]
    begun = model.start(request(part).z[None])
    assert np.array_equal(view.start(request(part).z[None]).state, begun.state[..., begins : begins + size])
    assert decoded.states.shape == (16, size)
    assert len(decoded.extras) == (2 if part == "drums" else 0)


def test_parts_do_not_hear_each_others_temperature_and_seed() -> None:
    views = views_of(TrioStub())
    bass = decode(views["bass"], request("bass", 5))
    decode(views["melody"], request("melody", 5, temperature=3.0))
    assert decode(views["bass"], request("bass", 5)).tokens == bass.tokens


def test_what_is_not_known_of_a_loop_is_silent_to_the_encoder() -> None:
    class Heard(TrioStub):
        def encode(self, features: Floats) -> Any:
            self.features = features
            return super().encode(features)

    model = Heard()
    bass = np.eye(90, dtype=np.float32)[np.full(256, 40)]
    encode(views_of(model)["bass"], bass)
    melody, own, drums = np.split(model.features[0], [90, 180], axis=1)
    assert (melody[:, 0] == 1).all()
    assert melody.sum() == 256
    assert np.array_equal(own, bass)
    assert not drums.any()
    everything = {"melody": melody[None], "bass": own[None], "drums": drums[None]}
    assert np.array_equal(join_features(model.manifest, everything), model.features)


def test_a_part_gets_the_output_of_its_name_else_of_its_codec() -> None:
    manifest = tiny_trio_manifest()
    assert output_for(manifest, "bass").part == "bass"
    assert output_for(manifest, "beat", DRUMS).part == "drums"
    assert output_for(manifest, "lead", MELODY).part == "melody"
    assert output_for(manifest, "lead").part == "melody"
    with pytest.raises(BundleError, match="no output flute; it has: melody, bass, drums"):
        output_named(manifest, "flute")
