"""What a model makes up: are loops from its prior, and between two loops, like real ones without being copies?

Overlap is the shared area of two histograms, 1 for equal ones (as in Yang and Lerch, "On the evaluation of generative
models in music", 2020, with histograms instead of smoothed densities).
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from autoloops_engine.bundle.manifest import Manifest
from autoloops_engine.codecs import drums
from autoloops_engine.codecs.melody import FIRST_ONSET, NO_EVENT
from autoloops_engine.inference.decoder import Decoder, Floats
from autoloops_engine.latent import slerp
from autoloops_export.data.melody import transposition_class
from autoloops_export.evaluation.loops import LoopSet, decode_loops, decode_set, encode_loops, few

MOST_LOOPS: Final = 1_000
PATHS: Final = 100
PATH_STEPS: Final = 9
NEIGHBOUR_LOOPS: Final = 200
WIDEST_INTERVAL: Final = 24
SHADES: Final = 16

Counts = npt.NDArray[np.float64]
Whole = npt.NDArray[np.integer[Any]]


class SampleFigures(Struct, frozen=True, kw_only=True):
    """Figures of made-up loops at temperature 1.

    Attributes:
        prior_overlap: Of each distribution, prior samples against held-out loops.
        midpoint_overlap: The same of points half-way between two held-out loops.
        copies: Share of prior samples that are training windows, lines in any transposition.
        empty: Share of prior samples without an onset.
        path_change: Share of steps that change from one to the next of nine points between two held-out loops.
        path_monotone: Share of those moves that do not come nearer to the start again.
        nearest_neighbour: Per-step accuracy of the likest training window, the baseline of a model that cannot compose.
    """

    prior_overlap: dict[str, float]
    midpoint_overlap: dict[str, float]
    copies: float
    empty: float
    path_change: float
    path_monotone: float
    nearest_neighbour: float

    def as_dict(self) -> dict[str, float]:
        """Names to values, overlaps by the least one."""
        return {
            "prior_overlap": min(self.prior_overlap.values()),
            "midpoint_overlap": min(self.midpoint_overlap.values()),
            "copies": self.copies,
            "empty": self.empty,
            "path_change": self.path_change,
            "path_monotone": self.path_monotone,
            "nearest_neighbour": self.nearest_neighbour,
        }


def measure_samples(
    decoder: Decoder, held_out: LoopSet, train: Whole, seed: int = 0, progress: Callable[[str], None] | None = None
) -> SampleFigures:
    """Measures what a bundle makes up.

    Args:
        decoder: The bundle, opened.
        held_out: Test loops, at least two.
        train: Tokens of the training windows, [N, T].
        seed: Of everything that is random here.
        progress: Called with a word on what happens next.
    """
    say = progress or (lambda word: None)
    rng = np.random.default_rng(seed)
    some = held_out.sample(rng, few(MOST_LOOPS, decoder.manifest))
    real = distributions(decoder.manifest, some)
    say("playing prior samples")
    z = rng.standard_normal((len(some.tokens), decoder.manifest.latent_size)).astype(np.float32)
    prior = decode_set(decoder, z, 1.0, rng)
    say("playing midpoints")
    mu, _ = encode_loops(decoder, some)
    others = rng.permutation(len(mu))
    between = np.stack([slerp(a, b, 0.5) for a, b in zip(mu, mu[others], strict=True)]).astype(np.float32)
    midpoints = decode_set(decoder, between, 1.0, rng)
    say("walking between loops")
    paths = few(PATHS, decoder.manifest)
    change, monotone = _paths(decoder, mu[:paths], mu[others][:paths])
    say("looking for neighbours")
    known = {_identity(decoder.manifest, row) for row in np.asarray(train)}
    silent = ~(prior.tokens >= FIRST_ONSET if _is_line(decoder.manifest) else prior.tokens > 0).any(axis=1)
    return SampleFigures(
        prior_overlap=_overlaps(real, distributions(decoder.manifest, prior)),
        midpoint_overlap=_overlaps(real, distributions(decoder.manifest, midpoints)),
        copies=float(np.mean([_identity(decoder.manifest, row) in known for row in prior.tokens])),
        empty=float(silent.mean()),
        path_change=change,
        path_monotone=monotone,
        nearest_neighbour=nearest_neighbour(some.tokens[:NEIGHBOUR_LOOPS], np.asarray(train)),
    )


def distributions(manifest: Manifest, loops: LoopSet) -> dict[str, Counts]:
    """Histograms of loops that add up to 1, by name."""
    counts = _line_counts(loops.tokens) if _is_line(manifest) else _drum_counts(loops)
    return {name: values / max(values.sum(), 1) for name, values in counts.items()}


def _is_line(manifest: Manifest) -> bool:
    return manifest.outputs[0].codec != drums.CODEC_NAME


def _line_counts(tokens: Whole) -> dict[str, Counts]:
    steps = tokens.shape[1]
    onsets = tokens >= FIRST_ONSET
    rows, at = np.nonzero(onsets)
    pitches = tokens[rows, at].astype(np.int64)
    together = rows[1:] == rows[:-1]
    intervals = np.clip(np.diff(pitches), -WIDEST_INTERVAL, WIDEST_INTERVAL)[together]
    return {
        "density": _histogram(onsets.sum(axis=1), steps + 1),
        # Class 2 is an A.
        "pitch class": _histogram((pitches - FIRST_ONSET + 9) % 12, 12),
        "interval": _histogram(intervals + WIDEST_INTERVAL, 2 * WIDEST_INTERVAL + 1),
        "time between onsets": _histogram(np.diff(at)[together], steps + 1),
        "length": _histogram(_lengths(tokens), steps + 1),
    }


def _lengths(tokens: Whole) -> npt.NDArray[np.int64]:
    """Steps from each onset to the next event or the loop's end."""
    lengths = []
    for row in tokens:
        events = np.append(np.flatnonzero(row != NO_EVENT), len(row))
        struck = row[events[:-1]] >= FIRST_ONSET
        lengths.append(np.diff(events)[struck])
    return np.concatenate(lengths) if lengths else np.empty(0, dtype=np.int64)


def _drum_counts(loops: LoopSet) -> dict[str, Counts]:
    hits = drums.hits_of(loops.tokens)
    velocities, offsets = (extra[hits] for extra in loops.extras)
    _, steps, voices = np.nonzero(hits)
    rows, at = np.nonzero(hits.any(axis=2))
    size = hits.shape[1]
    return {
        "density": _histogram(hits.sum(axis=(1, 2)) // 4, size * len(drums.VOICES) // 4 + 1),
        "voice": _histogram(voices, len(drums.VOICES)),
        "step": _histogram(steps % 16, 16),
        "time between onsets": _histogram(np.diff(at)[rows[1:] == rows[:-1]], size + 1),
        "velocity": _histogram(np.clip((velocities * SHADES).astype(np.int64), 0, SHADES - 1), SHADES),
        "timing": _histogram(np.clip(((offsets + 1) / 2 * SHADES).astype(np.int64), 0, SHADES - 1), SHADES),
    }


def _histogram(values: Whole, size: int) -> Counts:
    return np.bincount(values.astype(np.int64).ravel(), minlength=size)[:size].astype(np.float64)


def _overlaps(real: dict[str, Counts], made: dict[str, Counts]) -> dict[str, float]:
    return {name: round(float(np.minimum(real[name], made[name]).sum()), 4) for name in real}


def _identity(manifest: Manifest, row: Whole) -> bytes:
    return transposition_class(row.astype(np.uint8)) if _is_line(manifest) else row.astype(np.uint16).tobytes()


def _paths(decoder: Decoder, starts: Floats, ends: Floats) -> tuple[float, float]:
    """Mean share of steps that change from point to point, and the share of moves that do not go back."""
    amounts = np.linspace(0, 1, PATH_STEPS)
    points = np.stack([[slerp(a, b, t) for t in amounts] for a, b in zip(starts, ends, strict=True)])
    loops = decode_loops(decoder, points.reshape(-1, starts.shape[1]).astype(np.float32))
    paths = loops.reshape(len(starts), PATH_STEPS, -1)
    change = (paths[:, 1:] != paths[:, :-1]).mean()
    from_start = (paths != paths[:, :1]).mean(axis=2)
    return float(change), float((np.diff(from_start, axis=1) >= 0).mean())


def nearest_neighbour(tokens: Whole, train: Whole) -> float:
    """Mean share of steps in which the likest of ``train`` [N, T] agrees with each of ``tokens`` [B, T]."""
    return float(np.mean([(train == row).mean(axis=1).max() for row in tokens]))
