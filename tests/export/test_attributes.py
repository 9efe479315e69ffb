"""Attribute faders on a model whose attributes are known functions of the latent point."""

import numpy as np
import pytest
from msgspec import structs

from autoloops_engine.bundle.manifest import Output
from autoloops_engine.codecs.attributes import LINE_ATTRIBUTES, attributes_of
from autoloops_engine.codecs.melody import token_of
from autoloops_engine.inference.decoder import DecodedSteps, Floats, LoopStart, Posterior, Tokens
from autoloops_engine.testing import StubDecoder, tiny_manifest
from autoloops_export.attributes import best_directions, directions_of, fit_attributes, spearman
from autoloops_export.evaluation.loops import LoopSet

LATENT = 5


class Obedient(StubDecoder):
    """The first coordinate is the density, the second the pitch; the others do nothing."""

    def __init__(self) -> None:
        super().__init__(tiny_manifest(latent_size=LATENT, state_size=1, bars=2))

    def encode(self, features: Floats) -> Posterior:
        tokens = features.argmax(axis=2)
        onsets = tokens >= 2
        pitch = np.where(onsets, tokens, 0).sum(axis=1) / onsets.sum(axis=1)
        mu = np.random.default_rng(0).standard_normal((len(tokens), LATENT))
        mu[:, 0], mu[:, 1] = (onsets.sum(axis=1) - 16) / 4, (pitch - token_of(60)) / 5
        return Posterior(mu.astype(np.float32), np.ones(mu.shape, np.float32))

    def start(self, z: Floats) -> LoopStart:
        return LoopStart(np.zeros((len(z), 1, 1), np.float32), z[:, None])

    def bar(
        self, state: Floats, embedding: Floats, previous: Tokens, temperature: Floats, noise: Floats, bias: Floats
    ) -> DecodedSteps:
        rows = len(embedding)
        count = np.clip(np.rint(8 + 2 * embedding[:, 0]), 1, 16)
        pitch = np.clip(np.rint(token_of(60) + 5 * embedding[:, 1]), 2, 89)
        order = np.argsort(np.arange(16) * 7 % 16)
        tokens = np.where(order[None] < count[:, None], pitch[:, None], 0).astype(np.int64)
        return DecodedSteps(tokens, np.zeros((rows, 16, 1), np.float32), np.zeros((rows, 16, 90), np.float32))


def loops(count: int = 300) -> LoopSet:
    rng = np.random.default_rng(1)
    pitches = token_of(60) + rng.integers(-10, 11, (count, 1))
    chance = rng.uniform(0.2, 0.8, (count, 1))
    tokens = np.where(rng.random((count, 32)) < chance, pitches, 0)
    tokens[:, 0] = pitches[:, 0]
    return LoopSet(tokens)


def test_a_fader_moves_its_attribute_through_its_range_and_leaves_others_alone() -> None:
    attributes, reports = fit_attributes(Obedient(), loops(), loops(), lambda word: None)
    by_name = {report.name: report for report in reports}
    assert "range" not in by_name, "it never varies"
    assert {"density", "pitch"} <= set(by_name) <= set(LINE_ATTRIBUTES)
    for name in ("density", "pitch"):
        report = by_name[name]
        assert report.along_a_loop > 0.95
        assert report.leakage[name] > 0.7
    assert abs(by_name["density"].leakage["pitch"]) < 0.15
    assert abs(by_name["pitch"].leakage["density"]) < 0.15
    for attribute in attributes:
        assert np.linalg.norm(attribute.direction) == pytest.approx(1, abs=1e-4)
        positions = [position for position, _ in attribute.curve]
        offsets = [offset for _, offset in attribute.curve]
        assert positions == sorted(set(positions))
        assert (positions[0], positions[-1]) == (0.0, 1.0)
        assert offsets == sorted(offsets)
        assert (attribute.rest, 0.0) in attribute.curve


def test_the_fader_ends_are_percentiles_of_what_the_engine_measures() -> None:
    attributes, reports = fit_attributes(Obedient(), loops(), loops(), lambda word: None)
    for attribute, report in zip(attributes, reports, strict=True):
        measure = attributes_of("melody-90")[attribute.name]
        ends = np.nanpercentile(measure(loops().tokens, ()), [5, 95])
        assert [attribute.low, attribute.high] == pytest.approx(ends.tolist(), abs=1e-4)
        assert [report.low, report.high] == pytest.approx(ends.tolist(), abs=1e-3)


def test_a_codec_without_attributes_gets_no_faders() -> None:
    decoder = Obedient()
    decoder._manifest = structs.replace(decoder.manifest, outputs=(Output("melody", "chords-49", 90),))
    assert fit_attributes(decoder, loops(), loops(), lambda word: None) == ((), ())


def test_directions_are_those_that_the_attributes_came_from() -> None:
    rng = np.random.default_rng(2)
    mu = rng.standard_normal((2_000, LATENT)).astype(np.float32)
    wanted = np.stack([mu[:, 0] * 3, mu[:, 1] - 7], axis=1).astype(np.float64)
    wanted[:5, 1] = np.nan
    found = directions_of(mu, wanted)
    np.testing.assert_allclose(found, np.eye(LATENT)[:2], atol=0.06)


def test_rank_correlation_shares_ties_and_ignores_what_is_missing() -> None:
    assert spearman(np.array([1.0, 2.0, 3.0]), np.array([10.0, 20.0, 15.0])) == pytest.approx(0.5)
    assert spearman(np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, np.nan, 5.0, 9.0])) == pytest.approx(1.0)
    assert spearman(np.array([1.0, 2.0]), np.array([3.0, 3.0])) == 0.0


def test_bars_with_dimensions_that_mean_the_same_get_the_same_direction() -> None:
    rng = np.random.default_rng(4)
    bars, size = 8, 10
    points = rng.standard_normal((120, bars * size)).astype(np.float32)
    density = points.reshape(-1, bars, size)[:, :, 1].sum(axis=1)
    wanted = (density + 0.5 * rng.standard_normal(120))[:, None]
    direction = best_directions(points, wanted, bars)[0].reshape(bars, size)
    assert (direction == direction[:1]).all()
    assert np.linalg.norm(direction) == pytest.approx(1.0)
    assert direction[0, 1] > 4 * np.abs(np.delete(direction[0], 1)).max()
    flat = best_directions(points, wanted, 1)[0].reshape(bars, size)
    assert not (flat == flat[:1]).all()


def test_bars_that_differ_in_what_they_do_keep_directions_of_their_own() -> None:
    rng = np.random.default_rng(5)
    points = rng.standard_normal((400, 8)).astype(np.float32)
    wanted = (points[:, :1] - points[:, 4:5]).astype(np.float64)
    direction = best_directions(points, wanted, 2)[0]
    assert direction[0] > 0.6
    assert direction[4] < -0.6
