"""Drawing latent points from where the encoded training loops lie.

A trained encoder does not fill the standard normal prior evenly, so a point of the prior may lie where no loop ever
was. Drawing from a density fitted to the encodings after training mends that (ex-post density estimation: Ghosh et al.,
"From Variational to Deterministic Autoencoders", ICLR 2020, section 4; Dai and Wipf, "Diagnosing and Enhancing VAE
Models", ICLR 2019).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autoloops_engine.bundle.density import Density
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
        factor: [Z, Z].
    """

    weights: Vector
    scales: Vector
    means: Vector
    factor: Vector

    def draw(self, seed: int, index: int = 0) -> Vector:
        """A point, float64 [Z]: the same for the same seed and index."""
        (place,) = uniform(seed, Stream.COMPONENT, index, 1)
        last = len(self.weights) - 1
        component = min(int(np.searchsorted(np.cumsum(self.weights), place, side="right")), last)
        noise = normal(seed, Stream.PRIOR, index, self.means.shape[1])
        point = self.means[component] + self.scales[component] * (self.factor @ noise)
        return np.asarray(np.clip(point, -MAX_COORDINATE, MAX_COORDINATE))


def mixture_of(density: Density, latent_size: int) -> Mixture:
    """A bundle's density, which was checked with the bundle, ready to draw from."""
    numbers = np.frombuffer(density.numbers, dtype="<f2").astype(np.float64)
    count = density.components
    weights, scales, means, factor = np.split(numbers, np.cumsum([count, count, count * latent_size]))
    return Mixture(
        weights / weights.sum(),
        scales,
        means.reshape(count, latent_size),
        factor.reshape(latent_size, latent_size),
    )


def density_of(mixture: Mixture) -> Density:
    """The other way round: what a bundle carries of a mixture, rounded to float16."""
    numbers = (mixture.weights, mixture.scales, mixture.means, mixture.factor)
    packed = np.concatenate([array.ravel() for array in numbers]).astype("<f2").tobytes()
    return Density(len(mixture.weights), packed)
