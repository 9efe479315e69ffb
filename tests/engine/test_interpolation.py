"""Ways between points: great circles, and those that lead through where a density says that loops lie."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoloops_engine.density import Mixture, density_of
from autoloops_engine.interpolation import Paths, pad, slerp
from autoloops_engine.latent import Vector, latent_space
from autoloops_engine.testing import tiny_manifest
from autoloops_engine.units import MAX_COORDINATE

Z = 4
APART = Mixture(
    weights=np.array([0.75, 0.25]),
    scales=np.array([1.0, 0.5]),
    means=np.array([[3.0, 0, 0, 0], [-3.0, 2, 0, 0]]),
    factor=np.diag([0.5, 1.0, 0.25, 1.5]),
)
NARROW = Mixture(
    weights=APART.weights,
    scales=APART.scales,
    means=APART.means,
    factor=np.array([[1.0], [0.5], [0], [-1]]),
    own=np.array([0.3, 1.0, 0.25, 2.0]),
)
seeds = st.integers(0, 2**32 - 1)


def made_up(seed: int) -> tuple[Mixture, list[Vector]]:
    """Any mixture, and four of its points."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 6))
    mixture = Mixture(
        weights=rng.dirichlet(np.ones(count)),
        scales=rng.uniform(0.2, 3, count),
        means=rng.normal(0, 3, (count, Z)),
        factor=rng.normal(0, 1, (Z, Z)),
    )
    return mixture, [mixture.draw(seed, index) for index in range(4)]


def likelihood(mixture: Mixture, points: Vector) -> Vector:
    """Logarithms of the density at points [N, Z]."""
    inverse = np.linalg.inv(mixture.factor)
    away = (points[:, None] - mixture.means) @ inverse.T / mixture.scales[:, None]
    heights = np.log(mixture.weights) - Z * np.log(mixture.scales) - 0.5 * (away**2).sum(axis=2)
    return np.asarray(np.logaddexp.reduce(heights, axis=1))


@given(seeds)
@settings(max_examples=50, deadline=None)
def test_ways_begin_and_end_where_they_should_and_pads_have_their_corners(seed: int) -> None:
    mixture, (a, b, c, d) = made_up(seed)
    paths = Paths(mixture)
    for amount, expected in ((0.0, a), (1.0, b)):
        np.testing.assert_allclose(paths.between((a, b), amount), expected, atol=1e-6)
    for x, y, expected in ((0, 0, a), (1, 0, b), (0, 1, c), (1, 1, d)):
        np.testing.assert_allclose(paths.between((a, b, c, d), x, y), expected, atol=1e-6)


@given(seeds)
@settings(max_examples=50, deadline=None)
def test_no_way_leads_far_from_where_loops_lie(seed: int) -> None:
    mixture, corners = made_up(seed)
    paths = Paths(mixture)
    amounts = np.linspace(0, 1, 9)
    points = np.array([paths.between(corners, x, y) for x in amounts for y in amounts])
    assert np.abs(points).max() < 2 * max(np.abs(corners).max(), np.abs(mixture.means).max()) + 10


@given(seeds, st.floats(0, 1))
@settings(max_examples=50, deadline=None)
def test_where_loops_lie_as_the_prior_says_the_ways_are_great_circles(seed: int, amount: float) -> None:
    a, b = np.random.default_rng(seed).standard_normal((2, Z))
    prior = Mixture(np.ones(1), np.ones(1), np.zeros((1, Z)), np.eye(Z))
    np.testing.assert_allclose(Paths(prior).between((a, b), amount), slerp(a, b, amount), atol=0.02)


@pytest.mark.parametrize("mixture", [APART, NARROW], ids=["square", "narrow"])
def test_half_way_between_two_draws_lies_what_could_have_been_drawn(mixture: Mixture) -> None:
    paths = Paths(mixture)
    drawn = np.array([mixture.draw(seed) for seed in range(2_000)])
    half_way = np.array([paths.between((a, b), 0.5) for a, b in zip(drawn[::2], drawn[1::2], strict=True)])
    first = half_way[:, 0] > 0
    assert abs(first.mean() - 0.75) < 0.06
    np.testing.assert_allclose(half_way.mean(axis=0), drawn.mean(axis=0), atol=0.2)
    np.testing.assert_allclose(half_way.std(axis=0), drawn.std(axis=0), rtol=0.15)


def test_a_way_leads_through_likelier_points_than_a_great_circle() -> None:
    paths = Paths(APART)
    drawn = np.array([APART.draw(seed) for seed in range(400)])
    pairs = list(zip(drawn[::2], drawn[1::2], strict=True))
    led = likelihood(APART, np.array([paths.between(pair, 0.5) for pair in pairs]))
    circle = likelihood(APART, np.array([slerp(*pair, 0.5) for pair in pairs]))
    assert led.mean() > circle.mean() + 1
    assert np.quantile(led, 0.05) > np.quantile(circle, 0.05) + 3


def test_points_where_no_loop_ever_was_are_no_trouble() -> None:
    paths = Paths(APART)
    far = np.full(Z, MAX_COORDINATE)
    for amount in (0.0, 0.3, 1.0):
        assert np.isfinite(paths.between((far, -far), amount)).all()
        np.testing.assert_allclose(paths.between((far, far), amount), far, rtol=1e-4)


@pytest.mark.parametrize("factor", [np.zeros((Z, Z)), np.diag([1.0, 1, 0, 1])], ids=["none", "flat"])
@pytest.mark.parametrize("count", [1, 2])
def test_a_density_without_extent_is_no_trouble(factor: Vector, count: int) -> None:
    paths = Paths(Mixture(np.ones(count), np.zeros(count), np.arange(count * Z, dtype=float).reshape(count, Z), factor))
    for amount, expected in ((0.0, np.ones(Z)), (1.0, np.zeros(Z))):
        np.testing.assert_allclose(paths.between((np.ones(Z), np.zeros(Z)), amount), expected, atol=1e-3)
    assert np.isfinite(paths.between((np.ones(Z), np.zeros(Z)), 0.5)).all()


def test_a_bundle_says_which_ways_its_space_has() -> None:
    density = density_of(APART)
    # One of each component.
    a, b = np.array([3.0, 0, 0, 0]), np.array([-3.0, 2, 0, 0])
    for manifest in (
        tiny_manifest(latent_size=Z),
        msgspec.structs.replace(tiny_manifest(latent_size=Z), density=density),
    ):
        np.testing.assert_array_equal(latent_space(manifest).between((a, b), 0.4), slerp(a, b, 0.4))
    led = msgspec.structs.replace(tiny_manifest(latent_size=Z), density=msgspec.structs.replace(density, leads=True))
    first, second = latent_space(led), latent_space(led)
    assert first.paths is second.paths
    assert not np.allclose(first.between((a, b), 0.4), slerp(a, b, 0.4), atol=0.1)
    np.testing.assert_array_equal(first.between([a.tolist(), b.tolist()], 0.4), second.between((a, b), 0.4))


def test_a_pad_has_two_or_four_corners() -> None:
    points = [np.eye(Z)[index] for index in range(4)]
    np.testing.assert_allclose(pad(slerp, points, 0.5, 0.5), np.full(Z, 0.5))
    with pytest.raises(ValueError, match="unpack"):
        pad(slerp, points[:3], 0.5)
