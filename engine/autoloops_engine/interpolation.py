"""Ways between latent points that lead through where loops lie.

A straight way or a great circle between two encoded loops crosses land where no loop ever was: half-way between four
notes and eight lie six, which hardly any bass line has. A bundle's density says where loops lie. Its probability flow
leads every point, without chance and continuously, to one of a standard normal distribution and back (Song et al.,
"Score-Based Generative Modeling through Stochastic Differential Equations", ICLR 2021, section 4.3); of a mixture of
normal distributions it is known in closed form. There a great circle between two points is as likely as its ends, so
led back every point of it lies where loops do.

Time is an angle t: a point x is cos t of a loop and sin t of noise, and dx/dt = -tan t (x + grad log p_t(x)).
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from autoloops_engine.density import Mixture, Vector

Table = npt.NDArray[np.float32]

# The flow begins with a little noise, which small components would be islands without, and ends short of nothing else.
FIRST: Final = 0.15
LAST: Final = np.pi / 2 - 0.05
# Steps of Heun's method. Twenty come no nearer to the distributions of real loops (docs/models.md).
STEPS: Final = 6
# Ends of ways that are remembered: as many parts as there may be, with four corners each.
REMEMBERED: Final = 4 * 64
# Variance, and share of its mean variance, that a density has everywhere, however narrow it says that it is.
LEAST_VARIANCE: Final = 1e-6


def pad(way: Callable[[Vector, Vector, float], Vector], corners: Sequence[Vector], x: float, y: float = 0.0) -> Vector:
    """A point between two corners, or between four: on the way between points of two ways.

    Raises:
        ValueError: there are as many corners as neither has.
    """
    if len(corners) == 2:
        a, b = corners
        return way(a, b, x)
    a, b, c, d = corners
    return way(way(a, b, x), way(c, d, x), y)


def slerp(a: npt.ArrayLike, b: npt.ArrayLike, amount: float) -> Vector:
    """Spherical interpolation from ``a`` (amount 0) to ``b`` (amount 1).

    The direction turns evenly (Shoemake, "Animating rotation with quaternion curves", 1985, section 3.3) while the
    length goes evenly from one to the other: turned as they are, vectors of different lengths that are nearly opposite
    would lead far out. Where no great circle is given (parallel, opposite or zero vectors) it is linear.
    """
    start, end = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    first, last = float(np.linalg.norm(start)), float(np.linalg.norm(end))
    cosine = float(start @ end) / (first * last) if first * last > 0 else 1.0
    angle = float(np.arccos(np.clip(cosine, -1.0, 1.0)))
    sine = float(np.sin(angle))
    if sine < 1e-6:
        return _line(start, end, amount)
    turned = np.sin((1.0 - amount) * angle) * (start / first) + np.sin(amount * angle) * (end / last)
    return np.asarray(((1.0 - amount) * first + amount * last) / sine * turned)


class _Moment(NamedTuple):
    """The mixture at one time, in even coordinates.

    Attributes:
        slope: -tan t.
        sharpness: One over the variances of the components, [K, Z].
        pull: Their means times that, [K, Z].
        height: Logarithms of their weights and normalisers, at the origin, [K].
    """

    slope: float
    sharpness: Table
    pull: Table
    height: Table

    def flow(self, x: Table) -> Table:
        """How fast a point [Z] moves."""
        heights = self.height - 0.5 * (self.sharpness @ (x * x)) + self.pull @ x
        shares = np.exp(heights - heights.max())
        shares /= shares.sum()
        flow: Table = self.slope * (x - x * (shares @ self.sharpness) + shares @ self.pull)
        return flow


class Paths:
    """The ways of one density. Thread: any; nothing of it changes but what it remembers."""

    def __init__(self, mixture: Mixture) -> None:
        weights, scales = mixture.weights / mixture.weights.sum(), mixture.scales
        shape = mixture.factor @ mixture.factor.T
        if mixture.own is not None:
            shape = shape + np.diag(mixture.own**2)
        self._centre: Vector = weights @ mixture.means
        around = mixture.means - self._centre
        # Coordinates in which the whole mixture is as wide everywhere and the shape of its components has axes.
        spread = shape * (weights @ scales**2) + (around.T * weights) @ around
        least = LEAST_VARIANCE * (1 + np.trace(spread) / len(spread))
        whole = np.linalg.cholesky(spread + least * np.eye(len(spread)))
        evened = np.linalg.solve(whole, np.linalg.solve(whole, shape).T)
        variances, axes = np.linalg.eigh(evened)
        self._there: Vector = axes.T @ np.linalg.inv(whole)
        self._back: Vector = whole @ axes
        means, sizes = around @ self._there.T, np.maximum(scales, 1e-3)[:, None] ** 2 * np.maximum(variances, 0)
        times = np.linspace(FIRST, LAST, STEPS + 1)
        self._step = float(times[1] - times[0])
        self._moments = [_moment(float(t), weights, means, sizes) for t in times]
        self._ends = lru_cache(maxsize=REMEMBERED)(self._end)

    def between(self, corners: Sequence[Vector], x: float, y: float = 0.0) -> Vector:
        """A point on the way between two points or on the pad between four, float64 [Z].

        Args:
            corners: Points [Z]; at ``x`` 0 and 1, and of four at ``y`` 0 and 1, these themselves are met.
            x: From the first to the second, and from the third to the fourth; 0 to 1.
            y: From the first pair to the second; 0 to 1.
        """
        ends = [self._ends(np.asarray(corner, dtype=np.float64).tobytes()) for corner in corners]
        normal = pad(slerp, [end for end, _ in ends], x, y)
        # What the few steps there and back miss is given to every point as much as it is near.
        missed = pad(_line, [missed for _, missed in ends], x, y)
        return self._led_back(normal) + missed

    def _end(self, point: bytes) -> tuple[Vector, Vector]:
        """Where a point lies in the normal distribution, and what is missing when it is led back."""
        z = np.frombuffer(point)
        x = (np.cos(FIRST) * (self._there @ (z - self._centre))).astype(np.float32)
        for here, there in zip(self._moments, self._moments[1:], strict=False):
            x = _heun(x, here, there, self._step)
        normal = x.astype(np.float64)
        return normal, z - self._led_back(normal)

    def _led_back(self, normal: Vector) -> Vector:
        x = normal.astype(np.float32)
        for here, there in zip(self._moments[:0:-1], self._moments[-2::-1], strict=True):
            x = _heun(x, here, there, -self._step)
        return np.asarray(self._centre + self._back @ (x.astype(np.float64) / np.cos(FIRST)))


def _moment(t: float, weights: Vector, means: Vector, sizes: Vector) -> _Moment:
    """The mixture with means and variances ``sizes`` [K, Z] at a time."""
    variances = np.cos(t) ** 2 * sizes + np.sin(t) ** 2
    moved = np.cos(t) * means
    height = np.log(np.maximum(weights, 1e-12)) - 0.5 * (np.log(variances) + moved**2 / variances).sum(axis=1)
    sharpness, pull, heights = (each.astype(np.float32) for each in (1 / variances, moved / variances, height))
    return _Moment(-np.tan(t), sharpness, pull, heights)


def _heun(x: Table, here: _Moment, there: _Moment, step: float) -> Table:
    """A point one step on."""
    flow = here.flow(x)
    return np.asarray(x + step / 2 * (flow + there.flow(x + step * flow)), dtype=np.float32)


def _line(a: Vector, b: Vector, amount: float) -> Vector:
    return np.asarray((1 - amount) * a + amount * b)
