"""Knobs that tell the truth: latent directions ranked by what one hears, with even travel.

Sets of directions compete: the raw axes, the principal directions of the posterior means of held-out loops, and, where
bars may have latent dimensions of their own, those of bars, the same in every bar.
Each is measured by how many steps of a decoded loop change per unit moved, averaged over held-out loops; the set whose
best thirty change more is kept. Along each, a calibration curve makes equal steps of the knob equal musical change.
"""

from collections.abc import Callable, Sequence
from statistics import median
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from autoloops_engine.bundle.manifest import KNOB_REST, Knob
from autoloops_engine.inference.decoder import Decoder, Floats
from autoloops_engine.latent import Fader
from autoloops_export.evaluation.loops import LoopSet, decode_loops, encode_loops, few, reach_of

KNOBS: Final = 30
# Directions of a set that are tried; long loops have many hundreds.
CANDIDATES: Final = 96
RANKING_LOOPS: Final = 48
CALIBRATION_LOOPS: Final = 48
# Standard deviations of the prior, of two bars: a knob at its end leaves the loop among the plausible ones.
REACH: Final = 4.0
GRID: Final = 32
CURVE_POINTS: Final = 20
# Curves must rise strictly even where nothing changes for a while.
LEAST_CHANGE: Final = 1e-3
LEAST_OF_MORE: Final = 0.25
CHECKED_KNOBS: Final = 16
CHECKED_LOOPS: Final = 64
# One step is a percent of the travel.
CHECKED_STEPS: Final = 100
# A stretch that changes less than this share of what it should, by the mean over the travel, counts as dead.
DEAD_SHARE: Final = 0.1
TENTHS: Final = 10

Vectors = npt.NDArray[np.float64]


class Ranking(Struct, frozen=True):
    """What the directions were chosen by.

    Attributes:
        kept: Which set won.
        axes_change: Mean changed steps per unit, best thirty raw axes.
        principal_change: The same of the principal directions; None: there were no loops to find them by.
        bars_change: The same of the principal directions of bars, in every bar; None: bars have no latent dimensions.
    """

    kept: Literal["axes", "principal", "bars"]
    axes_change: float
    principal_change: float | None
    bars_change: float | None = None


class KnobReport(Struct, frozen=True):
    """What a knob does to loops that it was not calibrated on.

    Attributes:
        dead_zone: The longest stretch of its travel, in shares of it, over which the loops on average stay as they are.
        whole: Steps of a loop that change from end to end, summed along the way.
        tenths: The share of this in each tenth of the travel; 0.1 each where equal steps are equal changes.
    """

    dead_zone: float
    whole: float
    tenths: tuple[float, ...]

    @property
    def unevenness(self) -> float:
        """The largest share of a tenth over the smallest."""
        return max(self.tenths) / max(min(self.tenths), LEAST_CHANGE)


def knob_figures(reports: Sequence[KnobReport]) -> dict[str, float]:
    """Names to values: the worst dead zone, and how uneven the travel of the middling knob is."""
    return {
        "knob_dead_zone": max(report.dead_zone for report in reports),
        "knob_unevenness": round(median(report.unevenness for report in reports), 3),
    }


def check_knobs(decoder: Decoder, knobs: Sequence[Fader], loops: LoopSet, seed: int = 0) -> tuple[KnobReport, ...]:
    """Turns the first sixteen of a bundle's knobs from end to end.

    Args:
        decoder: The bundle, opened.
        knobs: Its knobs.
        loops: Held-out loops, other ones than the knobs were calibrated on.
        seed: Which of them.
    """
    some = loops.sample(np.random.default_rng(seed), few(CHECKED_LOOPS, decoder.manifest))
    mu, _ = encode_loops(decoder, some)
    return tuple(_turned(decoder, mu, knob) for knob in knobs[:CHECKED_KNOBS])


def _turned(decoder: Decoder, mu: Floats, knob: Fader) -> KnobReport:
    offsets = np.interp(np.linspace(0, 1, CHECKED_STEPS + 1), knob.positions, knob.offsets)
    changes = _changes(decoder, mu, knob.direction, offsets)
    whole = float(changes.sum())
    tenths = changes.reshape(TENTHS, -1).sum(axis=1) / max(whole, LEAST_CHANGE)
    return KnobReport(round(dead_zone(changes), 4), round(whole, 2), tuple(round(float(share), 4) for share in tenths))


def dead_zone(changes: Vectors) -> float:
    """The longest stretch, in shares of the whole, whose summed change stays below a tenth of its even share."""
    summed = np.concatenate([[0.0], np.cumsum(changes)])
    even = summed[-1] / len(changes)
    for length in range(len(changes), 0, -1):
        if (summed[length:] - summed[:-length] <= DEAD_SHARE * even * length).any():
            return length / len(changes)
    return 0.0


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
    sets: dict[Literal["axes", "principal", "bars"], tuple[Vectors, Vectors]] = {
        "axes": (axes, axes_change),
        "principal": (principal, principal_change),
    }
    bars = decoder.manifest.bars
    if decoder.manifest.kind == "hierarchical" and mu.shape[1] % bars == 0:
        say("ranking principal directions of bars")
        of_bars = principal_directions(mu.reshape(len(mu) * bars, -1))
        sets["bars"] = _best(decoder, loops, np.tile(of_bars, bars) / np.sqrt(bars))
    means = {name: float(change.mean()) for name, (_, change) in sets.items()}
    kept = max(means, key=lambda name: means[name])
    return *sets[kept], Ranking(kept, means["axes"], means["principal"], means.get("bars"))


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
    """The curve of a direction: knob travel 0 to 1 to an offset of up to :data:`REACH` deviations, 0.5 at rest.

    Equal steps of travel change equally many steps of the decoded loops, summed along the way and averaged over loops.
    So the side on which more happens ends where as much has happened as the other side has to offer (or a quarter of
    its own, where the other one offers next to nothing).
    """
    offsets = np.linspace(0.0, reach_of(REACH, decoder.manifest), GRID + 1)
    changes = [_changes(decoder, loops, side * direction, offsets) for side in (-1.0, 1.0)]
    less, more = sorted(float(of_side.sum()) for of_side in changes)
    below, above = (_even_offsets(of_side, offsets, max(less, LEAST_OF_MORE * more)) for of_side in changes)
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


def _even_offsets(changes: Vectors, offsets: Vectors, whole: float) -> Vectors:
    """The offsets at which 1/20, 2/20, … 20/20 of a whole change have happened, as far as there is so much."""
    summed = np.concatenate([[0.0], np.cumsum(np.maximum(changes, LEAST_CHANGE))])
    wanted = np.linspace(0.0, min(whole, summed[-1]) if whole > LEAST_CHANGE else summed[-1], CURVE_POINTS + 1)[1:]
    return np.asarray(np.interp(wanted, summed, offsets))


def _best(decoder: Decoder, loops: Floats, directions: Vectors) -> tuple[Vectors, Vectors]:
    """Those of the directions [K, Z] along which loops change most, and by how much, most first."""
    change = change_per_unit(decoder, loops, directions)
    best = np.argsort(-change, kind="stable")[:KNOBS]
    return directions[best], change[best]
