"""The first runs of a model, which are slower than all others, and what the next ones tell."""

from collections.abc import Callable
from typing import Final

import numpy as np

from autoloops_engine.codecs.registry import codec_named
from autoloops_engine.inference.decoder import Decoder
from autoloops_engine.inference.requests import DecodeRequest, decode, encode

# These make onnxruntime lay out its memory and fill the caches; what they take says nothing of the runs to come.
COLD_DECODES: Final = 5
WARM_UP_DECODES: Final = 20


def warm_up(decoder: Decoder, clock_us: Callable[[], int], decodes: int = WARM_UP_DECODES) -> list[int]:
    """Runs every graph and answers how long decoding a bar takes once the model is warm.

    Encodes an empty loop, then decodes the last bar of random loops, as the slowest request does: a few times for the
    caches, then ``decodes`` times by the clock.

    Returns:
        The duration of each of those, in µs.

    Raises:
        ModelError: the model cannot be run, or answers what its manifest does not promise.
    """
    manifest = decoder.manifest
    steps = manifest.bars * manifest.steps_per_bar
    features = np.zeros((steps, codec_named(manifest.outputs[0].codec).feature_size), dtype=np.float32)
    encode(decoder, features)
    durations_us = []
    for seed in range(COLD_DECODES + decodes):
        z = np.random.default_rng(seed).standard_normal(manifest.latent_size).astype(np.float32)
        began_us = clock_us()
        decode(decoder, DecodeRequest("", seed, z, manifest.bars - 1, seed))
        durations_us.append(clock_us() - began_us)
    return durations_us[COLD_DECODES:]
