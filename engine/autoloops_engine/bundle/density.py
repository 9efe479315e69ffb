"""Where the encoded training loops lie: a mixture of normal distributions, as a bundle carries it."""

import math
import struct
from typing import Annotated

from msgspec import Meta, Struct

from autoloops_engine.units import MAX_COORDINATE

BYTES_PER_NUMBER = 2


class Density(Struct, frozen=True):
    """A mixture of K normal distributions of one shape, each somewhere else and of its own size.

    A point is drawn as ``means[k] + scales[k] * (factor @ noise)``, where k falls with ``weights`` and the noise is
    standard normal.

    Attributes:
        components: K.
        numbers: weights [K], scales [K], means [K, Z] and factor [Z, Z], in this order and by rows, as little-endian
            float16 (base64 in JSON). Weights need not add up to 1.
    """

    components: Annotated[int, Meta(ge=1, le=4096)]
    numbers: bytes


def count_of(components: int, latent_size: int) -> int:
    """How many numbers such a density has."""
    return components * (2 + latent_size) + latent_size * latent_size


def density_fault(density: Density, latent_size: int) -> str | None:
    """What is wrong with a density, as the rest of "it has …"; None when all is well."""
    count = count_of(density.components, latent_size)
    if len(density.numbers) != count * BYTES_PER_NUMBER:
        return f"{len(density.numbers)} bytes, not {count * BYTES_PER_NUMBER}"
    numbers = struct.unpack(f"<{count}e", density.numbers)
    # Written so that not-a-number fails too.
    if not all(abs(number) <= MAX_COORDINATE for number in numbers):
        return f"a number that is none, or larger than {MAX_COORDINATE:g}"
    weights, scales = numbers[: density.components], numbers[density.components : 2 * density.components]
    if min(weights) < 0 or min(scales) < 0 or math.fsum(weights) <= 0:
        return "weights or scales below 0"
    return None
