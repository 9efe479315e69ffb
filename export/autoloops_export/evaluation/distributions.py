"""Distributions of what loops are made of, and how far those of two sets of loops overlap."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from autoloops_engine.bundle.manifest import Manifest
from autoloops_engine.codecs import drums
from autoloops_engine.codecs.melody import FIRST_ONSET, NO_EVENT
from autoloops_export.data.melody import transposition_class
from autoloops_export.evaluation.loops import LoopSet

WIDEST_INTERVAL: Final = 24
SHADES: Final = 16

Counts = npt.NDArray[np.float64]
Whole = npt.NDArray[np.integer[Any]]


def distributions(manifest: Manifest, loops: LoopSet) -> dict[str, Counts]:
    """Histograms of loops that add up to 1, by name."""
    return {name: values / max(values.sum(), 1) for name, values in counts_of(manifest, loops).items()}


def counts_of(manifest: Manifest, loops: LoopSet) -> dict[str, Counts]:
    """What the histograms of loops are made of: how often each value occurs in them, by name."""
    return _line_counts(loops.tokens) if is_line(manifest) else _drum_counts(loops)


def is_line(manifest: Manifest) -> bool:
    """Whether the model plays lines, not drums."""
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


def overlaps(real: dict[str, Counts], made: dict[str, Counts]) -> dict[str, float]:
    """The shared area of two sets of histograms, by name."""
    return {name: round(float(np.minimum(real[name], made[name]).sum()), 4) for name in real}


def identity(manifest: Manifest, row: Whole) -> bytes:
    """What only an equal loop shares, lines in any transposition."""
    return transposition_class(row.astype(np.uint8)) if is_line(manifest) else row.astype(np.uint16).tobytes()
