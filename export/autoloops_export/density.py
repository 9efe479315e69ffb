"""Fitting a density to encoded training loops, so that new points are drawn where loops lie.

Ex-post density estimation (Ghosh et al., "From Variational to Deterministic Autoencoders", ICLR 2020, section 4): the
model stays as it is. A mixture of normal distributions is fitted to the encodings; then what its components sound like
is measured, and their weights are changed a little so that all together sound as the training loops do. docs/models.md
tells what else was tried.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from autoloops_engine.bundle.manifest import Manifest
from autoloops_engine.density import Mixture
from autoloops_engine.inference.decoder import Decoder, Floats
from autoloops_engine.inference.views import JointModel, views_of
from autoloops_export.evaluation.distributions import counts_of, distributions, identity
from autoloops_export.evaluation.loops import LoopSet, decode_set, encode_loops, few, parts_of

COMPONENTS: Final = 256
# Coordinates of all means together, which long loops with their many hundreds each would make very many.
MOST_COORDINATES: Final = 49_152
# A shape of more dimensions is kept as so many directions and what every coordinate has for itself.
MOST_DIRECTIONS: Final = 96
# Rounds in which directions and own deviations are brought to agree.
FACTOR_ROUNDS: Final = 20
MOST_LOOPS: Final = 25_000
LEAST_LOOPS_EACH: Final = 70
ROUNDS: Final = 25
# Variance added to every direction of the shape, so that it exists where loops are few.
FLOOR: Final = 1e-4
# Sizes are brought nearer to one another, to this power: small components would say training loops by heart.
EVENING: Final = 0.5
SIZES: Final = (0.2, 3.0)
# Loops decoded of each component to hear what it is like.
HEARD_EACH: Final = 60
# Where there are few components, so many times as many.
HEARD_MORE: Final = 4
STEPS: Final = 400
STEP: Final = 5.0
STEPS_TO_HALF: Final = 50
# What moving a weight by a factor of e costs, in shares of overlap.
RELUCTANCE: Final = 0.01
# More training loops among the new ones than this share make their components lighter.
MOST_COPIES: Final = 0.01
COPY_COST: Final = 0.5

Numbers = npt.NDArray[np.float64]


class Heard(NamedTuple):
    """What the components sound like.

    Attributes:
        counts: Of each distribution, mean counts in a loop of every component, [K, values].
        wanted: Of each distribution, the histogram of the training loops.
        copies: Share of training loops among the loops of every component, [K].
    """

    counts: list[Numbers]
    wanted: list[Numbers]
    copies: Numbers


def density_for(model: JointModel, train: LoopSet, say: Callable[[str], None], seed: int = 0) -> Mixture:
    """The density of a bundle.

    Args:
        model: The bundle, opened.
        train: The training loops.
        say: Called with a word on what happens next.
        seed: Of everything that is random here.
    """
    rng = np.random.default_rng(seed)
    say("fitting the density")
    mixture = fit_density(encode_loops(cast("Decoder", model), train.sample(rng, MOST_LOOPS))[0], seed)
    say("listening to the density")
    return reweighted(mixture, _listen(mixture, model, train, rng))


def fit_density(mu: Floats, seed: int = 0) -> Mixture:
    """The mixture that makes the encoded loops ``mu`` [N, Z] likely, by expectation maximisation.

    Args:
        mu: Posterior means of training loops.
        seed: Where the components begin.
    """
    rng = np.random.default_rng(seed)
    points = mu.astype(np.float64)
    most = max(1, min(COMPONENTS, MOST_COORDINATES // points.shape[1]))
    count = int(np.clip(len(points) // LEAST_LOOPS_EACH, 1, most))
    mixture = Mixture(
        weights=np.full(count, 1 / count),
        scales=np.ones(count),
        means=points[rng.permutation(len(points))[:count]],
        factor=_factor(np.cov(points.T) if len(points) > 1 else np.zeros((mu.shape[1],) * 2)),
    )
    for _ in range(ROUNDS):
        mixture = _improved(mixture, points)
    return narrowed(mixture) if points.shape[1] > MOST_DIRECTIONS else mixture


def narrowed(mixture: Mixture, directions: int = MOST_DIRECTIONS) -> Mixture:
    """The mixture with a shape of so many directions, and what every coordinate has beside for itself.

    Principal factor analysis (Harman, "Modern Factor Analysis", 1976, chapter 8): variances stay as they are, and of
    the covariances what the strongest directions say.
    """
    shape = mixture.factor @ mixture.factor.T
    variances = np.diag(shape)
    own = variances / 2
    factor = mixture.factor[:, :directions]
    for _ in range(FACTOR_ROUNDS):
        strengths, axes = np.linalg.eigh(shape - np.diag(own))
        factor = axes[:, -directions:] * np.sqrt(np.maximum(strengths[-directions:], 0))
        own = np.maximum(variances - (factor**2).sum(axis=1), FLOOR)
    return replace(mixture, factor=factor, own=np.sqrt(own))


def _improved(mixture: Mixture, points: Numbers) -> Mixture:
    """One round of expectation maximisation."""
    size = points.shape[1]
    distances = _distances(mixture, points)
    scores = np.log(mixture.weights) - distances / (2 * mixture.scales**2) - size * np.log(mixture.scales)
    shares = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    # A hair of everything keeps a component that nothing belongs to where it can do no harm.
    counts = shares.sum(axis=0) + 1e-3
    means = (shares.T @ points + 1e-3 * points.mean(axis=0)) / counts[:, None]
    weights = counts / counts.sum()
    scales = np.clip(np.sqrt(((shares * distances).sum(axis=0) + 5) / (size * counts + 5)), *SIZES)
    scales = (scales / np.exp(weights @ np.log(scales))) ** EVENING
    return Mixture(weights, scales, means, _factor(_shape(points, means, shares / scales**2)))


def _distances(mixture: Mixture, points: Numbers) -> Numbers:
    """Squared distances [N, K] of points from components where the shape is a unit ball."""
    inverse = np.linalg.inv(mixture.factor).T
    even, means = points @ inverse, mixture.means @ inverse
    squares = (even**2).sum(axis=1)[:, None] - 2 * even @ means.T + (means**2).sum(axis=1)
    return np.asarray(np.maximum(squares, 0))


def _shape(points: Numbers, means: Numbers, shares: Numbers) -> Numbers:
    """The covariance that all components share, each point counting as it belongs to them, [Z, Z]."""
    across = (shares.T @ points).T @ means
    own = (points * shares.sum(axis=1)[:, None]).T @ points
    theirs = (means * shares.sum(axis=0)[:, None]).T @ means
    shape: Numbers = (own - across - across.T + theirs) / len(points)
    return shape


def _factor(shape: Numbers) -> Numbers:
    return np.asarray(np.linalg.cholesky(shape + FLOOR * np.eye(len(shape))))


def _listen(mixture: Mixture, model: JointModel, train: LoopSet, rng: np.random.Generator) -> Heard:
    count, size = mixture.means.shape
    each = few(HEARD_EACH * min(HEARD_MORE, COMPONENTS // count), model.manifest)
    noise = rng.standard_normal((count, each, mixture.factor.shape[1])) @ mixture.factor.T
    if mixture.own is not None:
        noise += mixture.own * rng.standard_normal((count, each, size))
    z = (mixture.means[:, None] + mixture.scales[:, None, None] * noise).reshape(-1, size).astype(np.float32)
    parts = []
    for part, view in views_of(model).items():
        loops = decode_set(view, z, model.manifest.sampling.temperature, rng)
        by_component = [loops.rows(slice(first, first + each)) for first in range(0, count * each, each)]
        parts.append(_heard(view.manifest, by_component, parts_of(model.manifest, train)[part]))
    return Heard(
        counts=[counts for part in parts for counts in part.counts],
        wanted=[wanted for part in parts for wanted in part.wanted],
        copies=np.mean([part.copies for part in parts], axis=0),
    )


def _heard(manifest: Manifest, by_component: list[LoopSet], train: LoopSet) -> Heard:
    """What the components sound like in one part."""
    counts = [counts_of(manifest, loops) for loops in by_component]
    known = {identity(manifest, row) for row in np.asarray(train.tokens)}
    return Heard(
        counts=[np.stack([of[name] for of in counts]) / len(by_component[0].tokens) for name in counts[0]],
        wanted=list(distributions(manifest, train).values()),
        copies=np.array([np.mean([identity(manifest, row) in known for row in of.tokens]) for of in by_component]),
    )


def reweighted(mixture: Mixture, heard: Heard) -> Mixture:
    """The mixture with weights that bring what is heard nearer to what is wanted, by mirror descent.

    What goes down is the mean total variation distance of the distributions, plus :data:`RELUCTANCE` times the
    divergence from the weights of the fit.
    """
    weights = first = mixture.weights
    for step in range(STEPS):
        slope = RELUCTANCE * np.log(weights / first)
        for counts, wanted in zip(heard.counts, heard.wanted, strict=True):
            total = max(float(weights @ counts.sum(axis=1)), 1e-9)
            found = weights @ counts / total
            apart = counts - found * counts.sum(axis=1, keepdims=True)
            slope = slope + apart @ np.sign(found - wanted) / (2 * total * len(heard.counts))
        if weights @ heard.copies > MOST_COPIES:
            slope = slope + COPY_COST * heard.copies
        weights = weights * np.exp(-STEP / (1 + step / STEPS_TO_HALF) * (slope - weights @ slope))
        weights = np.maximum(weights, 1e-5)
        weights = weights / weights.sum()
    return replace(mixture, weights=weights)
