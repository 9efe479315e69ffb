"""What a bundle can do on held-out loops, as figures."""

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt
from msgspec import Struct, structs

from autoloops_engine.codecs.melody import FIRST_ONSET, NO_EVENT
from autoloops_engine.inference.decoder import Decoder, Floats, Tokens
from autoloops_export.evaluation.loops import ROWS_AT_ONCE, decode_loops, encode_loops, forced_logits

ACTIVE_VARIANCE: Final = 0.01
COOL: Final = 0.2
TRUTH_AT_ONCE: Final = 8 * ROWS_AT_ONCE


class Figures(Struct, frozen=True):
    """Figures over held-out loops. Accuracies are shares of steps; all but counts and nats lie in 0 to 1.

    Attributes:
        loops: How many were measured.
        no_event: Accuracy of always answering "no event": the baseline.
        teacher_forced: Likeliest token given the true ones before, from a posterior sample.
        free_at_1: The model's own tokens fed back, temperature 1, from a posterior sample.
        free_at_02: The same at temperature 0.2 from the posterior mean.
        onset_f1_at_1: F1 of onset steps, whatever the pitch; from ``free_at_1``'s loops.
        onset_f1_at_02: The same from ``free_at_02``'s.
        pitch_at_1: Share of right pitches where truth and loop both have an onset.
        pitch_at_02: The same from ``free_at_02``'s.
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
    pitch_at_1: float
    pitch_at_02: float
    reconstruction: float
    kl: float
    active_dimensions: int

    def as_dict(self) -> dict[str, float]:
        """Names to values."""
        return {name: float(value) for name, value in structs.asdict(self).items()}


def measure(
    decoder: Decoder, tokens: npt.NDArray[np.integer], seed: int = 0, progress: Callable[[int], None] | None = None
) -> Figures:
    """Measures a bundle.

    Args:
        decoder: The bundle, opened.
        tokens: Held-out loops, [N, T], N from 1.
        seed: Of posterior samples and noise.
        progress: Called with the number of loops done.

    Returns:
        The figures; the same for the same seed.
    """
    rng = np.random.default_rng(seed)
    mu, sigma = encode_loops(decoder, tokens)
    sampled = mu + sigma * rng.standard_normal(mu.shape).astype(np.float32)
    right, nats = 0, 0.0
    at_1, at_02 = [], []
    for first in range(0, len(tokens), TRUTH_AT_ONCE):
        rows = slice(first, first + TRUTH_AT_ONCE)
        truth = np.asarray(tokens[rows], dtype=np.int64)
        logits = forced_logits(decoder, sampled[rows], truth)
        right += int((logits.argmax(axis=2) == truth).sum())
        nats += _cross_entropy(logits, truth)
        at_1.append(decode_loops(decoder, sampled[rows], 1.0, rng))
        at_02.append(decode_loops(decoder, mu[rows], COOL, rng))
        if progress is not None:
            progress(min(len(tokens), rows.stop))
    free_1, free_02 = np.concatenate(at_1), np.concatenate(at_02)
    return Figures(
        loops=len(tokens),
        no_event=float((tokens == NO_EVENT).mean()),
        teacher_forced=right / tokens.size,
        free_at_1=float((free_1 == tokens).mean()),
        free_at_02=float((free_02 == tokens).mean()),
        onset_f1_at_1=onset_f1(free_1, tokens),
        onset_f1_at_02=onset_f1(free_02, tokens),
        pitch_at_1=pitch_accuracy(free_1, tokens),
        pitch_at_02=pitch_accuracy(free_02, tokens),
        reconstruction=nats / len(tokens),
        kl=float((0.5 * (mu**2 + sigma**2 - 1) - np.log(sigma)).sum(axis=1).mean()),
        active_dimensions=int((mu.var(axis=0) > ACTIVE_VARIANCE).sum()),
    )


def onset_f1(found: npt.NDArray[np.integer], truth: npt.NDArray[np.integer]) -> float:
    """F1 of the steps that have an onset; 1 where neither has any."""
    has, should = found >= FIRST_ONSET, truth >= FIRST_ONSET
    total = int(has.sum() + should.sum())
    return 2 * int((has & should).sum()) / total if total else 1.0


def pitch_accuracy(found: npt.NDArray[np.integer], truth: npt.NDArray[np.integer]) -> float:
    """Share of right pitches where both have an onset; 0 where that is nowhere."""
    both = (found >= FIRST_ONSET) & (truth >= FIRST_ONSET)
    return float((found == truth)[both].mean()) if both.any() else 0.0


def _cross_entropy(logits: Floats, truth: Tokens) -> float:
    """Nats of the truth, summed over loops and steps."""
    shifted = logits.astype(np.float64) - logits.max(axis=2, keepdims=True)
    normaliser = np.log(np.exp(shifted).sum(axis=2))
    return float((normaliser - np.take_along_axis(shifted, truth[:, :, None], axis=2)[:, :, 0]).sum())
