"""New points come from where a bundle says that loops lie."""

import struct

import msgspec
import numpy as np
import pytest

from autoloops_engine.bundle.density import Density
from autoloops_engine.bundle.manifest import Manifest, parse_manifest
from autoloops_engine.density import Mixture, density_of, mixture_of
from autoloops_engine.errors import BundleError
from autoloops_engine.latent import latent_space, prior_sample
from autoloops_engine.testing import tiny_manifest

Z = 4
# What seed 1 draws of MIXTURE: bundles without a rank must go on drawing it.
GOLDEN = [2.4737, -0.7357, -0.1346, -0.231]
MIXTURE = Mixture(
    weights=np.array([0.75, 0.25]),
    scales=np.array([1.0, 0.5]),
    means=np.array([[4.0, 0, 0, 0], [-4.0, 2, 0, 0]]),
    factor=np.array([[1.0, 0, 0, 0], [0.5, 1, 0, 0], [0, 0, 0.25, 0], [0, 0, 0, 2]]),
)


NARROW = Mixture(
    weights=MIXTURE.weights,
    scales=MIXTURE.scales,
    means=MIXTURE.means,
    factor=np.array([[1.0], [0.5], [0], [-1]]),
    own=np.array([0.0, 1.0, 0.25, 2.0]),
)


def with_density(density: Density) -> Manifest:
    return msgspec.structs.replace(tiny_manifest(latent_size=Z), density=density)


@pytest.mark.parametrize("mixture", [MIXTURE, NARROW], ids=["square", "narrow"])
def test_points_have_the_weights_means_and_shape_of_the_mixture(mixture: Mixture) -> None:
    points = np.array([mixture.draw(seed) for seed in range(4000)])
    own = 0 if mixture.own is None else np.diag(mixture.own**2)
    first = points[:, 0] > 0
    assert abs(first.mean() - 0.75) < 0.03
    for component, chosen in enumerate((first, ~first)):
        np.testing.assert_allclose(points[chosen].mean(axis=0), mixture.means[component], atol=0.15)
        shape = mixture.scales[component] ** 2 * (mixture.factor @ mixture.factor.T + own)
        np.testing.assert_allclose(np.cov(points[chosen].T), shape, atol=0.12 * shape.max())


def test_a_space_draws_from_its_density_and_without_one_from_the_prior() -> None:
    dense, plain = latent_space(with_density(density_of(MIXTURE))), latent_space(tiny_manifest(latent_size=Z))
    np.testing.assert_array_equal(dense.new_point(3), dense.new_point(3))
    assert not np.array_equal(dense.new_point(3), dense.new_point(4))
    assert not np.array_equal(dense.new_point(3), dense.new_point(3, index=1))
    np.testing.assert_array_equal(plain.new_point(3), prior_sample(3, Z))
    assert abs(np.mean([dense.new_point(seed)[0] for seed in range(400)])) > 1


@pytest.mark.parametrize("mixture", [MIXTURE, NARROW], ids=["square", "narrow"])
def test_a_density_survives_the_manifest_to_the_precision_of_float16(mixture: Mixture) -> None:
    manifest = with_density(density_of(mixture))
    read = parse_manifest(msgspec.json.encode(_complete(manifest)), "tiny")
    assert read.density is not None
    back = mixture_of(read.density, Z)
    for name in ("weights", "scales", "means", "factor"):
        np.testing.assert_allclose(getattr(back, name), getattr(mixture, name), atol=1e-3)
    assert (back.own is None) == (mixture.own is None)
    np.testing.assert_allclose(back.draw(5), mixture.draw(5), atol=1e-2)


def test_a_density_without_a_rank_means_what_it_always_meant() -> None:
    read = parse_manifest(msgspec.json.encode(_complete(with_density(density_of(MIXTURE)))), "tiny")
    assert read.density is not None
    assert read.density.rank == 0
    np.testing.assert_allclose(mixture_of(read.density, Z).draw(1), GOLDEN, atol=2e-3)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda numbers: numbers[:-1], "bytes, not"),
        (lambda numbers: (*numbers[:-1], float("nan")), "a number that is none"),
        (lambda numbers: (*numbers[:-1], 1000.0), "larger than 100"),
        (lambda numbers: (0.0, 0.0, *numbers[2:]), "weights or scales below 0"),
        (lambda numbers: (*numbers[:2], -1.0, *numbers[3:]), "weights or scales below 0"),
    ],
)
def test_a_density_that_cannot_be_is_refused_with_a_sentence(change, what: str) -> None:  # type: ignore[no-untyped-def]
    packed = density_of(MIXTURE).numbers
    numbers = change(struct.unpack(f"<{len(packed) // 2}e", packed))
    manifest = with_density(Density(2, struct.pack(f"<{len(numbers)}e", *numbers)))
    with pytest.raises(BundleError, match=f"its density has .*{what}"):
        parse_manifest(msgspec.json.encode(_complete(manifest)), "tiny")


@pytest.mark.parametrize(
    ("rank", "last", "what"),
    [(1, -0.5, "deviations"), (4, 1.0, "rank 4, not less than 4"), (2, 1.0, "bytes, not"), (1, 200.0, "larger than")],
)
def test_a_narrow_density_that_cannot_be_is_refused_with_a_sentence(rank: int, last: float, what: str) -> None:
    packed = density_of(NARROW).numbers
    numbers = (*struct.unpack(f"<{len(packed) // 2}e", packed)[:-1], last)
    manifest = with_density(Density(2, struct.pack(f"<{len(numbers)}e", *numbers), rank))
    with pytest.raises(BundleError, match=f"its density has .*{what}"):
        parse_manifest(msgspec.json.encode(_complete(manifest)), "tiny")


def test_points_stay_within_the_coordinates_that_a_point_may_have() -> None:
    wide = Mixture(np.ones(1), np.array([90.0]), np.zeros((1, Z)), np.eye(Z))
    assert max(np.abs(wide.draw(seed)).max() for seed in range(100)) == 100


def _complete(manifest: Manifest) -> Manifest:
    """With every file listed that a graph names."""
    files = {graph.file: {"bytes": 1, "sha256": "0" * 64} for graph in manifest.graphs.values()}
    return msgspec.convert(msgspec.to_builtins(manifest) | {"files": files}, Manifest)
