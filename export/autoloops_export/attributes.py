"""Attribute faders: latent directions that move what one hears, found by regression and checked by decoding.

Ridge regression of the attributes of held-out loops on their posterior means gives what each direction of the latent
space does; of all directions that move an attribute by one, a regularised pseudo-inverse picks the one that leaves the
others nearly alone. How far the loops must move is then read off decoded loops: fader 0 and 1 are the 5th and the 95th
percentile of the attribute over held-out loops.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from autoloops_engine.bundle.manifest import Attribute
from autoloops_engine.codecs.attributes import Measure, attributes_of
from autoloops_engine.inference.decoder import Decoder, Floats
from autoloops_export.evaluation.loops import LoopSet, decode_set, encode_loops, few, reach_of

LOW, HIGH = 5, 95
# Shrinks the regression, in shares of the variance of a posterior mean's coordinate.
RIDGE: Final = 0.5
# How much of an attribute's pull is given up for leaving the others alone: 0 would leave them alone at any distance.
MIXING: Final = 0.4
# Standard deviations of the prior: beyond, loops are no longer plausible.
REACH: Final = 6.0
GRID: Final = 17
CURVE_POINTS: Final = 5
FADERS: Final = 9
CALIBRATION_LOOPS: Final = 48
CHECKED_LOOPS: Final = 48

Numbers = npt.NDArray[np.float64]


class AttributeReport(Struct, frozen=True):
    """What an attribute's fader does to test loops, without any search.

    Attributes:
        name: Of the attribute.
        low: What fader 0 stands for.
        high: What fader 1 stands for.
        along_a_loop: Spearman correlation of fader and attribute when one loop's fader is moved, mean over loops.
        over_loops: The same over all loops and positions together.
        leakage: What moving it from 0 to 1 changes in every attribute, in shares of that one's range.
    """

    name: str
    low: float
    high: float
    along_a_loop: float
    over_loops: float
    leakage: dict[str, float]


class _Space(Struct, frozen=True):
    decoder: Decoder
    measures: dict[str, Measure]
    low: Numbers
    high: Numbers

    def decoded(self, z: Numbers) -> Numbers:
        """Attributes [B, K] of the likeliest loops at points [B, Z]."""
        return measured(self.measures, decode_set(self.decoder, z.astype(np.float32)))


def fit_attributes(
    decoder: Decoder, held_out: LoopSet, test: LoopSet, progress: Callable[[str], None], seed: int = 0
) -> tuple[tuple[Attribute, ...], tuple[AttributeReport, ...]]:
    """Directions, curves and how well they do.

    Args:
        decoder: The bundle, opened.
        held_out: Loops to learn the directions from; some hundreds are enough.
        test: Other loops to check them on.
        progress: Called with a word on what happens next.
        seed: Which loops are decoded.

    Returns:
        The attributes that vary and whose loops follow them, and the report of each; nothing where the codec has none.
    """
    measures = attributes_of(decoder.manifest.outputs[0].codec)
    wanted = measured(measures, held_out) if measures else np.empty((0, 0))
    varied = [place for place, column in enumerate(wanted.T) if _varies(column)]
    names = [name for i, name in enumerate(measures) if i in varied]
    if not names:
        return (), ()
    wanted = wanted[:, varied]
    low, high = np.nanpercentile(wanted, LOW, axis=0), np.nanpercentile(wanted, HIGH, axis=0)
    space = _Space(decoder, {name: measures[name] for name in names}, low, high)
    mu, _ = encode_loops(decoder, held_out)
    rng = np.random.default_rng(seed)
    loops = mu[rng.permutation(len(mu))[: few(CALIBRATION_LOOPS, decoder.manifest)]]
    attributes = []
    bars = 1 if decoder.manifest.kind == "flat" else decoder.manifest.bars
    for place, (name, direction) in enumerate(zip(names, best_directions(mu, wanted, bars), strict=True)):
        progress(f"calibrating the attribute {name}")
        rest, curve = calibrate(space, loops, direction, place)
        unit = tuple(round(float(x), 6) for x in direction)
        ends = round(float(low[place]), 5), round(float(high[place]), 5)
        attributes.append(Attribute(name, unit, curve, rest, low=ends[0], high=ends[1]))
    progress("checking the attributes")
    points, _ = encode_loops(decoder, test)
    points = points[rng.permutation(len(points))[: few(CHECKED_LOOPS, decoder.manifest)]]
    return tuple(attributes), tuple(_report(space, attribute, points) for attribute in attributes)


def measured(measures: dict[str, Measure], loops: LoopSet) -> Numbers:
    """The attributes of loops, [B, K]."""
    return np.stack([measure(loops.tokens, loops.extras) for measure in measures.values()], axis=1)


def best_directions(mu: Floats, wanted: Numbers, bars: int) -> Numbers:
    """Unit vectors [K, Z] along which the attributes rise: the same in every bar where that tells more.

    A hierarchical model may have latent dimensions for each bar that mean the same in all of them. Then there are
    far fewer numbers to find. Half of the loops decide, on which directions are tried that the others gave.
    """
    if bars == 1 or mu.shape[1] % bars:
        return directions_of(mu, wanted)
    means = mu.reshape(len(mu), bars, -1).mean(axis=1)
    half = len(mu) // 2
    found = _told(mu[half:], wanted[half:], directions_of(mu[:half], wanted[:half]))
    repeated = _told(means[half:], wanted[half:], directions_of(means[:half], wanted[:half]))
    if found > repeated:
        return directions_of(mu, wanted)
    every_bar: Numbers = np.tile(directions_of(means, wanted), bars) / np.sqrt(bars)
    return every_bar


def _told(points: Floats, wanted: Numbers, directions: Numbers) -> float:
    """Mean rank correlation of each attribute with where points lie along its direction."""
    along = points @ directions.T
    return float(np.mean([spearman(column, own) for column, own in zip(wanted.T, along.T, strict=True)]))


def directions_of(mu: Floats, wanted: Numbers) -> Numbers:
    """Unit vectors [K, Z] along which the attributes [B, K] of loops at ``mu`` [B, Z] rise, each mostly alone."""
    points = mu.astype(np.float64) - mu.mean(axis=0)
    blank = np.isnan(wanted)
    filled = np.where(blank, np.nanmean(wanted, axis=0), wanted)
    scaled = (filled - filled.mean(axis=0)) / filled.std(axis=0)
    ridge = RIDGE * points.var() * len(points) * np.eye(points.shape[1])
    weights = np.linalg.solve(points.T @ points + ridge, points.T @ scaled).T
    together = weights @ weights.T
    apart = together + MIXING * np.trace(together) / len(together) * np.eye(len(together))
    directions = np.linalg.solve(apart, weights)
    unit: Numbers = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    return unit


def calibrate(
    space: _Space, loops: Floats, direction: Numbers, place: int
) -> tuple[float, tuple[tuple[float, float], ...]]:
    """The fader's rest and its curve: where decoded loops have, on average, what each position stands for."""
    reach = reach_of(REACH, space.decoder.manifest)
    offsets = np.linspace(-reach, reach, GRID)
    points = loops[None] + offsets[:, None, None] * direction
    values = space.decoded(points.reshape(-1, loops.shape[1]))[:, place].reshape(GRID, -1)
    means = np.maximum.accumulate(_mean(values, axis=1))
    at = (means - space.low[place]) / (space.high[place] - space.low[place])
    rest = round(float(np.clip(at[GRID // 2], 0.1, 0.9)), 3)
    # A hair's rise where nothing changes keeps the inverse single-valued.
    at = at - at[GRID // 2] + rest + 1e-6 * offsets
    below = [(rest * i / CURVE_POINTS) for i in range(CURVE_POINTS)]
    above = [rest + (1 - rest) * i / CURVE_POINTS for i in range(1, CURVE_POINTS + 1)]
    curve = [(round(f, 6), round(float(np.interp(f, at, offsets)), 5)) for f in below]
    curve.append((rest, 0.0))
    curve += [(round(f, 6), round(float(np.interp(f, at, offsets)), 5)) for f in above]
    return rest, tuple(curve)


def _report(space: _Space, attribute: Attribute, points: Floats) -> AttributeReport:
    names = list(space.measures)
    place = names.index(attribute.name)
    faders = np.linspace(0, 1, FADERS)
    travel, offsets = zip(*attribute.curve, strict=True)
    moved = np.interp(faders, travel, offsets)
    z = points[None] + moved[:, None, None] * np.array(attribute.direction)
    values = space.decoded(z.reshape(-1, points.shape[1])).reshape(FADERS, len(points), len(names))
    own = values[:, :, place]
    change = _mean(values[-1] - values[0], axis=0) / (space.high - space.low)
    return AttributeReport(
        attribute.name,
        round(float(space.low[place]), 3),
        round(float(space.high[place]), 3),
        round(float(np.mean([spearman(faders, column) for column in own.T])), 3),
        round(spearman(np.repeat(faders, len(points)), own.ravel()), 3),
        {name: round(float(share), 3) for name, share in zip(names, change, strict=True)},
    )


def _varies(column: Numbers) -> bool:
    known = column[~np.isnan(column)]
    return len(known) > 0 and bool(np.percentile(known, HIGH) > np.percentile(known, LOW))


def _mean(values: Numbers, axis: int) -> Numbers:
    """The mean over all but NaN, 0 where there is nothing else: a loop may fall silent."""
    some = ~np.isnan(values)
    return np.asarray(np.where(some, values, 0).sum(axis=axis) / np.maximum(some.sum(axis=axis), 1))


def spearman(a: Numbers, b: Numbers) -> float:
    """Rank correlation over the pairs without NaN, ties sharing their mean rank; 0 where either is constant."""
    some = ~(np.isnan(a) | np.isnan(b))
    ranks_a, ranks_b = _ranks(a[some]), _ranks(b[some])
    if len(ranks_a) < 2 or ranks_a.std() == 0 or ranks_b.std() == 0:
        return 0.0
    return float(np.corrcoef(ranks_a, ranks_b)[0, 1])


def _ranks(values: Numbers) -> Numbers:
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: Numbers = (last - (counts - 1) / 2)[which]
    return ranks
