"""Knobs that tell the truth: latent directions ranked by what one hears, with even travel.

Two sets of directions compete: the raw axes and the principal directions of the posterior means of held-out loops.
Each is measured by how many steps of a decoded loop change per unit moved, averaged over held-out loops; the set whose
best thirty change more is kept. Along each, a calibration curve makes equal steps of the knob equal musical change.
"""

from collections.abc import Callable
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from autoloops_engine.bundle.manifest import KNOB_REST, Knob
from autoloops_engine.inference.decoder import Decoder, Floats
from autoloops_export.evaluation.loops import LoopSet, decode_loops, encode_loops, few

KNOBS: Final = 30
# Directions of a set that are tried; long loops have many hundreds.
CANDIDATES: Final = 96
RANKING_LOOPS: Final = 48
CALIBRATION_LOOPS: Final = 48
# Standard deviations of the prior: a knob at its end leaves the loop among the plausible ones.
REACH: Final = 4.0
GRID: Final = 20
CURVE_POINTS: Final = 10
# Curves must rise strictly even where nothing changes for a while.
LEAST_CHANGE: Final = 1e-3

Vectors = npt.NDArray[np.float64]


class Ranking(Struct, frozen=True):
    """What the directions were chosen by.

    Attributes:
        kept: Which set won.
        axes_change: Mean changed steps per unit, best thirty raw axes.
        principal_change: The same of the principal directions; None: there were no loops to find them by.
    """

    kept: Literal["axes", "principal"]
    axes_change: float
    principal_change: float | None


def rank_knobs(
    decoder: Decoder,
    held_out: LoopSet | None,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> tuple[tuple[Knob, ...], Ranking]:
    """The most telling directions of a bundle, calibrated.

    Args:
        decoder: The bundle, opened.
        held_out: Held-out loops; some hundreds are enough. None: points of the prior, and raw axes alone.
        seed: Chooses the loops.
        progress: Called with a word on what is measured next.
    """
    say = progress or (lambda _: None)
    rng = np.random.default_rng(seed)
    if held_out is None:
        shape = (max(RANKING_LOOPS, CALIBRATION_LOOPS), decoder.manifest.latent_size)
        mu: Floats = rng.standard_normal(shape, dtype=np.float32)
    else:
        mu, _ = encode_loops(decoder, held_out)
    loops = mu[rng.permutation(len(mu))[: few(RANKING_LOOPS, decoder.manifest)]]
    directions, change, ranking = _most_telling(decoder, loops, None if held_out is None else mu, say)
    loops = mu[rng.permutation(len(mu))[: few(CALIBRATION_LOOPS, decoder.manifest)]]
    knobs = []
    for number, (along, changed) in enumerate(zip(directions, change, strict=True), 1):
        say(f"calibrating knob {number} of {len(directions)}")
        curve = calibrate(decoder, loops, along)
        direction = tuple(round(float(x), 6) for x in along)
        knobs.append(Knob(direction, curve, round(float(changed), 4)))
    return tuple(knobs), ranking


def _most_telling(
    decoder: Decoder, loops: Floats, mu: Floats | None, say: Callable[[str], None]
) -> tuple[Vectors, Vectors, Ranking]:
    """The best thirty directions with what changes along each, from the better of the two sets."""
    say("ranking axes")
    axes, axes_change = _best(decoder, loops, likely_axes(loops if mu is None else mu))
    if mu is None:
        return axes, axes_change, Ranking("axes", float(axes_change.mean()), None)
    say("ranking principal directions")
    principal, principal_change = _best(decoder, loops, principal_directions(mu))
    means = float(axes_change.mean()), float(principal_change.mean())
    if means[1] > means[0]:
        return principal, principal_change, Ranking("principal", *means)
    return axes, axes_change, Ranking("axes", *means)


def likely_axes(mu: Floats) -> Vectors:
    """Raw latent axes [K, Z]: of many only those along which the posterior means vary most."""
    most = np.argsort(-mu.var(axis=0), kind="stable")[:CANDIDATES]
    return np.eye(mu.shape[1])[np.sort(most)]


def principal_directions(mu: Floats) -> Vectors:
    """Unit vectors [K, Z] along which the posterior means vary, most first; signs make the largest number positive."""
    _, _, directions = np.linalg.svd(mu.astype(np.float64) - mu.mean(axis=0), full_matrices=False)
    largest = np.take_along_axis(directions, np.abs(directions).argmax(axis=1)[:, None], axis=1)
    return np.asarray(directions * np.sign(largest))[:CANDIDATES]


def change_per_unit(decoder: Decoder, loops: Floats, directions: Vectors) -> Vectors:
    """Steps of a loop that change when its point [B, Z] moves one unit along each direction, to either side: [K]."""
    rest = decode_loops(decoder, loops)
    changes = np.zeros(len(directions))
    for index, direction in enumerate(directions):
        for side in (-1.0, 1.0):
            moved = decode_loops(decoder, (loops + side * direction).astype(np.float32))
            changes[index] += (moved != rest).sum(axis=1).mean() / 2
    return changes


def calibrate(decoder: Decoder, loops: Floats, direction: Vectors) -> tuple[tuple[float, float], ...]:
    """The curve of a direction: knob travel 0 to 1 to an offset of up to 4 deviations, 0.5 at rest.

    From rest to either end, equal steps of travel change equally many steps of the decoded loops, summed along the way
    and averaged over loops.
    """
    offsets = np.linspace(0.0, REACH, GRID + 1)
    below = _even_offsets(_changes(decoder, loops, -direction, offsets), offsets)
    above = _even_offsets(_changes(decoder, loops, direction, offsets), offsets)
    travel = np.linspace(0.0, 1.0, CURVE_POINTS + 1)[1:]
    points = [(KNOB_REST * (1 - t), -o) for t, o in zip(travel[::-1], below[::-1], strict=True)]
    points.append((KNOB_REST, 0.0))
    points += [(KNOB_REST * (1 + t), o) for t, o in zip(travel, above, strict=True)]
    return tuple((round(float(t), 6), round(float(o), 5)) for t, o in points)


def _changes(decoder: Decoder, loops: Floats, direction: Vectors, offsets: Vectors) -> Vectors:
    """Mean changed steps from one offset to the next, [len(offsets) - 1]."""
    points = loops[None] + offsets[:, None, None] * direction
    decoded = decode_loops(decoder, points.reshape(-1, loops.shape[1]).astype(np.float32))
    by_offset = decoded.reshape(len(offsets), len(loops), -1)
    changed: Vectors = (by_offset[1:] != by_offset[:-1]).sum(axis=2).mean(axis=1)
    return changed


def _even_offsets(changes: Vectors, offsets: Vectors) -> Vectors:
    """The offsets at which 1/10, 2/10, … 10/10 of the whole change has happened."""
    summed = np.concatenate([[0.0], np.cumsum(np.maximum(changes, LEAST_CHANGE))])
    wanted = np.linspace(0.0, summed[-1], CURVE_POINTS + 1)[1:]
    return np.asarray(np.interp(wanted, summed, offsets))


def _best(decoder: Decoder, loops: Floats, directions: Vectors) -> tuple[Vectors, Vectors]:
    """Those of the directions [K, Z] along which loops change most, and by how much, most first."""
    change = change_per_unit(decoder, loops, directions)
    best = np.argsort(-change, kind="stable")[:KNOBS]
    return directions[best], change[best]
