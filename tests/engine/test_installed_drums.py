"""The drum model in the package: grooves come back, sound human, and follow their faders."""

import numpy as np
import pytest

from autoloops_engine.bundle.installed import find_bundle, installed_bundles
from autoloops_engine.codecs import drums
from autoloops_engine.codecs.attributes import DRUM_ATTRIBUTES
from autoloops_engine.codecs.registry import DRUMS, LoopSteps
from autoloops_engine.inference.onnx_decoder import OnnxDecoder, open_decoder
from autoloops_engine.inference.requests import DecodeRequest, decode
from autoloops_engine.latent import latent_space, point_at, prior_sample
from autoloops_engine.session.offline import render
from autoloops_engine.session.settings import PartSetup

pytestmark = pytest.mark.skipif("drums-2bar" not in installed_bundles(), reason="no drum model is installed")
POINTS = 12


@pytest.fixture(scope="module")
def decoder() -> OnnxDecoder:
    return open_decoder(find_bundle("drums-2bar"))


def loop_at(decoder: OnnxDecoder, z: np.ndarray) -> LoopSteps:
    """The likeliest loop at a point."""
    bars = [decode(decoder, DecodeRequest("drums", 0, z.astype(np.float32), bar, 1, temperature=0.0)) for bar in (0, 1)]
    extras = tuple(np.concatenate([bar.extras[i] for bar in bars]) for i in (0, 1))
    return LoopSteps(bars[0].tokens + bars[1].tokens, extras)


def groove() -> LoopSteps:
    """A rock beat with loud backbeats and hats that lag behind."""
    hits = np.zeros((32, 9), dtype=bool)
    hits[[0, 10, 16, 26], 0] = True
    hits[[4, 12, 20, 28], 1] = True
    hits[::2, 2] = True
    velocities = np.where(np.arange(9) == 1, 0.9, 0.5)[None] * hits
    offsets = np.where(np.arange(9) == 2, -0.3, 0.0)[None] * hits
    extras = velocities.astype(np.float32), offsets.astype(np.float32)
    return LoopSteps(tuple(drums.tokens_of(hits).tolist()), extras)


def test_a_beat_comes_back_through_the_latent_point_with_its_accents_and_its_lag(decoder: OnnxDecoder) -> None:
    played = groove()
    back = loop_at(decoder, decoder.encode(DRUMS.features(played)[None]).mu[0])
    assert np.mean(np.array(back.tokens) == np.array(played.tokens)) > 0.9
    shared = drums.hits_of(back.tokens) & drums.hits_of(played.tokens)
    velocities, offsets = back.extras
    assert velocities[:, 1][shared[:, 1]].mean() > velocities[:, 2][shared[:, 2]].mean() + 0.2
    assert offsets[:, 2][shared[:, 2]].mean() < -0.1


def test_what_is_played_has_many_velocities_and_keeps_no_machine_time(decoder: OnnxDecoder) -> None:
    setup = PartSetup("drums", 10, latent_space(decoder.manifest), 2, codec=DRUMS)
    notes = render([setup], {"drums": decoder}, seed=3, tempo_bpm=120.0, bars=8)
    assert len(notes) > 8 * 4
    assert {note.pitch for note in notes} <= set(drums.PLAYED_PITCHES)
    assert len({note.velocity for note in notes}) > 10
    assert len({note.start_ub % 250_000 for note in notes}) > 10


@pytest.mark.parametrize("name", ["density", "kick", "snare", "hats", "loudness", "swing"])
def test_a_fader_moves_what_it_names(decoder: OnnxDecoder, name: str) -> None:
    space = latent_space(decoder.manifest)
    points = [point_at(space, prior_sample(seed, space.size)) for seed in range(POINTS)]
    means = []
    for position in (0.0, 0.5, 1.0):
        loops = [loop_at(decoder, point.with_attribute(name, position).z()) for point in points]
        tokens = np.array([loop.tokens for loop in loops])
        extras = tuple(np.stack([loop.extras[i] for loop in loops]) for i in (0, 1))
        means.append(np.nanmean(DRUM_ATTRIBUTES[name](tokens, extras)))
    assert means == sorted(means)
    assert means[0] < means[-1]
