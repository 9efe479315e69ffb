"""Giving back the spread of velocities and timing that a decoder's mean answers lack.

A decoder that learns by squared or absolute errors answers the mean of what may be: loud hits come out too soft, soft
ones too loud, late and early ones too much on the grid. Along a rising curve that takes the quantiles of what is
decoded to those of what was played, order and accents stay and the spread is that of people.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from autoloops_engine.bundle.manifest import Curve
from autoloops_engine.codecs import drums
from autoloops_engine.inference.decoder import Decoder
from autoloops_export.evaluation.loops import LoopSet, decode_set, encode_loops

LOOPS: Final = 5_000
QUANTILES: Final = 65


def fit_touch(decoder: Decoder, train: LoopSet, seed: int = 0) -> tuple[Curve, ...]:
    """What decoded velocities and offsets are to be played as; nothing for codecs that have none.

    Args:
        decoder: The bundle, opened, without such curves.
        train: Training loops.
        seed: Which of them, and the noise.
    """
    if decoder.manifest.outputs[0].codec != drums.CODEC_NAME:
        return ()
    rng = np.random.default_rng(seed)
    real = train.sample(rng, LOOPS)
    mu, sigma = encode_loops(decoder, real)
    z = mu + sigma * rng.standard_normal(mu.shape).astype(np.float32)
    made = decode_set(decoder, z, 1.0, rng)
    hits, made_hits = drums.hits_of(real.tokens), drums.hits_of(made.tokens)
    if not hits.any() or not made_hits.any():
        return ()
    curves = (
        matching_curve(mine[made_hits], theirs[hits]) for mine, theirs in zip(made.extras, real.extras, strict=True)
    )
    return tuple(curves)


def matching_curve(made: npt.NDArray[np.floating], real: npt.NDArray[np.floating]) -> Curve:
    """The rising curve that takes the quantiles of ``made`` to those of ``real``."""
    shares = np.linspace(0, 1, QUANTILES)
    points = zip(np.quantile(made, shares), np.quantile(real, shares), strict=True)
    curve: list[tuple[float, float]] = []
    for decoded, played in ((round(float(a), 5), round(float(b), 5)) for a, b in points):
        if not curve or decoded > curve[-1][0]:
            curve.append((decoded, played))
    # Values that are all alike are played as they are.
    return tuple(curve) if len(curve) > 1 else ((-1.0, -1.0), (1.0, 1.0))
