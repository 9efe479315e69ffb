"""Velocities and timing get back the spread that a decoder's mean answers lack."""

import numpy as np
import pytest
from msgspec import structs

from autoloops_engine.bundle.manifest import Curve, Output
from autoloops_engine.codecs import drums
from autoloops_engine.inference.decoder import DecodedSteps, Floats, LoopStart, Posterior, Tokens
from autoloops_engine.testing import StubDecoder, tiny_manifest
from autoloops_export.evaluation.loops import LoopSet
from autoloops_export.touch import fit_touch, matching_curve


class Shy(StubDecoder):
    """Plays what it was told, velocities and offsets half-way to their means."""

    def __init__(self) -> None:
        manifest = tiny_manifest(latent_size=32 * 18, state_size=1, bars=2)
        super().__init__(structs.replace(manifest, outputs=(Output("drums", drums.CODEC_NAME, drums.CLASSES),)))

    def encode(self, features: Floats) -> Posterior:
        mu = features[:, :, 9:].reshape(len(features), -1)
        return Posterior(mu, np.full_like(mu, 1e-6))

    def start(self, z: Floats) -> LoopStart:
        return LoopStart(np.zeros((len(z), 1, 1), np.float32), z[:, None])

    def bar(
        self, state: Floats, embedding: Floats, previous: Tokens, temperature: Floats, noise: Floats, bias: Floats
    ) -> DecodedSteps:
        first = int(state[0, 0])
        touch = embedding.reshape(len(embedding), 32, 18)[:, first : first + 16]
        hits = touch[..., :9] > 0.01
        tokens = drums.tokens_of(hits)
        velocities = np.where(hits, 0.25 + touch[..., :9] / 2, 0).astype(np.float32)
        offsets = np.where(hits, touch[..., 9:] / 2, 0).astype(np.float32)
        states = np.full((len(tokens), 16, 1), 16, np.float32)
        return DecodedSteps(tokens, states, np.zeros((len(tokens), 16, 512), np.float32), (velocities, offsets))


def loops(count: int = 200) -> LoopSet:
    rng = np.random.default_rng(0)
    hits = rng.random((count, 32, 9)) < 0.2
    velocities = np.where(hits, rng.uniform(0.05, 1, hits.shape), 0).astype(np.float32)
    offsets = np.where(hits, rng.uniform(-0.8, 0.8, hits.shape), 0).astype(np.float32)
    return LoopSet(drums.tokens_of(hits), (velocities, offsets))


def along(curve: Curve, value: float) -> float:
    return float(np.interp(value, [x for x, _ in curve], [y for _, y in curve]))


def test_curves_undo_what_the_decoder_flattens() -> None:
    velocity, offset = fit_touch(Shy(), loops())
    for played in (0.1, 0.5, 0.9):
        assert along(velocity, 0.25 + played / 2) == pytest.approx(played, abs=0.03)
    for played in (-0.6, 0.0, 0.6):
        assert along(offset, played / 2) == pytest.approx(played, abs=0.03)


def test_lines_have_no_touch() -> None:
    assert fit_touch(StubDecoder(), LoopSet(np.zeros((3, 32), np.int64))) == ()


def test_values_that_are_all_alike_stay_as_they_are() -> None:
    assert matching_curve(np.full(9, 0.5), np.full(9, 0.7)) == ((-1.0, -1.0), (1.0, 1.0))
