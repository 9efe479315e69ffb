"""Where the encoded training loops lie: a mixture of normal distributions, as a bundle carries it."""

import math
import struct
from typing import Annotated

from msgspec import Meta, Struct

from autoloops_engine.units import MAX_COORDINATE

BYTES_PER_NUMBER = 2


class Density(Struct, frozen=True):
    """A mixture of K normal distributions of one shape, each somewhere else and of its own size.

    A point is drawn as ``means[k] + scales[k] * (factor @ noise + own * more)``, where k falls with ``weights``, and
    noise and more are standard normal. Of large latent spaces the factor is narrow and ``own`` is what every coordinate
    has for itself; of small ones the factor is square, and there is no ``own``.

    Attributes:
        components: K.
        numbers: weights [K], scales [K], means [K, Z], factor [Z, R] and own [Z], in this order and by rows, as
            little-endian float16 (base64 in JSON). Weights need not add up to 1.
        rank: R, less than Z; 0: the factor is [Z, Z], and ``own`` is left out.
        leads: Whether the ways between two points lead along it, because measurement found them better there than on
            great circles.
    """

    components: Annotated[int, Meta(ge=1, le=4096)]
    numbers: bytes
    rank: Annotated[int, Meta(ge=0, le=4096)] = 0
    leads: bool = False


def sizes_of(density: Density, latent_size: int) -> tuple[int, int, int, int, int]:
    """How many weights, scales, coordinates of means, numbers of the factor and own deviations such a density has."""
    count, rank = density.components, density.rank
    return count, count, count * latent_size, latent_size * (rank or latent_size), latent_size if rank else 0


def density_fault(density: Density, latent_size: int) -> str | None:
    """What is wrong with a density, as the rest of "it has …"; None when all is well."""
    if density.rank and density.rank >= latent_size:
        return f"rank {density.rank}, not less than {latent_size}"
    count = sum(sizes_of(density, latent_size))
    if len(density.numbers) != count * BYTES_PER_NUMBER:
        return f"{len(density.numbers)} bytes, not {count * BYTES_PER_NUMBER}"
    numbers = struct.unpack(f"<{count}e", density.numbers)
    # Written so that not-a-number fails too.
    if not all(abs(number) <= MAX_COORDINATE for number in numbers):
        return f"a number that is none, or larger than {MAX_COORDINATE:g}"
    weights, scales = numbers[: density.components], numbers[density.components : 2 * density.components]
    own = numbers[-latent_size:] if density.rank else (0.0,)
    if min(min(weights), min(scales), min(own)) < 0 or math.fsum(weights) <= 0:
        return "weights or scales below 0, or deviations"
    return None
