"""The knobs and new loops of the bundles that come with the package, through their graphs.

No held-out loops come with the package, so points drawn from the bundles' densities stand in for them; the cards have
the figures on test tunes.
"""

import numpy as np
import pytest

from autoloops_engine.bundle.installed import find_bundle
from autoloops_engine.inference.onnx_decoder import OnnxDecoder, open_decoder
from autoloops_engine.latent import latent_space
from autoloops_export.evaluation.distributions import is_line
from autoloops_export.evaluation.loops import decode_loops
from autoloops_export.knobs import dead_zone

POINTS = 24
POSITIONS = 41
KNOBS = (0, 7, 15)


@pytest.fixture(scope="module", params=["melody-2bar", "bass-2bar", "drums-2bar"])
def decoder(request: pytest.FixtureRequest) -> OnnxDecoder:
    return open_decoder(find_bundle(request.param))


def test_no_knob_is_dead_for_longer_than_a_twentieth_of_its_travel(decoder: OnnxDecoder) -> None:
    space = latent_space(decoder.manifest)
    points = np.array([space.new_point(seed) for seed in range(POINTS)])
    for knob in KNOBS:
        moved = np.array([space.knobs[knob].offset(at) for at in np.linspace(0, 1, POSITIONS)])
        z = (points[None] + moved[:, None]).reshape(-1, space.size).astype(np.float32)
        loops = decode_loops(decoder, z).reshape(POSITIONS, POINTS, -1)
        changes = (loops[1:] != loops[:-1]).sum(axis=2).mean(axis=1)
        assert dead_zone(changes) <= 0.05, f"knob {knob + 1}"
        halves = changes.reshape(2, -1).sum(axis=1)
        assert halves.max() < 2 * halves.min(), f"knob {knob + 1} changes more on one side"


def test_new_loops_are_all_different_and_never_empty(decoder: OnnxDecoder) -> None:
    assert decoder.manifest.density is not None
    space = latent_space(decoder.manifest)
    loops = decode_loops(decoder, np.array([space.new_point(seed) for seed in range(40)], dtype=np.float32))
    assert len(np.unique(loops, axis=0)) >= 39
    assert ((loops >= 2 if is_line(decoder.manifest) else loops > 0).sum(axis=1) >= 1).all()


def test_the_figures_of_the_card_are_those_that_were_asked_for(decoder: OnnxDecoder) -> None:
    measured = decoder.manifest.accuracy
    assert measured["knob_dead_zone"] <= 0.05
    for made in ("", "midpoint_"):
        assert measured[f"{made}copies"] < 0.02
        assert measured[f"{made}empty"] < 0.01
    for attribute in decoder.manifest.attributes:
        assert attribute.low is not None
        assert attribute.high is not None
        assert attribute.low < attribute.high


def test_melodies_are_as_like_held_out_ones_as_was_asked_for() -> None:
    measured = open_decoder(find_bundle("melody-2bar")).manifest.accuracy
    assert min(measured["prior_overlap"], measured["midpoint_overlap"]) >= 0.85
