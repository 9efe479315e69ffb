"""The first runs of a model, which are slower than all others, and what they tell."""

from collections.abc import Callable
from typing import Final

import numpy as np

from autoloops_engine.inference.decoder import Decoder
from autoloops_engine.inference.requests import DecodeRequest, decode

WARM_UP_DECODES: Final = 30


def warm_up(decoder: Decoder, clock_us: Callable[[], int], decodes: int = WARM_UP_DECODES) -> list[int]:
    """Decodes the last bar of random loops, as the slowest request does, and answers each duration in µs.

    Raises:
        ModelError: the model cannot be run.
    """
    manifest = decoder.manifest
    durations_us = []
    for seed in range(decodes):
        z = np.random.default_rng(seed).standard_normal(manifest.latent_size).astype(np.float32)
        began_us = clock_us()
        decode(decoder, DecodeRequest("", seed, z, manifest.bars - 1, seed))
        durations_us.append(clock_us() - began_us)
    return durations_us
