"""A density fitted to points whose distribution is known, and to what they sound like."""

from typing import cast

import numpy as np
import pytest
from msgspec import structs

from autoloops_engine.bundle.density import Density
from autoloops_engine.density import Mixture, density_of
from autoloops_engine.inference.decoder import DecodedSteps, Floats, LoopStart, Posterior, Tokens
from autoloops_engine.inference.views import JointModel
from autoloops_engine.testing import StubDecoder, tiny_manifest
from autoloops_export.density import Heard, density_for, fit_density, narrowed, reweighted
from autoloops_export.evaluation.loops import LoopSet
from autoloops_export.ways import Ways, compare_ways


class Counting(StubDecoder):
    """The first coordinate says how many notes a bar has; encoding reads that off again."""

    def __init__(self, density: Density | None = None) -> None:
        super().__init__(structs.replace(tiny_manifest(latent_size=2, state_size=1, bars=2), density=density))

    def encode(self, features: Floats) -> Posterior:
        count = (features.argmax(axis=2) >= 2).sum(axis=1) / 2
        noise = np.random.default_rng(len(features)).standard_normal(len(features)) * 0.1
        mu = np.stack([count, noise], axis=1).astype(np.float32)
        return Posterior(mu, np.full_like(mu, 0.1))

    def start(self, z: Floats) -> LoopStart:
        return LoopStart(np.zeros((len(z), 1, 1), np.float32), z[:, None])

    def bar(
        self, state: Floats, embedding: Floats, previous: Tokens, temperature: Floats, noise: Floats, bias: Floats
    ) -> DecodedSteps:
        count = np.rint(embedding[:, :1])
        tokens = np.where(np.arange(16) < count, 40, 0).astype(np.int64)
        return DecodedSteps(
            tokens, np.zeros((len(tokens), 16, 1), np.float32), np.zeros((len(tokens), 16, 90), np.float32)
        )


def points(rng: np.random.Generator, count: int = 4000) -> np.ndarray:
    left = rng.random(count) < 0.25
    centre = np.where(left[:, None], [-3.0, 0.0, 1.0], [3.0, 1.0, 0.0])
    shape = np.where(left[:, None], 0.3, 0.6) * rng.standard_normal((count, 3)) * [1.0, 1.0, 0.2]
    return (centre + shape).astype(np.float32)


def drawn(mixture: Mixture, count: int = 1500) -> np.ndarray:
    return np.array([mixture.draw(seed) for seed in range(count)])


def test_new_points_are_distributed_as_those_it_was_fitted_to() -> None:
    real, made = points(np.random.default_rng(0)), drawn(fit_density(points(np.random.default_rng(1))))
    for axis in range(3):
        for place in np.quantile(real[:, axis], np.linspace(0.05, 0.95, 10)):
            assert abs((made[:, axis] < place).mean() - (real[:, axis] < place).mean()) < 0.05
    assert abs((made[:, 0] < 0).mean() - 0.25) < 0.03


@pytest.mark.parametrize("count", [1, 3, 80])
def test_few_loops_give_a_density_too(count: int) -> None:
    mixture = fit_density(points(np.random.default_rng(0), count))
    assert len(mixture.weights) == 1
    assert np.isfinite(drawn(mixture, 20)).all()


def test_weights_move_to_components_that_sound_as_wanted_and_away_from_copies() -> None:
    mixture = Mixture(np.full(3, 1 / 3), np.ones(3), np.zeros((3, 2)), np.eye(2))
    counts = np.array([[4.0, 0.0], [0.0, 4.0], [0.0, 4.0]])
    wanted = np.array([0.25, 0.75])
    plain = reweighted(mixture, Heard([counts], [wanted], np.zeros(3))).weights
    assert plain[0] == pytest.approx(0.25, abs=0.05)
    shy = reweighted(mixture, Heard([counts], [wanted], np.array([0.0, 0.0, 0.5]))).weights
    assert shy[2] < 0.05 < shy[1]
    assert shy.sum() == pytest.approx(1)


def test_the_density_of_a_bundle_brings_loops_like_those_of_training() -> None:
    rng = np.random.default_rng(3)
    counts = rng.choice([2, 8, 8, 8], 3000)
    tokens = np.where(np.arange(32) % 16 < counts[:, None], 40, 0)
    mixture = density_for(cast("JointModel", Counting()), LoopSet(tokens), lambda word: None)
    found = np.rint(drawn(mixture, 1000)[:, 0])
    assert abs((found == 2).mean() - 0.25) < 0.08
    assert abs((found == 8).mean() - 0.75) < 0.08


def test_a_narrowed_shape_keeps_every_variance_and_the_covariances_that_few_directions_explain() -> None:
    rng = np.random.default_rng(4)
    common, own = rng.standard_normal((12, 2)), 0.3 + rng.random(12)
    shape = common @ common.T + np.diag(own**2)
    mixture = Mixture(
        np.ones(1), np.ones(1), np.zeros((1, 12)), np.asarray(np.linalg.cholesky(shape), dtype=np.float64)
    )
    narrow = narrowed(mixture, 2)
    assert narrow.factor.shape == (12, 2)
    assert narrow.own is not None
    np.testing.assert_allclose(narrow.factor @ narrow.factor.T + np.diag(narrow.own**2), shape, atol=0.05)


def test_many_dimensions_make_a_small_density_that_draws_like_the_points() -> None:
    rng = np.random.default_rng(5)
    mixing = rng.standard_normal((3, 120))
    real = (rng.standard_normal((800, 3)) @ mixing + 0.5 * rng.standard_normal((800, 120))).astype(np.float32)
    mixture = fit_density(real)
    assert mixture.factor.shape == (120, 96)
    made = drawn(mixture, 800)
    np.testing.assert_allclose(made.std(axis=0), real.std(axis=0), rtol=0.2)
    along = np.linalg.svd(mixing, full_matrices=False)[2][0]
    assert (made @ along).std() == pytest.approx((real @ along).std(), rel=0.15)


def even_bars(counts: np.ndarray) -> LoopSet:
    """Loops of two bars with so many notes in each."""
    return LoopSet(np.tile(np.where(np.arange(16) < counts[:, None], 40, 0), (1, 2)).astype(np.uint8))


def counting(loops: LoopSet) -> Counting:
    """The model with the density of loops."""
    return Counting(density_of(density_for(cast("JointModel", Counting()), loops, lambda word: None)))


def test_ways_along_the_density_are_taken_where_half_way_on_a_circle_no_loop_lies() -> None:
    rng = np.random.default_rng(0)
    train, valid = (even_bars(rng.choice([1, 2, 3, 11, 12, 13], 600)) for _ in range(2))
    ways = compare_ways(counting(train), valid)
    assert ways is not None
    assert ways.circle < 0.6
    assert ways.led > ways.circle + 0.2
    assert ways.leads


def test_a_circle_that_is_as_good_is_kept() -> None:
    assert not Ways(circle=0.86, led=0.87).leads
    assert not Ways(circle=0.87, led=0.80).leads


def test_no_ways_are_compared_without_a_full_density_or_without_loops() -> None:
    loops = even_bars(np.full(10, 4))
    assert compare_ways(Counting(), loops) is None
    assert compare_ways(counting(loops), even_bars(np.full(1, 4))) is None
