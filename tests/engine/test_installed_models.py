"""The bundles in the package: sound, proven, licensed, quick to open, and musical."""

import zlib

import numpy as np
import pytest

from autoloops_engine.bundle.installed import find_bundle, installed_bundles
from autoloops_engine.bundle.load import load_bundle, read_file
from autoloops_engine.bundle.manifest import MANIFEST_NAME
from autoloops_engine.codecs.melody import FIRST_ONSET, RawNote, one_hot, quantise
from autoloops_engine.inference.onnx_decoder import OnnxDecoder, open_decoder
from autoloops_engine.inference.requests import DecodeRequest, decode
from autoloops_engine.inference.views import views_of
from autoloops_engine.latent import latent_space, point_at, prior_sample
from autoloops_engine.units import UB_PER_BEAT

MAX_BUNDLE_BYTES = 10_000_000
# The trio holds the encoders and decoders of three parts: five million weights, of two bytes to learn from and of one
# to play with.
MAX_TRIO_BYTES = 15_500_000
# Where loops lie, what knobs and faders do: 0.3 MB of it the density.
MAX_MANIFEST_BYTES = 800_000
# Of the travel of any of the first sixteen knobs.
MAX_DEAD_ZONE = 0.05
# Of all bundles together, as the wheel ships them.
MAX_WHEEL_BYTES = 40_000_000
FAMILY = {
    "melody-2bar": ("melody",),
    "bass-2bar": ("bass",),
    "drums-2bar": ("drums",),
    "melody-16bar": ("melody",),
    "trio-16bar": ("melody", "bass", "drums"),
}
# Kind and bars by the end of the name.
LONG = {"2bar": ("flat", 2), "16bar": ("hierarchical", 16)}
SCALE = (60, 62, 64, 65, 67, 69, 71, 72)


@pytest.fixture(scope="module")
def decoder() -> OnnxDecoder:
    return open_decoder(find_bundle("melody-2bar"))


def loop_at(decoder: OnnxDecoder, z: np.ndarray, seed: int = 1, temperature: float = 0.0) -> tuple[int, ...]:
    point = np.asarray(z, dtype=np.float32)
    first = decode(decoder, DecodeRequest("melody", 0, point, 0, seed, temperature=temperature))
    return first.tokens + decode(decoder, DecodeRequest("melody", 0, point, 1, seed, temperature=temperature)).tokens


@pytest.mark.parametrize("name", installed_bundles())
def test_every_installed_bundle_is_sound_proven_and_licensed(name: str) -> None:
    path = find_bundle(name)
    manifest = load_bundle(path).manifest
    assert manifest.name == name
    most = MAX_TRIO_BYTES if len(manifest.outputs) > 1 else MAX_BUNDLE_BYTES
    assert sum(file.bytes for file in manifest.files.values()) < most
    assert (path / MANIFEST_NAME).stat().st_size < MAX_MANIFEST_BYTES
    assert manifest.parity is not None
    assert manifest.parity.points >= 1_000
    assert manifest.parity.unexcused == 0
    for view in views_of(open_decoder(path)).values():
        assert view.manifest.accuracy["free_at_1"] > view.manifest.accuracy["no_event"]
        assert view.manifest.attributes
    card = read_file(path, "MODEL_CARD.md").decode()
    assert manifest.density is not None
    assert all(attribute.low is not None for attribute in manifest.attributes)
    assert manifest.accuracy["knob_dead_zone"] <= MAX_DEAD_ZONE
    assert manifest.data
    assert all(source.attribution in card for source in manifest.data)


def test_the_family_comes_with_the_package_and_fits_into_its_space() -> None:
    assert set(installed_bundles()) >= set(FAMILY)
    for name, parts in FAMILY.items():
        manifest = load_bundle(find_bundle(name)).manifest
        assert tuple(output.part for output in manifest.outputs) == parts
        assert (manifest.kind, manifest.bars) == LONG[name.rpartition("-")[2]]
    files = [path for name in FAMILY for path in find_bundle(name).rglob("*") if path.is_file()]
    assert sum(len(zlib.compress(path.read_bytes(), 6)) for path in files) <= MAX_WHEEL_BYTES


@pytest.mark.parametrize("name", ["melody-16bar", "trio-16bar"])
def test_a_bar_of_a_long_loop_needs_no_bar_before_it_and_all_bars_are_music(name: str) -> None:
    for part, view in views_of(open_decoder(find_bundle(name))).items():
        z = np.asarray(prior_sample(3, view.manifest.latent_size), dtype=np.float32)
        bars: list[tuple[int, ...]] = []
        for bar in range(16):
            before = bars[-1][-1] if bars else 0
            bars.append(decode(view, DecodeRequest(part, 0, z, bar, 5, previous=before)).tokens)
        assert decode(view, DecodeRequest(part, 0, z, 9, 5, previous=bars[8][-1])).tokens == bars[9]
        assert len(set(bars)) >= 8
        assert all(any(bar) for bar in bars)


def test_a_tune_comes_back_through_the_latent_point(decoder: OnnxDecoder) -> None:
    notes = [RawNote(i * UB_PER_BEAT, UB_PER_BEAT, pitch) for i, pitch in enumerate(SCALE)]
    (tokens,) = quantise(notes, 2).windows
    answer = loop_at(decoder, decoder.encode(one_hot(tokens)[None]).mu[0])
    assert np.mean(np.array(answer) == np.array(tokens)) > 0.9


def test_the_same_point_and_seed_give_the_same_loop_and_others_another(decoder: OnnxDecoder) -> None:
    z = prior_sample(1, decoder.manifest.latent_size)
    again = open_decoder(find_bundle("melody-2bar"))
    assert loop_at(decoder, z, 7, 1.0) == loop_at(again, z, 7, 1.0)
    assert loop_at(decoder, z, 7, 1.0) != loop_at(decoder, z, 8, 1.0)
    assert loop_at(decoder, z, 7) != loop_at(decoder, prior_sample(2, decoder.manifest.latent_size), 7)


def test_points_of_the_prior_are_music_and_not_silence(decoder: OnnxDecoder) -> None:
    loops = [loop_at(decoder, prior_sample(seed, decoder.manifest.latent_size)) for seed in range(20)]
    assert len(set(loops)) == 20
    assert all(sum(token >= FIRST_ONSET for token in loop) >= 2 for loop in loops)


def test_every_knob_is_heard_at_both_ends(decoder: OnnxDecoder) -> None:
    space = latent_space(decoder.manifest)
    assert len(space.knobs) == 30
    points = [point_at(space, prior_sample(seed, space.size)) for seed in range(6)]
    rest = [loop_at(decoder, point.z()) for point in points]
    for knob in range(30):
        for end in (0.0, 1.0):
            moved = [loop_at(decoder, point.with_knob(knob, end).z()) for point in points]
            changed = np.mean(np.array(moved) != np.array(rest)) * 32
            assert changed >= 2, f"knob {knob + 1} at {end} changes {changed:.1f} steps"


def test_a_bias_rules_the_tokens(decoder: OnnxDecoder) -> None:
    bias = np.zeros((16, 90), dtype=np.float32)
    bias[:, FIRST_ONSET::2] = -1e4
    for seed in range(10):
        z = prior_sample(seed, decoder.manifest.latent_size).astype(np.float32)
        tokens = decode(decoder, DecodeRequest("melody", 0, z, 0, seed, bias=bias)).tokens
        assert all(token < FIRST_ONSET or token % 2 for token in tokens)
