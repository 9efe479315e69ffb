"""What a bundle can do on held-out loops, as figures."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Struct, structs

from autoloops_engine.codecs import drums
from autoloops_engine.codecs.melody import FIRST_ONSET, NO_EVENT
from autoloops_engine.inference.decoder import Decoder, Floats, Tokens
from autoloops_export.evaluation.loops import ROWS_AT_ONCE, LoopSet, decode_set, encode_loops, forced_logits, joined

ACTIVE_VARIANCE: Final = 0.01
COOL: Final = 0.2
TRUTH_AT_ONCE: Final = 8 * ROWS_AT_ONCE


class Figures(Struct, frozen=True, kw_only=True):
    """Figures over held-out loops. Accuracies are shares of steps; all but counts and nats lie in 0 to 1.

    Attributes:
        loops: How many were measured.
        no_event: Accuracy of always answering "no event": the baseline.
        teacher_forced: Likeliest token given the true ones before, from a posterior sample.
        free_at_1: The model's own tokens fed back, temperature 1, from a posterior sample. Of drums a step is right
            where all nine voices are.
        free_at_02: The same at temperature 0.2 from the posterior mean.
        onset_f1_at_1: F1 of onset steps, whatever the pitch (drums: of hits, voice by voice); from ``free_at_1``'s
            loops.
        onset_f1_at_02: The same from ``free_at_02``'s.
        reconstruction: Nats a loop, teacher-forced, from a posterior sample.
        kl: Kullback-Leibler divergence of posterior from prior, nats a loop.
        active_dimensions: Dimensions whose posterior mean varies by more than 0.01 (Burda et al., 2016).
    """

    loops: int
    no_event: float
    teacher_forced: float
    free_at_1: float
    free_at_02: float
    onset_f1_at_1: float
    onset_f1_at_02: float
    reconstruction: float
    kl: float
    active_dimensions: int

    def as_dict(self) -> dict[str, float]:
        """Names to values."""
        return {name: float(value) for name, value in structs.asdict(self).items()}


class LineFigures(Figures, frozen=True, kw_only=True):
    """What lines have beside.

    Attributes:
        pitch_at_1: Share of right pitches where truth and loop both have an onset, temperature 1.
        pitch_at_02: The same at temperature 0.2 from the posterior mean.
    """

    pitch_at_1: float
    pitch_at_02: float


class DrumFigures(Figures, frozen=True, kw_only=True):
    """What drums have beside: mean absolute errors at the hits that truth and loop share, temperature 0.2, mean.

    Attributes:
        velocity_error: Of velocities, 0 to 1.
        timing_error: Of offsets, in half steps.
        flat_velocity_error: Of the baseline: every hit as loud as the mean.
        flat_timing_error: Of the baseline: every hit on its step.
    """

    velocity_error: float
    timing_error: float
    flat_velocity_error: float
    flat_timing_error: float


class _Decoded(NamedTuple):
    right: int
    nats: float
    at_1: LoopSet
    at_02: LoopSet


def measure(
    decoder: Decoder, loops: LoopSet, seed: int = 0, progress: Callable[[int], None] | None = None
) -> LineFigures | DrumFigures:
    """Measures a bundle.

    Args:
        decoder: The bundle, opened.
        loops: Held-out loops, at least one.
        seed: Of posterior samples and noise.
        progress: Called with the number of loops done.

    Returns:
        The figures; the same for the same seed.
    """
    rng = np.random.default_rng(seed)
    tokens = loops.tokens
    mu, sigma = encode_loops(decoder, loops)
    sampled = mu + sigma * rng.standard_normal(mu.shape).astype(np.float32)
    done = _decoded(decoder, tokens, mu, sampled, rng, progress)
    drum = decoder.manifest.outputs[0].codec == drums.CODEC_NAME
    f1 = hit_f1 if drum else onset_f1
    common = {
        "loops": len(tokens),
        "no_event": float((tokens == NO_EVENT).mean()),
        "teacher_forced": done.right / tokens.size,
        "free_at_1": float((done.at_1.tokens == tokens).mean()),
        "free_at_02": float((done.at_02.tokens == tokens).mean()),
        "onset_f1_at_1": f1(done.at_1.tokens, tokens),
        "onset_f1_at_02": f1(done.at_02.tokens, tokens),
        "reconstruction": done.nats / len(tokens),
        "kl": float((0.5 * (mu**2 + sigma**2 - 1) - np.log(sigma)).sum(axis=1).mean()),
        "active_dimensions": int((mu.var(axis=0) > ACTIVE_VARIANCE).sum()),
    }
    if drum:
        return msgspec.convert({**common, **touch_errors(done.at_02, loops)}, DrumFigures)
    pitches = {
        "pitch_at_1": pitch_accuracy(done.at_1.tokens, tokens),
        "pitch_at_02": pitch_accuracy(done.at_02.tokens, tokens),
    }
    return msgspec.convert({**common, **pitches}, LineFigures)


def _decoded(
    decoder: Decoder,
    tokens: npt.NDArray[np.integer[Any]],
    mu: Floats,
    sampled: Floats,
    rng: np.random.Generator,
    progress: Callable[[int], None] | None,
) -> _Decoded:
    """All loops, teacher-forced and free-running."""
    right, nats = 0, 0.0
    at_1, at_02 = [], []
    for first in range(0, len(tokens), TRUTH_AT_ONCE):
        rows = slice(first, first + TRUTH_AT_ONCE)
        truth = np.asarray(tokens[rows], dtype=np.int64)
        logits = forced_logits(decoder, sampled[rows], truth)
        right += int((logits.argmax(axis=2) == truth).sum())
        nats += _cross_entropy(logits, truth)
        at_1.append(decode_set(decoder, sampled[rows], 1.0, rng))
        at_02.append(decode_set(decoder, mu[rows], COOL, rng))
        if progress is not None:
            progress(min(len(tokens), rows.stop))
    return _Decoded(right, nats, joined(at_1), joined(at_02))


def touch_errors(found: LoopSet, truth: LoopSet) -> dict[str, float]:
    """The figures of :class:`DrumFigures` that lines do not have; 0 where no hit is shared."""
    both = drums.hits_of(found.tokens) & drums.hits_of(truth.tokens)
    (loud, early), (found_loud, found_early) = truth.extras, found.extras
    if not both.any():
        return dict.fromkeys(("velocity_error", "timing_error", "flat_velocity_error", "flat_timing_error"), 0.0)
    return {
        "velocity_error": float(np.abs(found_loud - loud)[both].mean()),
        "timing_error": float(np.abs(found_early - early)[both].mean()),
        "flat_velocity_error": float(np.abs(loud[both].mean() - loud)[both].mean()),
        "flat_timing_error": float(np.abs(early)[both].mean()),
    }


def hit_f1(found: npt.NDArray[np.integer[Any]], truth: npt.NDArray[np.integer[Any]]) -> float:
    """F1 of the hits of all voices; 1 where neither has any."""
    return _f1(drums.hits_of(found), drums.hits_of(truth))


def onset_f1(found: npt.NDArray[np.integer[Any]], truth: npt.NDArray[np.integer[Any]]) -> float:
    """F1 of the steps that have an onset; 1 where neither has any."""
    return _f1(found >= FIRST_ONSET, truth >= FIRST_ONSET)


def _f1(has: npt.NDArray[np.bool_], should: npt.NDArray[np.bool_]) -> float:
    total = int(has.sum() + should.sum())
    return 2 * int((has & should).sum()) / total if total else 1.0


def pitch_accuracy(found: npt.NDArray[np.integer[Any]], truth: npt.NDArray[np.integer[Any]]) -> float:
    """Share of right pitches where both have an onset; 0 where that is nowhere."""
    both = (found >= FIRST_ONSET) & (truth >= FIRST_ONSET)
    return float((found == truth)[both].mean()) if both.any() else 0.0


def _cross_entropy(logits: Floats, truth: Tokens) -> float:
    """Nats of the truth, summed over loops and steps."""
    shifted = logits.astype(np.float64) - logits.max(axis=2, keepdims=True)
    normaliser = np.log(np.exp(shifted).sum(axis=2))
    return float((normaliser - np.take_along_axis(shifted, truth[:, :, None], axis=2)[:, :, 0]).sum())
