"""What a model makes up: are its new loops, and those between two loops, like real ones without being copies?

Overlap is the shared area of two histograms, 1 for equal ones (as in Yang and Lerch, "On the evaluation of generative
models in music", 2020, with histograms instead of smoothed densities). How much of it can be had is seen from real
loops: those of other tunes overlap with the test loops only so far.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from msgspec import Struct

from autoloops_engine.bundle.manifest import Manifest
from autoloops_engine.codecs.melody import FIRST_ONSET
from autoloops_engine.errors import UsageError
from autoloops_engine.inference.decoder import Decoder, Floats
from autoloops_engine.latent import LatentSpace, latent_space
from autoloops_export.evaluation.distributions import Whole, distributions, identity, is_line, overlaps
from autoloops_export.evaluation.loops import LoopSet, decode_loops, decode_set, encode_loops, few

MOST_LOOPS: Final = 3_000
# New loops, and midpoints: many, so that their own chance counts for little.
MADE_UP: Final = 10_000
PATHS: Final = 100
PATH_STEPS: Final = 9
NEIGHBOUR_LOOPS: Final = 200


class SampleFigures(Struct, frozen=True, kw_only=True):
    """Figures of made-up loops at temperature 1.

    Attributes:
        prior_overlap: Of each distribution, new loops, drawn as `fire new` draws them, against test loops.
        midpoint_overlap: The same of points half-way between two test loops.
        train_overlap: The same of the training loops themselves: what new loops would get if they were drawn exactly
            as these.
        valid_overlap: The same of the validation loops: other tunes that were held out.
        copies: Share of new loops that are training windows, lines in any transposition.
        empty: Share of new loops without an onset.
        midpoint_copies: ``copies`` of the midpoints.
        midpoint_empty: ``empty`` of the midpoints.
        path_change: Share of steps that change from one to the next of nine points between two held-out loops.
        path_monotone: Share of those moves that do not come nearer to the start again.
        nearest_neighbour: Per-step accuracy of the likest training window, the baseline of a model that cannot compose.
    """

    prior_overlap: dict[str, float]
    midpoint_overlap: dict[str, float]
    train_overlap: dict[str, float]
    valid_overlap: dict[str, float]
    copies: float
    empty: float
    midpoint_copies: float
    midpoint_empty: float
    path_change: float
    path_monotone: float
    nearest_neighbour: float

    def as_dict(self) -> dict[str, float]:
        """Names to values, overlaps by the least one."""
        return {
            "prior_overlap": min(self.prior_overlap.values()),
            "midpoint_overlap": min(self.midpoint_overlap.values()),
            "train_overlap": min(self.train_overlap.values()),
            "valid_overlap": min(self.valid_overlap.values()),
            "copies": self.copies,
            "empty": self.empty,
            "midpoint_copies": self.midpoint_copies,
            "midpoint_empty": self.midpoint_empty,
            "path_change": self.path_change,
            "path_monotone": self.path_monotone,
            "nearest_neighbour": self.nearest_neighbour,
        }


class RealLoops(NamedTuple):
    """The loops that made-up ones are compared with.

    Attributes:
        test: Held out to the very end; at least two.
        valid: Held out from training, of other tunes; at least one.
        train: What the model learnt from.
    """

    test: LoopSet
    valid: LoopSet
    train: LoopSet


def measure_samples(
    decoder: Decoder, real: RealLoops, seed: int = 0, progress: Callable[[str], None] | None = None
) -> SampleFigures:
    """Measures what a bundle makes up.

    Args:
        decoder: The bundle, opened.
        real: What it is compared with.
        seed: Of everything that is random here.
        progress: Called with a word on what happens next.
    """
    say = progress or (lambda word: None)
    rng = np.random.default_rng(seed)
    manifest = decoder.manifest
    made_up = few(MADE_UP, manifest)
    some = real.test.sample(rng, few(MOST_LOOPS, manifest))
    wanted = distributions(manifest, some)

    def overlap(loops: LoopSet) -> dict[str, float]:
        return overlaps(wanted, distributions(manifest, loops))

    say("playing new loops")
    space = latent_space(manifest)
    z = np.stack([space.new_point(seed, index) for index in range(made_up)]).astype(np.float32)
    new = decode_set(decoder, z, manifest.sampling.temperature, rng)
    say("playing midpoints")
    mu, _ = encode_loops(decoder, some)
    starts, ends = pairs(mu, made_up, rng)
    between = decode_set(decoder, midpoints(space, starts, ends), manifest.sampling.temperature, rng)
    say("walking between loops")
    paths = few(PATHS, manifest)
    change, monotone = _paths(decoder, space, starts[:paths], ends[:paths])
    say("looking for copies and neighbours")
    train = np.asarray(real.train.tokens)
    known = {identity(manifest, row) for row in train}
    return SampleFigures(
        prior_overlap=overlap(new),
        midpoint_overlap=overlap(between),
        train_overlap=overlap(real.train),
        valid_overlap=overlap(real.valid),
        copies=_copies(manifest, new, known),
        empty=_empty(manifest, new),
        midpoint_copies=_copies(manifest, between, known),
        midpoint_empty=_empty(manifest, between),
        path_change=change,
        path_monotone=monotone,
        nearest_neighbour=nearest_neighbour(some.tokens[:NEIGHBOUR_LOOPS], train),
    )


def pairs(mu: Floats, count: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Encodings of two different loops each, so many pairs.

    Raises:
        UsageError: there are no two loops.
    """
    if len(mu) < 2:
        raise UsageError("Fewer than two loops are held out, too few to measure on: prepare more tunes.")
    first = np.resize(rng.permutation(len(mu)), count)
    second = (first + rng.integers(1, len(mu), count)) % len(mu)
    return mu[first], mu[second]


def midpoints(space: LatentSpace, starts: Floats, ends: Floats) -> Floats:
    """The points half-way between each two, [B, Z]."""
    return np.stack([space.between((a, b), 0.5) for a, b in zip(starts, ends, strict=True)]).astype(np.float32)


def _copies(manifest: Manifest, loops: LoopSet, known: set[bytes]) -> float:
    return float(np.mean([identity(manifest, row) in known for row in loops.tokens]))


def _empty(manifest: Manifest, loops: LoopSet) -> float:
    struck = loops.tokens >= FIRST_ONSET if is_line(manifest) else loops.tokens > 0
    return float((~struck.any(axis=1)).mean())


def _paths(decoder: Decoder, space: LatentSpace, starts: Floats, ends: Floats) -> tuple[float, float]:
    """Mean share of steps that change from point to point, and the share of moves that do not go back."""
    amounts = np.linspace(0, 1, PATH_STEPS)
    points = np.stack([[space.between((a, b), t) for t in amounts] for a, b in zip(starts, ends, strict=True)])
    loops = decode_loops(decoder, points.reshape(-1, starts.shape[1]).astype(np.float32))
    paths = loops.reshape(len(starts), PATH_STEPS, -1)
    change = (paths[:, 1:] != paths[:, :-1]).mean()
    from_start = (paths != paths[:, :1]).mean(axis=2)
    return float(change), float((np.diff(from_start, axis=1) >= 0).mean())


def nearest_neighbour(tokens: Whole, train: Whole) -> float:
    """Mean share of steps in which the likest of ``train`` [N, T] agrees with each of ``tokens`` [B, T]."""
    return float(np.mean([(train == row).mean(axis=1).max() for row in tokens]))
