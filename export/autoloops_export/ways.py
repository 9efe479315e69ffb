"""Which ways between points suit a model: great circles, or those along its density. Measurement decides."""

from typing import Final, NamedTuple

import msgspec
import numpy as np

from autoloops_engine.bundle.manifest import Manifest
from autoloops_engine.inference.decoder import Decoder
from autoloops_engine.latent import LatentSpace, latent_space
from autoloops_export.evaluation.distributions import distributions, overlaps
from autoloops_export.evaluation.loops import LoopSet, decode_loops, decode_set, encode_loops
from autoloops_export.evaluation.samples import midpoints, pairs

MOST_LOOPS: Final = 3_000
MIDPOINTS: Final = 4_000
WALKED: Final = 100
POINTS: Final = 17
# Great circles change a loop more evenly: what is to replace them has to gain more than chance would.
LEAST_GAIN: Final = 0.02


class Ways(NamedTuple):
    """Great circles and the ways along the density, compared on held-out loops.

    Attributes:
        circle: Least overlap of loops half-way between two held-out loops with held-out loops, on great circles.
        led: The same on the ways along the density.
        circle_leap: The largest share of a loop's steps that change from one to the next of so many points on the way,
            mean over ways, on great circles.
        led_leap: The same on the ways along the density.
    """

    circle: float
    led: float
    circle_leap: float = 0.0
    led_leap: float = 0.0

    @property
    def leads(self) -> bool:
        """Whether the ways along the density are to be taken."""
        return self.led >= self.circle + LEAST_GAIN


def compare_ways(decoder: Decoder, held_out: LoopSet, seed: int = 0) -> Ways | None:
    """Measures both.

    Args:
        decoder: The bundle, opened.
        held_out: Loops that the model has not learnt and that are not those to test on.
        seed: Of everything that is random here.

    Returns:
        The figures; None where several parts share the point, where there are no two loops to compare with, and where
        the shape of the density is a narrow one, as that of long loops is: it says too little of where loops lie.
    """
    manifest = decoder.manifest
    if manifest.density is None or manifest.density.rank or len(manifest.outputs) > 1 or len(held_out.tokens) < 2:
        return None
    rng = np.random.default_rng(seed)
    some = held_out.sample(rng, MOST_LOOPS)
    wanted = distributions(manifest, some)
    starts, ends = pairs(encode_loops(decoder, some)[0], MIDPOINTS, rng)

    def least(space: LatentSpace) -> float:
        loops = decode_set(decoder, midpoints(space, starts, ends), manifest.sampling.temperature, rng)
        return min(overlaps(wanted, distributions(manifest, loops)).values())

    def leap(space: LatentSpace) -> float:
        some = list(zip(starts[:WALKED], ends[:WALKED], strict=True))
        points = np.array([[space.between(pair, amount) for amount in np.linspace(0, 1, POINTS)] for pair in some])
        loops = decode_loops(decoder, points.reshape(-1, points.shape[2]).astype(np.float32))
        paths = loops.reshape(len(some), POINTS, -1)
        return float((paths[:, 1:] != paths[:, :-1]).mean(axis=2).max(axis=1).mean())

    circle, along = (latent_space(led(manifest, leads=leads)) for leads in (False, True))
    return Ways(least(circle), least(along), leap(circle), leap(along))


def led(manifest: Manifest, *, leads: bool) -> Manifest:
    """The manifest with ways along its density, or with great circles."""
    assert manifest.density is not None
    return msgspec.structs.replace(manifest, density=msgspec.structs.replace(manifest.density, leads=leads))
