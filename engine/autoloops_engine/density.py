"""Drawing latent points from where the encoded training loops lie.

A trained encoder does not fill the standard normal prior evenly, so a point of the prior may lie where no loop ever
was. Drawing from a density fitted to the encodings after training mends that (ex-post density estimation: Ghosh et al.,
"From Variational to Deterministic Autoencoders", ICLR 2020, section 4; Dai and Wipf, "Diagnosing and Enhancing VAE
Models", ICLR 2019).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autoloops_engine.bundle.density import Density, sizes_of
from autoloops_engine.philox import Stream, normal, uniform
from autoloops_engine.units import MAX_COORDINATE

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Mixture:
    """A density ready to draw from; see :class:`Density`.

    Attributes:
        weights: [K], adding up to 1.
        scales: [K].
        means: [K, Z].
        factor: [Z, R].
        own: Deviations [Z] that the factor leaves to every coordinate; None: it leaves none.
    """

    weights: Vector
    scales: Vector
    means: Vector
    factor: Vector
    own: Vector | None = None

    def draw(self, seed: int, index: int = 0) -> Vector:
        """A point, float64 [Z]: the same for the same seed and index."""
        (place,) = uniform(seed, Stream.COMPONENT, index, 1)
        last = len(self.weights) - 1
        component = min(int(np.searchsorted(np.cumsum(self.weights), place, side="right")), last)
        size, rank = self.factor.shape
        noise = normal(seed, Stream.PRIOR, index, rank if self.own is None else rank + size)
        around = self.factor @ noise[:rank]
        if self.own is not None:
            around = around + self.own * noise[rank:]
        point = self.means[component] + self.scales[component] * around
        return np.asarray(np.clip(point, -MAX_COORDINATE, MAX_COORDINATE))


def mixture_of(density: Density, latent_size: int) -> Mixture:
    """A bundle's density, which was checked with the bundle, ready to draw from."""
    numbers = np.frombuffer(density.numbers, dtype="<f2").astype(np.float64)
    ends = np.cumsum(sizes_of(density, latent_size))
    weights, scales, means, factor, own = np.split(numbers, ends[:-1])
    return Mixture(
        weights / weights.sum(),
        scales,
        means.reshape(-1, latent_size),
        factor.reshape(latent_size, -1),
        own if len(own) else None,
    )


def density_of(mixture: Mixture) -> Density:
    """The other way round: what a bundle carries of a mixture, rounded to float16."""
    own = np.empty(0) if mixture.own is None else mixture.own
    numbers = (mixture.weights, mixture.scales, mixture.means, mixture.factor, own)
    packed = np.concatenate([array.ravel() for array in numbers]).astype("<f2").tobytes()
    return Density(len(mixture.weights), packed, 0 if mixture.own is None else mixture.factor.shape[1])
